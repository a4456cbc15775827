/** Attention by heads with its projections. Masks mean what PyTorch's do: in a bool mask true hides, and a float one is added to the scores. */
import type { NdArray } from '../core/array.ts'
import { logistic, reshape } from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { array, atLeast, flag, needed, number, type OptionKind, optionsOf, record, type Schema } from '../core/options.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asArray, asFloat } from '../numpy/promote.ts'
import { type AttentionOptions, dotProductAttention } from './attention.ts'
import { type Dropped, droppedKind, part } from './dropped.ts'
import { linear, rmsNorm, type RmsNormParams } from './layers.ts'
import { extentsOf, linearKind, linearOf, type LinearParams } from './linear.ts'
import { rotate, type Rotation } from './rope.ts'
import { type Window, window } from './window.ts'

/** Projections to the heads, H · D/H wide; k and v may be narrower (fewer heads, each for several of q's), and read other widths than q. */
export interface AttentionParams {
  readonly q: LinearParams // [B,T,E] -> [B,T,H·D/H]
  readonly k: LinearParams // [B,S,·] -> [B,S,K·D/H]
  readonly v: LinearParams // [B,S,·] -> [B,S,K·D/H]
  readonly out: LinearParams // [B,T,H·D/H] -> [B,T,E]
  /** Root-mean-square norms of each head's queries, keys and values, before they turn; `{}` is one without a scale. */
  readonly qNorm?: RmsNormParams // [D/H]
  readonly kNorm?: RmsNormParams
  readonly vNorm?: RmsNormParams
  /** What heads give is multiplied by its sigmoid, a number for each of theirs. */
  readonly gate?: LinearParams // [B,T,E] -> [B,T,H·D/H]
  /** A score for each head that takes its share of the weights and gives no value. */
  readonly sinks?: NdArray // [H]
}
const norm = record<RmsNormParams>({ scale: array })
export const attentionParams: Schema<AttentionParams> = {
  ...{ q: needed(linearKind), k: needed(linearKind), v: needed(linearKind), out: needed(linearKind) },
  ...{ qNorm: norm, kNorm: norm, vNorm: norm, gate: linearKind, sinks: array },
}
export const attentionKind: OptionKind<AttentionParams> = record(attentionParams)

export interface Masks {
  /** [T,S], or [B·H,T,S] as in PyTorch, or what broadcasts to [B,H,T,S]. */
  readonly attnMask?: NdArray | undefined
  /** [B,S]. */
  readonly keyPaddingMask?: NdArray | undefined
  readonly causal?: boolean | undefined
}
export interface MultiHeadAttentionOptions {
  /** H. */
  readonly heads: number
  /** [T,S], or [B·H,T,S] as in PyTorch, or what broadcasts to [B,H,T,S]: of bools true hides a key (in `dotProductAttention` false does); floats are added to the scores. */
  readonly attnMask?: NdArray
  /** [B,S]: of bools true hides a key from all queries; floats are added. */
  readonly keyPaddingMask?: NdArray
  /** Query t sees keys 0 to t only. */
  readonly causal?: boolean
  /** Of weights. */
  readonly dropout?: Dropped
  /** Query t sees keys t - left to t + right only: a number for both, or [left, right]. */
  readonly window?: Window
  /** Of the scores. Default 1/sqrt(D/H). */
  readonly scale?: number
  /** Above 0: scores become softcap · tanh(score / softcap). */
  readonly softcap?: number
  /** Turns queries and keys, which are at the same positions then. */
  readonly rotation?: Rotation
  /** Of the norms; default 1e-6. */
  readonly eps?: number
}
const multiHeadAttentionOptions: Schema<MultiHeadAttentionOptions> = {
  ...{ heads: needed(atLeast(1)), attnMask: array, keyPaddingMask: array, causal: flag, dropout: droppedKind },
  ...{ window, scale: number, softcap: number, rotation: record<Rotation>({ cos: needed(array), sin: needed(array) }), eps: number },
}

/** A mask as attention takes it: a bool says what is seen, a float is added. */
const masked = (
  what: string,
  { attnMask, keyPaddingMask, causal }: Masks,
  sizes: readonly [B: number, H: number, T: number, S: number],
): AttentionOptions => {
  // prettier-ignore
  const [B, H, T, S] = sizes
  const given: NdArray[] = []
  if (attnMask !== undefined) {
    const m = asArray(what, attnMask)
    const perHead = m.ndim === 3 && m.shape.join() === `${B * H},${T},${S}`
    const wide = perHead ? reshape(m, [B, H, T, S]) : m
    const from = 4 - wide.ndim
    if (from < 0 || !wide.shape.every((n, d) => n === 1 || n === sizes[d + from]))
      refuse(ShapeError, what, [m], `the mask is [T,S], [B·H,T,S] or broadcasts to [B,H,T,S], [${sizes.join(',')}] here`)
    given.push(wide)
  }
  if (keyPaddingMask !== undefined) {
    const m = asArray(what, keyPaddingMask)
    if (m.shape.join() !== `${B},${S}`) refuse(ShapeError, what, [m], `the mask of padded keys is [B,S], [${B},${S}] here`)
    given.push(reshape(m, [B, 1, 1, S]))
  }
  const [added, hidden] = [given.filter((m) => isFloat(m.dtype)), given.filter((m) => !isFloat(m.dtype))]
  return {
    ...(causal === true && { causal }),
    ...(added.length > 0 && { bias: added.reduce((a, b) => np.add(a, b)) }),
    ...(hidden.length > 0 && { mask: np.logicalNot(hidden.reduce((a, b) => np.logicalOr(a, b))) }),
  }
}

export const attend = (
  what: string,
  p: AttentionParams,
  [query, key, value]: readonly [NdArray, NdArray, NdArray],
  heads: number,
  masks: Masks,
  dropout: Dropped | undefined,
  { rotation, eps, ...scores }: Pick<MultiHeadAttentionOptions, 'window' | 'scale' | 'softcap' | 'rotation' | 'eps'> = {},
): NdArray => {
  const xs = [query, key, value].map((x) => asFloat(what, x)) as [NdArray, NdArray, NdArray]
  if (xs.some((x) => x.ndim !== 3)) refuse(ShapeError, what, xs, 'query, key and value are [batch, length, width]')
  const [B, T, S] = [xs[0].shape[0]!, xs[0].shape[1]!, xs[1].shape[1]!]
  if (xs.some((x) => x.shape[0] !== B) || xs[2].shape[1] !== S)
    refuse(ShapeError, what, xs, 'one batch, and a value for each key, are needed')
  const width = (name: 'q' | 'k' | 'v'): number =>
    extentsOf(linearOf(`${what}: ${name}`, p[name]))?.[1] ?? refuse(ShapeError, what, xs, `${name}'s weight is no matrix`)
  const [Q, K, V] = [width('q'), width('k'), width('v')]
  const D = Q / heads
  const groups = K / D
  if (!Number.isInteger(D) || !Number.isInteger(groups) || heads % groups !== 0 || V % groups !== 0)
    refuse(ShapeError, what, xs, `${heads} heads don't divide the widths of q, k and v, which are ${Q}, ${K} and ${V}`)
  const byHead = (x: NdArray, own: LinearParams, n: number): NdArray => {
    const y = linear(own, x)
    return reshape(y, [...y.shape.slice(0, 2), n, y.shape[2]! / n])
  }
  const normed = (x: NdArray, own: RmsNormParams | undefined): NdArray => (own === undefined ? x : rmsNorm(own, x, { eps: eps ?? 1e-6 }))
  const turned = (x: NdArray): NdArray => (rotation === undefined ? x : rotate(x, rotation))
  const [q, k, v] = [
    turned(normed(byHead(xs[0], p.q, heads), p.qNorm)),
    turned(normed(byHead(xs[1], p.k, groups), p.kNorm)),
    normed(byHead(xs[2], p.v, groups), p.vNorm),
  ]
  const mixed = dotProductAttention(q, k, v, {
    ...masked(what, masks, [B, heads, T, S]),
    ...(dropout !== undefined && { dropout }),
    ...(p.sinks !== undefined && { sinks: p.sinks }),
    ...scores,
  })
  const flat = reshape(mixed, [B, T, heads * mixed.shape[3]!])
  return linear(p.out, p.gate === undefined ? flat : np.mul(flat, logistic(linear(p.gate, xs[0]))))
}

/**
 * Attention of H heads with its projections: query [B,T,E], key [B,S,·], value [B,S,·] -> [B,T,E]. As `torch.nn.MultiheadAttention` with
 * batch_first, but for the weights, which never reach memory and aren't returned. Where k's weight gives fewer heads than q's, each of them
 * serves several (Ainslie et al. 2023). Norms of heads, a gate and sinks are there where the parameters have them. A query whose keys are all hidden gets the mean of the values.
 *
 * @example nn.multiHeadAttention({ q: { w: np.eye(4) }, k: { w: np.eye(4) }, v: { w: np.eye(4) }, out: { w: np.eye(4) } }, np.ones([1, 2, 4]), np.ones([1, 3, 4]), np.ones([1, 3, 4]), { heads: 2 }).shape // [1, 2, 4]
 * @throws ShapeError when the inputs aren't of one batch, the heads don't divide a width, or a mask doesn't fit
 */
export const multiHeadAttention = /* @__PURE__ */ composedOptions(
  'nn.multiHeadAttention',
  5,
  multiHeadAttentionOptions,
  (p: AttentionParams, query: NdArray, key: NdArray, value: NdArray, options: MultiHeadAttentionOptions): NdArray => {
    const what = 'nn.multiHeadAttention'
    const own = optionsOf(what, attentionParams, p, 'parameter')
    const { heads, dropout, attnMask, keyPaddingMask, causal, ...more } = options
    return attend(what, own, [query, key, value], heads, { attnMask, keyPaddingMask, causal }, part(dropout, 0), more)
  },
)
