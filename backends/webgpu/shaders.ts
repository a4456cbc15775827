/** A kernel of the IR as passes, by its kind. */
import type { HostCall, Kernel } from '../../src/core/kernel.ts'
import { emitAttention } from './wgsl/attention.ts'
import { emitAttentionGrad } from './wgsl/attentionGrad.ts'
import { emitCumulative } from './wgsl/cumulative.ts'
import { emitDot } from './wgsl/dot.ts'
import { memory } from './wgsl/module.ts'
import { emitNest } from './wgsl/nest.ts'
import { emitScatter } from './wgsl/scatter.ts'
import type { Emit, Features, Shader } from './wgsl/shader.ts'
import { emitSort } from './wgsl/sort.ts'

/** Those that the device itself computes. */
type Computed = Exclude<Kernel, HostCall>
const emitters: { readonly [K in Computed['kind']]: Emit<Extract<Kernel, { readonly kind: K }>> } = {
  nest: emitNest,
  dot: emitDot,
  attention: emitAttention,
  attentionGrad: emitAttentionGrad,
  cumulative: emitCumulative,
  sort: emitSort,
  scatter: emitScatter,
}

export const shaderOf = (kernel: Kernel, features: Features): Shader =>
  (emitters[(kernel as Computed).kind] as Emit<Kernel>)(kernel, memory, features)
