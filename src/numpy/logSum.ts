/** Logarithms of sums of exponentials: the greatest term is 1 exactly and stays out of the sum, so that log1p sees the small ones. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { toShape } from './promote.ts'

export const keptShape = (x: NdArray, axes: readonly number[]): number[] => x.shape.map((n, d) => (axes.includes(d) ? 1 : n))

/** Σ e^x of numbers whose greatest is 0, in two: of the others, and how many are the greatest. */
export const sumBelow0 = (x: NdArray, axes: readonly number[]): readonly [others: NdArray, ties: NdArray] => {
  const ties = c.convertElementType(c.eq(x, c.lit(x, 0)), x.dtype)
  return [c.reduceSum(c.sub(c.exp(x), ties), axes), c.reduceSum(ties, axes)]
}
/** log (others + ties), of which there is one tie at least. */
export const logOfSum = (others: NdArray, ties: NdArray): NdArray => c.log1p(c.add(others, c.sub(ties, c.lit(others, 1))))
/** log Σ e^x of numbers whose greatest is 0, or of which none is finite. */
export const logSumBelow0 = (x: NdArray, axes: readonly number[]): NdArray => logOfSum(...sumBelow0(x, axes))
/** The greatest along axes (0 where it isn't finite), a constant to derivatives, and log Σ e^x above it. */
export const topAndLogSum = (x: NdArray, axes: readonly number[]): readonly [top: NdArray, above: NdArray] => {
  const top = c.stopGradient(c.reduceMax(x, axes))
  const safe = c.select(c.isFinite(top), top, c.lit(top, 0))
  return [safe, logSumBelow0(c.sub(x, toShape(c.reshape(safe, keptShape(x, axes)), x.shape)), axes)]
}
