/** The next token from its logits, on the device. */
import type { NdArray } from '../core/array.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'

/** What is chosen by; a number is data, so that another one compiles nothing; null: left out of the program. */
export interface Sampling {
  /** Logits are divided by it; null: the greatest is taken. */
  readonly temperature: NdArray | number | null
  /** Among so many of the greatest. */
  readonly topK: NdArray | number | null
  /** Among the fewest of the greatest whose probabilities reach it. */
  readonly topP: NdArray | number | null
  /** Among those of at least this share of the greatest's probability. */
  readonly minP: NdArray | number | null
  /** Logits of tokens that were there already are divided by it, or multiplied below 0 (Keskar et al. 2019). */
  readonly repetitionPenalty: NdArray | number | null
}

/** logits [B,V] and which tokens were there, bool [B,V] -> int32 [B]. The order is Transformers'. */
export const sampled = (logits: NdArray, seen: NdArray | null, key: NdArray, own: Sampling): NdArray => {
  const { temperature, topK, topP, minP, repetitionPenalty } = own
  const raw = np.astype(logits, 'float32')
  const penalised =
    repetitionPenalty === null || seen === null
      ? raw
      : np.where(seen, np.where(np.greater(raw, 0), np.div(raw, repetitionPenalty), np.mul(raw, repetitionPenalty)), raw)
  if (temperature === null) return np.argmax(penalised, { axis: -1 })
  const cooled = np.div(penalised, temperature)
  const V = cooled.shape[1]!
  const among = (x: NdArray, keep: NdArray): NdArray => np.where(keep, x, -Infinity)
  let left = cooled
  if (topK !== null) {
    const kth = np.take(np.sort(left, { axis: -1 }), np.maximum(np.sub(V, np.astype(topK, 'int32')), 0), { axis: -1 }) // [B]
    left = among(left, np.greaterEqual(left, np.expandDims(kth, -1)))
  }
  if (topP !== null) {
    const sorted = np.flip(np.sort(left, { axis: -1 }), -1) // [B,V], the greatest first
    const before = np.sub(np.cumsum(nn.softmax(sorted), { axis: -1 }), nn.softmax(sorted))
    const least = np.min(np.where(np.less(before, topP), sorted, Infinity), { axis: -1, keepdims: true })
    left = among(left, np.greaterEqual(left, least))
  }
  if (minP !== null) {
    const p = nn.softmax(left)
    left = among(left, np.greaterEqual(p, np.mul(np.max(p, { axis: -1, keepdims: true }), minP)))
  }
  return random.categorical(key, left)
}
