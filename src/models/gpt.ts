/** GPT-2's decoder, without biases: pre-LN blocks, learned positions, a head tied to the embedding. Radford et al. 2019. */
import type { NdArray } from '../core/array.ts'
import { dotGeneral, range, slice } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import { array, atLeast, list, needed, number, optionsOf, record, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { showAval } from '../core/aval.ts'
import { anyArray } from '../numpy/promote.ts'

export interface GptConfig {
  readonly layers: number
  /** H, which divides the width. */
  readonly heads: number
  /** D. */
  readonly width: number
  /** The longest sequence. */
  readonly context: number
  /** V. */
  readonly vocab: number
}
/** The share of activations to drop, and the key that says which. */
export interface Dropout {
  readonly rate: number
  readonly key: NdArray
}
/** The configuration, of which only the heads aren't in the parameters' shapes; and dropout. */
export interface ApplyOptions extends Partial<GptConfig> {
  readonly heads: number
  /** While training: drops after the embedding, among attention's weights and at the end of each branch. */
  readonly dropout?: Dropout | undefined
}
const size = atLeast(1)
const count = needed(size)
const sizes: Schema<GptConfig> = { layers: needed(atLeast(0)), heads: count, width: count, context: count, vocab: count }
const applyOptions: Schema<ApplyOptions> = {
  layers: atLeast(0),
  heads: count,
  width: size,
  context: size,
  vocab: size,
  dropout: record<Dropout>({ rate: needed(number), key: needed(array) }),
}

export interface BlockParams {
  readonly attn: { readonly proj: { readonly w: NdArray }; readonly qkv: { readonly w: NdArray } } // [D,D], [D,3D]
  readonly ln1: { readonly scale: NdArray } // [D]
  readonly ln2: { readonly scale: NdArray } // [D]
  readonly mlp: { readonly down: { readonly w: NdArray }; readonly up: { readonly w: NdArray } } // [4D,D], [D,4D]
}
export interface GptParams {
  readonly blocks: readonly BlockParams[]
  readonly lnF: { readonly scale: NdArray } // [D]
  readonly wpe: { readonly w: NdArray } // [context,D]
  readonly wte: { readonly w: NdArray } // [V,D]
}

const matrix = needed(record({ w: needed(array) }))
const scales = needed(record({ scale: needed(array) }))
const blockParams: Schema<BlockParams> = {
  attn: needed(record({ proj: matrix, qkv: matrix })),
  ln1: scales,
  ln2: scales,
  mlp: needed(record({ down: matrix, up: matrix })),
}
const gptParams: Schema<GptParams> = { blocks: needed(list(record(blockParams))), lnF: scales, wpe: matrix, wte: matrix }

/**
 * GPT-2's initialisation: weights N(0, 0.02²), those that write to the residual stream divided by sqrt(2 layers), scales 1. All float32.
 *
 * @example const params = init(random.key(0), { layers: 2, heads: 2, width: 32, context: 32, vocab: 65 })
 * @throws ShapeError when the heads don't divide the width
 */
export const init = /* @__PURE__ */ takesOptions('gpt.init', 2, sizes, (key: NdArray, config: GptConfig): GptParams => {
  const { layers, heads, width: D, context, vocab } = config
  if (D % heads !== 0) throw new ShapeError(`gpt.init: ${heads} heads don't divide the width ${D}`)
  let drawn = 0
  const weight = (shape: readonly number[], stddev = 0.02): { readonly w: NdArray } => ({
    w: nn.initializers.normal({ stddev })(random.foldIn(key, drawn++), shape),
  })
  const norm = (): { readonly scale: NdArray } => ({ scale: np.ones([D]) })
  const residual = 0.02 / Math.sqrt(2 * layers) // two branches a layer add up to the variance of one
  return {
    blocks: range(layers).map(() => ({
      attn: { proj: weight([D, D], residual), qkv: weight([D, 3 * D]) },
      ln1: norm(),
      ln2: norm(),
      mlp: { down: weight([4 * D, D], residual), up: weight([D, 4 * D]) },
    })),
    lnF: norm(),
    wpe: weight([context, D]),
    wte: weight([vocab, D]),
  }
})

/** The i-th of the independent droppings within one. */
const part = (d: Dropout | undefined, i: number): Dropout | undefined =>
  d === undefined || d.rate === 0 ? undefined : { rate: d.rate, key: random.foldIn(d.key, i) }
const drop = (x: NdArray, d: Dropout | undefined): NdArray => (d === undefined ? x : nn.dropout(d.key, x, d.rate))

const attention = (p: BlockParams['attn'], x: NdArray, heads: number, dropout: Dropout | undefined): NdArray => {
  const [B, T, D] = x.shape as readonly [number, number, number]
  const width = D / heads
  const qkv = np.reshape(nn.linear(p.qkv, x), [B, T, 3 * heads, width]) // [B,T,3H,D/H]
  const third = (i: number): NdArray => slice(qkv, [0, 0, i * heads, 0], [B, T, (i + 1) * heads, width]) // [B,T,H,D/H]
  const options = { causal: true, ...(dropout === undefined ? {} : { dropout }) }
  const mixed = nn.dotProductAttention(third(0), third(1), third(2), options) // [B,T,H,D/H]
  return nn.linear(p.proj, np.reshape(mixed, [B, T, D]))
}

/** One block: [B,T,D] -> [B,T,D]. */
export const block = /* @__PURE__ */ takesOptions(
  'gpt.block',
  3,
  applyOptions,
  (p: BlockParams, x: NdArray, { heads, dropout }: ApplyOptions): NdArray => {
    optionsOf('gpt.block', blockParams, p, 'parameter')
    if (anyArray('gpt.block', x).ndim !== 3) throw new ShapeError(`gpt.block: ${showAval(x.aval)} where [B,T,D] was expected`)
    const mixed = attention(p.attn, nn.layerNorm(p.ln1, x), heads, part(dropout, 0)) // [B,T,D]
    const h = np.add(x, drop(mixed, part(dropout, 1)))
    const moved = nn.linear(p.mlp.down, nn.gelu(nn.linear(p.mlp.up, nn.layerNorm(p.ln2, h)))) // [B,T,4D] inside
    return np.add(h, drop(moved, part(dropout, 2)))
  },
)

/**
 * Logits of the next token at every position: int32 [B,T] -> float32 [B,T,V].
 *
 * @example apply(params, tokens, { heads: 2 })
 * @throws ShapeError when the tokens aren't [B,T], or T is longer than the context
 */
export const apply = /* @__PURE__ */ takesOptions(
  'gpt.apply',
  3,
  applyOptions,
  (params: GptParams, tokens: NdArray, options: ApplyOptions): NdArray => {
    optionsOf('gpt.apply', gptParams, params, 'parameter')
    anyArray('gpt.apply', tokens)
    const [context, D] = params.wpe.w.shape as readonly [number, number]
    const T = tokens.shape[1]
    if (tokens.ndim !== 2 || T === undefined) throw new ShapeError(`gpt.apply: tokens [${tokens.shape.join(',')}] where [B,T] was expected`)
    if (T > context) throw new ShapeError(`gpt.apply: ${T} tokens are more than the context of ${context}`)
    const embedded = np.add(nn.embedding(params.wte, tokens), slice(params.wpe.w, [0, 0], [T, D])) // [B,T,D]
    const { heads, dropout } = options
    const h = params.blocks.reduce((x, p, n) => block(p, x, { heads, dropout: part(dropout, n + 1) }), drop(embedded, part(dropout, 0))) // [B,T,D]
    return dotGeneral(nn.layerNorm(params.lnF, h), params.wte.w, [[2], [1]]) // [B,T,V]
  },
)

/** The mean cross-entropy of the targets, in nats: int32 [B,T] twice -> []. `grad((p: GptParams) => loss(p, x, y, { heads: 2 }))(params)` */
export const loss = /* @__PURE__ */ takesOptions(
  'gpt.loss',
  4,
  applyOptions,
  (params: GptParams, tokens: NdArray, targets: NdArray, options: ApplyOptions): NdArray =>
    np.mean(nn.crossEntropy(apply(params, tokens, options), targets)),
)
