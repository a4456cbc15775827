/** ModernBERT (Warner et al. 2024): ropes, gated MLPs, norms before each branch, most layers near-sighted. */
import type { EncoderConfig } from '../encoder.ts'
import { ropesOf } from '../hfConfig.ts'
import { classify, headOf } from './bert.ts'
import { activationOf, type Family, headDimOf, layerTypes } from './family.ts'

export const modernbert: Family<EncoderConfig> = {
  types: ['modernbert'],
  read: (config) => {
    const [width, heads] = [config.count('hidden_size'), config.count('num_attention_heads')]
    const [headDim, context] = [headDimOf(config, width, heads), config.count('max_position_embeddings', 8192)]
    const every = config.count('global_attn_every_n_layers', 3)
    const types = layerTypes(config, (i) => i % every !== 0)
    const [global, local] = [config.positive('global_rope_theta', 160_000), config.positive('local_rope_theta', 10_000)]
    const reach = Math.floor(config.count('local_attention', 128) / 2)
    const bias = config.flag('attention_bias', false)
    const [activation, denseBias] = [activationOf(config, 'classifier_activation', 'gelu'), config.flag('classifier_bias', false)]
    const head = (of: Parameters<typeof classify>[1]) => ({ ...classify(config, of, activation), denseBias, normed: true })
    const mlpBias = config.flag('mlp_bias', false)
    return {
      kind: 'encoder',
      vocab: config.count('vocab_size'),
      patches: null,
      width,
      context: null,
      padding: null,
      inOut: false,
      layers: types.map((type, i) => ({
        reach: type === 'sliding_attention' ? reach : null,
        rope: type,
        ...(i === 0 ? { bare: true } : {}),
      })),
      ropes: ropesOf(config, types, (type) => ({ headDim, context, base: type === 'full_attention' ? global : local })),
      tokenTypes: 0,
      embedNorm: true,
      finalNorm: true,
      norm: { kind: 'layer', eps: config.nonNegative('norm_eps', 1e-5), offset: 0, bias: config.flag('norm_bias', false) },
      place: 'pre',
      attention: { heads, kvHeads: heads, headDim, scale: null, softcap: null, bias, outBias: bias, fused: true, norms: false },
      mlp: { width: config.count('intermediate_size'), activation: activationOf(config, 'hidden_activation', 'gelu'), gated: true, fused: true, bias: mlpBias }, // prettier-ignore
      head: headOf(
        config,
        {
          ForMaskedLM: {
            kind: 'maskedLM',
            activation,
            denseBias,
            bias: config.flag('decoder_bias', true),
            tied: config.flag('tie_word_embeddings', true),
          },
          ForSequenceClassification: head(config.switch('classifier_pooling', { cls: 'first', mean: 'mean' } as const, 'cls')),
          ForTokenClassification: head('each'),
          ForQuestionAnswering: head('span'),
          Model: { kind: 'none' },
        },
        'ModernBertModel',
      ),
      initStddev: config.nonNegative('initializer_range', 0.02),
    }
  },
  names: ({ head }) => ({
    embed: 'model.embeddings.tok_embeddings',
    embedNorm: 'model.embeddings.norm',
    'layers.#.attnNorm': 'model.layers.#.attn_norm',
    'layers.#.attn.qkv': 'model.layers.#.attn.Wqkv',
    'layers.#.attn.o': 'model.layers.#.attn.Wo',
    'layers.#.mlpNorm': 'model.layers.#.mlp_norm',
    'layers.#.mlp.gateUp': 'model.layers.#.mlp.Wi',
    'layers.#.mlp.down': 'model.layers.#.mlp.Wo',
    norm: 'model.final_norm',
    'head.dense': 'head.dense',
    'head.norm': 'head.norm',
    'head.bias': 'decoder.bias',
    'head.out': head.kind === 'classify' ? 'classifier' : 'decoder',
  }),
  base: 'model.',
  ignored: /^(decoder\.weight|head\.|decoder\.bias)/,
}
