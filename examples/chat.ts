/** `npm run chat -- --model SOURCE`: talks with a model in the terminal; without a chat template it goes on with what one writes. */
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { CotangentError, init, np, random } from '../src/index.ts'
import { load } from '../src/hub/node.ts'
import { type Generated, generate } from '../src/models/index.ts'
import type { Message } from '../src/text/index.ts'
import { command } from './commandLine.ts'
import { Refusal } from './train/refusal.ts'

const HELP = `Talks with a model.

  npm run chat -- --model SOURCE

  --model SOURCE         a folder in Hugging Face's form, a URL of one, or a Hub id
  --system TEXT          what the model is told first
  --prompt TEXT          answers this and ends
  --max-new-tokens N     of an answer (256)
  --context N            tokens that are remembered (what the model is meant for, at most 4096)
  --temperature T        0 takes the likeliest token and draws nothing (0)
  --top-k N, --top-p P, --min-p P
                         among which tokens it draws
  --repetition-penalty R above 1: what was there already is less likely
  --seed N               of the draws (0)
  --dtype D              float32, float16 or bfloat16 (as the files have it)
  --device D             wasm, webgpu or reference (wasm)

While it answers Ctrl-C stops the answer; /reset begins anew, /exit ends.`

const text = { type: 'string' } as const
const options = {
  ...{ model: text, system: text, prompt: text, 'max-new-tokens': text, context: text, temperature: text, 'top-k': text, 'top-p': text },
  ...{ 'min-p': text, 'repetition-penalty': text, seed: text, dtype: text, device: { ...text, default: 'wasm' } },
  help: { type: 'boolean', short: 'h' },
} as const

const dim = (text: string): string => (process.stderr.isTTY ? `\x1b[2m${text}\x1b[0m` : text)
const say = (text: string): void => void process.stderr.write(`${dim(text)}\n`)

const run = async (): Promise<void> => {
  const { values } = parseArgs({ options })
  if (values.help === true) return void process.stdout.write(`${HELP}\n`)
  if (values.model === undefined) throw new Refusal('--model is needed: a folder, a URL or a Hub id (--help says more)')
  const number = (name: Exclude<keyof typeof values, 'help'>): number | undefined => {
    const given = values[name]
    if (given === undefined) return undefined
    const n = Number(given)
    return given.trim() !== '' && Number.isFinite(n) ? n : refuse(`--${name} ${given} is no number`)
  }
  const whole = (name: Parameters<typeof number>[0], least: number): number | undefined => {
    const n = number(name)
    return n === undefined || (Number.isSafeInteger(n) && n >= least)
      ? n
      : refuse(`--${name} ${n}: a whole number of at least ${least} is needed`)
  }
  const maxNewTokens = whole('max-new-tokens', 1) ?? 256
  const remembered = whole('context', 2)
  const seed = whole('seed', 0) ?? 0
  const sampling = Object.fromEntries(
    ([['temperature', 'temperature'], ['topK', 'top-k'], ['topP', 'top-p'], ['minP', 'min-p'], ['repetitionPenalty', 'repetition-penalty']] as const) // prettier-ignore
      .flatMap(([to, from]) => (number(from) === undefined ? [] : [[to, number(from)!]])),
  )
  const dtype = values.dtype
  if (dtype !== undefined && dtype !== 'float32' && dtype !== 'float16' && dtype !== 'bfloat16') throw new Refusal(`--dtype ${dtype}: float32, float16 or bfloat16 is needed`) // prettier-ignore
  await init({ device: values.device as 'wasm' })
  const began = performance.now()
  const { model, params, tokenizer } = await load(values.model, {
    ...(dtype === undefined ? {} : { dtype }),
    onProgress: ({ stage, file, loaded, total }) => {
      const what = stage === 'download' ? ` of ${file}` : ''
      if (process.stderr.isTTY)
        process.stderr.write(`\r\x1b[K${dim(`${Math.floor((100 * loaded) / total)}% of ${(total / 1e6).toFixed(1)} MB${what}`)}`)
    },
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  if (tokenizer === null) throw new Refusal(`${values.model} has no tokenizer.json: there is nothing to read texts with`)
  say(`${values.model}: ${model.config.layers.length} layers of ${model.config.width}, loaded in ${((performance.now() - began) / 1000).toFixed(1)} s${tokenizer.hasChat ? '' : '; it has no chat template, and goes on with what you write'}`) // prettier-ignore

  const context = remembered ?? Math.min(model.config.context, 4096)
  /** A window smaller than what is remembered: its keys are written over, and can't be gone back to. */
  const slides = model.config.layers.some(({ window }) => window !== null && window < context)
  const system: readonly Message[] = values.system === undefined ? [] : [{ role: 'system', content: values.system }]
  let key = random.key(seed)
  if (values.system !== undefined && !tokenizer.hasChat) throw new Refusal('--system: the model has no chat template to tell it with; write it before what you say') // prettier-ignore
  let messages: Message[] = [...system]
  /** The ids of all that was said, and the cache that has them. */
  let said: number[] = []
  let cache: Generated['cache'] | null = null
  let answering: AbortController | null = null

  const answer = async (text: string): Promise<void> => {
    messages.push({ role: 'user', content: text })
    const ids = tokenizer.hasChat
      ? tokenizer.encode(tokenizer.chat(messages), { special: false })
      : [...said, ...tokenizer.encode(text, { special: said.length === 0 })]
    // What the cache has already isn't read again: the template may have changed what stands before.
    let kept = 0
    const held = cache === null ? 0 : said.length
    while (kept < held && kept < ids.length - 1 && said[kept] === ids[kept]) kept++
    if (kept < held && slides) kept = 0
    if (ids.length + 1 > context)
      throw new Refusal(
        `this is ${ids.length} tokens, and ${context} are remembered: ${said.length > 0 ? '/reset begins anew' : 'say less, or remember more (--context)'}`,
      )
    const room = Math.min(maxNewTokens, context - ids.length)
    answering = new AbortController()
    const [now, next] = random.split(key) as unknown as readonly [typeof key, typeof key]
    key = next
    const from = generate(model, params, {
      ...sampling,
      ...(cache === null ? { capacity: context } : { cache: { ...cache, lengths: np.array([kept], { dtype: 'int32' }) } }),
      ...{ tokenizer, inputIds: ids.slice(kept), maxNewTokens: room, key: now, signal: answering.signal },
    })
    let content = ''
    const [start, first] = [performance.now(), { at: 0 }]
    for (;;) {
      const { done, value } = await from.next()
      if (done === true) {
        const tokens = value.tokens[0]!
        said = [...ids, ...tokens]
        cache = value.cache
        const [read, write] = [(first.at || performance.now()) - start, performance.now() - (first.at || start)]
        const pace = tokens.length > 1 ? `, ${((1000 * (tokens.length - 1)) / write).toFixed(1)} a second` : ''
        process.stdout.write('\n')
        say(
          `${ids.length - kept} token${ids.length - kept === 1 ? '' : 's'} read in ${read.toFixed(0)} ms; ${tokens.length} written${pace}`,
        )
        break
      }
      if (first.at === 0) first.at = performance.now()
      content += value
      process.stdout.write(value)
    }
    answering = null
    messages.push({ role: 'assistant', content })
  }

  if (values.prompt !== undefined) return answer(values.prompt)
  const lines = createInterface({
    input: process.stdin,
    output: process.stdin.isTTY ? process.stdout : undefined!,
    prompt: '> ',
    terminal: process.stdin.isTTY,
  })
  const stop = (): void => (answering === null ? void lines.close() : answering.abort())
  lines.on('SIGINT', stop)
  process.on('SIGINT', stop)
  if (process.stdin.isTTY) lines.prompt()
  for await (const line of lines) {
    if (line === '/exit') break
    if (line === '/reset') [messages, said, cache] = [[...system], [], null]
    else if (line.trim() !== '') {
      try {
        await answer(line)
      } catch (error) {
        answering = null
        if (!(error instanceof Refusal || error instanceof CotangentError)) throw error
        messages.pop()
        say(error.message)
      }
    }
    if (process.stdin.isTTY) lines.prompt()
  }
}
const refuse = (why: string): never => {
  throw new Refusal(why)
}

await command(run)
