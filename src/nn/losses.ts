/** Losses. */
import type { NdArray } from '../core/array.ts'
import { iota } from '../core/constructors.ts'
import * as np from '../numpy/index.ts'

export interface CrossEntropyOptions {
  /** The share of the target spread evenly over the classes; default 0. */
  readonly labelSmoothing?: number
}
/**
 * -log softmax(logits)[label] of every row, in nats: float [...,V], int [...] -> [...]. No mean is taken. A label outside [0, V) picks nothing.
 * As `optax.softmax_cross_entropy_with_integer_labels`. The label's logit is found by comparison, not by a gather, so its gradient needs no scatter.
 *
 * @example crossEntropy(np.array([[0, 0]]), np.array([1], { dtype: 'int32' })).mean() // 0.6931472
 */
export const crossEntropy = (logits: NdArray, labels: NdArray, { labelSmoothing = 0 }: CrossEntropyOptions = {}): NdArray => {
  const hit = np.equal(iota(logits.shape, 'int32', logits.ndim - 1), np.expandDims(np.astype(labels, 'int32'), -1)) // [...,V]
  const picked = np.sum(np.where(hit, logits, 0), { axis: -1 }) // [...]
  const target =
    labelSmoothing === 0 ? picked : np.add(np.mul(picked, 1 - labelSmoothing), np.mul(np.mean(logits, { axis: -1 }), labelSmoothing))
  return np.sub(np.logsumexp(logits, { axis: -1 }), target)
}

/** mean((x - y)²) over all elements: two arrays that broadcast -> []. `meanSquaredError(np.array([1, 2]), np.array([1, 4])) // 2` */
export const meanSquaredError = (x: NdArray, y: NdArray): NdArray => np.mean(np.square(np.sub(x, y)))
