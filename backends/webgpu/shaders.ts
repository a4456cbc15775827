/** A kernel of the IR as passes, by its kind. */
import type { Kernel } from '../../src/core/kernel.ts'
import { emitAttention } from './wgsl/attention.ts'
import { emitAttentionGrad } from './wgsl/attentionGrad.ts'
import { emitCumulative } from './wgsl/cumulative.ts'
import { emitDot } from './wgsl/dot.ts'
import { memory } from './wgsl/module.ts'
import { emitNest } from './wgsl/nest.ts'
import { emitScatter } from './wgsl/scatter.ts'
import type { Features, Shader } from './wgsl/shader.ts'
import { emitSort } from './wgsl/sort.ts'

export const shaderOf = (kernel: Kernel, features: Features): Shader => {
  switch (kernel.kind) {
    case 'nest':
      return emitNest(kernel, memory, features)
    case 'dot':
      return emitDot(kernel, memory, features)
    case 'attention':
      return emitAttention(kernel, memory, features)
    case 'attentionGrad':
      return emitAttentionGrad(kernel, memory, features)
    case 'cumulative':
      return emitCumulative(kernel, memory, features)
    case 'sort':
      return emitSort(kernel, memory, features)
    case 'scatter':
      return emitScatter(kernel, memory, features)
  }
}
