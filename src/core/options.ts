/**
 * Options are declared once, as a value beside their interface: a kind for each, by which a call's are checked. What the schema hasn't isn't taken.
 *
 *   interface NormOptions { readonly eps?: number }
 *   const normOptions: Schema<NormOptions> = { eps: number }
 */
import { NdArray } from './array.ts'
import { byteWidth, type DType } from './dtype.ts'
import { ArgumentError, DTypeError, ShapeError } from './errors.ts'
import type { Operand } from './methods.ts'
import { isListOf, type Kind } from './params.ts'
import { nearest } from './nearest.ts'
import { reading, type Refusal, show } from './show.ts'

/** What an option may be, and the error that refuses all else. */
export interface OptionKind<T> extends Kind<T> {
  readonly error: Refusal
}
/** Of an option that a call can't lack. */
export interface Needed<T> extends OptionKind<T> {
  readonly needed: true
}
/** Total over the interface, so that its keys are the ones that are known, and each is needed or not as there. */
export type Schema<O> = {
  readonly [K in keyof O]-?: Record<never, never> extends Pick<O, K> ? OptionKind<Exclude<O[K], undefined>> : Needed<O[K]>
}

export const option = <T>(error: Refusal, what: string, test: (value: unknown) => boolean): OptionKind<T> => ({
  error,
  what,
  is: (value): value is T => test(value),
})
export const needed = <T>(of: OptionKind<T>): Needed<T> => ({ ...of, needed: true })
/** One kind or the other. */
export const either = <T, U>(a: OptionKind<T>, b: OptionKind<U>): OptionKind<T | U> =>
  option(a.error, `${a.what} or ${b.what}`, (x) => a.is(x) || b.is(x))
export const list = <T>({ error, what, is }: OptionKind<T>, length?: number): OptionKind<readonly T[]> =>
  option(
    error,
    `a list${length === undefined ? '' : ` of ${length}`}, each ${what}`,
    (x) => isListOf(x, is) && (length === undefined || x.length === length),
  )
export const pair = <T>(of: OptionKind<T>): OptionKind<readonly [T, T]> => list(of, 2) as OptionKind<readonly [T, T]>
export const oneOf = <const T extends readonly unknown[]>(...values: T): OptionKind<T[number]> =>
  option(ArgumentError, `one of ${values.map(show).join(', ')}`, (x) => values.includes(x))
/** An object of these parts. */
export const record = <O extends object>(parts: Schema<O>): OptionKind<O> => {
  const kinds: readonly (readonly [string, AnyKind])[] = Object.entries(parts)
  const holds = (own: Given): boolean => kinds.every(([key, { is, needed }]) => (own[key] === undefined ? needed !== true : is(own[key])))
  return option(
    ArgumentError,
    `an object { ${Object.keys(parts).join(', ')} }`,
    (x) => isObject(x) && Object.keys(x).every((key) => Object.hasOwn(parts, key)) && holds(x as Given),
  )
}
/** An object of any names. */
export const recordOf = <T>({ error, what, is }: OptionKind<T>): OptionKind<Readonly<Record<string, T>>> =>
  option(error, `an object, each ${what}`, (x) => isObject(x) && Object.values(x).every((value) => value === undefined || is(value)))
/** An object whose parts somebody else looks at. */
export const plainObject = <O extends object>(): OptionKind<O> => option(ArgumentError, 'an object', isObject)
const isObject = (x: unknown): x is object =>
  typeof x === 'object' &&
  x !== null &&
  (Object.getPrototypeOf(x) === Object.prototype || (!(x instanceof NdArray) && Object.prototype.toString.call(x) === '[object Object]'))

export const anything: OptionKind<unknown> = option(ArgumentError, 'anything', () => true)
export const flag: OptionKind<boolean> = option(ArgumentError, 'true or false', (x) => typeof x === 'boolean')
export const text: OptionKind<string> = option(ArgumentError, 'a text', (x) => typeof x === 'string')
/** NaN and infinities too. */
export const number: OptionKind<number> = option(DTypeError, 'a number', (x) => typeof x === 'number')
export const whole: OptionKind<number> = option(ShapeError, 'a whole number', Number.isSafeInteger)
export const atLeast = (least: number): OptionKind<number> =>
  option(ShapeError, `a whole number of at least ${least}`, (x) => Number.isSafeInteger(x) && (x as number) >= least)
export const share: OptionKind<number> = option(ArgumentError, 'a number from 0 to 1', (x) => typeof x === 'number' && x >= 0 && x <= 1)
export const aboveZero: OptionKind<number> = option(
  ArgumentError,
  'a number above 0',
  (x) => typeof x === 'number' && x > 0 && x < Infinity,
)
export const wholes: OptionKind<number | readonly number[]> = either(whole, list(whole))
export const extents: OptionKind<readonly number[]> = list(atLeast(0))
export const array: OptionKind<NdArray> = option(DTypeError, 'an array', (x) => x instanceof NdArray)
export const operand: OptionKind<Operand> = option(
  DTypeError,
  'an array or a number',
  (x) => x instanceof NdArray || typeof x === 'number' || typeof x === 'boolean',
)
export const dtypeAmong = <T extends DType>(...dtypes: readonly T[]): OptionKind<T> =>
  option(DTypeError, `one of ${dtypes.join(', ')}`, (x) => dtypes.includes(x as T))
export const dtype: OptionKind<DType> = dtypeAmong(...(Object.keys(byteWidth) as DType[]).filter((name) => name !== 'key'))
/** Of any signature: only calling it tells. */
export const func = <F>(): OptionKind<F> => option(ArgumentError, 'a function', (x) => typeof x === 'function')

type Given = Readonly<Record<string, unknown>>
type AnyKind = OptionKind<unknown> & { readonly needed?: true }
type Kinds = Readonly<Record<string, AnyKind>>

/** A call's options: known ones alone, each of its kind. They are read once; undefined is absent. */
export const optionsOf = <O extends object>(what: string, schema: Schema<O>, options: O | undefined, noun = 'option'): O =>
  reading(ArgumentError, `${what}: what holds its ${noun}s`, () => checked(what, schema as Kinds, options, noun)) as O
const checked = (what: string, schema: Kinds, options: unknown = {}, noun: string): Given => {
  if (!isObject(options))
    throw new ArgumentError(`${what}: ${noun}s go by name, in an object: { ${Object.keys(schema).join(', ')} }, and got ${show(options)}`)
  const out: Record<string, unknown> = {}
  for (const key in options) {
    const value = (options as Given)[key]
    if (!Object.hasOwn(schema, key)) throw new ArgumentError(`${what}: there is no ${noun} ${key}${suggested(key, Object.keys(schema))}`)
    if (value === undefined) continue
    const { is, what: kind, error } = schema[key]!
    if (!is(value)) throw new error(`${what}: ${key} is ${kind}, and got ${show(value)}`)
    out[key] = value
  }
  for (const key in schema)
    if (schema[key]!.needed === true && !Object.hasOwn(out, key))
      throw new ArgumentError(`${what}: the ${noun} ${key} is needed: ${schema[key]!.what}`)
  return out
}
const suggested = (key: string, names: readonly string[]): string => {
  const near = nearest(key, names)
  return `: ${near === null ? '' : `did you mean ${near}? `}it takes ${names.join(', ') || 'none'}`
}
