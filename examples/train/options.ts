/** The command line: one table of flags gives the parser, its checks and the help. */
import { parseArgs } from 'node:util'
import { Refusal } from './refusal.ts'

/** What decides a run's losses, and how often they are shown. */
export interface Recipe {
  readonly steps: number
  readonly device: string
  readonly layers: number
  readonly heads: number
  readonly width: number
  readonly context: number
  readonly batch: number
  readonly lr: number
  readonly dropout: number
  readonly seed: number
  readonly logEvery: number
  readonly evalEvery: number
}
export type Command =
  | { readonly kind: 'help' }
  /** A new run; `out` and `text` are null where the job chooses. */
  | { readonly kind: 'start'; readonly recipe: Recipe; readonly text: string | null; readonly out: string | null }
  /** `given` is what the command line repeats of the run's recipe. */
  | { readonly kind: 'resume'; readonly folder: string; readonly given: Partial<Recipe>; readonly text: string | null }

interface Flag {
  readonly help: string
  /** Absent: a number's default is in the recipe; a path has none. */
  readonly value: 'count' | 'positive' | 'share' | 'natural' | 'name' | 'path'
}
/** nanoGPT's recipe for a CPU. */
export const defaults: Recipe = {
  steps: 2000,
  device: 'wasm',
  layers: 4,
  heads: 4,
  width: 128,
  context: 64,
  batch: 12,
  lr: 1e-3,
  dropout: 0,
  seed: 1337,
  logEvery: 10,
  evalEvery: 250,
}
const flags: Readonly<Record<string, Flag>> = {
  text: { help: 'a UTF-8 file to learn from; without it, the sources and documents of this project', value: 'path' },
  steps: { help: 'steps in all', value: 'count' },
  device: { help: 'what it runs on', value: 'name' },
  layers: { help: 'blocks of the Transformer', value: 'count' },
  heads: { help: 'attention heads in a block', value: 'count' },
  width: { help: 'width of the residual stream; the heads divide it', value: 'count' },
  context: { help: 'characters that the model sees at once', value: 'count' },
  batch: { help: 'sequences in a step', value: 'count' },
  lr: { help: 'peak learning rate; it falls to a tenth', value: 'positive' },
  dropout: { help: 'share of activations dropped in training', value: 'share' },
  seed: { help: 'decides weights, batches and dropout', value: 'natural' },
  'log-every': { help: 'steps between measurements', value: 'count' },
  'eval-every': { help: 'steps between validations, each followed by a checkpoint', value: 'count' },
  out: { help: 'folder of the new run; default runs/<time>', value: 'path' },
  resume: { help: 'folder of a run that was stopped, to go on with', value: 'path' },
}
const camel = (name: string): string => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase())
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`

export const help = (): string => {
  const rows = Object.entries(flags).map(([name, { help, value }]) => {
    const standard = defaults[camel(name) as keyof Recipe]
    const what = value === 'path' ? 'PATH' : value === 'name' ? 'NAME' : 'N'
    return `  ${`--${name} ${what}`.padEnd(18)}${help}${standard === undefined ? '' : ` (${standard})`}`
  })
  return `Trains a small GPT on a text, character by character, and lets it write.

  npm start -- [flags]

${rows.join('\n')}
  ${'--help'.padEnd(18)}this

A run folder holds config.json, text.txt, metrics.jsonl, loss.svg, checkpoint.safetensors and sample.txt.`
}

const checks: Readonly<Record<Exclude<Flag['value'], 'name' | 'path'>, { readonly what: string; readonly holds: (x: number) => boolean }>> =
  {
    count: { what: 'a whole number of at least 1', holds: (x) => Number.isSafeInteger(x) && x >= 1 },
    natural: { what: 'a whole number from 0 to 4294967295', holds: (x) => Number.isInteger(x) && x >= 0 && x < 2 ** 32 },
    positive: { what: 'a number above 0', holds: (x) => Number.isFinite(x) && x > 0 },
    share: { what: 'a number from 0 up to, but not, 1', holds: (x) => x >= 0 && x < 1 },
  }

const options = {
  ...Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }])),
  help: { type: 'boolean' as const },
}

/** How many characters must be added, taken away or changed to make one word of another. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
/** The known word that is meant by another one; '' where none is near. */
const meant = (word: string, known: readonly string[], mark = ''): string => {
  const near = known.map((name) => ({ name, off: distance(word.slice(0, 99), name) })).sort((a, b) => a.off - b.off)[0]!
  return near.off < word.length && near.off <= Math.max(2, word.length / 2) ? `, did you mean ${mark}${near.name}` : ''
}

const parse = (args: readonly string[]): Readonly<Record<string, string | boolean | undefined>> => {
  for (const token of parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens)
    if (token.kind === 'option' && !Object.hasOwn(options, token.name))
      throw new Refusal(`Unknown option '${token.rawName}'${meant(token.name, Object.keys(options), '--')}; see --help`)
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new Refusal(`${cause.message.split(/\. |\n/)[0]!.replace(/\.$/, '')}; see --help`, { cause })
  }
}

/** Whether a value, from wherever, can stand in a recipe. */
export const holds = (key: keyof Recipe, value: unknown): boolean => {
  const type = flags[flagOf(key).slice(2)]!.value
  return type === 'name' || type === 'path' ? typeof value === 'string' : typeof value === 'number' && checks[type].holds(value)
}

/** The command that the arguments give. Throws a Refusal for what isn't known or can't be meant. */
export const readCommand = (args: readonly string[]): Command => {
  const values = parse(args)
  if (values['help'] === true) return { kind: 'help' }
  const given: Record<string, string | number> = {}
  for (const [name, { value: type }] of Object.entries(flags)) {
    const text = values[name]
    if (typeof text !== 'string') continue
    if (text.trim() === '') throw new Refusal(`--${name} is empty`)
    if (type === 'name' || type === 'path') {
      given[camel(name)] = text
      continue
    }
    const number = Number(text)
    if (!checks[type].holds(number)) throw new Refusal(`--${name} ${text}: ${checks[type].what} is needed`)
    given[camel(name)] = number
  }
  const { text = null, out = null, resume, ...rest } = given as Partial<Recipe> & Partial<Record<'text' | 'out' | 'resume', string>>
  if (resume !== undefined) {
    if (out !== null) throw new Refusal('--out and --resume contradict each other: a resumed run stays in its folder')
    return { kind: 'resume', folder: resume, given: rest, text }
  }
  const recipe: Recipe = { ...defaults, ...rest }
  if (recipe.width % recipe.heads !== 0) throw new Refusal(`--heads ${recipe.heads} doesn't divide --width ${recipe.width}`)
  return { kind: 'start', recipe, text, out }
}
