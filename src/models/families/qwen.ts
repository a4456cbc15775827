/** Qwen 2 and 2.5 (biases of q, k and v), Qwen 3 (norms of queries and keys). */
import { type Family, layerTypes, llamaAnswers, llamaLike, llamaNames, ropeFor } from './family.ts'
import type { DecoderConfig } from '../decoder.ts'

export const qwen: Family<DecoderConfig> = {
  types: ['qwen2', 'qwen3'],
  read: (config) => {
    const own = llamaLike(config, 32_768)
    const third = config.text('model_type') === 'qwen3'
    const window = config.flag('use_sliding_window', false) ? config.countOrOff('sliding_window', 4096) : null
    const from = config.whole('max_window_layers', 28)
    const types = layerTypes(config, (i) => window !== null && i >= from)
    const attention = third
      ? { ...own.attention, headDim: config.count('head_dim', 128), norms: true }
      : { ...own.attention, bias: true, outBias: false }
    const sized = { ...own, attention }
    return {
      ...sized,
      ropes: ropeFor(config, sized),
      layers: types.map((type) => ({
        window: type === 'sliding_attention' ? window : null,
        rope: 'all',
      })),
    }
  },
  names: llamaNames,
  base: 'model.',
  tasks: llamaAnswers,
}
