/** One Transformer block with every switch that the usual families differ in, and attention across to what an encoder read. */
import type { NdArray } from '../core/array.ts'
import { convertElementType, range, reshape, slice } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { attended } from '../nn/attended.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import { type KeyValues, type LayerCache, remembered } from './cache.ts'

export interface NormConfig {
  readonly kind: 'layer' | 'rms'
  readonly eps: number
  /** Added to the scale: 1 where scales are learned around 0. */
  readonly offset: 0 | 1
  readonly bias: boolean
}
export interface AttentionConfig {
  readonly heads: number
  /** Divides the heads. */
  readonly kvHeads: number
  readonly headDim: number
  /** Of the scores; null: 1/√headDim. */
  readonly scale: number | null
  /** Scores are kept within ±softcap by tanh. */
  readonly softcap: number | null
  /** Biases of query, key and value, and of the output. */
  readonly bias: boolean
  readonly outBias: boolean
  /** q, k and v are one matrix, in this order. */
  readonly fused: boolean
  /** Queries and keys are normed, head by head, before they turn. */
  readonly norms: boolean
  /** Values are divided by their root mean square, head by head (Gemma 4). */
  readonly valueNorm?: boolean
  /** What a head gives is multiplied by sigmoid of a gate, which stands behind its query in the matrix (Qwen 3.5). */
  readonly gate?: boolean
  /** Every head has a score that takes its share of the weights and gives no value (gpt-oss). */
  readonly sinks?: boolean
}
export interface MlpConfig {
  readonly width: number
  readonly activation: nn.Activation
  /** down(activation(gate x) · up x) in place of down(activation(up x)). */
  readonly gated: boolean
  /** gate and up are one matrix, in this order. */
  readonly fused: boolean
  readonly bias: boolean
}
export interface BlockConfig {
  readonly width: number
  /** Matrices are [in,out], by the names w and b, in place of [out,in] by weight and bias. */
  readonly inOut: boolean
  readonly norm: NormConfig
  /** x + f(norm x), norm(x + f x), or x + norm(f(norm x)). */
  readonly place: 'pre' | 'post' | 'around'
  readonly attention: AttentionConfig
  readonly mlp: MlpConfig
}

export interface NormParams {
  readonly scale: NdArray // [D]
  readonly bias?: NdArray // [D]
}
export interface AttentionParams {
  readonly qkv?: nn.LinearParams
  readonly q?: nn.LinearParams // [H·d,D], with gates [H·2d,D]
  readonly k?: nn.LinearParams // [K·d,D]
  readonly v?: nn.LinearParams
  readonly o: nn.LinearParams // [D,H·d]
  readonly qNorm?: NormParams // [d]
  readonly kNorm?: NormParams
  readonly sinks?: NdArray // [H]
}
export type MlpParams = nn.MlpParams | nn.GatedMlpParams
export interface BlockParams {
  /** Absent where the first of the norms before branches is left out. */
  readonly attnNorm?: NormParams
  readonly attn: AttentionParams
  readonly attnPostNorm?: NormParams
  /** Of a block that looks across, between the two others. */
  readonly crossNorm?: NormParams
  readonly cross?: AttentionParams
  readonly mlpNorm: NormParams
  readonly mlp: MlpParams
  readonly mlpPostNorm?: NormParams
}

/** What a block's attention sees: who may see whom, how heads turn, and what was there before. */
export interface Seeing {
  readonly causal: boolean
  /** Query t sees the last so many positions, its own among them. */
  readonly window: number | null
  /** bool [B,1,1,S]: false hides a key. */
  readonly mask: NdArray | null
  readonly rotation: nn.Rotation | null
  /** Added to the scores: [B,H,T,S], extents of 1 where all are alike. */
  readonly bias: NdArray | null
  readonly cache: LayerCache | null
  /** What a block with parameters for it looks across to. */
  readonly across: Across | null
}
export interface Across extends KeyValues {
  /** bool [B,1,1,S]: false hides a key. */
  readonly mask: NdArray
}

export const normed = (p: NormParams, x: NdArray, { kind, eps, offset }: NormConfig): NdArray =>
  kind === 'rms' ? nn.rmsNorm(p, x, { eps, offset }) : nn.layerNorm(p, x, { eps })

/** Of the last axis, so many numbers from each place on. */
const parts = (x: NdArray, sizes: readonly number[]): NdArray[] => {
  const lead = x.shape.slice(0, -1)
  let from = 0
  return sizes.map((n) => slice(x, [...lead.map(() => 0), from], [...lead, (from += n)]))
}

const headed = (x: NdArray, headDim: number): NdArray => reshape(x, [x.shape[0]!, x.shape[1]!, x.shape[2]! / headDim, headDim])
const merged = (p: AttentionParams, y: NdArray): NdArray =>
  nn.linear(p.o, reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[2]! * y.shape[3]!]))
const scaleOf = ({ scale, headDim }: AttentionConfig): number => scale ?? 1 / Math.sqrt(headDim)

/** [B,T,D] -> [B,T,D], and what it leaves for later positions. */
const attention = (
  p: AttentionParams,
  x: NdArray,
  config: AttentionConfig,
  norm: NormConfig,
  seeing: Seeing,
): readonly [out: NdArray, cache: KeyValues | null] => {
  const { heads, kvHeads, headDim, softcap, valueNorm, gate } = config
  const asked = gate === true ? 2 * headDim : headDim
  const flat =
    p.qkv === undefined
      ? [nn.linear(p.q!, x), nn.linear(p.k!, x), nn.linear(p.v!, x)]
      : parts(nn.linear(p.qkv, x), [heads * asked, kvHeads * headDim, kvHeads * headDim])
  const [q0, k0, v0] = [headed(flat[0]!, asked), headed(flat[1]!, headDim), headed(flat[2]!, headDim)]
  const [q1, opened] = gate === true ? (parts(q0, [headDim, headDim]) as [NdArray, NdArray]) : [q0, null]
  const turned = (y: NdArray, own: NormParams | undefined): NdArray => {
    const level = own === undefined ? y : normed(own, y, norm)
    return seeing.rotation === null ? level : nn.rotate(level, seeing.rotation)
  }
  const [q, k] = [turned(q1, p.qNorm), turned(k0, p.kNorm)]
  const v = valueNorm === true ? nn.rmsNorm({}, v0, { eps: norm.eps }) : v0
  const given = (y: NdArray): NdArray => merged(p, opened === null ? y : np.mul(y, nn.sigmoid(opened)))
  const { causal, window, mask, bias } = seeing
  const how = { scale: scaleOf(config), bias, dropout: null, softcap, sinks: p.sinks ?? null }
  const left = window === null ? null : window - 1
  if (seeing.cache === null) {
    const right = causal ? 0 : left
    return [given(attended(q, k, v, { ...how, left, right, mask })), null]
  }
  const { keys, values, seen, cache } = remembered(seeing.cache, k, v, window)
  const at = (y: NdArray): NdArray => convertElementType(y, q.dtype)
  return [given(attended(q, at(keys), at(values), { ...how, left: null, right: null, mask: seen })), cache]
}

/** What others may look across to: [B,S,D] -> [B,S,K,d] twice. */
export const keyValuesOf = (p: AttentionParams, x: NdArray, { headDim }: AttentionConfig): KeyValues => ({
  k: headed(nn.linear(p.k!, x), headDim),
  v: headed(nn.linear(p.v!, x), headDim),
})
/** [B,T,D] -> [B,T,D]: queries alone are of x. */
const crossed = (p: AttentionParams, x: NdArray, config: AttentionConfig, { k, v, mask }: Across): NdArray => {
  const q = headed(nn.linear(p.q!, x), config.headDim)
  const at = (y: NdArray): NdArray => convertElementType(y, q.dtype)
  const all = { left: null, right: null, bias: null, dropout: null, sinks: null }
  return merged(p, attended(q, at(k), at(v), { ...all, scale: scaleOf(config), softcap: config.softcap, mask }))
}

const mlp = (p: MlpParams, x: NdArray, { activation, gated }: MlpConfig): NdArray =>
  gated ? nn.gatedMlp(p, x, { activation }) : nn.mlp(p as nn.MlpParams, x, { activation })

/** [B,T,D] -> [B,T,D]. */
export const block = (p: BlockParams, x: NdArray, config: BlockConfig, seeing: Seeing): readonly [NdArray, KeyValues | null] => {
  const { norm, place } = config
  const before = (own: NormParams | undefined, y: NdArray): NdArray => (place === 'post' || own === undefined ? y : normed(own, y, norm))
  const joined = (y: NdArray, branch: NdArray, own: NormParams | undefined, after: NormParams | undefined): NdArray => {
    if (place === 'post') return normed(own!, np.add(y, branch), norm)
    return np.add(y, after === undefined ? branch : normed(after, branch, norm))
  }
  const [mixed, cache] = attention(p.attn, before(p.attnNorm, x), config.attention, norm, seeing)
  const own = joined(x, mixed, p.attnNorm, p.attnPostNorm)
  const h =
    p.cross === undefined || seeing.across === null
      ? own
      : joined(own, crossed(p.cross, before(p.crossNorm, own), config.attention, seeing.across), p.crossNorm, undefined)
  return [joined(h, mlp(p.mlp, before(p.mlpNorm, h), config.mlp), p.mlpNorm, p.mlpPostNorm), cache]
}

// Shapes of parameters -----------------------------------------------------------------------------------------------------------

/** Draws leaves one after another from a key's parts. */
export interface Drawing {
  readonly normal: (shape: readonly number[]) => NdArray
  readonly ones: (shape: readonly number[]) => NdArray
  readonly zeros: (shape: readonly number[]) => NdArray
}
export const drawing = (key: NdArray, stddev: number, dtype: DType): Drawing => {
  let drawn = 0
  return {
    normal: (shape) => np.astype(nn.initializers.normal({ stddev })(random.foldIn(key, drawn++), shape), dtype),
    ones: (shape) => np.ones(shape, dtype),
    zeros: (shape) => np.zeros(shape, dtype),
  }
}
export const linearOf = (draw: Drawing, into: number, out: number, bias: boolean, inOut = false): nn.LinearParams =>
  inOut
    ? { w: draw.normal([into, out]), ...(bias ? { b: draw.zeros([out]) } : {}) }
    : { weight: draw.normal([out, into]), ...(bias ? { bias: draw.zeros([out]) } : {}) }
export const normOf = (draw: Drawing, width: number, { kind, offset, bias }: NormConfig): NormParams => ({
  scale: offset === 1 ? draw.zeros([width]) : draw.ones([width]),
  ...(kind === 'layer' && bias ? { bias: draw.zeros([width]) } : {}),
})
/** `across`: with attention to what an encoder read. */
export const blockOf = (
  draw: Drawing,
  { width: D, inOut, norm, place, attention: a, mlp: m }: BlockConfig,
  across = false,
): BlockParams => {
  const [q, kv] = [a.heads * a.headDim, a.kvHeads * a.headDim]
  const asked = a.gate === true ? 2 * q : q
  const linear = (into: number, out: number, bias: boolean): nn.LinearParams => linearOf(draw, into, out, bias, inOut)
  const norms = a.norms ? { qNorm: normOf(draw, a.headDim, norm), kNorm: normOf(draw, a.headDim, norm) } : {}
  const apart = (queries: number) => ({ q: linear(D, queries, a.bias), k: linear(D, kv, a.bias), v: linear(D, kv, a.bias) })
  const gates = m.fused ? { gateUp: linear(D, 2 * m.width, m.bias) } : { gate: linear(D, m.width, m.bias), up: linear(D, m.width, m.bias) }
  const after = place === 'around' ? { attnPostNorm: normOf(draw, D, norm), mlpPostNorm: normOf(draw, D, norm) } : {}
  return {
    attnNorm: normOf(draw, D, norm),
    attn: {
      ...(a.fused ? { qkv: linear(D, asked + 2 * kv, a.bias) } : apart(asked)),
      o: linear(q, D, a.outBias),
      ...norms,
      ...(a.sinks === true ? { sinks: draw.zeros([a.heads]) } : {}),
    },
    ...(across ? { crossNorm: normOf(draw, D, norm), cross: { ...apart(q), o: linear(q, D, a.outBias) } } : {}),
    mlpNorm: normOf(draw, D, norm),
    mlp: { ...(m.gated ? gates : { up: linear(D, m.width, m.bias) }), down: linear(m.width, D, m.bias) },
    ...after,
  }
}
export const layersOf = <T>(n: number, make: (i: number) => T): T[] => range(n).map(make)
