/** Layers: pure functions of (parameters, input). */
import type { NdArray } from '../core/array.ts'
import { rsqrt } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import * as np from '../numpy/index.ts'
import { bernoulli } from '../random/index.ts'

export interface LinearParams {
  readonly w: NdArray // [I,O]
  readonly b?: NdArray // [O]
}
/** x w + b along the last axis: [...,I] -> [...,O]. `linear({ w: np.eye(2) }, np.array([1, 2])) // [1, 2]` */
export const linear = (p: LinearParams, x: NdArray): NdArray => {
  const y = np.matmul(x, p.w) // [...,O]
  return p.b === undefined ? y : np.add(y, p.b)
}

export interface EmbeddingParams {
  readonly w: NdArray // [V,D]
}
/** Rows of the table: int [...] -> [...,D]. An id beyond the table gives NaN. `embedding({ w: np.eye(2) }, np.array(1, { dtype: 'int32' })) // [0, 1]` */
export const embedding = (p: EmbeddingParams, ids: NdArray): NdArray => np.take(p.w, ids, { axis: 0 })

export interface LayerNormParams {
  readonly scale?: NdArray // [D]
  readonly bias?: NdArray // [D]
}
export interface LayerNormOptions {
  /** Added to the variance; default 1e-5, PyTorch's, so that GPT-2's weights give GPT-2's logits. */
  readonly eps?: number
}
/**
 * (x - mean) / sqrt(var + eps) · scale + bias along the last axis: [...,D] -> [...,D]. Ba, Kiros and Hinton 2016.
 *
 * @example layerNorm({}, np.array([1, 3])) // [-1, 1], nearly
 */
export const layerNorm = (p: LayerNormParams, x: NdArray, { eps = 1e-5 }: LayerNormOptions = {}): NdArray => {
  const centred = np.sub(x, np.mean(x, { axis: -1, keepdims: true })) // [...,D]
  const y = np.mul(centred, rsqrt(np.add(np.mean(np.square(centred), { axis: -1, keepdims: true }), eps)))
  const scaled = p.scale === undefined ? y : np.mul(y, p.scale)
  return p.bias === undefined ? scaled : np.add(scaled, p.bias)
}

/**
 * Zeroes each element with probability `rate` and divides the others by 1 - rate; the same key drops the same ones. Srivastava et al. 2014.
 *
 * @example dropout(random.key(0), x, 0.1) // for evaluation, don't call it
 * @throws ShapeError when the rate isn't in [0, 1)
 */
export const dropout = (key: NdArray, x: NdArray, rate: number): NdArray => {
  if (!(rate >= 0 && rate < 1)) throw new ShapeError(`dropout: the rate ${rate} isn't in [0, 1)`)
  return rate === 0 ? x : np.where(bernoulli(key, 1 - rate, x.shape), np.div(x, 1 - rate), 0)
}
