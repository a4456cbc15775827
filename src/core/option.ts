/** fp-ts's Option as plain data, with what rules need of it: importing fp-ts's own module keeps a kB of code that no bundler drops. */
import type { None, Option, Some } from '#fp-ts/Option.js'

export type { Option, Some }
export const none: Option<never> = { _tag: 'None' }
export const some = <A>(value: A): Some<A> => ({ _tag: 'Some', value })
export const isNone = (x: Option<unknown>): x is None => x._tag === 'None'
export const isSome = <A>(x: Option<A>): x is Some<A> => x._tag === 'Some'
export const fromNullable = <A>(x: A | null | undefined): Option<A> => (x === null || x === undefined ? none : some(x))
export const map =
  <A, B>(f: (value: A) => B) =>
  (x: Option<A>): Option<B> =>
    isNone(x) ? none : some(f(x.value))
