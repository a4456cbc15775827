/** Attention over operands that are known to fit, for layers and models: what `dotProductAttention` is once its arguments are checked. */
import { attend } from '../../primitives/attention.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import { refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { bernoulli } from '../random/index.ts'

export interface Attending {
  readonly scale: number
  /** Query t sees keys t - left to t + right. */
  readonly left: number | null
  readonly right: number | null
  /** Broadcastable to [B,H,T,S]. A row that sees nothing gives zeros. */
  readonly bias: NdArray | null
  readonly mask: NdArray | null
  readonly dropout: { readonly key: NdArray; readonly rate: number } | null
  readonly softcap: number | null
  readonly sinks: NdArray | null // [H]
}

/** q [B,T,H,D], k [B,S,K,D], v [B,S,K,E] -> [B,T,H,E]. */
export const attended = (q: NdArray, k: NdArray, v: NdArray, own: Attending): NdArray => {
  const { scale, left, right, bias, mask, dropout, softcap, sinks } = own
  const H = q.shape[2]!
  if (sinks !== null && sinks.shape.join() !== String(H))
    refuse(ShapeError, 'nn.dotProductAttention', [q, sinks], `sinks are [${H}], one for each head`)
  if (softcap !== null) return capped(q, k, v, { ...own, softcap })
  const dropping = dropout !== null && dropout.rate !== 0
  const extras = [
    ...(bias === null ? [] : [c.convertElementType(bias, q.dtype)]),
    ...(mask === null ? [] : [mask]),
    ...(dropping ? [dropout.key] : []),
  ]
  const params = { scale, left, right, bias: bias !== null, mask: mask !== null, rate: dropping ? dropout.rate : 0 }
  const [out, lse] = attend(q, k, v, extras, params) as [NdArray, NdArray] // [B,T,H,E], [B,H,T]
  if (sinks === null) return out
  // With the sink among what the weights are divided by, e^lse becomes e^lse + e^sink.
  const share = sigmoidOf(c.widened(lse), c.widened(sinks)) // [B,T,H,1]
  return c.convertElementType(np.mul(c.widened(out), share), out.dtype)
}
const sigmoidOf = (lse: NdArray, sinks: NdArray): NdArray => {
  const [B, H, T] = lse.shape as readonly [number, number, number]
  const above = np.sub(c.transpose(lse, [0, 2, 1]), sinks) // [B,T,H]
  return c.reshape(c.logistic(above), [B, T, H, 1])
}

/** The same with all scores in memory, each bent towards ±softcap. */
const capped = (q: NdArray, k: NdArray, v: NdArray, own: Attending & { readonly softcap: number }): NdArray => {
  const { scale, left, right, bias, mask, dropout, softcap, sinks } = own
  const [B, T, H, D] = q.shape as readonly [number, number, number, number]
  const [, S, K, E] = v.shape as readonly [number, number, number, number]
  const grouped = c.reshape(q, [B, T, K, H / K, D])
  const dots = c.dotGeneral(
    grouped,
    k,
    [[4], [3]],
    [
      [0, 2],
      [0, 2],
    ],
    'float32',
  ) // [B,K,T,G,S] // prettier-ignore
  const raw = np.mul(c.reshape(c.transpose(dots, [0, 1, 3, 2, 4]), [B, H, T, S]), scale)
  const bent = np.mul(np.tanh(np.div(raw, softcap)), softcap)
  const distance = c.sub(c.iota([1, 1, T, S], 'int32', 3), c.iota([1, 1, T, S], 'int32', 2)) // key - query
  const seen = [
    ...(mask === null ? [] : [mask]),
    ...(left === null ? [] : [np.greaterEqual(distance, -left)]),
    ...(right === null ? [] : [np.lessEqual(distance, right)]),
  ].reduce<NdArray | null>((all, one) => (all === null ? one : np.logicalAnd(all, one)), null)
  const biased = bias === null ? bent : np.add(bent, c.widened(bias))
  const s = seen === null ? biased : np.where(seen, biased, -Infinity)
  const sink = sinks === null ? null : c.reshape(c.widened(sinks), [1, H, 1, 1])
  const most = np.max(s, { axis: -1, keepdims: true })
  const top = c.stopGradient(sink === null ? most : np.maximum(most, sink))
  const level = np.where(c.isFinite(top), top, 0)
  const e = np.exp(np.sub(s, level))
  const sum = np.sum(e, { axis: -1, keepdims: true })
  const total = sink === null ? sum : np.add(sum, np.exp(np.sub(sink, level)))
  const weights = np.div(e, np.where(np.equal(total, 0), 1, total)) // [B,H,T,S]
  const kept =
    dropout === null || dropout.rate === 0
      ? weights
      : np.where(bernoulli(dropout.key, 1 - dropout.rate, weights.shape), np.div(weights, 1 - dropout.rate), 0)
  const out = c.dotGeneral(
    c.reshape(kept, [B, K, H / K, T, S]),
    c.widened(v),
    [[4], [1]],
    [
      [0, 1],
      [0, 2],
    ],
  ) // [B,K,G,T,E] // prettier-ignore
  return c.convertElementType(c.reshape(c.transpose(out, [0, 3, 1, 2, 4]), [B, T, H, E]), q.dtype)
}
