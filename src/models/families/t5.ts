/** T5, T5 1.1, Flan-T5 (Raffel et al. 2020, Chung et al. 2022), mT5 (Xue et al. 2021) and UMT5 (Chung et al. 2023): relative biases, scores as they are, norms before each branch. */
import type { Activation } from '../../nn/mlp.ts'
import type { EncoderConfig } from '../encoder.ts'
import { type EncoderDecoderConfig, encoderIn } from '../encoderDecoder.ts'
import { type Fields, hfActivations } from '../hfConfig.ts'
import { FURTHEST } from '../../nn/relative.ts'
import { classify, headOf } from './bert.ts'
import { type Family, layerCount } from './family.ts'

interface Projection {
  readonly activation: Activation
  readonly gated: boolean
}
const projections: Readonly<Record<string, Projection>> = Object.fromEntries(
  Object.entries(hfActivations).flatMap(([name, activation]) => [
    [name, { activation, gated: false }],
    // The tanh of T5's own code, whatever the name says.
    [`gated-${name}`, { activation: name === 'gelu' ? 'geluTanh' : activation, gated: true }],
  ]),
)
/**
 * Whether what goes into the head is scaled, and whether the head is the embedding: both in T5, neither in its successors. Files before Transformers
 * 5 say so by `tie_word_embeddings`, files since by `scale_decoder_outputs`, and UMT5's by the first. mT5 never scales, whatever its files say.
 */
const scales = (config: Fields): boolean => {
  const [type, tied] = [config.text('model_type'), config.flag('tie_word_embeddings', true)]
  return type === 't5' ? config.flag('scale_decoder_outputs', tied) : type === 'umt5' && tied
}

export const t5: Family<EncoderDecoderConfig> = {
  types: ['t5', 'mt5', 'umt5'],
  read: (config) => {
    config.off('is_decoder')
    const [width, heads, layers] = [config.count('d_model'), config.count('num_heads'), layerCount(config, 'num_layers')]
    const { activation, gated } = config.switch(
      'feed_forward_proj',
      projections,
      config.text('model_type') === 't5' ? 'relu' : 'gated-gelu',
    )
    const scaled = scales(config)
    const [buckets, maxDistance] = [
      config.count('relative_attention_num_buckets', 32),
      config.count('relative_attention_max_distance', 128),
    ]
    if (buckets % 2 !== 0 || buckets < 4) config.refuse('relative_attention_num_buckets', 'an even number of at least 4 is needed: half are for keys behind') // prettier-ignore
    if (maxDistance > FURTHEST) config.refuse('relative_attention_max_distance', `${FURTHEST} is the most`)
    if (maxDistance <= buckets / 2) config.refuse('relative_attention_max_distance', `it should be above ${buckets / 2}, the distances with a bucket of their own`) // prettier-ignore
    const vocab = config.count('vocab_size')
    const first = config.has('decoder_start_token_id') ? 'decoder_start_token_id' : 'pad_token_id'
    const start = config.whole(first, 0)
    if (start >= vocab) config.refuse(first, `it begins what is written, and the model has ${vocab} ids`)
    return {
      kind: 'encoderDecoder',
      vocab,
      width,
      inOut: false,
      encoderLayers: layers,
      decoderLayers: layerCount(config, 'num_decoder_layers', layers),
      relative: {
        buckets,
        maxDistance,
        own: config.text('model_type') === 'umt5',
      },
      norm: { kind: 'rms', eps: config.nonNegative('layer_norm_epsilon', 1e-6), offset: 0, bias: false },
      place: 'pre',
      attention: {
        heads,
        kvHeads: heads,
        headDim: config.count('d_kv'),
        scale: 1,
        softcap: null,
        bias: false,
        outBias: false,
        fused: false,
        norms: false,
      },
      mlp: { width: config.count('d_ff'), activation, gated, fused: false, bias: false },
      tied: scaled,
      headScale: scaled ? 1 / Math.sqrt(width) : 1,
      start,
      initFactor: config.nonNegative('initializer_factor', 1),
    }
  },
  names: ({ mlp: { gated } }) => ({
    embed: 'shared',
    ...stack('encoder.', 'encoder', gated, 1),
    ...stack('decoder.', 'decoder', gated, 2),
    'decoder.layers.#.crossNorm': 'decoder.block.#.layer.1.layer_norm',
    'decoder.layers.#.cross.q': 'decoder.block.#.layer.1.EncDecAttention.q',
    'decoder.layers.#.cross.k': 'decoder.block.#.layer.1.EncDecAttention.k',
    'decoder.layers.#.cross.v': 'decoder.block.#.layer.1.EncDecAttention.v',
    'decoder.layers.#.cross.o': 'decoder.block.#.layer.1.EncDecAttention.o',
    head: 'lm_head',
  }),
  base: '',
  // A head that Transformers 5 found to be the embedding isn't in the file.
  older: { 'lm_head.weight': 'shared.weight' },
  ignored: /^((encoder|decoder)\.embed_tokens|lm_head|decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias)\.weight$/,
}
/** What reads alone: of sentence-T5, and before pictures are made of texts. A file of both holds it. */
export const t5Encoder: Family<EncoderConfig> = {
  types: t5.types,
  ends: ['EncoderModel', 'ForTokenClassification'],
  read: (config) => ({
    ...encoderIn(t5.read(config)),
    head: headOf(config, { EncoderModel: { kind: 'none' }, ForTokenClassification: classify(config, 'each') }, 'T5EncoderModel'),
  }),
  names: ({ head, mlp: { gated } }) => {
    const names = { embed: 'shared', ...stack('', 'encoder', gated, 1) }
    if (head.kind === 'none') return names
    const below = Object.entries(names).map(([path, name]) => [path, `transformer.${name}`])
    return { ...(Object.fromEntries(below) as typeof names), 'head.out': 'classifier' }
  },
  base: '',
  ignored: /^(transformer\.)?(encoder\.embed_tokens\.|decoder\.|lm_head\.)/,
}
/** `path`: what stands before its paths in our tree. */
const stack = (path: string, side: 'encoder' | 'decoder', gated: boolean, last: number): Readonly<Record<string, string>> => ({
  [`${path}relative`]: `${side}.block.0.layer.0.SelfAttention.relative_attention_bias`,
  [`${path}layers.#.relative`]: `${side}.block.#.layer.0.SelfAttention.relative_attention_bias`,
  [`${path}layers.#.attnNorm`]: `${side}.block.#.layer.0.layer_norm`,
  [`${path}layers.#.attn.q`]: `${side}.block.#.layer.0.SelfAttention.q`,
  [`${path}layers.#.attn.k`]: `${side}.block.#.layer.0.SelfAttention.k`,
  [`${path}layers.#.attn.v`]: `${side}.block.#.layer.0.SelfAttention.v`,
  [`${path}layers.#.attn.o`]: `${side}.block.#.layer.0.SelfAttention.o`,
  [`${path}layers.#.mlpNorm`]: `${side}.block.#.layer.${last}.layer_norm`,
  [`${path}layers.#.mlp.gate`]: `${side}.block.#.layer.${last}.DenseReluDense.wi_0`,
  [`${path}layers.#.mlp.up`]: `${side}.block.#.layer.${last}.DenseReluDense.${gated ? 'wi_1' : 'wi'}`,
  [`${path}layers.#.mlp.down`]: `${side}.block.#.layer.${last}.DenseReluDense.wo`,
  [`${path}norm`]: `${side}.final_layer_norm`,
})
