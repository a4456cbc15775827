/** Phi-3 and Phi-4-mini: q, k and v in one matrix, gate and up in one, a rope of longer factors beyond what they were trained on. */
import { ropeOf } from '../hfConfig.ts'
import { alike, type Family, llamaLike, llamaNames, llamaTasks } from './family.ts'
import type { DecoderConfig } from '../decoder.ts'

export const phi: Family<DecoderConfig> = {
  types: ['phi3'],
  read: (config) => {
    const like = llamaLike(config, 4096, 1e-5)
    const own = {
      ...like,
      attention: { ...like.attention, fused: true, bias: false, outBias: false },
      mlp: { ...like.mlp, fused: true, bias: false },
    }
    const window = config.has('sliding_window') ? config.count('sliding_window') : null
    return {
      ...own,
      ropes: {
        all: ropeOf(config, { headDim: own.attention.headDim, context: own.context, partial: true, longrope: true, original: 4096 }),
      },
      layers: alike(config, { window, rope: 'all' }),
    }
  },
  names: llamaNames,
  base: 'model.',
  tasks: llamaTasks,
}
