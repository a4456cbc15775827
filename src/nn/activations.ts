/**
 * Activations: any shape to the same shape, float out (integers become float32). Named and defined as in `jax.nn`. All throw DTypeError for
 * what isn't numbers.
 */
import type { NdArray } from '../core/array.ts'
import type { Operand } from '../core/methods.ts'
import { axesOf, composedOptions, wholeOf } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { keptShape, logSumBelow0 } from '../numpy/logSum.ts'
import { asArray, asFloat } from '../numpy/promote.ts'
import { clamp, erfc, lit, logistic, roundedOnce, stopGradient } from '../core/constructors.ts'
import { flag, type Schema, wholes } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

const activation = (what: string, f: (x: NdArray) => NdArray) =>
  takes(`nn.${what}`, 1, (x: Operand): NdArray => roundedOnce(f)(asFloat(`nn.${what}`, x)))

/** max(x, 0), with the derivative 0 at 0 and at NaN. As `jax.nn.relu`. @example nn.relu(np.array([-1, 2])) // [0, 2] */
export const relu = activation('relu', (x) => np.where(np.greater(x, 0), x, stopGradient(np.maximum(x, 0))))
/** min(max(x, 0), 6), with the derivative 0 at both. As `jax.nn.relu6`. @example nn.relu6(np.array([-1, 7])) // [0, 6] */
export const relu6 = activation('relu6', (x) => np.where(np.logicalAnd(np.greater(x, 0), np.less(x, 6)), x, stopGradient(np.clip(x, 0, 6))))
/** 1 / (1 + e^-x). As `jax.nn.sigmoid`. @example nn.sigmoid(np.array([0])) // [0.5] */
export const sigmoid = activation('sigmoid', logistic)
/** log(1 + e^x). As `jax.nn.softplus`. @example nn.softplus(np.array([0])) // [0.6931472] */
export const softplus = activation('softplus', (x) => np.logaddexp(x, 0))
/** log sigmoid(x), without the loss of small numbers. As `jax.nn.log_sigmoid`. @example nn.logSigmoid(np.array([0])) // [-0.6931472] */
export const logSigmoid = activation('logSigmoid', (x) => np.neg(softplus(np.neg(x))))
/** x · sigmoid(x), also called swish (Elfwing et al. 2017). As `jax.nn.silu`. @example nn.silu(np.array([1])) // [0.7310586] */
export const silu = activation('silu', (x) => {
  // Where sigmoid(x) is e^x it may be subnormal: there e^(x/2) twice, of which one has the derivatives of both.
  const far = np.less(x, -64)
  const s = logistic(np.add(x, stopGradient(np.where(far, np.mul(x, -0.5), 0))))
  return np.mul(np.mul(x, s), stopGradient(np.where(far, s, 1)))
})
/** x · f(x), where f is 0 far below and 1 far above: x is held there, so that no derivative is 0 times infinity; -Infinity gives NaN, as in JAX. */
const gated = (x: NdArray, f: (x: NdArray) => NdArray): NdArray => np.mul(x, f(clamp(lit(x, -800), x, lit(x, 800))))
/** x · tanh(softplus(x)) (Misra 2019). As `jax.nn.mish`. @example nn.mish(np.array([1])) // [0.8650985] */
export const mish = activation('mish', (x) => gated(x, (y) => np.tanh(softplus(y))))
/** x where positive, else e^x - 1 (Clevert et al. 2015). As `jax.nn.elu`. @example nn.elu(np.array([-1, 2])) // [-0.63212055, 2] */
export const elu = activation('elu', (x) => np.where(np.greater(x, 0), x, np.expm1(np.where(np.greater(x, 0), 0, x))))
/** x, or x / 100 below 0. As `jax.nn.leaky_relu`. @example nn.leakyRelu(np.array([-1, 2])) // [-0.01, 2] */
export const leakyRelu = activation('leakyRelu', (x) => np.where(np.greaterEqual(x, 0), x, np.mul(x, 0.01)))
/** x / (1 + |x|). As `jax.nn.soft_sign`. @example nn.softSign(np.array([-1, 3])) // [-0.5, 0.75] */
export const softSign = activation('softSign', (x) => {
  const within = np.less(np.abs(x), 1)
  const [near, far] = [np.where(within, x, 0), np.where(within, 1, x)]
  const sign = stopGradient(np.div(far, np.abs(far))) // NaN of infinities, as in JAX
  const beyond = np.mul(sign, np.sub(1, np.div(1, np.add(np.abs(far), 1)))) // whose derivative is 1 / (1 + |x|)² without a difference
  return np.where(within, np.div(near, np.add(np.abs(near), 1)), beyond)
})
/** x kept within -1 and 1. As `jax.nn.hard_tanh`. @example nn.hardTanh(np.array([-3, 0.5])) // [-1, 0.5] */
export const hardTanh = activation('hardTanh', (x) => np.where(np.greater(x, 1), 1, np.where(np.less(x, -1), -1, x)))

export interface GeluOptions {
  /** true (the default): the tanh formula, GPT-2's. false: exact, by erfc. */
  readonly approximate?: boolean
}
const geluOptions: Schema<GeluOptions> = { approximate: flag }
/**
 * x · Φ(x), Φ the standard normal's distribution function. As `jax.nn.gelu` (Hendrycks and Gimpel 2016).
 *
 * @example nn.gelu(np.array([1]), { approximate: false }) // [0.8413447]
 */
export const gelu = /* @__PURE__ */ takesOptions('nn.gelu', 2, geluOptions, (x: Operand, options: GeluOptions = {}): NdArray => {
  const { approximate = true } = options
  return roundedOnce((y) =>
    gated(y, (z) =>
      approximate
        ? logistic(np.mul(np.add(z, np.mul(np.pow(z, 3), 0.044715)), Math.sqrt(8 / Math.PI))) // (1 + tanh u) / 2 = logistic 2u
        : np.mul(erfc(np.mul(z, -Math.SQRT1_2)), 0.5),
    ),
  )(asFloat('nn.gelu', x))
})

export interface AxisOptions {
  /** One axis or several; default: the last. */
  readonly axis?: number | readonly number[]
}
const axisOptions: Schema<AxisOptions> = { axis: wholes }
/** f of floats and the axes, told as `what`. */
const overAxes = (what: string, f: (x: NdArray, axis: readonly number[]) => NdArray) =>
  composedOptions(what, 2, axisOptions, (x: Operand, options: AxisOptions = {}): NdArray => {
    const y = asFloat(what, x)
    const axis = axesOf(what, y, options.axis ?? -1)
    return roundedOnce((z) => f(z, axis))(y)
  })
/** x with its greatest along the axes at 0. */
const belowMax = (x: NdArray, axis: readonly number[]): NdArray => np.sub(x, stopGradient(np.max(x, { axis, keepdims: true })))

/**
 * e^x over its sum along an axis, without overflow. As `jax.nn.softmax`; a row of -Infinity alone gives NaN.
 *
 * @throws ShapeError when the axis is out of range, or empty
 * @example nn.softmax(np.array([0, 0])) // [0.5, 0.5]
 */
export const softmax = overAxes('nn.softmax', (x, axis) => {
  const e = np.exp(belowMax(x, axis))
  return np.div(e, np.sum(e, { axis, keepdims: true }))
})
/**
 * log(softmax(x)), without the loss of small probabilities. As `jax.nn.log_softmax`.
 *
 * @throws ShapeError when the axis is out of range, or empty
 * @example nn.logSoftmax(np.array([0, 0])) // [-0.6931472, -0.6931472]
 */
export const logSoftmax = overAxes('nn.logSoftmax', (x, axis) => {
  const y = belowMax(x, axis)
  return np.sub(y, np.reshape(logSumBelow0(y, axis), keptShape(y, axis)))
})
/**
 * x with the mean 0 and the variance 1 along an axis: (x - mean) / √(var + 1e-5). As `jax.nn.standardize`.
 *
 * @throws ShapeError when the axis is out of range
 * @example nn.standardize(np.array([1, 3])) // [-0.999995, 0.999995]
 */
export const standardize = overAxes('nn.standardize', (x, axis) => {
  const centred = np.sub(x, np.mean(x, { axis, keepdims: true }))
  return np.div(centred, np.sqrt(np.add(np.mean(np.square(centred), { axis, keepdims: true }), 1e-5)))
})

/**
 * 1 at each class's place and 0 elsewhere: int [...] -> float32 [..., classes]. As `jax.nn.one_hot`; a class outside is all zeros.
 *
 * @throws ShapeError when the number of classes isn't whole
 * @example nn.oneHot(np.arange(2), 3) // [[1, 0, 0], [0, 1, 0]]
 */
export const oneHot = /* @__PURE__ */ takes('nn.oneHot', 2, (x: Operand, classes: number): NdArray => {
  const y = np.expandDims(asArray('nn.oneHot', x), -1)
  return np.astype(np.equal(y, np.astype(np.arange(wholeOf('nn.oneHot', classes, 0)), y.dtype === 'bool' ? 'int32' : y.dtype)), 'float32')
})
