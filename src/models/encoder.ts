/** The encoder: every position sees every other. One pure function for BERT, RoBERTa, DistilBERT, MiniLM, ModernBERT, ViT and T5's, with the heads they have. */
import type { NdArray } from '../core/array.ts'
import { iota, slice } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { array, optionsOf, type Schema } from '../core/options.ts'
import { takes } from '../core/takes.ts'
import * as nn from '../nn/index.ts'
import { type Activation, activations } from '../nn/mlp.ts'
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
import { classified, type HeadResult } from './heads.ts'
import { mustBe, mustBeTokens, mustFit } from './inputs.ts'
import { checkCall, type LayersOptions, throughLayers } from './layers.ts'
import { type LayerParams, type Relative, relativeBias, stackOf, type Table, within } from './relative.ts'

export interface EncoderLayer {
  /** A query sees so many positions to each side; null: all. */
  readonly reach: number | null
  readonly rope: string | null
  /** Without the norm before its attention, where norms come before. */
  readonly bare?: boolean
}
/** What is made of the last hidden states. */
export type EncoderHead =
  | { readonly kind: 'none' }
  /** activation(dense h₀), the first token's. */
  | { readonly kind: 'pooled'; readonly activation: Activation }
  /** norm(activation(dense h)) by the embedding, or a matrix of its own, and a bias: logits for every position. */
  | {
      readonly kind: 'maskedLM'
      readonly activation: Activation
      readonly denseBias: boolean
      readonly bias: boolean
      readonly tied: boolean
    }
  /** A linear layer on the first token, the mean of the real ones, each, or each for where an answer begins and ends; or on activation(dense h) of it. */
  | {
      readonly kind: 'classify'
      readonly of: 'first' | 'mean' | 'each' | 'span'
      readonly labels: number
      readonly dense: Activation | null
      /** Default true. */
      readonly denseBias?: boolean
      /** The last thing before the linear layer is a norm; default false. */
      readonly normed?: boolean
    }
export interface EncoderConfig extends BlockConfig {
  readonly kind: 'encoder'
  /** null: pictures come in patches. */
  readonly vocab: number | null
  readonly patches: { readonly image: number; readonly size: number; readonly channels: number } | null
  /** Of positions that are learned; null where there are none. */
  readonly context: number | null
  /** Counted from behind the padding's id, as RoBERTa has it; null: from 0. */
  readonly padding: number | null
  readonly layers: readonly EncoderLayer[]
  readonly ropes: Readonly<Record<string, nn.Rope>>
  /** Every head adds a learned number to its scores, by the bucket of the distance; default none. */
  readonly relative?: Relative
  /** Kinds of tokens that have a vector of their own. */
  readonly tokenTypes: number
  readonly embedNorm: boolean
  readonly finalNorm: boolean
  readonly head: EncoderHead
  readonly initStddev: number
}
export interface EncoderParams {
  readonly embed?: nn.EmbeddingParams // [V,D]
  readonly patch?: { readonly weight: NdArray; readonly bias: NdArray } // [D,C,P,P], [D]
  readonly cls?: NdArray // [1,1,D]
  readonly positions?: { readonly w: NdArray } | NdArray // [context,D], or [1,1+patches,D]
  readonly tokenTypes?: { readonly w: NdArray } // [kinds,D]
  readonly embedNorm?: NormParams
  /** Shared by all layers, where they have none of their own. */
  readonly relative?: Table
  readonly layers: readonly LayerParams[]
  readonly norm?: NormParams
  readonly head?: {
    readonly dense?: nn.LinearParams // [D,D]
    readonly norm?: NormParams
    readonly bias?: NdArray // [V], where the matrix is the embedding
    readonly out?: nn.LinearParams // [labels,D], or [V,D]
  }
}
export interface EncoderInputs {
  /** int32 [B,T] */
  readonly inputIds?: NdArray
  /** [B,T]: 0 (or false) where there is padding. */
  readonly attentionMask?: NdArray
  /** int32 [B,T]; default 0. */
  readonly tokenTypeIds?: NdArray
  /** int32 [B,T]; default: from 0, or as RoBERTa counts. */
  readonly positionIds?: NdArray
  /** Of a picture, as its processor scales it: float [B,C,H,W]. */
  readonly pixelValues?: NdArray
}
const inputKinds: Schema<EncoderInputs> = { inputIds: array, attentionMask: array, tokenTypeIds: array, positionIds: array, pixelValues: array } // prettier-ignore
export interface EncoderResult extends HeadResult {
  readonly lastHiddenState: NdArray // [B,T,D]
  readonly poolerOutput?: NdArray // [B,D]
}

export const initEncoder = (key: NdArray, config: EncoderConfig, dtype: DType): EncoderParams => {
  const { vocab, patches, context, width: D, layers, tokenTypes, embedNorm, finalNorm, norm, head, relative, initStddev } = config
  const draw = drawing(key, initStddev, dtype)
  const dense = { dense: linearOf(draw, D, D, !('denseBias' in head) || head.denseBias !== false) }
  const own =
    head.kind === 'maskedLM'
      ? {
          ...dense,
          norm: normOf(draw, D, norm),
          ...(head.tied ? (head.bias ? { bias: draw.zeros([vocab!]) } : {}) : { out: linearOf(draw, D, vocab!, head.bias) }),
        }
      : head.kind === 'classify'
        ? {
            ...(head.dense === null ? {} : dense),
            ...(head.normed === true ? { norm: normOf(draw, D, norm) } : {}),
            out: linearOf(draw, D, head.labels, true),
          }
        : dense
  const plain = (): Pick<EncoderParams, 'layers' | 'norm'> => ({
    layers: layersOf(layers.length, (i) => {
      const { attnNorm, ...rest } = blockOf(draw, config)
      return layers[i]!.bare === true ? rest : { attnNorm, ...rest }
    }) as readonly BlockParams[],
    ...(finalNorm ? { norm: normOf(draw, D, norm) } : {}),
  })
  return {
    ...(vocab === null ? {} : { embed: { w: draw.normal([vocab, D]) } }),
    ...(patches === null ? {} : pictures(draw, patches, D)),
    ...(context === null ? {} : { positions: { w: draw.normal([context, D]) } }),
    ...(tokenTypes === 0 ? {} : { tokenTypes: { w: draw.normal([tokenTypes, D]) } }),
    ...(embedNorm ? { embedNorm: normOf(draw, D, norm) } : {}),
    ...(relative === undefined ? plain() : stackOf(draw, config, relative, layers.length, false)),
    ...(head.kind === 'none' ? {} : { head: own }),
  }
}
const pictures = (draw: ReturnType<typeof drawing>, { image, size, channels }: NonNullable<EncoderConfig['patches']>, D: number) => ({
  patch: { weight: draw.normal([D, channels, size, size]), bias: draw.zeros([D]) },
  cls: draw.normal([1, 1, D]),
  positions: draw.normal([1, 1 + (image / size) ** 2, D]),
})

/** [B,C,H,W] -> [B,1+patches,D]: each patch by one matrix, behind the vector that stands for the whole. */
const patched = (params: EncoderParams, pixels: NdArray, size: number): NdArray => {
  const [B, C, H, W] = pixels.shape as readonly [number, number, number, number]
  const [rows, columns] = [H / size, W / size]
  const cut = np.transpose(np.reshape(pixels, [B, C, rows, size, columns, size]), [0, 2, 4, 1, 3, 5])
  const { weight, bias } = params.patch!
  const D = weight.shape[0]!
  const flat = nn.linear({ weight: np.reshape(weight, [D, C * size * size]), bias }, np.reshape(cut, [B, rows * columns, C * size * size]))
  return np.add(np.concatenate([np.broadcastTo(params.cls!, [B, 1, D]), flat], 1), params.positions as NdArray)
}

const embeddedTexts = (config: EncoderConfig, params: EncoderParams, inputs: EncoderInputs): NdArray => {
  const { inputIds, tokenTypeIds, positionIds } = inputs
  const [B, T] = inputIds!.shape as readonly [number, number]
  const words = nn.embedding(params.embed!, inputIds!) // [B,T,D]
  const counted = (): NdArray => {
    if (config.padding === null) return np.broadcastTo(np.arange(T), [B, T])
    const there = np.astype(np.notEqual(inputIds!, config.padding), 'int32')
    return np.add(np.mul(np.cumsum(there, { axis: 1 }), there), config.padding)
  }
  const kinds = params.tokenTypes === undefined ? [] : [nn.embedding(params.tokenTypes, tokenTypeIds ?? np.zeros([B, T], 'int32'))]
  const places = params.positions === undefined ? [] : [nn.embedding(params.positions as { readonly w: NdArray }, positionIds ?? counted())]
  return [...kinds, ...places].reduce((sum, x) => np.add(sum, x), words)
}

export const applyEncoder = (config: EncoderConfig, params: EncoderParams, given: EncoderInputs, options: LayersOptions): EncoderResult => {
  const what = 'model.apply'
  const inputs = optionsOf(what, inputKinds, given, 'input')
  checkCall([[params, config.layers.length]], options)
  checkInputs(what, config, inputs)
  const { patches, layers, ropes, relative, norm } = config
  const embedded = patches === null ? embeddedTexts(config, params, inputs) : patched(params, inputs.pixelValues!, patches.size)
  const [B, T] = embedded.shape as readonly [number, number, number]
  mustFit('attentionMask', inputs.attentionMask, [B, T])
  const mask = inputs.attentionMask === undefined ? null : np.reshape(np.astype(inputs.attentionMask, 'bool'), [B, 1, 1, T])
  const positions = inputs.positionIds ?? np.broadcastTo(np.arange(T), [B, T])
  const rotations = Object.fromEntries(Object.entries(ropes).map(([name, rope]) => [name, nn.rotary(positions, rope)]))
  const first = params.embedNorm === undefined ? embedded : normed(params.embedNorm, embedded, norm)
  const biasOf = relative === undefined ? () => null : relativeBias(params.relative, iota([1, T], 'int32', 1), T, relative, true)
  const run = ({ reach, rope }: EncoderLayer, p: LayerParams, x: NdArray): NdArray => {
    const window = reach === null ? null : reach + 1
    const rotation = rope === null ? null : rotations[rope]!
    const y = block(p, x, config, { causal: false, window, mask, rotation, bias: biasOf(p), cache: null, across: null })[0]
    return relative === undefined ? y : within(y)
  }
  const h = throughLayers(layers, params.layers, first, run, options)
  const hidden = params.norm === undefined ? h : normed(params.norm, h, norm)
  return { lastHiddenState: hidden, ...headed(config, params, hidden, inputs.attentionMask) }
}
const checkInputs = (what: string, { patches, context, padding }: EncoderConfig, { inputIds, pixelValues }: EncoderInputs): void => {
  if (patches === null) {
    mustBeTokens('inputIds', inputIds, '[B,T]')
    const most = context === null ? Infinity : context - (padding === null ? 0 : padding + 1)
    if (inputIds!.shape[1]! > most) throw new ShapeError(`${what}: ${inputIds!.shape[1]} tokens are more than the ${most} that the model has positions for`) // prettier-ignore
    return
  }
  const { image, channels } = patches
  const fits =
    pixelValues?.ndim === 4 && pixelValues.shape[1] === channels && pixelValues.shape[2] === image && pixelValues.shape[3] === image
  mustBe(fits, 'pixelValues', pixelValues, `[B,${channels},${image},${image}]`)
}

const headed = (
  { head, norm }: EncoderConfig,
  { head: p, embed }: EncoderParams,
  hidden: NdArray,
  mask: NdArray | undefined,
): Omit<EncoderResult, 'lastHiddenState'> => {
  const [B, T, D] = hidden.shape as readonly [number, number, number]
  const first = (): NdArray => {
    if (T === 0) throw new ShapeError('model.apply: of no tokens none is the first: give one at least')
    return np.reshape(slice(hidden, [0, 0, 0], [B, 1, D]), [B, D])
  }
  switch (head.kind) {
    case 'none':
      return {}
    case 'pooled':
      return { poolerOutput: activations[head.activation](nn.linear(p!.dense!, first())) }
    case 'classify': {
      const x = head.of === 'first' ? first() : head.of === 'mean' ? meanOf(hidden, mask ?? np.ones([B, T])) : hidden
      const y = head.dense === null ? x : activations[head.dense](nn.linear(p!.dense!, x))
      return classified(p!.out!, p!.norm === undefined ? y : normed(p!.norm, y, norm), head.of === 'span')
    }
    case 'maskedLM': {
      const y = normed(p!.norm!, activations[head.activation](nn.linear(p!.dense!, hidden)), norm)
      const raw = nn.linear(p!.out ?? { weight: embed!.w }, y) // [B,T,V]
      return { logits: p!.bias === undefined ? raw : np.add(raw, p!.bias) }
    }
  }
}

/** Of the tokens that are there: [B,T,D], [B,T] -> [B,D]. */
const meanOf = (hidden: NdArray, mask: NdArray): NdArray => {
  const there = np.expandDims(np.astype(np.astype(mask, 'bool'), 'float32'), -1)
  return np.div(np.sum(np.mul(hidden, there), { axis: 1 }), np.maximum(np.sum(there, { axis: 1 }), 1e-9))
}
/**
 * One vector a text: the mean of its real tokens' last hidden states, of length 1. [B,T,D], [B,T] -> [B,D]. Reimers and Gurevych 2019.
 *
 * @example meanPooled(np.ones([1, 2, 4]), np.ones([1, 2])) // [[0.5, 0.5, 0.5, 0.5]]
 */
export const meanPooled = /* @__PURE__ */ takes('meanPooled', 2, (lastHiddenState: NdArray, attentionMask: NdArray): NdArray => {
  const mean = meanOf(lastHiddenState, attentionMask)
  return np.div(mean, np.maximum(np.linalg.norm(mean, { axis: -1, keepdims: true }), 1e-12))
})
