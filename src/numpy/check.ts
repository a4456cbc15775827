/** What an argument must be. Each refuses in one sentence: the call on its avals, what is wrong, the way out. */
import { NdArray } from '../core/array.ts'
import { range } from '../core/constructors.ts'
import { byteWidth, type DType } from '../core/dtype.ts'
import { refuse, show } from '../core/show.ts'
import { type Count, type OptionsOf, takes, takesOptions } from '../core/takes.ts'
import { CotangentError, DTypeError, ShapeError } from '../core/errors.ts'
import type { ReduceOptions } from '../core/methods.ts'
import { flag, optionsOf, type Schema, wholes } from '../core/options.ts'
import { isListOf } from '../core/params.ts'

export { refuse, show }

/** Non-negative whole extents. */
export const shapeOf = (what: string, shape: unknown): readonly number[] =>
  isListOf(shape, (n) => Number.isSafeInteger(n) && (n as number) >= 0)
    ? (shape as readonly number[])
    : refuse(ShapeError, what, [shape], 'a shape is a list of non-negative whole numbers')

export const dtypeOf = (what: string, dtype: unknown): DType =>
  typeof dtype === 'string' && Object.hasOwn(byteWidth, dtype) && dtype !== 'key'
    ? (dtype as DType)
    : refuse(DTypeError, what, [dtype], `a dtype is one of ${Object.keys(byteWidth).slice(0, -1).join(', ')}`)

export const wholeOf = (what: string, n: unknown, least = -Infinity): number =>
  Number.isSafeInteger(n) && (n as number) >= least
    ? (n as number)
    : refuse(ShapeError, what, [n], `a whole number${least === -Infinity ? '' : ` of at least ${least}`} is needed`)

/** A whole number that int32 holds: what devices count and index with. */
export const int32Of = (what: string, n: unknown): number =>
  wholeOf(what, n) === ((n as number) | 0) ? (n as number) : refuse(ShapeError, what, [n], `${String(n)} is beyond int32`)
/** A whole number, beyond int32 the nearest: for places that are outside there anyway. */
export const clampedOf = (what: string, n: unknown): number =>
  Number.isInteger(n) || Math.abs(n as number) === Infinity ? Math.min(Math.max(n as number, -(2 ** 31)), 2 ** 31 - 1) : wholeOf(what, n)

export const numberOf = (what: string, x: unknown): number =>
  typeof x === 'number' ? x : refuse(DTypeError, what, [x], 'a JavaScript number is needed')

/** What reductions over axes take. */
export const reduceOptions: Schema<ReduceOptions> = { axis: wholes, keepdims: flag }

/** An axis as NumPy has it, by place, or by name as other options here: `flip(x, 0)` is `flip(x, { axis: 0 })`. */
export const axisBy = <T extends number | readonly number[]>(
  what: string,
  schema: Schema<{ readonly axis?: T }>,
  given: T | { readonly axis?: T } | undefined,
): T | undefined =>
  typeof given === 'object' && !Array.isArray(given)
    ? optionsOf<{ readonly axis?: T }>(what, schema, given as { readonly axis?: T }).axis
    : (given as T | undefined)

/** The axis counted from the front. `rank`: where it isn't the array's, as for an axis that is to be made. */
export const axisOf = (what: string, x: NdArray, axis: unknown, rank = x.ndim): number => {
  if (!Number.isInteger(axis)) refuse(ShapeError, what, [x], `an axis is a whole number, and got ${show(axis)}`)
  const at = (axis as number) + ((axis as number) < 0 ? rank : 0)
  return at >= 0 && at < rank ? at : refuse(ShapeError, what, [x], `axis ${show(axis)} is out of range for rank ${rank}`)
}

/** Axes from the options' form: absent is all. */
export const axesOf = (what: string, x: NdArray, axis: number | readonly number[] | undefined): number[] => {
  if (axis === undefined) return range(x.ndim)
  const given: readonly unknown[] = Array.isArray(axis) ? axis : [axis]
  if (given.length > x.ndim) refuse(ShapeError, what, [x], `${given.length} axes are given, and there are ${x.ndim}`)
  const axes = Array.from(given, (a) => axisOf(what, x, a))
  return new Set(axes).size === axes.length ? axes : refuse(ShapeError, what, [x], `an axis is repeated in ${show(axis)}`)
}

type Fn = (...args: never[]) => unknown
/** f, whose refusals are told as the call's own: `nn.linear: matmul(f32[2], f32[3]): …`. */
export const naming = <F extends Fn>(what: string, f: F): F =>
  ((...args: never[]) => {
    try {
      return f(...args)
    } catch (error) {
      if (!(error instanceof CotangentError) || error.message.startsWith(what)) throw error
      throw new (error.constructor as new (message: string) => CotangentError)(`${what}: ${error.message}`)
    }
  }) as F

/** A public function made of others: their refusals are told as its own. */
export const composed = <F extends Fn>(what: string, count: Count<F>, f: F): F => takes(what, count, naming(what, f))
export const composedOptions = <F extends Fn>(what: string, count: Count<F>, schema: OptionsOf<F>, f: F): F =>
  takesOptions(what, count, schema, naming(what, f))
