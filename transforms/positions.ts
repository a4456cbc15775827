/** Arguments by their positions, from 0 or, if negative, from the end, as in JAX: how options name them. */
import { ShapeError } from '../src/core/errors.ts'

type Args = readonly unknown[]
/** How many of A are left when as many are taken from its end as the text says. */
type Before<A extends Args, Count extends string, Seen extends Args = []> = `${Seen['length']}` extends Count
  ? A['length']
  : A extends readonly [...infer Rest, unknown]
    ? Before<Rest, Count, [...Seen, 0]>
    : never
/** Positions from 0 on. */
export type Position<A extends Args, N extends number> = N extends number
  ? `${N}` extends `-${infer Count}`
    ? Before<Required<A>, Count>
    : N
  : never
/** The argument at a position. */
export type Nth<A extends Args, N extends number> = Required<A>[Position<A, N>]
/** The arguments at these positions from 0 on, in the call's order, and those at all others. */
export type At<A extends Args, N extends number, Seen extends Args = []> = A extends readonly [infer First, ...infer Rest]
  ? readonly [...(Seen['length'] extends N ? [First] : []), ...At<Rest, N, [...Seen, 0]>]
  : readonly []
export type Without<A extends Args, N extends number, Seen extends Args = []> = [N] extends [never]
  ? A
  : A extends readonly [infer First, ...infer Rest]
    ? readonly [...(Seen['length'] extends N ? [] : [First]), ...Without<Rest, N, [...Seen, 0]>]
    : readonly []

export const listed = (nums: number | readonly number[] = []): readonly number[] => (typeof nums === 'number' ? [nums] : nums)

/** The positions from 0 on that an option names in a call of `count` arguments, in the option's order; twice the same is refused. */
export const positions = (nums: readonly number[], count: number, what: string, option: string): readonly number[] => {
  const places = nums.map((n) => {
    const place = n < 0 ? n + count : n
    if (Number.isInteger(place) && place >= 0 && place < count) return place
    throw new ShapeError(`${what}: ${option} has ${n}, but the call has ${count} arguments`)
  })
  const again = places.find((n, i) => places.indexOf(n) !== i)
  if (again !== undefined) throw new ShapeError(`${what}: ${option} has ${again} twice`)
  return places
}
