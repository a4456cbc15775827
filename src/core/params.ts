/** What a param of an op may be, at run time as well as by type: for text and data from outside, which no compiler has checked. */
import { type DType, shortName } from './dtype.ts'
import { Ref, type RefOrId } from './ref.ts'

export interface Kind<T> {
  /** As in "must be …". */
  readonly what: string
  readonly is: (value: unknown) => value is T
}
export type Kinds<P> = { readonly [K in keyof P]: Kind<P[K]> }

export const kind = <T>(what: string, test: (value: unknown) => boolean): Kind<T> => ({ what, is: (value): value is T => test(value) })
/** Whether each of a list is so. A hole is undefined. */
export const isListOf = (v: unknown, is: (x: unknown) => boolean): v is readonly unknown[] => {
  if (!Array.isArray(v)) return false
  for (let i = 0; i < v.length; i++) if (!is(v[i])) return false
  return true
}
export const isDense = (v: unknown): v is readonly unknown[] => isListOf(v, (x) => x !== undefined)
export const listOf = <T>({ what, is }: Kind<T>): Kind<readonly T[]> => kind(`a list, each ${what}`, (v) => isListOf(v, is))
export const pairOf = <T>({ what, is }: Kind<T>): Kind<readonly [T, T]> =>
  kind(`a pair, each ${what}`, (v) => isListOf(v, is) && v.length === 2)
export const oneOf = <const T extends readonly (string | number)[]>(...values: T): Kind<T[number]> =>
  kind(`one of ${values.join(', ')}`, (v) => values.includes(v as T[number]))
export const orNone = <T>({ what, is }: Kind<T>): Kind<T | null> => kind(`${what} or None`, (v) => v === null || is(v))

export const int: Kind<number> = kind('an integer', Number.isInteger)
export const real: Kind<number> = kind('a number', (v) => typeof v === 'number')
export const bool: Kind<boolean> = kind('True or False', (v) => typeof v === 'boolean')
export const text: Kind<string> = kind('a text', (v) => typeof v === 'string')
export const dtype: Kind<DType> = kind(
  `one of ${Object.keys(shortName).join(', ')}`,
  (v) => typeof v === 'string' && Object.hasOwn(shortName, v),
)
/** A function of the user's; in a text its number alone. */
export const ref: Kind<RefOrId> = kind('an integer', (v) => v instanceof Ref || Number.isInteger(v))
export const ints: Kind<readonly number[]> = listOf(int)
