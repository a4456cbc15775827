/** `np.linalg`: norms. */
import type { NdArray } from '../core/array.ts'
import { roundedOnce } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand, ReduceOptions } from '../core/methods.ts'
import { axesOf, reduceOptions, refuse } from './check.ts'
import { abs, notEqual, pow, sqrt, square } from './elementwise.ts'
import { asFloat } from './promote.ts'
import { max, min, sum } from './reduce.ts'
import { either, number, oneOf, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'

export interface NormOptions extends ReduceOptions {
  /**
   * Of a vector: a number p for (Σ|x|^p)^(1/p), Infinity and -Infinity for the greatest and the least |x|, 0 for the count of what isn't 0.
   * Of a matrix: 'fro' for √Σx², 1 and -1 for the greatest and least sum of a column's |x|, Infinity and -Infinity of a row's. Default: √Σx².
   */
  readonly ord?: number | 'fro' | 'nuc'
}
const normOptions: Schema<NormOptions> = { ...reduceOptions, ord: either(number, oneOf('fro', 'nuc')) }
type Norm = (x: NdArray, options: ReduceOptions) => NdArray
const euclidean: Norm = (x, options) => sqrt(sum(square(x), options))

const vectorNorm = (ord: number): Norm => {
  if (ord === 2) return euclidean
  if (ord === 0) return (x, options) => sum(notEqual(x, 0), options).astype(x.dtype)
  if (!Number.isFinite(ord)) return (x, options) => (ord > 0 ? max : min)(abs(x), options)
  return (x, options) => (ord === 1 ? sum(abs(x), options) : pow(sum(pow(abs(x), ord), options), 1 / ord))
}
/** The extreme of sums over one of two axes. */
const matrixNorm =
  (ord: number, [row, column]: readonly number[]): Norm =>
  (x, options) =>
    (ord > 0 ? max : min)(sum(abs(x), { axis: Math.abs(ord) === 1 ? row : column, keepdims: true }), options)

/**
 * The norm of a vector, of a matrix, or (without an order) of all elements as one vector: float. As `jnp.linalg.norm`.
 *
 * @throws ShapeError when an axis is out of range, or there is no such order: a matrix's 2, -2 and 'nuc' need singular values, which aren't computed
 * @example np.linalg.norm(np.array([3, 4])) // 5
 */
export const norm = /* @__PURE__ */ takesOptions('norm', 2, normOptions, (x: Operand, options: NormOptions = {}): NdArray => {
  const y = asFloat('norm', x)
  const { ord, axis, keepdims = false } = options
  const axes = axesOf('norm', y, axis)
  const fail = (reason: string): never => refuse(ShapeError, 'norm', [y, { ord }], reason)
  const choose = (): Norm => {
    if (ord === undefined) return euclidean
    if (axes.length !== 1 && axes.length !== 2)
      return fail(`an order is for vectors and matrices, and there are ${axes.length} axes: choose some`)
    if (axes.length === 1)
      return typeof ord === 'number' && !Number.isNaN(ord) ? vectorNorm(ord) : fail(`a vector's order is a number, not ${String(ord)}`)
    if (ord === 'fro') return euclidean
    if (ord === 2 || ord === -2 || ord === 'nuc')
      return fail(`a matrix's ${ord} needs singular values, which aren't computed: 'fro' is √Σx²`)
    return [1, -1, Infinity, -Infinity].includes(ord)
      ? matrixNorm(ord, axes)
      : fail(`a matrix's order is 1, -1, Infinity, -Infinity or 'fro', not ${String(ord)}`)
  }
  const chosen = choose()
  return roundedOnce((z) => chosen(z, { axis: axes, keepdims }))(y)
})
