/** Layers: pure functions of (parameters, input). Refusals name the layer, and what in it refused. */
import { NdArray } from '../core/array.ts'
import { convertElementType, rsqrt, widened } from '../core/constructors.ts'
import { isHalf } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { composed, composedOptions, numberOf } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asFloat, asIndex, promoteTypes } from '../numpy/promote.ts'
import { bernoulli } from '../random/index.ts'
import { array, needed, number, optionsOf, type Schema } from '../core/options.ts'
import { linearDtype, linearOf, linearProduct, type LinearParams, wideLinear } from './linear.ts'
import { Weight, weightKind } from './weight.ts'

/** Parameters are an object of arrays. */
const parameters = <P extends object>(what: string, schema: Schema<P>, p: P): P => optionsOf(what, schema, p, 'parameter')

/**
 * x w + b along the last axis, rounded once: [...,I] -> [...,O]. Or x weightᵀ + bias, by PyTorch's names and in its layout.
 *
 * @example nn.linear({ w: np.eye(2) }, np.array([1, 2])) // [1, 2]
 * @example nn.linear({ weight: np.array([[1, 2]]), bias: np.array([3]) }, np.array([1, 2])) // [8]
 * @throws ArgumentError where parameters of both conventions are given; ShapeError when the extents differ
 */
export const linear = /* @__PURE__ */ composed('nn.linear', 2, (p: LinearParams, x: NdArray): NdArray => {
  const own = linearOf('nn.linear', p)
  if (own.bias === undefined) return linearProduct('nn.linear', own, x, false)
  const to = linearDtype('nn.linear', own, x)
  const y = wideLinear('nn.linear', own, x) // [...,O]
  return isHalf(to) ? convertElementType(y, to) : y
})

export interface EmbeddingParams {
  readonly w: NdArray | Weight // [V,D]
}
const embeddingParams: Schema<EmbeddingParams> = { w: needed(weightKind) }
/**
 * Rows of the table: int [...] -> [...,D]. An id beyond the table gives NaN. Of positions in place of ids, these are learned positions.
 *
 * @example nn.embedding({ w: np.eye(2) }, np.array(1, { dtype: 'int32' })) // [0, 1]
 * @example nn.embedding({ w: np.eye(3) }, np.arange(2)) // [[1, 0, 0], [0, 1, 0]]
 */
export const embedding = /* @__PURE__ */ composed('nn.embedding', 2, (p: EmbeddingParams, ids: NdArray): NdArray => {
  const { w } = parameters('nn.embedding', embeddingParams, p)
  return w instanceof Weight ? w.take(asIndex('nn.embedding', ids)) : np.take(w, ids, { axis: 0 })
})

export interface LayerNormParams {
  readonly scale?: NdArray // [D]
  readonly bias?: NdArray // [D]
}
const layerNormParams: Schema<LayerNormParams> = { scale: array, bias: array }
export interface LayerNormOptions {
  /** Added to the variance; default 1e-5, PyTorch's, so that GPT-2's weights give GPT-2's logits. */
  readonly eps?: number
}
const layerNormOptions: Schema<LayerNormOptions> = { eps: number }
const last = { axis: -1, keepdims: true } as const
const overRoot = (x: NdArray, eps: number): NdArray => np.mul(x, rsqrt(np.add(np.mean(np.square(x), last), eps)))
/** f(y) · scale + bias at the dtype that y and the parameters meet at, rounded once. */
const affine = (y: NdArray, { scale, bias }: LayerNormParams, f: (x: NdArray) => NdArray): NdArray => {
  const normed = f(widened(y)) // [...,D]
  const scaled = scale === undefined ? normed : np.mul(normed, scale)
  const out = bias === undefined ? scaled : np.add(scaled, bias)
  const to = [scale, bias].reduce((a, b) => (b === undefined ? a : promoteTypes(a, b.dtype).dtype), y.dtype)
  return convertElementType(out, to, out.aval.weak)
}
/**
 * (x - mean) / sqrt(var + eps) · scale + bias along the last axis: [...,D] -> [...,D]. Ba, Kiros and Hinton 2016.
 *
 * @example nn.layerNorm({}, np.array([1, 3])) // [-0.999995, 0.999995]
 */
export const layerNorm = /* @__PURE__ */ composedOptions(
  'nn.layerNorm',
  3,
  layerNormOptions,
  (p: LayerNormParams, x: NdArray, options: LayerNormOptions = {}): NdArray => {
    const { eps = 1e-5 } = options
    const own = parameters('nn.layerNorm', layerNormParams, p)
    return affine(asFloat('nn.layerNorm', x), own, (y) => overRoot(np.sub(y, np.mean(y, last)), eps))
  },
)

export interface RmsNormParams {
  readonly scale?: NdArray // [D]
}
const rmsNormParams: Schema<RmsNormParams> = { scale: array }
export interface RmsNormOptions {
  /** Added to the mean square; default 1e-6. */
  readonly eps?: number
  /** Added to the scale, which is learned around 0 where this is 1 (Gemma); default 0. */
  readonly offset?: number
}
const rmsNormOptions: Schema<RmsNormOptions> = { eps: number, offset: number }
/**
 * x / sqrt(mean x² + eps) · (scale + offset) along the last axis: [...,D] -> [...,D]; eps is 1e-6 and the offset 0 unless said. Zhang and Sennrich 2019.
 *
 * @example nn.rmsNorm({}, np.array([3, 4])) // [0.848528, 1.1313708]
 */
export const rmsNorm = /* @__PURE__ */ composedOptions(
  'nn.rmsNorm',
  3,
  rmsNormOptions,
  (p: RmsNormParams, x: NdArray, options: RmsNormOptions = {}): NdArray => {
    const { eps = 1e-6, offset = 0 } = options
    const own = parameters('nn.rmsNorm', rmsNormParams, p)
    const y = asFloat('nn.rmsNorm', x)
    const normed = (z: NdArray): NdArray => overRoot(z, eps)
    if (own.scale === undefined || offset === 0) return affine(y, own, normed)
    const shifted = { scale: np.add(widened(own.scale), offset) }
    return convertElementType(affine(y, shifted, normed), promoteTypes(y.dtype, own.scale.dtype).dtype)
  },
)

/**
 * Zeroes each element with probability `rate` and divides the others by 1 - rate; the same key drops the same ones. For evaluation, don't
 * call it. Srivastava et al. 2014.
 *
 * @example nn.dropout(random.key(0), np.ones([4]), 0.5) // [0, 0, 2, 2]
 * @throws ShapeError when the rate isn't in [0, 1)
 */
export const dropout = /* @__PURE__ */ composed('nn.dropout', 3, (key: NdArray, x: Operand, rate: number): NdArray => {
  if (!(numberOf('nn.dropout', rate) >= 0 && rate < 1)) throw new ShapeError(`nn.dropout: the rate ${rate} isn't in [0, 1)`)
  const y = asFloat('nn.dropout', x)
  return rate === 0 ? y : np.where(bernoulli(key, 1 - rate, y.shape), np.div(y, 1 - rate), 0)
})
