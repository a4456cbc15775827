/** Llama (Touvron et al. 2023) and those that differ from it in a field: Mistral's window, SmolLM3's layers without a rope. */
import { ropeOf } from '../hfConfig.ts'
import { alike, type Family, layerTypes, llamaAnswers, llamaLike, llamaNames, llamaTasks, ropeFor } from './family.ts'
import type { DecoderConfig } from '../decoder.ts'

export const llama: Family<DecoderConfig> = {
  types: ['llama', 'smollm3'],
  read: (config) => {
    const type = config.text('model_type')
    const own = llamaLike(config, { mistral: 131_072, smollm3: 32_768 }[type])
    const layers = alike(config, { window: type === 'mistral' ? config.countOrOff('sliding_window', 4096) : null, rope: 'all' })
    const tied = config.flag('tie_word_embeddings', type === 'smollm3')
    if (type !== 'smollm3') return { ...own, tied, ropes: ropeFor(config, own), layers }
    const ropes = { all: ropeOf(config, { headDim: own.attention.headDim, context: own.context, base: 2_000_000 }) }
    // 1 where a layer has a rope; without the list every fourth has none.
    const turns = config.has('no_rope_layers') ? config.bits('no_rope_layers', layers.length, 'layers') : null
    const every = config.count('no_rope_layer_interval', 4)
    const hasRope = (i: number): boolean => (turns === null ? (i + 1) % every !== 0 : turns[i]!)
    // Those without a rope may slide.
    const window = config.has('sliding_window') ? config.count('sliding_window') : null
    const slides = config.flag('use_sliding_window', false) && window !== null
    const types = layerTypes(config, (i) => slides && !hasRope(i))
    const windowOf = (i: number): number | null => (types[i] === 'sliding_attention' ? (window ?? config.count('sliding_window')) : null)
    return { ...own, tied, ropes, layers: layers.map((_, i) => ({ window: windowOf(i), rope: hasRope(i) ? 'all' : null })) }
  },
  names: llamaNames,
  base: 'model.',
  tasks: llamaAnswers,
  ignored: /rotary_emb\.inv_freq$/,
}
/** Its answers have the names of its other tasks. */
export const mistral: Family<DecoderConfig> = {
  ...llama,
  types: ['mistral'],
  tasks: { ...llamaTasks, ForQuestionAnswering: { of: 'span', head: 'qa_outputs' } },
}
