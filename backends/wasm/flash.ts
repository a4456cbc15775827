/** Attention, forward and backward: kernels that come with the function that uses them. */
import { attentionUnits, emitAttention } from './attention.ts'
import { attentionGradUnits, emitAttentionGrad } from './attentionGrad.ts'
import type { Emitters } from './module.ts'

export const flash = {
  attention: { emit: emitAttention, units: attentionUnits },
  attentionGrad: { emit: emitAttentionGrad, units: attentionGradUnits },
} satisfies Partial<Emitters>
