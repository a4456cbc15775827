/** Hugging Face's `config.json`, field by field: what is missing, of another type, or a switch that isn't known, is refused by its name. */
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import type { Rope, RopeScaling } from '../nn/rope.ts'
import type { Activation } from '../nn/mlp.ts'

export type Json = Readonly<Record<string, unknown>>
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
  #field<T>(name: string, fallback: T | undefined, what: string, is: (x: unknown) => x is T): T {
    if (!this.has(name)) {
      if (fallback !== undefined) return fallback
      throw new FileError(`${this.#where} has no ${name}, which should be ${what}`)
    }
    const value = this.#of[name]
    return is(value) ? value : this.refuse(name, `${what} was expected`)
  }
  count(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a whole number above 0', (x): x is number => Number.isSafeInteger(x) && (x as number) > 0)
  }
  number(name: string, fallback?: number): number {
    return this.#field(name, fallback, 'a number', (x): x is number => typeof x === 'number' && Number.isFinite(x))
  }
  numbers(name: string): readonly number[] {
    return this.#field(
      name,
      undefined,
      'a list of numbers',
      (x): x is number[] => Array.isArray(x) && x.every((n) => typeof n === 'number'),
    )
  }
  flag(name: string, fallback?: boolean): boolean {
    return this.#field(name, fallback, 'true or false', (x): x is boolean => typeof x === 'boolean')
  }
  text(name: string, fallback?: string): string {
    return this.#field(name, fallback, 'a text', (x): x is string => typeof x === 'string')
  }
  texts(name: string): readonly string[] {
    return this.#field(name, undefined, 'a list of texts', (x): x is string[] => Array.isArray(x) && x.every((n) => typeof n === 'string'))
  }
  /** One of the values that a switch may have here. */
  switch<T>(name: string, values: Readonly<Record<string, T>>, fallback?: string): T {
    const value = this.text(name, fallback)
    return Object.hasOwn(values, value) ? values[value]! : this.refuse(name, `known here are ${Object.keys(values).join(', ')}`)
  }
  /** A number that null turns off. */
  numberOrOff(name: string, fallback: number | null): number | null {
    return this.has(name) ? this.number(name) : this.says(name) ? null : fallback
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
  const theta = own?.has('rope_theta') === true ? own.number('rope_theta') : config.number('rope_theta', base)
  const where = own?.has('partial_rotary_factor') === true ? own : config
  const share = where.number('partial_rotary_factor', 1)
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
    const factor = own.number('factor', 1)
    const turning = Math.floor((share * headDim) / 2)
    return { base: theta, dims: headDim, turning, ...(factor === 1 ? {} : { scaling: { kind: 'linear', factor } }) }
  }
  return { base: theta, dims, scaling: scalingOf(kind, own, config, context, { dims, original }) }
}
const scalingOf = (
  kind: string,
  own: Fields,
  config: Fields,
  context: number,
  { dims, original: beside }: { readonly dims: number; readonly original: number | undefined },
): RopeScaling => {
  // Phi has it beside the rope, and there it counts.
  const original = (): number =>
    beside !== undefined || config.has('original_max_position_embeddings')
      ? config.count('original_max_position_embeddings', beside)
      : own.count('original_max_position_embeddings', context)
  // 0 is none, as null is.
  const optional = (names: Readonly<Record<string, string>>): Readonly<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(names).flatMap(([to, from]) => (own.has(from) && own.number(from) !== 0 ? [[to, own.number(from)]] : [])),
    )
  switch (kind) {
    case 'linear':
      return { kind, factor: own.number('factor') }
    case 'dynamic':
      return { kind, factor: own.number('factor'), context }
    case 'yarn': {
      const factor = own.number('factor', context / original())
      // DeepSeek's two mscales: the amplitude is their ratio.
      const grown = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1)
      const scales = own.has('mscale') && own.has('mscale_all_dim') && own.number('mscale') !== 0 && own.number('mscale_all_dim') !== 0
      const ratio = scales ? { attentionFactor: grown(own.number('mscale')) / grown(own.number('mscale_all_dim')) } : {}
      const truncate = own.flag('truncate', true)
      return { kind, factor, context: original(), truncate, ...ratio, ...optional({ attentionFactor: 'attention_factor', fast: 'beta_fast', slow: 'beta_slow' }) } // prettier-ignore
    }
    case 'longrope':
    case 'su': {
      const from = original()
      const factors = (name: string): readonly number[] => {
        const list = own.numbers(name)
        return list.length === dims / 2 ? list : own.refuse(name, `a number for each of ${dims / 2} pairs was expected`)
      }
      const factor = own.number('factor', context / from)
      const attentionFactor = own.number('attention_factor', factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(from)))
      return { kind: 'longrope', short: factors('short_factor'), long: factors('long_factor'), context: from, attentionFactor }
    }
    case 'llama3':
      return { kind, factor: own.number('factor'), context: original(), low: own.number('low_freq_factor'), high: own.number('high_freq_factor') } // prettier-ignore
    default:
      return own.refuse(
        own.has('rope_type') ? 'rope_type' : 'type',
        'known here are default, linear, dynamic, yarn, longrope, llama3, proportional',
      )
  }
}
