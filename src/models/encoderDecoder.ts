/** The encoder-decoder: one stack reads a text, another writes the next and looks across at every layer. T5 and Flan-T5 (Raffel et al. 2020). */
import type { NdArray } from '../core/array.ts'
import { convertElementType, iota } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ArgumentError } from '../core/errors.ts'
import { array, needed, oneOf, optionsOf, record, type Schema } from '../core/options.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import {
  type Across,
  block,
  type BlockConfig,
  blockOf,
  type BlockParams,
  type Drawing,
  drawing,
  keyValuesOf,
  layersOf,
  normed,
  normOf,
  type NormParams,
} from './block.ts'
import { type Cache, cacheKind, emptyCache, type KeyValues, keyValuesKind, positionsFrom } from './cache.ts'
import { lastOf } from './decoder.ts'
import { mustBe, mustFit } from './inputs.ts'
import { checkCall, type LayersOptions, layersOptions, throughLayers } from './layers.ts'

interface Relative {
  readonly buckets: number
  readonly maxDistance: number
  /** Every layer has numbers of its own (UMT5). */
  readonly own: boolean
}
export interface EncoderDecoderConfig extends BlockConfig {
  readonly kind: 'encoderDecoder'
  readonly vocab: number
  readonly encoderLayers: number
  readonly decoderLayers: number
  /** Every head adds a learned number to its scores, by the bucket of the distance. */
  readonly relative: Relative
  /** The head is the embedding. */
  readonly tied: boolean
  /** What goes into the head is multiplied by it. */
  readonly headScale: number
  /** The id that every answer begins with. */
  readonly start: number
  /** Of initial weights: 1, or a factor of them all. */
  readonly initFactor: number
}
interface Table {
  readonly w: NdArray // [buckets,H]
}
interface LayerParams extends BlockParams {
  readonly relative?: Table
}
export interface StackParams {
  /** Shared by all layers, where they have none of their own. */
  readonly relative?: Table
  readonly layers: readonly LayerParams[]
  readonly norm: NormParams
}
export interface EncoderDecoderParams {
  readonly embed: nn.EmbeddingParams // [V,D]
  readonly encoder: StackParams
  readonly decoder: StackParams
  readonly head?: nn.LinearParams // [V,D]
}
export interface EncoderDecoderInputs {
  /** int32 [B,S]: what is read. A cache that has read may go without. */
  readonly inputIds?: NdArray
  /** [B,S]: 0 (or false) where there is padding. */
  readonly attentionMask?: NdArray
  /** int32 [B,T]: what is written, from the start's id on. */
  readonly decoderInputIds: NdArray
  /** [B,T]: 0 (or false) where there is padding; default: nowhere. */
  readonly decoderAttentionMask?: NdArray
}
/** A cache of what is written, and what every layer looks across to: the keys and values of what was read. */
export interface EncoderDecoderCache extends Cache {
  readonly read?: {
    readonly layers: readonly KeyValues[] // [B,S,H,d]
    readonly mask: NdArray // bool [B,S]
  }
}
export interface EncoderDecoderOptions extends LayersOptions {
  /** What was written before; the result has it with these tokens. With `inputIds` they are read, else what the cache has read holds. */
  readonly cache?: EncoderDecoderCache
  /** Logits of each row's last real token alone: [B,1,V]. */
  readonly only?: 'last'
}
export interface EncoderDecoderResult {
  readonly logits: NdArray // [B,T,V]
  /** The decoder's. */
  readonly lastHiddenState: NdArray // [B,T,D]
  /** Of what was read in this call. */
  readonly encoderLastHiddenState?: NdArray // [B,S,D]
  readonly cache?: EncoderDecoderCache
}
const inputKinds: Schema<EncoderDecoderInputs> = { inputIds: array, attentionMask: array, decoderInputIds: needed(array), decoderAttentionMask: array } // prettier-ignore
const readKind = record<NonNullable<EncoderDecoderCache['read']>>({ layers: needed(keyValuesKind), mask: needed(array) })
export const encoderDecoderCacheKind = record<EncoderDecoderCache>({ ...cacheKind, read: readKind })
export const encoderDecoderOptions: Schema<EncoderDecoderOptions> = {
  ...layersOptions,
  cache: encoderDecoderCacheKind,
  only: oneOf('last'),
}

/** As T5 was: the embedding of deviation 1, matrices of 1/√(numbers summed), queries' of 1/√headDim of that, since their scores aren't scaled. */
export const initEncoderDecoder = (key: NdArray, config: EncoderDecoderConfig, dtype: DType): EncoderDecoderParams => {
  const { vocab, width, encoderLayers, decoderLayers, relative, tied, initFactor, norm, attention } = config
  const draw = drawing(key, initFactor, dtype)
  const times = (x: NdArray, factor: number): NdArray => convertElementType(np.mul(x, factor), dtype)
  const summed: Drawing = { ...draw, normal: (shape) => times(draw.normal(shape), 1 / Math.sqrt(shape.at(-1)!)) }
  const small = <P extends BlockParams['attn']>(p: P): P => ({ ...p, q: { weight: times((p.q as { weight: NdArray }).weight, 1 / Math.sqrt(attention.headDim)) } }) // prettier-ignore
  const table = (own: boolean): { readonly relative?: Table } =>
    relative.own === own ? { relative: { w: times(draw.normal([relative.buckets, attention.heads]), 1 / Math.sqrt(width)) } } : {}
  const stack = (layers: number, across: boolean): StackParams => ({
    ...table(false),
    layers: layersOf(layers, () => {
      const own = blockOf(summed, config, across)
      return { ...own, ...table(true), attn: small(own.attn), ...(own.cross === undefined ? {} : { cross: small(own.cross) }) }
    }),
    norm: normOf(draw, width, norm),
  })
  return {
    embed: { w: draw.normal([vocab, width]) },
    encoder: stack(encoderLayers, false),
    decoder: stack(decoderLayers, true),
    ...(tied ? {} : { head: { weight: draw.normal([vocab, width]) } }),
  }
}

export const encoderDecoderCache = (config: EncoderDecoderConfig, batch: number, capacity: number, dtype: DType): EncoderDecoderCache =>
  emptyCache(batch, capacity, layersOf(config.decoderLayers, () => null), config.attention.kvHeads, config.attention.headDim, dtype) // prettier-ignore

/** What every head of a layer adds where queries at these positions, int32 [B,T], look at keys 0 to S: [B,H,T,S]. */
const relativeBias = (
  shared: Table | undefined,
  positions: NdArray,
  S: number,
  { relative: { buckets, maxDistance } }: EncoderDecoderConfig,
  bidirectional: boolean,
): ((layer: LayerParams) => NdArray) => {
  const [B, T] = positions.shape as readonly [number, number]
  const distances = np.sub(iota([B, T, S], 'int32', 2), np.expandDims(positions, 2))
  const places = nn.relativeBuckets(distances, { buckets, maxDistance, bidirectional })
  const of = (table: Table): NdArray => np.transpose(nn.embedding(table, places), [0, 3, 1, 2])
  const all = shared === undefined ? null : of(shared)
  return ({ relative }) => all ?? of(relative!)
}
const hiding = (mask: NdArray): NdArray => np.reshape(np.astype(mask, 'bool'), [mask.shape[0]!, 1, 1, mask.shape[1]!])

/** float16 has no room for what T5's layers may add up to: it stays within, where Transformers has it stay, so that no infinity meets another. */
const within = (h: NdArray): NdArray => (h.dtype === 'float16' ? np.clip(h, -64_504, 64_504) : h)

/** [B,S,D] -> [B,S,D]: all see all. */
const encoded = (config: EncoderDecoderConfig, p: StackParams, embedded: NdArray, mask: NdArray, options: LayersOptions): NdArray => {
  const S = embedded.shape[1]!
  const bias = relativeBias(p.relative, iota([1, S], 'int32', 1), S, config, true)
  const seeing = { causal: false, window: null, mask: hiding(mask), rotation: null, cache: null, across: null }
  const run = (_: null, own: LayerParams, x: NdArray): NdArray => within(block(own, x, config, { ...seeing, bias: bias(own) })[0])
  const h = throughLayers(p.layers.map(() => null), p.layers, embedded, run, options) // prettier-ignore
  return normed(p.norm, h, config.norm)
}
/** [B,T,D] -> [B,T,D] without a cache: nothing is kept that a gradient can compute again. */
const decoded = (
  config: EncoderDecoderConfig,
  p: StackParams,
  embedded: NdArray,
  real: NdArray | null,
  states: NdArray,
  mask: NdArray,
  options: LayersOptions,
): NdArray => {
  const T = embedded.shape[1]!
  const bias = relativeBias(p.relative, iota([1, T], 'int32', 1), T, config, false)
  const seeing = { causal: true, window: null, mask: real === null ? null : hiding(real), rotation: null, cache: null }
  const run = (_: null, own: LayerParams, x: NdArray): NdArray => {
    const across = { ...keyValuesOf(own.cross!, states, config.attention), mask: hiding(mask) }
    return within(block(own, x, config, { ...seeing, bias: bias(own), across })[0])
  }
  return throughLayers(p.layers.map(() => null), p.layers, embedded, run, options) // prettier-ignore
}
/** [B,T,D] -> [B,T,D] behind what a cache has, and the cache with it. */
const continued = (
  config: EncoderDecoderConfig,
  p: StackParams,
  embedded: NdArray,
  real: NdArray | null,
  cache: EncoderDecoderCache & Required<Pick<EncoderDecoderCache, 'read'>>,
): readonly [NdArray, EncoderDecoderCache] => {
  const [B, T] = embedded.shape as readonly [number, number, number]
  const { lengths, read } = cache
  const valid = real === null ? np.full([B], T, 'int32') : np.sum(np.astype(real, 'int32'), { axis: 1 })
  const bias = relativeBias(p.relative, positionsFrom(lengths, T), cache.layers[0]!.k.shape[2]!, config, false)
  let h = embedded
  const layers = p.layers.map((own, i) => {
    const across: Across = { ...read.layers[i]!, mask: hiding(read.mask) }
    const seeing = {
      causal: true,
      window: null,
      mask: null,
      rotation: null,
      bias: bias(own),
      cache: { ...cache.layers[i]!, lengths, valid },
      across,
    }
    const [next, left] = block(own, h, config, seeing)
    h = within(next)
    return left!
  })
  return [h, { layers, lengths: np.add(lengths, valid), read }]
}

export const applyEncoderDecoder = (
  config: EncoderDecoderConfig,
  params: EncoderDecoderParams,
  given: EncoderDecoderInputs,
  options: EncoderDecoderOptions,
): EncoderDecoderResult => {
  const inputs = optionsOf('model.apply', inputKinds, given, 'input')
  checkCall(
    [
      [params?.encoder, config.encoderLayers],
      [params?.decoder, config.decoderLayers],
    ],
    options,
  )
  checkInputs(config, inputs, options.cache)
  const { inputIds, decoderInputIds } = inputs
  const { cache } = options
  const mask = inputIds === undefined ? null : np.astype(inputs.attentionMask ?? np.ones(inputIds.shape, 'bool'), 'bool')
  const states = mask === null ? null : encoded(config, params.encoder, nn.embedding(params.embed, inputIds!), mask, options) // prettier-ignore
  const real = inputs.decoderAttentionMask === undefined ? null : np.astype(inputs.decoderAttentionMask, 'bool')
  const embedded = nn.embedding(params.embed, decoderInputIds) // [B,T,D]
  const read = states === null ? cache?.read : cache === undefined ? null : readOf(config, params.decoder, states, mask!, cache)
  const [h, next] =
    cache === undefined
      ? [decoded(config, params.decoder, embedded, real, states!, mask!, options), undefined]
      : continued(config, params.decoder, embedded, real, { ...cache, read: read! })
  const hidden = normed(params.decoder.norm, options.only === undefined ? h : lastOf(h, real), config.norm)
  return {
    logits: logitsOf(config, params, hidden),
    lastHiddenState: hidden,
    ...(states === null ? {} : { encoderLastHiddenState: states }),
    ...(next === undefined ? {} : { cache: next }),
  }
}
/** The keys and values of what was read, once for all that is written. */
const readOf = (
  { attention }: EncoderDecoderConfig,
  { layers }: StackParams,
  states: NdArray,
  mask: NdArray,
  cache: Cache,
): NonNullable<EncoderDecoderCache['read']> => ({
  layers: layers.map(({ cross }, i) => {
    const { k, v } = keyValuesOf(cross!, states, attention)
    const { dtype } = cache.layers[i]!.k
    return { k: convertElementType(k, dtype), v: convertElementType(v, dtype) }
  }),
  mask,
})
const logitsOf = ({ headScale }: EncoderDecoderConfig, { head, embed }: EncoderDecoderParams, hidden: NdArray): NdArray => {
  const scaled = headScale === 1 ? hidden : np.mul(hidden, headScale)
  return nn.linear(head ?? { weight: embed.w }, scaled) // [B,T,V]
}

const checkInputs = (
  { decoderLayers }: EncoderDecoderConfig,
  inputs: EncoderDecoderInputs,
  cache: EncoderDecoderCache | undefined,
): void => {
  const { inputIds, attentionMask, decoderInputIds, decoderAttentionMask } = inputs
  const B = decoderInputIds.shape[0]
  mustBe(decoderInputIds.ndim === 2, 'decoderInputIds', decoderInputIds, 'int32[B,T]')
  mustFit('decoderAttentionMask', decoderAttentionMask, decoderInputIds.shape)
  if (inputIds !== undefined) mustBe(inputIds.ndim === 2 && inputIds.shape[0] === B, 'inputIds', inputIds, `int32[${B},S]`)
  else if (cache?.read === undefined)
    throw new ArgumentError('model.apply: inputIds are needed, since there is no cache that has read them')
  if (inputIds !== undefined) mustFit('attentionMask', attentionMask, inputIds.shape)
  else mustBe(attentionMask === undefined, 'attentionMask', attentionMask, 'none without inputIds')
  if (cache !== undefined && [cache.layers, cache.read?.layers ?? cache.layers].some((layers) => layers.length !== decoderLayers))
    throw new ArgumentError(
      `model.apply: a cache of ${cache.layers.length} layers, and ${decoderLayers} are written by: as model.cache makes it`,
    )
}
