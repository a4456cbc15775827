/** Heads that encoders and readers share: what one linear layer says of a text, of its tokens, or of an answer within it. */
import type { NdArray } from '../core/array.ts'
import { slice } from '../core/constructors.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'

/** Of a head that has them. */
export interface HeadResult {
  readonly logits?: NdArray // [B,labels], [B,T,labels], or [B,T,V]
  /** Where an answer begins and ends, of a head that says it. */
  readonly startLogits?: NdArray // [B,T]
  readonly endLogits?: NdArray // [B,T]
}
/** `span`: its two labels are where an answer begins and where it ends. [B,D] or [B,T,D]. */
export const classified = (p: nn.LinearParams, x: NdArray, span: boolean): HeadResult => {
  const logits = nn.linear(p, x)
  if (!span) return { logits }
  const [B, T] = logits.shape as readonly [number, number, number]
  const at = (i: number): NdArray => np.reshape(slice(logits, [0, 0, i], [B, T, i + 1]), [B, T])
  return { startLogits: at(0), endLogits: at(1) }
}
