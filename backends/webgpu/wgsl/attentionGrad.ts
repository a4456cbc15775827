import type { AttentionGrad } from '../../../src/core/kernel.ts'
import type { Emit } from './shader.ts'

export const emitAttentionGrad: Emit<AttentionGrad> = () => {
  throw new Error('internal: no WGSL for AttentionGrad kernels yet: docs/plan.md')
}
