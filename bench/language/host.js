// A process for one peer: opens the model, and generates when asked.
import { NEW_TOKENS, PROMPT } from './prompt.js'

const [, , module, folder, options] = process.argv
const { open } = await import(module)
const peer = await open(folder, JSON.parse(options))

const commands = {
  generate: async () => {
    const [tokens, times] = [[], []]
    const begin = performance.now()
    const own = await peer.generate(PROMPT, NEW_TOKENS, (id) => {
      tokens.push(id)
      times.push(performance.now())
    })
    return { tokens, prefill: times[0] - begin, decode: times.at(-1) - times[0], ...own }
  },
  margin: ({ tokens }) => peer.margin(PROMPT, tokens),
  close: async () => {
    await peer.close?.()
    process.disconnect()
  },
}
process.on('message', async (message) => {
  const answer = await commands[message.command](message)
  if (process.connected) process.send(answer ?? null)
})
process.send({ node: process.version })
