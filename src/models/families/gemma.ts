/** Gemma 1, 2 and 3 (text): scales around 1, scaled embeddings, norms around each branch, layers that slide. */
import { ropeOf, ropesOf } from '../hfConfig.ts'
import { activationOf, alike, type Family, layerTypes, llamaLike, llamaNames, llamaTasks, ropeFor } from './family.ts'
import type { DecoderConfig } from '../decoder.ts'

export const gemma: Family<DecoderConfig> = {
  types: ['gemma2', 'gemma3_text'],
  read: (config) => {
    const type = config.text('model_type')
    config.off('use_bidirectional_attention')
    const like = llamaLike(config)
    const first = type === 'gemma'
    const headDim = config.count('head_dim', 256)
    const own = {
      ...like,
      context: config.count('max_position_embeddings', type === 'gemma3_text' ? 131_072 : 8192),
      norm: { ...like.norm, offset: 1 as const },
      place: first ? ('pre' as const) : ('around' as const),
      embedScale: Math.sqrt(like.width),
      tied: config.flag('tie_word_embeddings', true),
      // What Gemma 1's files call gelu is the one with tanh.
      mlp: { ...like.mlp, activation: first && config.text('hidden_act', 'gelu') === 'gelu' ? ('geluTanh' as const) : activationOf(config, first ? 'hidden_act' : 'hidden_activation', 'gelu_pytorch_tanh'), bias: false }, // prettier-ignore
      attention: {
        ...like.attention,
        headDim,
        scale: first ? null : 1 / Math.sqrt(config.positive('query_pre_attn_scalar', 256)),
        // Gemma 3's files may have one, and Transformers doesn't read it there.
        softcap: type === 'gemma2' ? config.positiveOrOff('attn_logit_softcapping', 50) : null,
        norms: type === 'gemma3_text',
      },
      logitCap: first ? null : config.positiveOrOff('final_logit_softcapping', type === 'gemma2' ? 30 : null),
    }
    if (first) return { ...own, ropes: ropeFor(config, own), layers: alike(config, { window: null, rope: 'all' }) }
    const third = type === 'gemma3_text'
    const every = third ? config.count('sliding_window_pattern', 6) : 2
    const types = layerTypes(config, (i) => (i + 1) % every !== 0)
    const { context } = own
    // v4 of Gemma 3 has the global base and its stretching at the top, the local base beside them.
    const local = config.positive('rope_local_base_freq', 10_000)
    const ropes = third
      ? config.has('rope_parameters')
        ? ropesOf(config, types, (t) => ({ headDim, context, base: t === 'full_attention' ? 1_000_000 : local }))
        : {
            full_attention: ropeOf(config, { headDim, context, base: 1_000_000 }),
            sliding_attention: { base: local, dims: headDim },
          }
      : ropesOf(config, types, () => ({ headDim, context }))
    const window = config.count('sliding_window', 4096)
    return { ...own, ropes, layers: types.map((t) => ({ window: t === 'sliding_attention' ? window : null, rope: t })) }
  },
  names: {
    ...llamaNames,
    'layers.#.attnPostNorm': 'model.layers.#.post_attention_layernorm',
    'layers.#.mlpNorm': 'model.layers.#.pre_feedforward_layernorm',
    'layers.#.mlpPostNorm': 'model.layers.#.post_feedforward_layernorm',
  },
  base: 'model.',
  tasks: llamaTasks,
}

/** Gemma 1 norms before its branches only, under Llama's names. */
export const gemma1: Family<DecoderConfig> = { ...gemma, types: ['gemma'], names: llamaNames }
