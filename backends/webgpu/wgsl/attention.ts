import type { Attention } from '../../../src/core/kernel.ts'
import type { Emit } from './shader.ts'

export const emitAttention: Emit<Attention> = () => {
  throw new Error('internal: no WGSL for Attention kernels yet: docs/plan.md')
}
