/** The decoder: one pure function whose configuration holds what GPT-2, Llama, Mistral, Qwen, Gemma, Phi and their kin differ in. */
import type { NdArray } from '../core/array.ts'
import { convertElementType, iota, slice } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { array, needed, oneOf, optionsOf, record, type Schema } from '../core/options.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import {
  block,
  type BlockConfig,
  blockOf,
  type BlockParams,
  drawing,
  layersOf,
  linearOf,
  normed,
  normOf,
  type NormParams,
} from './block.ts'
import { type Cache, cacheKind, emptyCache, mustHold, type KeyValues, type LayerCache, positionsFrom } from './cache.ts'
import { mustBeTokens, mustFit } from './inputs.ts'
import { checkCall, type LayersOptions, layersOptions, throughLayers } from './layers.ts'

export interface DecoderLayer {
  /** How many positions a query sees, its own among them; null: all before it. */
  readonly window: number | null
  /** Which of the ropes turns queries and keys; null: none. */
  readonly rope: string | null
  /** Of its scores, in place of the model's. */
  readonly scale?: number
}
export interface DecoderConfig extends BlockConfig {
  readonly kind: 'decoder'
  readonly vocab: number
  /** The longest sequence that it is meant for. */
  readonly context: number
  readonly layers: readonly DecoderLayer[]
  readonly ropes: Readonly<Record<string, nn.Rope>>
  /** A learned vector for each position is added. */
  readonly learnedPositions: boolean
  /** Embeddings are multiplied by it. */
  readonly embedScale: number
  /** The head is the embedding. */
  readonly tied: boolean
  readonly headBias: boolean
  /** Logits are kept within ±softcap by tanh. */
  readonly logitCap: number | null
  /** The standard deviation of initial weights. */
  readonly initStddev: number
}
export interface DecoderParams {
  readonly embed: nn.EmbeddingParams // [V,D]
  readonly positions?: { readonly w: NdArray } // [context,D]
  readonly layers: readonly BlockParams[]
  readonly norm: NormParams
  readonly head?: nn.LinearParams // [V,D]
}
export interface DecoderInputs {
  readonly inputIds: NdArray // int32 [B,T]
  /** [B,T]: 0 (or false) where there is padding. */
  readonly attentionMask?: NdArray
  /** int32 [B,T]; default: counted from each row's first real token. */
  readonly positionIds?: NdArray
}
export interface DecoderOptions extends LayersOptions {
  /** What came before, with place for these tokens: what doesn't fit is lost. The result has them too. Rows may have fewer real tokens than T, at the front: as `attentionMask` says. */
  readonly cache?: Cache
  /** Logits of each row's last real token alone: [B,1,V]. */
  readonly only?: 'last'
}
const decoderInputs: Schema<DecoderInputs> = { inputIds: needed(array), attentionMask: array, positionIds: array }
export const decoderOptions: Schema<DecoderOptions> = { ...layersOptions, cache: record(cacheKind), only: oneOf('last') }
export interface DecoderResult {
  readonly logits: NdArray // [B,T,V]
  readonly lastHiddenState: NdArray // [B,T,D]
  readonly cache?: Cache
}

const headOf = ({ tied, vocab, headBias }: DecoderConfig) => (tied ? null : { out: vocab, bias: headBias })
export const initDecoder = (key: NdArray, config: DecoderConfig, dtype: DType, head = headOf(config)): DecoderParams => {
  const { vocab, context, width, layers, learnedPositions, initStddev, norm } = config
  const draw = drawing(key, initStddev, dtype)
  return {
    embed: { w: draw.normal([vocab, width]) },
    ...(learnedPositions ? { positions: { w: draw.normal([context, width]) } } : {}),
    layers: layersOf(layers.length, () => blockOf(draw, config)),
    norm: normOf(draw, width, norm),
    ...(head === null ? {} : { head: linearOf(draw, width, head.out, head.bias) }),
  }
}

/** No position before the first real token. */
const counted = (mask: NdArray): NdArray => np.maximum(np.sub(np.cumsum(np.astype(mask, 'int32'), { axis: 1 }), 1), 0)

/** From each row's length on; padding behind the last real token is at its position, so that nothing goes further than the text. */
const following = (lengths: NdArray, valid: NdArray, T: number): NdArray => {
  const last = np.expandDims(np.maximum(np.sub(np.add(lengths, valid), 1), 0), 1)
  return np.minimum(positionsFrom(lengths, T), last)
}

/** [B,T,D] -> [B,1,D]: of each row's last real token, which padding comes before or behind. */
export const lastOf = (h: NdArray, real: NdArray | null): NdArray => {
  const [B, T, D] = h.shape as readonly [number, number, number]
  if (T === 0) throw new ShapeError('model.apply: of no tokens none is the last: give one at least')
  if (real === null) return slice(h, [0, T - 1, 0], [B, T, D])
  const last = np.max(np.where(real, iota([B, T], 'int32', 1), 0), { axis: 1 })
  return np.takeAlongAxis(h, np.broadcastTo(np.reshape(last, [B, 1, 1]), [B, 1, D]), 1)
}

export const decoderCache = ({ layers, attention }: DecoderConfig, batch: number, capacity: number, dtype: DType): Cache =>
  emptyCache(batch, capacity, layers.map(({ window }) => window), attention.kvHeads, attention.headDim, dtype) // prettier-ignore

/** What comes out of the last layer, [B,T,D], before the last norm. */
export const statesOf = (
  config: DecoderConfig,
  params: DecoderParams,
  inputs: DecoderInputs,
  options: DecoderOptions,
): { readonly states: NdArray; readonly real: NdArray | null; readonly cache?: Cache } => {
  const { inputIds, attentionMask, positionIds } = optionsOf('model.apply', decoderInputs, inputs, 'input')
  checkCall([[params, config.layers.length]], options)
  const { layers, ropes, embedScale, context } = config
  mustBeTokens('inputIds', inputIds, '[B,T]')
  mustFit('attentionMask', attentionMask, inputIds.shape)
  const [B, T] = inputIds.shape as readonly [number, number]
  const { cache } = options
  if (cache !== undefined) mustHold(cache, layers.map(({ window }) => window), T) // prettier-ignore
  const real = attentionMask === undefined ? null : np.astype(attentionMask, 'bool')
  const valid = real === null ? np.full([B], T, 'int32') : np.sum(np.astype(real, 'int32'), { axis: 1 })
  const positions = positionIds ?? (cache === undefined ? counted(real ?? np.ones([B, T], 'bool')) : following(cache.lengths, valid, T))
  if (cache === undefined && config.learnedPositions && positionIds === undefined && T > context)
    throw new ShapeError(`model.apply: ${T} tokens are more than the ${context} that the model has positions for`)
  const embedded = nn.embedding(params.embed, inputIds) // [B,T,D]
  const scaled = embedScale === 1 ? embedded : np.mul(embedded, convertElementType(np.array(embedScale), embedded.dtype))
  const placed = params.positions === undefined ? scaled : np.add(scaled, nn.embedding(params.positions, positions))
  const rotations = Object.fromEntries(Object.entries(ropes).map(([name, rope]) => [name, nn.rotary(positions, rope)]))
  const mask = real === null ? null : np.reshape(real, [B, 1, 1, T])
  const run = ({ window, rope, scale }: DecoderLayer, p: BlockParams, x: NdArray, own: LayerCache | null) => {
    const like = scale === undefined ? config : { ...config, attention: { ...config.attention, scale } }
    const rotation = rope === null ? null : rotations[rope]!
    return block(p, x, like, { causal: true, window, mask, rotation, bias: null, cache: own, across: null })
  }
  const caches: KeyValues[] = []
  const states =
    cache === undefined
      ? throughLayers(layers, params.layers, placed, (layer, p, x) => run(layer, p, x, null)[0], options)
      : params.layers.reduce((x, p, i) => {
          const [next, left] = run(layers[i]!, p, x, { ...cache.layers[i]!, lengths: cache.lengths, valid })
          caches.push(left!)
          return next
        }, placed)
  return { states, real, ...(cache === undefined ? {} : { cache: { layers: caches, lengths: np.add(cache.lengths, valid) } }) }
}

export const applyDecoder = (
  config: DecoderConfig,
  params: DecoderParams,
  inputs: DecoderInputs,
  options: DecoderOptions,
): DecoderResult => {
  const { logitCap } = config
  const { states, real, ...rest } = statesOf(config, params, inputs, options)
  const asked = options.only === undefined ? states : lastOf(states, real)
  const hidden = normed(params.norm, asked, config.norm)
  const raw = nn.linear(params.head ?? { weight: params.embed.w }, hidden) // [B,T,V]
  const logits = logitCap === null ? raw : np.mul(np.tanh(np.div(raw, logitCap)), logitCap)
  return { logits, lastHiddenState: hidden, ...rest }
}
