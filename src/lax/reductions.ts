/** Over axes, and along one; axes count from the front, as in `lax`. All throw ShapeError when an axis is out of range or repeated. */
import type { NdArray } from '../core/array.ts'
import type { Operand } from '../core/methods.ts'
import { atLeast, flag, type Schema, whole } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { call, calls } from './call.ts'
import { isDense } from '../core/params.ts'

const over = (name: 'reduceSum' | 'reduceProd' | 'reduceMax' | 'reduceMin' | 'reduceAnd' | 'reduceOr') =>
  takes(name, 2, (x: Operand, axes: readonly number[]): NdArray => call(name, { axes }, x))
/** Σ x over the axes. As `lax.reduce_sum`. @example lax.reduceSum(np.array([[1, 2], [3, 4]]), [0]) // [4, 6] */
export const reduceSum = over('reduceSum')
/** Π x over the axes. As `lax.reduce_prod`. @example lax.reduceProd(np.array([2, 3, 4]), [0]) // 24 */
export const reduceProd = over('reduceProd')
/** The greatest over the axes. As `lax.reduce_max`. @example lax.reduceMax(np.array([2, 5, 3]), [0]) // 5 */
export const reduceMax = over('reduceMax')
/** The least over the axes. As `lax.reduce_min`. @example lax.reduceMin(np.array([2, 5, 3]), [0]) // 2 */
export const reduceMin = over('reduceMin')
/** Whether all hold, of bools. As `lax.reduce_and`. @example lax.reduceAnd(np.array([true, false]), [0]) // false */
export const reduceAnd = over('reduceAnd')
/** Whether one holds, of bools. As `lax.reduce_or`. @example lax.reduceOr(np.array([true, false]), [0]) // true */
export const reduceOr = over('reduceOr')
/** The place of the greatest, the first of several: int32. As `lax.argmax`. @example lax.argmax(np.array([2, 5, 3]), 0) // 1 */
export const argmax = /* @__PURE__ */ takes('argmax', 2, (x: Operand, axis: number): NdArray => call('argmax', { axis }, x))
/** The place of the least, the first of several: int32. As `lax.argmin`. @example lax.argmin(np.array([2, 5, 3]), 0) // 0 */
export const argmin = /* @__PURE__ */ takes('argmin', 2, (x: Operand, axis: number): NdArray => call('argmin', { axis }, x))

export interface PrefixOptions {
  /** From the end; default false. */
  readonly reverse?: boolean
}
const prefixOptions: Schema<PrefixOptions> = { reverse: flag }
const along = (name: 'cumsum' | 'cumprod' | 'cummax' | 'cummin') =>
  takesOptions(name, 3, prefixOptions, (x: Operand, axis: number = 0, options: PrefixOptions = {}): NdArray => {
    const { reverse = false } = options
    return call(name, { axis, reverse }, x)
  })
/** Sums so far along an axis. As `lax.cumsum`. @example lax.cumsum(np.array([1, 2, 3]), 0, { reverse: true }) // [6, 5, 3] */
export const cumsum = along('cumsum')
/** Products so far along an axis. As `lax.cumprod`. @example lax.cumprod(np.array([2, 3, 4])) // [2, 6, 24] */
export const cumprod = along('cumprod')
/** The greatest so far along an axis. As `lax.cummax`. @example lax.cummax(np.array([1, 3, 2])) // [1, 3, 3] */
export const cummax = along('cummax')
/** The least so far along an axis. As `lax.cummin`. @example lax.cummin(np.array([2, 3, 1])) // [2, 2, 1] */
export const cummin = along('cummin')

export interface SortOptions {
  /** The axis to sort along; default the last. */
  readonly dimension?: number
  /** How many operands, from the first, are compared, in order; default 1. */
  readonly numKeys?: number
}
const sortOptions: Schema<SortOptions> = { dimension: whole, numKeys: atLeast(1) }
/** Operands of one shape, put in the order of the first `numKeys` of them; stable, NaN last. As `lax.sort`. @example lax.sort([np.array([2, 1]), np.array([8, 9])])[1] // [9, 8] */
export const sort = /* @__PURE__ */ takesOptions('sort', 2, sortOptions, (xs: readonly NdArray[], options: SortOptions = {}): NdArray[] => {
  const { dimension = -1, numKeys = 1 } = options
  const operands = isDense(xs) ? xs : [xs]
  const rank = (operands[0] as NdArray | undefined)?.ndim ?? 0
  return calls('sort', { axis: dimension < 0 ? dimension + rank : dimension, numKeys }, operands)
})
