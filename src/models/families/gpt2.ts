/** GPT-2 (Radford et al. 2019): learned positions, layer norms with biases, matrices stored [in,out]. */
import { activationOf, type Family, headDimOf, layerCount } from './family.ts'
import { range } from '../../core/constructors.ts'
import type { DecoderConfig } from '../decoder.ts'

export const gpt2: Family<DecoderConfig> = {
  types: ['gpt2'],
  read: (config) => {
    config.off('add_cross_attention')
    const [width, heads] = [config.count('n_embd'), config.count('n_head')]
    const headDim = headDimOf(config, width, heads, 'n_head')
    const scaled = config.flag('scale_attn_weights', true)
    // Of layer i, from 1 on, divided by i.
    const inverse = config.flag('scale_attn_by_inverse_layer_idx', false)
    const scaleOf = (i: number): number => (scaled ? 1 / Math.sqrt(headDim) : 1) / (i + 1)
    return {
      kind: 'decoder',
      vocab: config.count('vocab_size'),
      width,
      context: config.count('n_positions', 1024),
      inOut: true,
      layers: range(layerCount(config, 'n_layer')).map((i) => ({
        window: null,
        rope: null,
        ...(inverse ? { scale: scaleOf(i) } : {}),
      })),
      ropes: {},
      norm: { kind: 'layer', eps: config.nonNegative('layer_norm_epsilon', 1e-5), offset: 0, bias: true },
      place: 'pre',
      attention: {
        heads,
        kvHeads: heads,
        headDim,
        scale: scaled ? null : 1,
        softcap: null,
        bias: true,
        outBias: true,
        fused: true,
        norms: false,
      },
      mlp: { width: config.count('n_inner', 4 * width), activation: activationOf(config, 'activation_function', 'gelu_new'), gated: false, fused: false, bias: true }, // prettier-ignore
      learnedPositions: true,
      embedScale: 1,
      tied: config.flag('tie_word_embeddings', true),
      headBias: false,
      logitCap: null,
      initStddev: config.nonNegative('initializer_range', 0.02),
    }
  },
  names: {
    embed: 'transformer.wte',
    positions: 'transformer.wpe',
    'layers.#.attnNorm': 'transformer.h.#.ln_1',
    'layers.#.attn.qkv': 'transformer.h.#.attn.c_attn',
    'layers.#.attn.o': 'transformer.h.#.attn.c_proj',
    'layers.#.mlpNorm': 'transformer.h.#.ln_2',
    'layers.#.mlp.up': 'transformer.h.#.mlp.c_fc',
    'layers.#.mlp.down': 'transformer.h.#.mlp.c_proj',
    norm: 'transformer.ln_f',
    head: 'lm_head',
  },
  base: 'transformer.',
  tasks: {
    ForSequenceClassification: { of: 'last', head: 'score' },
    ForTokenClassification: { of: 'each', head: 'classifier' },
    ForQuestionAnswering: { of: 'span', head: 'qa_outputs' },
  },
  ignored: /\.attn\.(bias|masked_bias)$/,
}
