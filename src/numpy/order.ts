/** Order along an axis: NaN is greater than all, equal elements keep their order. All throw ShapeError when an axis is out of range. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { axisOf, refuse, wholeOf } from './check.ts'
import { mean } from './reduce.ts'
import { part } from './layout.ts'
import { asArray, asFloat, asIndex, promoted } from './promote.ts'
import { flag, oneOf, type Schema, whole } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

export interface SortOptions {
  /** Default: the last. */
  readonly axis?: number
  /** The greatest first; equal elements keep their order still. Default false. */
  readonly descending?: boolean
}
const sortOptions: Schema<SortOptions> = { axis: whole, descending: flag }
const sorted = (what: string, x: Operand, options: SortOptions, places: boolean): NdArray => {
  const y = asArray(what, x)
  const { axis = -1, descending = false } = options
  const at = axisOf(what, y, axis)
  const turn = (z: NdArray): NdArray => (descending ? c.rev(z, [at]) : z)
  return turn(c.sort(places ? [turn(y), turn(c.iota(y.shape, 'int32', at))] : [y], at).at(-1)!)
}
/** The elements in order along an axis. As `jnp.sort`. @example np.sort(np.array([3, 1, 2])) // [1, 2, 3] */
export const sort = /* @__PURE__ */ takesOptions('sort', 2, sortOptions, (x: Operand, options: SortOptions = {}): NdArray =>
  sorted('sort', x, options, false),
)
/** The places that put the elements in order: int32. As `jnp.argsort`. @example np.argsort(np.array([3, 1, 2])) // [1, 2, 0] */
export const argsort = /* @__PURE__ */ takesOptions('argsort', 2, sortOptions, (x: Operand, options: SortOptions = {}): NdArray =>
  sorted('argsort', x, options, true),
)

export interface MedianOptions {
  /** Default: all elements. */
  readonly axis?: number
}
const medianOptions: Schema<MedianOptions> = { axis: whole }
/** The middle element, or the mean of the two in the middle: float; NaN if any is. As `jnp.median`. @example np.median(np.array([3, 1, 2])) // 2 */
export const median = /* @__PURE__ */ takesOptions('median', 2, medianOptions, (x: Operand, options: MedianOptions = {}): NdArray => {
  const whole = asFloat('median', x)
  const { axis } = options
  const y = axis === undefined ? c.reshape(whole, [whole.size]) : whole
  const at = axisOf('median', y, axis ?? 0)
  const n = y.shape[at]!
  if (n === 0) refuse(ShapeError, 'median', [whole], 'an element is needed, and the axis is empty')
  const inOrder = c.sort([y], at)[0]!
  const middle = mean(part(inOrder, at, (n - 1) >> 1, (n >> 1) + 1), { axis: at })
  const last = c.reshape(part(inOrder, at, n - 1, n), middle.shape)
  return c.select(c.ne(last, last), last, middle)
})
export interface SearchsortedOptions {
  /** Before its equals (the default), or after them. */
  readonly side?: 'left' | 'right'
}
const searchsortedOptions: Schema<SearchsortedOptions> = { side: oneOf('left', 'right') }
/** Where each value would stand in a sorted vector: before its equals, or after them with side 'right': int32. As `jnp.searchsorted`. @example np.searchsorted(np.array([1, 2, 3]), 2) // 1 */
export const searchsorted = /* @__PURE__ */ takesOptions(
  'searchsorted',
  3,
  searchsortedOptions,
  (inOrder: NdArray, values: Operand, options: SearchsortedOptions = {}): NdArray => {
    const [a, v] = promoted('searchsorted', [inOrder, values])
    const { side = 'left' } = options
    if (a!.ndim !== 1) refuse(ShapeError, 'searchsorted', [a, v], 'a sorted vector is needed')
    const shape = [...v!.shape, a!.size]
    const [x, y] = [c.broadcastInDim(a!, shape, [v!.ndim]), c.broadcastInDim(v!, shape, c.range(v!.ndim))]
    const below = side === 'left' ? c.lt(x, y) : c.le(x, y)
    const isNan = c.ne(y, y) // after all numbers
    const nan = side === 'left' ? c.and(isNan, c.eq(x, x)) : isNan
    return c.reduceSum(c.convertElementType(c.or(below, nan), 'int32'), [v!.ndim])
  },
)
/** How often each number below `length` occurs; others aren't counted, negative ones as 0: int32 [length]. As `jnp.bincount`. @example np.bincount(np.arange(3), 4) // [1, 1, 1, 0] */
export const bincount = /* @__PURE__ */ takes('bincount', 2, (x: NdArray, length: number): NdArray => {
  const y = asIndex('bincount', x)
  const n = wholeOf('bincount', length, 0)
  if (y.ndim !== 1) refuse(ShapeError, 'bincount', [y], 'a vector is needed')
  return c.scatter(c.full([n], 0, 'int32'), c.full([y.size], 1, 'int32'), [c.max(y, c.lit(y, 0))], [0], 'add')
})
