/** fp-ts's Either as plain data, with what rules, checkers and parsers need of it; for the reason see `option.ts`. */
import type { Either, Left, Right } from '#fp-ts/Either.js'

export type { Either }
export const left = <E>(reason: E): Either<E, never> => ({ _tag: 'Left', left: reason })
export const right = <A>(value: A): Either<never, A> => ({ _tag: 'Right', right: value })
export const isLeft = <E>(x: Either<E, unknown>): x is Left<E> => x._tag === 'Left'
export const isRight = <A>(x: Either<unknown, A>): x is Right<A> => x._tag === 'Right'
export const map =
  <A, B>(f: (value: A) => B) =>
  <E>(x: Either<E, A>): Either<E, B> =>
    isLeft(x) ? x : right(f(x.right))
