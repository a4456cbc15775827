/** A kernel of the IR as passes, by its kind. */
import { DeviceError } from '../../src/core/errors.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { emitAttention } from './wgsl/attention.ts'
import { emitAttentionGrad } from './wgsl/attentionGrad.ts'
import { emitCumulative } from './wgsl/cumulative.ts'
import { memory } from './wgsl/module.ts'
import { emitNest } from './wgsl/nest.ts'
import { emitScatter } from './wgsl/scatter.ts'
import type { Emit, Features, Shader } from './wgsl/shader.ts'
import { emitSort } from './wgsl/sort.ts'

/** Contractions aren't there yet. */
const emitters: { readonly [K in Exclude<Kernel['kind'], 'dot'>]: Emit<Extract<Kernel, { readonly kind: K }>> } = {
  nest: emitNest,
  attention: emitAttention,
  attentionGrad: emitAttentionGrad,
  cumulative: emitCumulative,
  sort: emitSort,
  scatter: emitScatter,
}

export const shaderOf = (kernel: Kernel, features: Features): Shader => {
  if (kernel.kind === 'dot') throw new DeviceError("webgpu can't contract yet: use wasm")
  return (emitters[kernel.kind] as Emit<Kernel>)(kernel, memory, features)
}
