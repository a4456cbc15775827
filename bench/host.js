// A process for one peer: makes its cases when asked, answers, and times calls. Messages come one at a time.
const { name, makers } = await import(process.argv[2])
const made = new Map()

const caseOf = async (title) => {
  if (!made.has(title)) made.set(title, await makers[title]())
  return made.get(title)
}

const commands = {
  /** Making the case and calling it once: nothing of it was traced or compiled before. */
  first: async ({ title }) => {
    const begin = performance.now()
    await (await caseOf(title)).first()
    return { milliseconds: [performance.now() - begin] }
  },
  answer: async ({ title }) => {
    const { answer } = await caseOf(title)
    return { values: Array.from(await answer()) }
  },
  time: async ({ title, calls }) => {
    const { call } = await caseOf(title)
    const milliseconds = []
    for (let i = 0; i < calls; i++) {
      const begin = performance.now()
      const pending = call()
      if (pending instanceof Promise) await pending
      milliseconds.push(performance.now() - begin)
    }
    return { milliseconds }
  },
}

process.on('message', async (message) => process.send(await commands[message.command](message)))
process.send({ name, node: process.version, resident: process.memoryUsage().rss })
