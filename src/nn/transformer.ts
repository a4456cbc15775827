/**
 * The Transformer as PyTorch has it (Vaswani et al. 2017): encoder and decoder layers, stacks of them, and both stacks together. Masks mean what
 * PyTorch's do: in a bool mask true hides, and a float one is added to the scores.
 */
import type { NdArray } from '../core/array.ts'
import { ShapeError } from '../core/errors.ts'
import { array, atLeast, flag, list, needed, number, oneOf, type OptionKind, optionsOf, record, type Schema } from '../core/options.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asFloat } from '../numpy/promote.ts'
import { gelu, relu } from './activations.ts'
import { drop, type Dropped, droppedKind, part } from './dropped.ts'
import { layerNorm, type LayerNormParams, linear } from './layers.ts'
import { linearKind, type LinearParams } from './linear.ts'
import { attend, attentionKind, type AttentionParams, type Masks } from './multiHeadAttention.ts'

export interface LayerOptions {
  /** H. */
  readonly heads: number
  /** Norms before attention and MLP ('pre') instead of after adding ('post', the default). */
  readonly norm?: 'post' | 'pre'
  /** Between the MLP's two products; default relu. gelu is the exact one. */
  readonly activation?: 'relu' | 'gelu'
  /** Of attention weights, within the MLP, and of each part before it is added. */
  readonly dropout?: Dropped
  /** Added to variances; default 1e-5. */
  readonly eps?: number
}
const layerOptions: Schema<LayerOptions> = {
  ...{ heads: needed(atLeast(1)), norm: oneOf('post', 'pre'), activation: oneOf('relu', 'gelu'), dropout: droppedKind, eps: number },
}

const normKind: OptionKind<LayerNormParams> = record<LayerNormParams>({ scale: array, bias: array })
export interface EncoderLayerParams {
  readonly selfAttn: AttentionParams
  readonly linear1: LinearParams // E -> F
  readonly linear2: LinearParams // F -> E
  readonly norm1: LayerNormParams // [E]
  readonly norm2: LayerNormParams // [E]
}
export const encoderLayerParams: Schema<EncoderLayerParams> = {
  ...{
    selfAttn: needed(attentionKind),
    linear1: needed(linearKind),
    linear2: needed(linearKind),
    norm1: needed(normKind),
    norm2: needed(normKind),
  },
}
export interface DecoderLayerParams extends EncoderLayerParams {
  readonly crossAttn: AttentionParams
  readonly norm3: LayerNormParams // [E]
}
export const decoderLayerParams: Schema<DecoderLayerParams> = {
  ...encoderLayerParams,
  crossAttn: needed(attentionKind),
  norm3: needed(normKind),
}

/** x with f of it added, the norm before or after: rounded at most twice. */
const residual = (
  x: NdArray,
  norm: LayerNormParams,
  { norm: place = 'post', eps = 1e-5 }: LayerOptions,
  f: (x: NdArray) => NdArray,
): NdArray =>
  // prettier-ignore
  place === 'pre' ? np.add(x, f(layerNorm(norm, x, { eps }))) : layerNorm(norm, np.add(x, f(x)), { eps })

const attended = (
  what: string,
  p: AttentionParams,
  norm: LayerNormParams,
  x: NdArray,
  memory: NdArray | null,
  options: LayerOptions,
  masks: Masks,
  i: number,
): NdArray =>
  // prettier-ignore
  residual(x, norm, options, (h) => {
    const keys = memory ?? h
    return drop(attend(what, p, [h, keys, keys], options.heads, masks, part(options.dropout, i)), part(options.dropout, i + 1))
  })
const moved = (p: EncoderLayerParams, norm: LayerNormParams, x: NdArray, options: LayerOptions, i: number): NdArray =>
  residual(x, norm, options, (h) => {
    const up = linear(p.linear1, h) // [B,T,F]
    const active = options.activation === 'gelu' ? gelu(up, { approximate: false }) : relu(up)
    return drop(linear(p.linear2, drop(active, part(options.dropout, i))), part(options.dropout, i + 1))
  })
const three = (what: string, x: NdArray): NdArray => {
  const y = asFloat(what, x)
  return y.ndim === 3 ? y : refuse(ShapeError, what, [y], 'the input is [B,T,E]')
}

export interface EncoderOptions extends LayerOptions {
  /** [T,T], [B·H,T,T] or broadcastable to [B,H,T,T]: of bools true hides; floats are added. */
  readonly attnMask?: NdArray
  /** [B,T]: of bools true hides. */
  readonly keyPaddingMask?: NdArray
  /** Position t sees 0 to t only. */
  readonly causal?: boolean
}
const encoderOptions: Schema<EncoderOptions> = { ...layerOptions, attnMask: array, keyPaddingMask: array, causal: flag }
const encoded = (what: string, p: EncoderLayerParams, x: NdArray, options: LayerOptions, own: Masks): NdArray =>
  moved(p, p.norm2, attended(what, p.selfAttn, p.norm1, x, null, options, own, 0), options, 2)
/**
 * Self-attention and an MLP, each added to its input and normed: [B,T,E] -> [B,T,E]. As `torch.nn.TransformerEncoderLayer` with batch_first.
 *
 * @example nn.encoderLayer(nn.initTransformer(random.key(0), { width: 4, hidden: 8 }).encoder.layers[0], np.ones([1, 3, 4]), { heads: 2 }).shape // [1, 3, 4]
 * @throws ShapeError when the input isn't [B,T,E], the heads don't divide E, or a mask or a parameter doesn't fit
 */
export const encoderLayer = /* @__PURE__ */ composedOptions(
  'nn.encoderLayer',
  3,
  encoderOptions,
  (p: EncoderLayerParams, x: NdArray, options: EncoderOptions): NdArray => {
    const what = 'nn.encoderLayer'
    return encoded(what, optionsOf(what, encoderLayerParams, p, 'parameter'), three(what, x), options, options)
  },
)

export interface DecoderOptions extends EncoderOptions {
  /** Of what is seen of the memory: [T,S], [B·H,T,S] or broadcastable to [B,H,T,S]. */
  readonly memoryMask?: NdArray
  /** [B,S]. */
  readonly memoryKeyPaddingMask?: NdArray
}
const decoderOptions: Schema<DecoderOptions> = { ...encoderOptions, memoryMask: array, memoryKeyPaddingMask: array }
const decoded = (
  what: string,
  p: DecoderLayerParams,
  x: NdArray,
  memory: NdArray,
  options: LayerOptions,
  own: Masks,
  across: Masks,
): NdArray => {
  // prettier-ignore
  const h = attended(what, p.selfAttn, p.norm1, x, null, options, own, 0)
  return moved(p, p.norm3, attended(what, p.crossAttn, p.norm2, h, memory, options, across, 2), options, 4)
}
const ofMemory = (options: DecoderOptions): Masks => ({ attnMask: options.memoryMask, keyPaddingMask: options.memoryKeyPaddingMask })
/**
 * Self-attention, attention to a memory and an MLP, each added to its input and normed: [B,T,E], memory [B,S,E] -> [B,T,E]. As
 * `torch.nn.TransformerDecoderLayer` with batch_first; say `causal` for its usual mask.
 *
 * @example nn.decoderLayer(nn.initTransformer(random.key(0), { width: 4, hidden: 8 }).decoder.layers[0], np.ones([1, 3, 4]), np.ones([1, 5, 4]), { heads: 2, causal: true }).shape // [1, 3, 4]
 * @throws ShapeError when an input isn't [B,·,E], the heads don't divide E, or a mask or a parameter doesn't fit
 */
export const decoderLayer = /* @__PURE__ */ composedOptions(
  'nn.decoderLayer',
  4,
  decoderOptions,
  (p: DecoderLayerParams, x: NdArray, memory: NdArray, options: DecoderOptions): NdArray => {
    const what = 'nn.decoderLayer'
    const own = optionsOf(what, decoderLayerParams, p, 'parameter')
    return decoded(what, own, three(what, x), three(what, memory), options, options, ofMemory(options))
  },
)

// Stacks ---------------------------------------------------------------------------------------------------------------------------

export interface EncoderParams {
  readonly layers: readonly EncoderLayerParams[]
  /** After the last layer. */
  readonly norm?: LayerNormParams // [E]
}
export const encoderParams: Schema<EncoderParams> = { layers: needed(list(record(encoderLayerParams))), norm: normKind }
export interface DecoderParams {
  readonly layers: readonly DecoderLayerParams[]
  /** After the last layer. */
  readonly norm?: LayerNormParams // [E]
}
export const decoderParams: Schema<DecoderParams> = { layers: needed(list(record(decoderLayerParams))), norm: normKind }

/** Layer after layer, each with its own dropping, and a last norm where there is one. */
const stacked = <P>(
  { layers, norm }: { readonly layers: readonly P[]; readonly norm?: LayerNormParams },
  x: NdArray,
  options: LayerOptions,
  f: (p: P, x: NdArray, options: LayerOptions) => NdArray,
): NdArray => {
  const { dropout, ...others } = options
  const h = layers.reduce((y, p, i) => {
    const own = part(dropout, i)
    return f(p, y, { ...others, ...(own && { dropout: own }) })
  }, x)
  return norm === undefined ? h : layerNorm(norm, h, { eps: options.eps ?? 1e-5 })
}
const encode = (what: string, p: EncoderParams, x: NdArray, options: LayerOptions, own: Masks): NdArray =>
  stacked(p, x, options, (layer, h, o) => encoded(what, layer, h, o, own))
const decode = (what: string, p: DecoderParams, x: NdArray, memory: NdArray, options: LayerOptions, own: Masks, across: Masks): NdArray =>
  stacked(p, x, options, (layer, h, o) => decoded(what, layer, h, memory, o, own, across))

/**
 * Encoder layers one after another, and a norm where the parameters have one: [B,T,E] -> [B,T,E]. As `torch.nn.TransformerEncoder`.
 *
 * @example nn.transformerEncoder(nn.initTransformer(random.key(0), { width: 4, hidden: 8 }).encoder, np.ones([1, 3, 4]), { heads: 2 }).shape // [1, 3, 4]
 * @throws ShapeError when the input isn't [B,T,E], the heads don't divide E, or a mask or a parameter doesn't fit
 */
export const transformerEncoder = /* @__PURE__ */ composedOptions(
  'nn.transformerEncoder',
  3,
  encoderOptions,
  (p: EncoderParams, x: NdArray, options: EncoderOptions): NdArray => {
    const what = 'nn.transformerEncoder'
    return encode(what, optionsOf(what, encoderParams, p, 'parameter'), three(what, x), options, options)
  },
)
/**
 * Decoder layers one after another, and a norm where the parameters have one: [B,T,E], memory [B,S,E] -> [B,T,E]. As
 * `torch.nn.TransformerDecoder`.
 *
 * @example nn.transformerDecoder(nn.initTransformer(random.key(0), { width: 4, hidden: 8 }).decoder, np.ones([1, 3, 4]), np.ones([1, 5, 4]), { heads: 2 }).shape // [1, 3, 4]
 * @throws ShapeError when an input isn't [B,·,E], the heads don't divide E, or a mask or a parameter doesn't fit
 */
export const transformerDecoder = /* @__PURE__ */ composedOptions(
  'nn.transformerDecoder',
  4,
  decoderOptions,
  (p: DecoderParams, x: NdArray, memory: NdArray, options: DecoderOptions): NdArray => {
    const what = 'nn.transformerDecoder'
    const own = optionsOf(what, decoderParams, p, 'parameter')
    return decode(what, own, three(what, x), three(what, memory), options, options, ofMemory(options))
  },
)

export interface TransformerParams {
  readonly encoder: EncoderParams
  readonly decoder: DecoderParams
}
const transformerParams: Schema<TransformerParams> = { encoder: needed(record(encoderParams)), decoder: needed(record(decoderParams)) }
export interface TransformerOptions extends LayerOptions {
  /** Target position t sees 0 to t only: what training needs. */
  readonly causal?: boolean
  /** [S,S], [B·H,S,S] or broadcastable to [B,H,S,S], as the others: of bools true hides; floats are added. */
  readonly sourceMask?: NdArray
  /** [T,T]. */
  readonly targetMask?: NdArray
  /** [T,S]. */
  readonly memoryMask?: NdArray
  /** [B,S]: of bools true hides. */
  readonly sourceKeyPaddingMask?: NdArray
  /** [B,T]. */
  readonly targetKeyPaddingMask?: NdArray
  /** [B,S]: of the encoded source, as the decoder sees it. */
  readonly memoryKeyPaddingMask?: NdArray
}
const transformerOptions: Schema<TransformerOptions> = {
  ...layerOptions,
  ...{ causal: flag, sourceMask: array, targetMask: array, memoryMask: array },
  ...{ sourceKeyPaddingMask: array, targetKeyPaddingMask: array, memoryKeyPaddingMask: array },
}
/**
 * The encoder of a source and the decoder of a target that sees it: source [B,S,E], target [B,T,E] -> [B,T,E]. Embeddings, positions and the head
 * are the caller's. Vaswani et al. 2017; as `torch.nn.Transformer` with batch_first.
 *
 * @example nn.transformer(nn.initTransformer(random.key(0), { width: 4, hidden: 8 }), np.ones([1, 5, 4]), np.ones([1, 3, 4]), { heads: 2, causal: true }).shape // [1, 3, 4]
 * @throws ShapeError when an input isn't [B,·,E], the heads don't divide E, or a mask or a parameter doesn't fit
 */
export const transformer = /* @__PURE__ */ composedOptions(
  'nn.transformer',
  4,
  transformerOptions,
  (p: TransformerParams, source: NdArray, target: NdArray, options: TransformerOptions): NdArray => {
    const what = 'nn.transformer'
    const { encoder, decoder } = optionsOf(what, transformerParams, p, 'parameter')
    const { dropout, ...others } = options
    const [of, to] = [0, 1].map((i): LayerOptions => {
      const own = part(dropout, i)
      return { ...others, ...(own && { dropout: own }) }
    })
    const memory = encode(what, encoder, three(what, source), of!, {
      attnMask: options.sourceMask,
      keyPaddingMask: options.sourceKeyPaddingMask,
    })
    const own = { attnMask: options.targetMask, keyPaddingMask: options.targetKeyPaddingMask, causal: options.causal }
    const across = { attnMask: options.memoryMask, keyPaddingMask: options.memoryKeyPaddingMask }
    return decode(what, decoder, three(what, target), memory, to!, own, across)
  },
)
