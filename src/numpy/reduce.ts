/**
 * Reductions over axes (all, when none is given; negative from the end) and along one. All throw ShapeError when an axis is out of range or
 * repeated, and DTypeError for keys.
 */
import type { NdArray } from '../core/array.ts'
import { sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand, ReduceOptions } from '../core/methods.ts'
import { axesOf, axisOf, reduceOptions, refuse } from './check.ts'
import { isnan, sqrt, square, where } from './elementwise.ts'
import { keptShape, topAndLogSum } from './logSum.ts'
import { asArray, asFloat, numeric, toShape } from './promote.ts'
import { flag, number, type Schema, whole } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'

type Reduction = (x: Operand, options?: ReduceOptions) => NdArray

const reduction = (what: string, f: (x: NdArray, axes: readonly number[]) => NdArray): Reduction =>
  takesOptions<Reduction>(what, 2, reduceOptions, (x, options = {}) => {
    const y = asArray(what, x)
    const { axis, keepdims = false } = options
    const axes = axesOf(what, y, axis)
    const out = f(y, axes)
    return keepdims ? c.reshape(out, keptShape(y, axes)) : out
  })
const countOf = (x: NdArray, axes: readonly number[]): number => sizeOf(axes.map((a) => x.shape[a]!))
const extreme = (what: string, f: typeof c.reduceMax): Reduction =>
  reduction(what, (x, axes) =>
    countOf(x, axes) === 0
      ? refuse(ShapeError, what, [x], 'an extreme needs an element, and an axis is empty')
      : x.dtype === 'bool'
        ? c.convertElementType(f(numeric(x), axes), 'bool')
        : f(x, axes),
  )

/** Σ x; bools count as int32. As `jnp.sum`. @example np.sum(np.array([[1, 2], [3, 4]]), { axis: 0 }) // [4, 6] */
export const sum = reduction('sum', (x, axes) => c.reduceSum(numeric(x), axes))
/** Π x. As `jnp.prod`. @example np.prod(np.array([2, 3, 4])) // 24 */
export const prod = reduction('prod', (x, axes) => c.reduceProd(numeric(x), axes))
/** The greatest; NaN if any is, and ties share the gradient. Throws ShapeError when there is none. As `jnp.max`. @example np.max(np.array([2, 5, 3])) // 5 */
export const max = extreme('max', c.reduceMax)
/** The least; NaN if any is, and ties share the gradient. Throws ShapeError when there is none. As `jnp.min`. @example np.min(np.array([2, 5, 3])) // 2 */
export const min = extreme('min', c.reduceMin)
/** Whether one isn't 0: bool. As `jnp.any`. @example np.any(np.array([0, 2])) // true */
export const any = reduction('any', (x, axes) => c.reduceOr(c.convertElementType(x, 'bool'), axes))
/** Whether none is 0: bool. As `jnp.all`. @example np.all(np.array([0, 2])) // false */
export const all = reduction('all', (x, axes) => c.reduceAnd(c.convertElementType(x, 'bool'), axes))
/** Σ x / count; integers become float32, and the mean of nothing is NaN. As `jnp.mean`. @example np.mean(np.array([1, 2, 6])) // 3 */
export const mean = reduction('mean', (x, axes) =>
  c.roundedOnce((y) => c.div(c.reduceSum(y, axes), c.lit(y, countOf(y, axes))))(asFloat('mean', x)),
)

export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the count: 1 for a sample; default 0. */
  readonly ddof?: number
}
const varianceOptions: Schema<VarianceOptions> = { ...reduceOptions, ddof: number }
const spread = (what: string, finish: (variance: NdArray) => NdArray) =>
  takesOptions(what, 2, varianceOptions, (x: Operand, options: VarianceOptions = {}): NdArray => {
    const { axis, keepdims = false, ddof = 0 } = options
    return c.roundedOnce((y) => {
      const n = countOf(y, axesOf(what, y, axis))
      const centred = c.sub(y, toShape(mean(y, { axis, keepdims: true }), y.shape))
      const total = sum(square(centred), { axis, keepdims })
      return finish(c.div(total, c.lit(total, Math.max(0, n - ddof))))
    })(asFloat(what, x))
  })
/** The mean squared distance from the mean. As `jnp.var`. @example np.var(np.array([1, 2, 6])) // 4.6666667 */
const variance = spread('var', (x) => x)
export { variance as var }
/** The root of the mean squared distance from the mean. As `jnp.std`. @example np.std(np.array([1, 2, 6])) // 2.1602469 */
export const std = spread('std', sqrt)

const present = (what: string, f: Reduction, none: number): Reduction =>
  reduction(what, (x, axes) => {
    const y = asFloat(what, x)
    const out = f(where(isnan(y), none, y), { axis: axes })
    return Number.isFinite(none) ? out : where(all(isnan(y), { axis: axes }), NaN, out)
  })
/** The greatest that isn't NaN; NaN where all are. As `jnp.nanmax`. @example np.nanmax(np.array([1, NaN, 3])) // 3 */
export const nanmax = present('nanmax', extreme('nanmax', c.reduceMax), -Infinity)
/** The least that isn't NaN; NaN where all are. As `jnp.nanmin`. @example np.nanmin(np.array([1, NaN, 3])) // 1 */
export const nanmin = present('nanmin', extreme('nanmin', c.reduceMin), Infinity)
/** Σ of those that aren't NaN. As `jnp.nansum`. @example np.nansum(np.array([1, NaN, 3])) // 4 */
export const nansum = present('nansum', sum, 0)
/** The mean of those that aren't NaN; NaN where all are. As `jnp.nanmean`. @example np.nanmean(np.array([1, NaN, 3])) // 2 */
export const nanmean = reduction('nanmean', (x, axes) =>
  c.roundedOnce((y) => {
    const count = c.reduceSum(c.convertElementType(c.eq(y, y), 'int32'), axes)
    return c.div(nansum(y, { axis: axes }), c.convertElementType(count, y.dtype, y.aval.weak))
  })(asFloat('nanmean', x)),
)

/** log Σ e^x, without overflow. As `jax.nn.logsumexp`. @example np.logsumexp(np.array([1000, 1000])) // 1000.6931 */
export const logsumexp = reduction('logsumexp', (x, axes) =>
  c.roundedOnce((y) => {
    if (countOf(y, axes) === 0) return c.log(c.reduceSum(y, axes))
    const [top, above] = topAndLogSum(y, axes)
    return c.add(above, top)
  })(asFloat('logsumexp', x)),
)

export interface AxisOptions {
  /** Default: all of them, as one. */
  readonly axis?: number
}
const axisOptions: Schema<AxisOptions> = { axis: whole }
const along = (what: string, x: Operand, axis: number | undefined, f: (x: NdArray, axis: number) => NdArray): NdArray => {
  const y = asArray(what, x)
  return axis === undefined ? f(c.reshape(y, [y.size]), 0) : f(y, axisOf(what, y, axis))
}
/** A scalar is a vector of one. */
const prefix = (what: string, f: (x: NdArray, axis: number) => NdArray) =>
  takesOptions(what, 2, axisOptions, (x: Operand, options: AxisOptions = {}): NdArray => {
    const y = asArray(what, x)
    return along(what, y.ndim === 0 ? c.reshape(y, [1]) : y, options.axis, f)
  })
export interface PlaceOptions extends AxisOptions {
  readonly keepdims?: boolean
}
const placeOptions: Schema<PlaceOptions> = { ...axisOptions, keepdims: flag }
const place = (what: string, f: typeof c.argmax) =>
  takesOptions(what, 2, placeOptions, (x: Operand, { axis, keepdims = false }: PlaceOptions = {}): NdArray => {
    const out = along(what, x, axis, (y, at) =>
      y.shape[at] === 0 ? refuse(ShapeError, what, [y], 'an extreme needs an element, and the axis is empty') : f(y, at),
    )
    if (!keepdims) return out
    const y = asArray(what, x)
    const at = axis === undefined ? null : axisOf(what, y, axis)
    return c.reshape(out, y.shape.map((n, d) => (at === null || d === at ? 1 : n))) // prettier-ignore
  })
/** The place of the greatest, the first of several: int32; a NaN is the greatest. As `jnp.argmax`. @example np.argmax(np.array([2, 5, 3])) // 1 */
export const argmax = place('argmax', c.argmax)
/** The place of the least, the first of several: int32; a NaN is the least. As `jnp.argmin`. @example np.argmin(np.array([2, 5, 3])) // 0 */
export const argmin = place('argmin', c.argmin)
/** Sums of the elements so far. As `jnp.cumsum`. @example np.cumsum(np.array([1, 2, 3])) // [1, 3, 6] */
export const cumsum = prefix('cumsum', (x, axis) => c.cumsum(numeric(x), axis))
/** Products of the elements so far. As `jnp.cumprod`. @example np.cumprod(np.array([2, 3, 4])) // [2, 6, 24] */
export const cumprod = prefix('cumprod', (x, axis) => c.cumprod(numeric(x), axis))
/** The greatest so far. As `lax.cummax`. @example np.cummax(np.array([1, 3, 2])) // [1, 3, 3] */
export const cummax = prefix('cummax', (x, axis) => c.cummax(numeric(x), axis))
/** The least so far. As `lax.cummin`. @example np.cummin(np.array([2, 3, 1])) // [2, 2, 1] */
export const cummin = prefix('cummin', (x, axis) => c.cummin(numeric(x), axis))
