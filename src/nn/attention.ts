/** Scaled dot-product attention, composed from primitives: the [B,H,T,S] scores are an array like any other. */
import type { NdArray } from '../core/array.ts'
import { dotGeneral, iota } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import * as np from '../numpy/index.ts'
import { softmax } from './activations.ts'

export interface AttentionOptions {
  /** Query t sees keys 0 to t only. */
  readonly causal?: boolean
  /** bool, broadcastable to [B,H,T,S]: false hides a key. A row hidden whole gives the mean of the values. */
  readonly mask?: NdArray
  /** Added to the scaled scores; broadcastable to [B,H,T,S]. */
  readonly bias?: NdArray
  /** Default 1/sqrt(D). */
  readonly scale?: number
}
// As in JAX: finite, so that a row that is hidden whole isn't NaN; 0.7 leaves room to subtract.
const HIDDEN = -0.7 * 3.4028234663852886e38

/** [B,S,K,D] -> [B,S,H,D]: each head H/K times in a row. */
const repeatHeads = (x: NdArray, heads: number): NdArray => {
  const [B, S, K, D] = x.shape as readonly [number, number, number, number]
  if (K === heads) return x
  if (heads % K !== 0) throw new ShapeError(`dotProductAttention: ${heads} query heads aren't a multiple of ${K} key heads`)
  return np.reshape(np.broadcastTo(np.reshape(x, [B, S, K, 1, D]), [B, S, K, heads / K, D]), [B, S, heads, D])
}

/**
 * softmax(q kᵀ · scale + bias) v for every head: q [B,T,H,D], k and v [B,S,K,D], K dividing H -> [B,T,H,D].
 * As `jax.nn.dot_product_attention` (Vaswani et al. 2017); K below H is grouped-query attention (Ainslie et al. 2023).
 * It is composed from primitives: memory for the scores grows with T·S.
 *
 * @example dotProductAttention(q, k, v, { causal: true })
 * @throws ShapeError when an operand hasn't four axes, or K doesn't divide H
 */
export const dotProductAttention = (q: NdArray, k: NdArray, v: NdArray, options: AttentionOptions = {}): NdArray => {
  for (const x of [q, k, v])
    if (x.ndim !== 4) throw new ShapeError(`dotProductAttention: [${x.shape.join(',')}] where [batch, length, heads, width] was expected`)
  const [, , H, D] = q.shape as readonly [number, number, number, number]
  const [keys, values] = [repeatHeads(k, H), repeatHeads(v, H)] // [B,S,H,D]
  const heads = [0, 2]
  const dots = np.mul(dotGeneral(q, keys, [[3], [3]], [heads, heads]), options.scale ?? 1 / Math.sqrt(D)) // [B,H,T,S]
  const biased = options.bias === undefined ? dots : np.add(dots, options.bias)
  const masked = options.mask === undefined ? biased : np.where(options.mask, biased, HIDDEN)
  const window = masked.shape.slice(2) // [T,S]
  const scores =
    options.causal === true ? np.where(np.greaterEqual(iota(window, 'int32', 0), iota(window, 'int32', 1)), masked, HIDDEN) : masked
  const out = dotGeneral(softmax(scores), values, [[3], [1]], [[0, 1], heads]) // [B,H,T,D]
  return np.transpose(out, [0, 2, 1, 3])
}
