/** Activations: any shape to the same shape, float in and out. Named and defined as in `jax.nn`. */
import type { NdArray } from '../core/array.ts'
import { erf, logistic, stopGradient } from '../core/constructors.ts'
import * as np from '../numpy/index.ts'

/** max(x, 0), with the derivative 0 at 0. As `jax.nn.relu`: `relu(np.array([-1, 2])) // [0, 2]`. */
export const relu = (x: NdArray): NdArray => np.where(np.lessEqual(x, 0), 0, x)

/** x · sigmoid(x), also called swish. As `jax.nn.silu` (Elfwing et al. 2017): `silu(np.array([0])) // [0]`. */
export const silu = (x: NdArray): NdArray => np.mul(x, logistic(x))

export interface GeluOptions {
  /** true (the default): the tanh formula, GPT-2's. false: exact, by erf. */
  readonly approximate?: boolean
}
/**
 * x · Φ(x), Φ the standard normal's distribution function. As `jax.nn.gelu` (Hendrycks and Gimpel 2016).
 *
 * @example gelu(np.array([1]), { approximate: false }) // [0.8413447]
 */
export const gelu = (x: NdArray, options: GeluOptions = {}): NdArray => {
  const phi2 =
    (options.approximate ?? true)
      ? np.tanh(np.mul(np.add(x, np.mul(np.power(x, 3), 0.044715)), Math.sqrt(2 / Math.PI)))
      : erf(np.mul(x, Math.SQRT1_2)) // 2Φ(x) - 1
  return np.mul(np.mul(x, 0.5), np.add(phi2, 1))
}

export interface AxisOptions {
  /** Default: the last. */
  readonly axis?: number
}
const belowMax = (x: NdArray, axis: number): NdArray => np.sub(x, stopGradient(np.max(x, { axis, keepdims: true })))

/** exp(x) over its sum along `axis`, without overflow. As `jax.nn.softmax`: `softmax(np.array([0, 0])) // [0.5, 0.5]`. */
export const softmax = (x: NdArray, { axis = -1 }: AxisOptions = {}): NdArray => {
  const e = np.exp(belowMax(x, axis))
  return np.div(e, np.sum(e, { axis, keepdims: true }))
}
/** log(softmax(x)) without the loss of small probabilities. As `jax.nn.log_softmax`: `logSoftmax(np.array([0, 0])) // [-0.693, -0.693]`. */
export const logSoftmax = (x: NdArray, { axis = -1 }: AxisOptions = {}): NdArray => {
  const y = belowMax(x, axis)
  return np.sub(y, np.log(np.sum(np.exp(y), { axis, keepdims: true })))
}
