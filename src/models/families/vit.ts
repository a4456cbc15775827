/** ViT (Dosovitskiy et al. 2021): a picture in patches, behind a vector that stands for the whole. */
import { range } from '../../core/constructors.ts'
import type { EncoderConfig } from '../encoder.ts'
import { classify, headOf } from './bert.ts'
import type { Fields } from '../hfConfig.ts'
import { activationOf, type Family, headDimOf, layerCount } from './family.ts'

/** An extent, or two that are alike. */
const squareOf = (config: Fields, name: string, fallback: number): number => {
  if (!config.isList(name)) return config.count(name, fallback)
  const [high, wide = high, ...more] = config.numbers(name)
  const square = Number.isSafeInteger(high) && high! > 0 && high === wide && more.length === 0
  return square ? high! : config.refuse(name, 'known here are squares')
}
export const vit: Family<EncoderConfig> = {
  types: ['vit'],
  read: (config) => {
    const [width, heads] = [config.count('hidden_size'), config.count('num_attention_heads')]
    const [image, size] = [squareOf(config, 'image_size', 224), squareOf(config, 'patch_size', 16)]
    if (config.count('pooler_output_size', width) !== width) config.refuse('pooler_output_size', `known here is hidden_size, ${width}`)
    if (image % size !== 0) config.refuse('patch_size', `it doesn't divide the picture of ${image}`)
    return {
      kind: 'encoder',
      vocab: null,
      patches: { image, size, channels: config.count('num_channels', 3) },
      width,
      context: null,
      padding: null,
      inOut: false,
      layers: range(layerCount(config)).map(() => ({ reach: null, rope: null })),
      ropes: {},
      tokenTypes: 0,
      embedNorm: false,
      finalNorm: true,
      norm: { kind: 'layer', eps: config.nonNegative('layer_norm_eps', 1e-12), offset: 0, bias: true },
      place: 'pre',
      attention: { heads, kvHeads: heads, headDim: headDimOf(config, width, heads), scale: null, softcap: null, bias: config.flag('qkv_bias', true), outBias: true, fused: false, norms: false }, // prettier-ignore
      mlp: { width: config.count('intermediate_size'), activation: activationOf(config, 'hidden_act', 'gelu'), gated: false, fused: false, bias: true }, // prettier-ignore
      head: headOf(
        config,
        { ForImageClassification: classify(config, 'first'), Model: { kind: 'pooled', activation: activationOf(config, 'pooler_act', 'tanh') } }, // prettier-ignore
        'ViTModel',
      ),
      initStddev: config.nonNegative('initializer_range', 0.02),
    }
  },
  names: {
    patch: 'vit.embeddings.patch_embeddings.projection',
    cls: 'vit.embeddings.cls_token',
    positions: 'vit.embeddings.position_embeddings',
    'layers.#.attnNorm': 'vit.encoder.layer.#.layernorm_before',
    'layers.#.attn.q': 'vit.encoder.layer.#.attention.attention.query',
    'layers.#.attn.k': 'vit.encoder.layer.#.attention.attention.key',
    'layers.#.attn.v': 'vit.encoder.layer.#.attention.attention.value',
    'layers.#.attn.o': 'vit.encoder.layer.#.attention.output.dense',
    'layers.#.mlpNorm': 'vit.encoder.layer.#.layernorm_after',
    'layers.#.mlp.up': 'vit.encoder.layer.#.intermediate.dense',
    'layers.#.mlp.down': 'vit.encoder.layer.#.output.dense',
    norm: 'vit.layernorm',
    'head.dense': 'vit.pooler.dense',
    'head.out': 'classifier',
  },
  base: 'vit.',
  ignored: /^classifier|pooler\.dense/,
}
