/** Hugging Face's `config.json`, field by field: what is missing, of another type, or a switch that isn't known, is refused by its name. */
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import type { Rope, RopeScaling } from '../nn/rope.ts'
import type { Activation } from '../nn/mlp.ts'

export type Json = Readonly<Record<string, unknown>>
const isNumber = (x: unknown): x is number => Number.isFinite(x)
const isWhole = (x: unknown): x is number => Number.isSafeInteger(x)
const isId = (x: unknown): x is number => isWhole(x) && x >= 0
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x)

/** Reads fields of one object of a config. null is absent, as in Python's files. */
export class Fields {
  readonly #of: Json
  readonly #where: string
  constructor(of: unknown, where: string) {
    if (!isObject(of)) throw new FileError(`${where} is ${show(of)}, and an object was expected`)
    this.#of = of
    this.#where = where
  }
  refuse(name: string, why: string): never {
    throw new FileError(`${this.#where}: ${name} is ${show(this.#of[name])}: ${why}`)
  }
  has(name: string): boolean {
    return Object.hasOwn(this.#of, name) && this.#of[name] !== null
  }
  /** Whether the field is there, null too: where null says no, and a file without it means the family's own number. */
  says(name: string): boolean {
    return Object.hasOwn(this.#of, name)
  }
  isList(name: string): boolean {
    return Array.isArray(this.#of[name])
  }
  #field<T>(name: string, fallback: T | undefined, what: string, is: (x: unknown) => boolean): T {
    if (!this.has(name)) {
      if (fallback !== undefined) return fallback
      throw new FileError(`${this.#where} has no ${name}, which should be ${what}`)
    }
    const value = this.#of[name]
    return is(value) ? (value as T) : this.refuse(name, `${what} was expected`)
  }
  /** How many of something that there is. */
  count(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a whole number above 0', (x) => isWhole(x) && x > 0)
  }
  /** A place, an id, or how many of something that there may be none of. */
  whole(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a whole number of 0 or more', isId)
  }
  /** An id, or a negative number that is none. */
  idOrNone(name: string): number {
    return this.#field<number>(name, undefined, 'a whole number', isWhole)
  }
  /** What something is divided by, or a logarithm taken of. */
  positive(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a number above 0', (x) => isNumber(x) && x > 0)
  }
  nonNegative(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a number of 0 or more', (x) => isNumber(x) && x >= 0)
  }
  share(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a number above 0 and at most 1', (x) => isNumber(x) && x > 0 && x <= 1)
  }
  /** For each of so many. */
  positives(name: string, n: number, of: string): readonly number[] {
    return this.#field<readonly number[]>(
      name,
      undefined,
      `a number above 0 for each of ${n} ${of}`,
      (x) => Array.isArray(x) && x.length === n && x.every((y) => isNumber(y) && y > 0),
    )
  }
  /** Whether each of so many is: 1, or 0. */
  bits(name: string, n: number, of: string): readonly boolean[] {
    const bits = this.#field<readonly number[]>(
      name,
      undefined,
      `0 or 1 for each of ${n} ${of}`,
      (x) => Array.isArray(x) && x.length === n && x.every((y) => y === 0 || y === 1),
    )
    return bits.map((y) => y === 1)
  }
  numbers(name: string): readonly number[] {
    return this.#field<readonly number[]>(name, undefined, 'a list of numbers', (x) => Array.isArray(x) && x.every(isNumber))
  }
  /** One id or several; none where nothing is said. */
  ids(name: string): readonly number[] {
    return [this.#field<number | readonly number[]>(name, [], 'an id or a list of ids', (x) => (Array.isArray(x) ? x.every(isId) : isId(x)))].flat() // prettier-ignore
  }
  flag(name: string, fallback?: boolean): boolean {
    return this.#field(name, fallback, 'true or false', (x) => typeof x === 'boolean')
  }
  text(name: string, fallback?: string): string {
    return this.#field(name, fallback, 'a text', (x) => typeof x === 'string')
  }
  texts(name: string): readonly string[] {
    return this.#field<readonly string[]>(
      name,
      undefined,
      'a list of texts',
      (x) => Array.isArray(x) && x.every((n) => typeof n === 'string'),
    )
  }
  /** One of the values that a switch may have here. */
  switch<T>(name: string, values: Readonly<Record<string, T>>, fallback?: string): T {
    const value = this.text(name, fallback)
    return Object.hasOwn(values, value) ? values[value]! : this.refuse(name, `known here are ${Object.keys(values).join(', ')}`)
  }
  /** A number that null turns off. */
  positiveOrOff(name: string, fallback: number | null): number | null {
    return this.has(name) ? this.positive(name) : this.says(name) ? null : fallback
  }
  countOrOff(name: string, fallback: number | null): number | null {
    return this.has(name) ? this.count(name) : this.says(name) ? null : fallback
  }
  /** A switch that is only known off. */
  off(...names: readonly string[]): void {
    for (const name of names)
      if (this.has(name) && this.#of[name] !== false && this.#of[name] !== 0) this.refuse(name, 'this isn’t built yet')
  }
  object(name: string): Fields {
    return new Fields(this.#of[name], `${this.#where}: ${name}`)
  }
  keys(): readonly string[] {
    return Object.keys(this.#of)
  }
}

/** Transformers' names of activations. */
export const hfActivations: Readonly<Record<string, Activation>> = {
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  gelu_python_tanh: 'geluTanh',
  gelu_accurate: 'geluTanh',
  gelu_fast: 'geluTanh',
  gelu_10: 'geluClipped',
  quick_gelu: 'quickGelu',
  tanh: 'tanh',
  relu2: 'relu2',
  relu6: 'relu6',
  leaky_relu: 'leakyRelu',
  hardswish: 'hardSwish',
  mish: 'mish',
  sigmoid: 'sigmoid',
  linear: 'linear',
}

interface RopeDefaults {
  readonly headDim: number
  readonly context: number
  readonly base?: number
  /** A share of a head may turn. */
  readonly partial?: boolean
  /** What is called yarn is longrope. */
  readonly longrope?: boolean
  /** The context that it was trained on, where the family has it beside the rope: there it counts. */
  readonly original?: number
}
/** Both dialects: v4's `rope_theta` beside `rope_scaling`, and v5's `rope_parameters`; where a file has both, the older counts. */
export const ropeOf = (config: Fields, given: RopeDefaults): Rope => {
  const field = ['rope_scaling', 'rope_parameters'].find((name) => config.has(name) && config.object(name).keys().length > 0)
  return ropeFrom(field === undefined ? null : config.object(field), config, given)
}
/** A rope for each layer type: v5 nests them, v4 has one for all. */
export const ropesOf = (
  config: Fields,
  types: readonly string[],
  given: (type: string) => RopeDefaults,
): Readonly<Record<string, Rope>> => {
  const own = config.has('rope_parameters') ? config.object('rope_parameters') : null
  const nested = own !== null && types.some((type) => own.has(type))
  return Object.fromEntries(
    [...new Set(types)].map((type) => [
      type,
      nested ? ropeFrom(own.has(type) ? own.object(type) : null, config, given(type)) : ropeOf(config, given(type)),
    ]),
  )
}
const ropeFrom = (
  own: Fields | null,
  config: Fields,
  { headDim, context, base = 10_000, partial = false, longrope = false, original }: RopeDefaults,
): Rope => {
  const theta = own?.has('rope_theta') === true ? own.positive('rope_theta') : config.positive('rope_theta', base)
  const where = own?.has('partial_rotary_factor') === true ? own : config
  const share = where.share('partial_rotary_factor', 1)
  const said = own === null ? 'default' : own.has('rope_type') ? own.text('rope_type') : own.text('type', 'default')
  const kind = longrope && said === 'yarn' ? 'longrope' : said // Phi-3's first files say so
  if (share !== 1 && !partial && kind !== 'proportional') where.refuse('partial_rotary_factor', 'in this family whole heads turn')
  const dims = Math.floor(headDim * share)
  if (kind !== 'proportional' && (dims < 2 || dims % 2 !== 0))
    where.has('partial_rotary_factor')
      ? where.refuse('partial_rotary_factor', `pairs turn, and it makes ${dims} numbers of a head's ${headDim}`)
      : config.refuse(config.has('head_dim') ? 'head_dim' : 'num_attention_heads', `pairs turn, and a head has ${headDim} numbers`)
  if (own === null || kind === 'default') return { base: theta, dims }
  if (kind === 'proportional') {
    const factor = own.positive('factor', 1)
    const turning = Math.floor((share * headDim) / 2)
    return { base: theta, dims: headDim, turning, ...(factor === 1 ? {} : { scaling: { kind: 'linear', factor } }) }
  }
  return { base: theta, dims, scaling: scalingOf(kind, own, config, context, { dims, base: theta, original }) }
}
const scalingOf = (
  kind: string,
  own: Fields,
  config: Fields,
  context: number,
  { dims, base, original: beside }: { readonly dims: number; readonly base: number; readonly original: number | undefined },
): RopeScaling => {
  // Phi has it beside the rope, and there it counts.
  const original = (): number =>
    beside !== undefined || config.has('original_max_position_embeddings')
      ? config.count('original_max_position_embeddings', beside)
      : own.count('original_max_position_embeddings', context)
  // 0 is none, as null is.
  const optional = (names: Readonly<Record<string, string>>): Readonly<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(names).flatMap(([to, from]) => (own.has(from) && own.nonNegative(from) !== 0 ? [[to, own.nonNegative(from)]] : [])),
    )
  switch (kind) {
    case 'linear':
      return { kind, factor: own.positive('factor') }
    case 'dynamic':
      return { kind, factor: own.positive('factor'), context }
    case 'yarn': {
      const factor = own.positive('factor', context / original())
      // DeepSeek's two mscales: the amplitude is their ratio.
      const grown = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1)
      const [m, all] = [own.nonNegative('mscale', 0), own.nonNegative('mscale_all_dim', 0)]
      const ratio = m === 0 || all === 0 ? {} : { attentionFactor: grown(m) / grown(all) }
      const truncate = own.flag('truncate', true)
      const given = optional({ attentionFactor: 'attention_factor', fast: 'beta_fast', slow: 'beta_slow' })
      const { fast = 32, slow = 1 } = given
      if (fast <= slow) own.refuse(own.has('beta_fast') ? 'beta_fast' : 'beta_slow', `beta_fast should be above beta_slow, and they are ${fast} and ${slow}`) // prettier-ignore
      if (base === 1)
        (own.has('rope_theta') ? own : config).refuse('rope_theta', 'its frequencies are one, and yarn tells fast ones from slow')
      return { kind, factor, context: original(), truncate, ...ratio, ...given }
    }
    case 'longrope':
    case 'su': {
      const from = original()
      const factors = (name: string): readonly number[] => own.positives(name, dims / 2, 'pairs')
      const factor = own.positive('factor', context / from)
      const attentionFactor = own.positive('attention_factor', factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(from)))
      return { kind: 'longrope', short: factors('short_factor'), long: factors('long_factor'), context: from, attentionFactor }
    }
    case 'llama3': {
      const [low, high] = [own.positive('low_freq_factor'), own.positive('high_freq_factor')]
      if (high <= low) own.refuse('high_freq_factor', `it should be above low_freq_factor, ${low}`)
      return { kind, factor: own.positive('factor'), context: original(), low, high }
    }
    default:
      return own.refuse(
        own.has('rope_type') ? 'rope_type' : 'type',
        'known here are default, linear, dynamic, yarn, longrope, llama3, proportional',
      )
  }
}
