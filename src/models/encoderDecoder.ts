/** The encoder-decoder: one stack reads a text, another writes the next and looks across at every layer. T5 and Flan-T5 (Raffel et al. 2020). */
import type { NdArray } from '../core/array.ts'
import { convertElementType, iota } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ArgumentError } from '../core/errors.ts'
import { array, needed, oneOf, optionsOf, record, type Schema } from '../core/options.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import { type Across, block, type BlockConfig, drawing, keyValuesOf, layersOf, normed } from './block.ts'
import { type Cache, cacheKind, emptyCache, type KeyValues, keyValuesKind, positionsFrom } from './cache.ts'
import { lastOf } from './decoder.ts'
import { applyEncoder, type EncoderConfig } from './encoder.ts'
import { mustBe, mustBeTokens, mustFit } from './inputs.ts'
import { checkCall, type LayersOptions, layersOptions, throughLayers } from './layers.ts'
import { type LayerParams, type Relative, relativeBias, stackOf, type StackParams, within } from './relative.ts'

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

/** What it reads with, which is a model of its own. */
export const encoderIn = (config: EncoderDecoderConfig): EncoderConfig => {
  const { vocab, width, inOut, norm, place, attention, mlp, encoderLayers, relative, initFactor } = config
  return {
    kind: 'encoder',
    vocab,
    patches: null,
    width,
    context: null,
    padding: null,
    inOut,
    layers: layersOf(encoderLayers, () => ({ reach: null, rope: null })),
    ropes: {},
    relative,
    tokenTypes: 0,
    embedNorm: false,
    finalNorm: true,
    norm,
    place,
    attention,
    mlp,
    head: { kind: 'none' },
    initStddev: initFactor,
  }
}

/** As T5 was: the embedding of deviation 1. */
export const initEncoderDecoder = (key: NdArray, config: EncoderDecoderConfig, dtype: DType): EncoderDecoderParams => {
  const { vocab, width, encoderLayers, decoderLayers, relative, tied, initFactor } = config
  const draw = drawing(key, initFactor, dtype)
  return {
    embed: { w: draw.normal([vocab, width]) },
    encoder: stackOf(draw, config, relative, encoderLayers, false),
    decoder: stackOf(draw, config, relative, decoderLayers, true),
    ...(tied ? {} : { head: { weight: draw.normal([vocab, width]) } }),
  }
}

export const encoderDecoderCache = (config: EncoderDecoderConfig, batch: number, capacity: number, dtype: DType): EncoderDecoderCache =>
  emptyCache(batch, capacity, layersOf(config.decoderLayers, () => null), config.attention.kvHeads, config.attention.headDim, dtype) // prettier-ignore

const hiding = (mask: NdArray): NdArray => np.reshape(np.astype(mask, 'bool'), [mask.shape[0]!, 1, 1, mask.shape[1]!])

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
  const bias = relativeBias(p.relative, iota([1, T], 'int32', 1), T, config.relative, false)
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
  const bias = relativeBias(p.relative, positionsFrom(lengths, T), cache.layers[0]!.k.shape[2]!, config.relative, false)
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
  const { cache: _, only: __, ...layers } = options
  const reading = (attentionMask: NdArray): NdArray =>
    applyEncoder(encoderIn(config), { embed: params.embed, ...params.encoder }, { inputIds: inputIds!, attentionMask }, layers)
      .lastHiddenState
  const states = mask === null ? null : reading(mask)
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
  mustBeTokens('decoderInputIds', decoderInputIds, '[B,T]')
  mustFit('decoderAttentionMask', decoderAttentionMask, decoderInputIds.shape)
  if (inputIds !== undefined) {
    mustBeTokens('inputIds', inputIds, `[${B},S]`)
    mustBe(inputIds.shape[0] === B, 'inputIds', inputIds, `int32[${B},S]`)
  } else if (cache?.read === undefined)
    throw new ArgumentError('model.apply: inputIds are needed, since there is no cache that has read them')
  if (inputIds !== undefined) mustFit('attentionMask', attentionMask, inputIds.shape)
  else mustBe(attentionMask === undefined, 'attentionMask', attentionMask, 'none without inputIds')
  if (cache !== undefined && [cache.layers, cache.read?.layers ?? cache.layers].some((layers) => layers.length !== decoderLayers))
    throw new ArgumentError(
      `model.apply: a cache of ${cache.layers.length} layers, and ${decoderLayers} are written by: as model.cache makes it`,
    )
}
