import type { Dot } from '../../../src/core/kernel.ts'
import type { Emit } from './shader.ts'

export const emitDot: Emit<Dot> = () => {
  throw new Error('internal: no WGSL for Dot kernels yet: docs/plan.md')
}
