/** Scaled dot-product attention: flash kernels forward and backward, so that scores never reach memory. */
import { attended } from './attended.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asArray, asFloat, asIndex } from '../numpy/promote.ts'
import { keyOf } from '../random/keys.ts'
import { array, flag, needed, number, record, type Schema } from '../core/options.ts'
import { type Window, window } from './window.ts'

interface AttentionDropout {
  readonly key: NdArray
  readonly rate: number
}
export interface AttentionOptions {
  /** Query t sees keys 0 to t only. */
  readonly causal?: boolean
  /** JAX's name of `causal`. */
  readonly isCausal?: boolean
  /** Query t sees keys t - left to t + right only: a number for both, or [left, right]. */
  readonly window?: Window
  /** JAX's name of `window`. */
  readonly localWindowSize?: Window
  /** int [B]: queries from here on give zeros. */
  readonly querySeqLengths?: NdArray
  /** int [B]: keys from here on are hidden. */
  readonly keyValueSeqLengths?: NdArray
  /** bool, broadcastable to [B,H,T,S]: false hides a key (in `multiHeadAttention`, as in PyTorch, true does). A row hidden whole gives the mean of the values. */
  readonly mask?: NdArray
  /** Added to the scaled scores; broadcastable to [B,H,T,S]. */
  readonly bias?: NdArray
  /** Default 1/sqrt(D). */
  readonly scale?: number
  /** Drops weights with probability `rate` in [0, 1), scaling the others up; the same key drops the same ones. */
  readonly dropout?: AttentionDropout
  /** Above 0: scores become softcap · tanh(score / softcap), before bias and mask (Gemma 2). */
  readonly softcap?: number
  /** [H]: a score for each head that takes its share of the weights and gives no value (Xiao et al. 2023, gpt-oss). */
  readonly sinks?: NdArray
}
const attentionOptions: Schema<AttentionOptions> = {
  ...{ causal: flag, isCausal: flag, window, localWindowSize: window, querySeqLengths: array, keyValueSeqLengths: array },
  ...{ mask: array, bias: array, scale: number, dropout: record<AttentionDropout>({ key: needed(array), rate: needed(number) }) },
  ...{ softcap: number, sinks: array },
}

/**
 * softmax(q kᵀ · scale + bias) v for every head: q [B,T,H,D], k [B,S,K,D] and v [B,S,K,E], K dividing H -> [B,T,H,E]. All may lack B.
 * As `jax.nn.dot_product_attention` (Vaswani et al. 2017); K below H is grouped-query attention (Ainslie et al. 2023); computed as
 * FlashAttention (Dao et al. 2022), in memory linear in T and S. A bias that is differentiated, and second derivatives, do store scores.
 *
 * @example nn.dotProductAttention(np.ones([1, 2, 1, 4]), np.ones([1, 3, 1, 4]), np.ones([1, 3, 1, 4])).shape // [1, 2, 1, 4]
 * @throws ShapeError when an operand hasn't four axes (or three), K doesn't divide H, or bias or mask don't broadcast
 */
export const dotProductAttention = /* @__PURE__ */ composedOptions(
  'nn.dotProductAttention',
  4,
  attentionOptions,
  (query: NdArray, key: NdArray, value: NdArray, options: AttentionOptions = {}): NdArray => {
    const what = 'nn.dotProductAttention'
    const { causal, isCausal, window, localWindowSize, querySeqLengths, keyValueSeqLengths, bias, dropout, scale, softcap, sinks } = options
    const given = [query, key, value].map((x) => asFloat(what, x))
    const rank = given[0]!.ndim
    if (rank < 3 || rank > 4 || given.some((x) => x.ndim !== rank))
      refuse(ShapeError, what, given, 'query, key and value must be [batch, length, heads, width], or all without batch')
    const [q, k, v] = given.map(four) as [NdArray, NdArray, NdArray]
    const bounded = window ?? localWindowSize
    const [left, right] = typeof bounded === 'number' ? [bounded, bounded] : (bounded ?? [null, null])
    const before = (lengths: NdArray, axis: 1 | 3): NdArray => within(what, lengths, [q.shape[0]!, q.shape[1]!, 1, k.shape[1]!], axis)
    const masks = [
      ...(options.mask === undefined ? [] : [four(asArray(what, options.mask))]),
      ...(keyValueSeqLengths === undefined ? [] : [before(keyValueSeqLengths, 3)]),
    ]
    const mask = masks.length === 0 ? undefined : masks.reduce(np.logicalAnd)
    const bounds = { left, right: (causal ?? isCausal) ? Math.min(0, right ?? 0) : right }
    const out = attended(q, k, v, {
      ...bounds,
      scale: scale ?? 1 / Math.sqrt(q.shape[3]!),
      bias: bias === undefined ? null : four(asArray(what, bias)),
      mask: mask ?? null,
      dropout: dropout === undefined ? null : { key: keyOf(what, dropout.key), rate: dropout.rate },
      softcap: softcap ?? null,
      sinks: sinks === undefined ? null : asFloat(what, sinks),
    })
    const seeing = mask === undefined && left === null ? out : blindRows(out, v, mask ?? np.ones([1, 1, 1, 1], 'bool'), bounds)
    const there = querySeqLengths === undefined ? seeing : np.where(before(querySeqLengths, 1), seeing, 0)
    return c.reshape(there, there.shape.slice(4 - rank))
  },
)

const four = (x: NdArray): NdArray => c.reshape(x, [...c.range(Math.max(0, 4 - x.ndim)).map(() => 1), ...x.shape])
/** Where an axis of [B,·,·,·] is below the batch's length: bool, the other axes 1. */
const within = (what: string, lengths: NdArray, shape: readonly number[], axis: 1 | 3): NdArray => {
  const n = asIndex(what, lengths)
  const B = shape[0]!
  if (n.ndim !== 1 || n.size !== B) refuse(ShapeError, what, [n], `a length for each of ${B} in the batch is needed`)
  const grid = shape.map((m, d) => (d === 0 || d === axis ? m : 1))
  return c.lt(c.iota(grid, 'int32', axis), c.broadcastInDim(n, grid, [0]))
}

/** Rows that see no key get the mean of the values, as in JAX. */
const blindRows = (
  out: NdArray,
  v: NdArray,
  mask: NdArray,
  { left, right }: { readonly left: number | null; readonly right: number | null },
): NdArray => {
  const [B, T, H, E] = out.shape as readonly [number, number, number, number]
  const [, S, K] = v.shape as readonly [number, number, number]
  const grid = [...mask.shape.slice(0, 2), T, S] // [B,H,T,S], extents of one where all are alike
  const distance = c.sub(c.iota(grid, 'int32', 3), c.iota(grid, 'int32', 2))
  const bounded = [
    c.broadcastInDim(mask, grid, c.range(4)),
    ...(left === null ? [] : [c.ge(distance, c.lit(distance, -left))]),
    ...(right === null ? [] : [c.le(distance, c.lit(distance, right))]),
  ].reduce(c.and)
  const sees = c.broadcastInDim(c.transpose(c.reduceOr(bounded, [3]), [0, 2, 1]), [B, T, H, E], [0, 1, 2])
  const mean = np.mean(v, { axis: 1 }) // [B,K,E]
  const perHead = c.reshape(c.broadcastInDim(mean, [B, K, H / K, E], [0, 1, 3]), [B, 1, H, E])
  return c.select(sees, out, c.broadcastInDim(perHead, [B, T, H, E], c.range(4)))
}
