/** Attention over operands that are known to fit, for layers and models: what `dotProductAttention` is once its arguments are checked. */
import { attend } from '../../primitives/attention.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import { refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'

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
  const dropping = dropout !== null && dropout.rate !== 0
  const extras = [
    ...(bias === null ? [] : [c.convertElementType(bias, q.dtype)]),
    ...(mask === null ? [] : [mask]),
    ...(dropping ? [dropout.key] : []),
  ]
  const params = { scale, softcap, left, right, bias: bias !== null, mask: mask !== null, rate: dropping ? dropout.rate : 0 }
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
