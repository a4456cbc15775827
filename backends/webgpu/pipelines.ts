/** Pipelines by the text of their module, so that equal kernels of any program share one; and the layouts that all have. */
import { type Bounds, Cache } from '../../src/core/cache.ts'
import { DeviceError } from '../../src/core/errors.ts'
import { COMPUTE_STAGE } from './flags.ts'
import type { Slab } from './slabs.ts'

/** Storage buffers that every WebGPU device gives a kernel. */
export const SLOTS = 8

/** As many as programs (transforms/engine.ts), which keep those that they were bound to themselves. */
export const KEPT: Bounds = { count: 4096, bytes: 2 ** 28 }
/** What a pipeline holds, measured in Node: 35 kB in Dawn, and its text. */
const bytesOf = (code: string): number => 2 ** 15 + 2 * code.length

const refused = (label: string, code: string, why: string): DeviceError =>
  new DeviceError(`the WebGPU kernel ${label} doesn't compile: ${why}\n${code}`)

export class Pipelines {
  readonly #device: GPUDevice
  readonly #pipelines: Cache<GPUComputePipeline>
  /** Bind groups, with the slabs that they hold, by the slabs' numbers. */
  readonly #groups = new Map<string, { readonly group: GPUBindGroup; readonly slabs: readonly Slab[] }>()
  readonly #memories: GPUBindGroupLayout[] = []
  readonly #layouts: GPUPipelineLayout[] = []
  readonly table: GPUBindGroupLayout
  /** Why a pipeline can't be had, by its first failure: found out later than it was asked for. */
  failure: DeviceError | null = null
  /** By text, so that whoever asks again is told again. */
  readonly refusals = new Map<string, DeviceError>()
  /** Pipelines whose soundness isn't known yet. What uses a faulty one fails too, and says less. */
  pending = 0

  constructor(device: GPUDevice, kept = KEPT) {
    this.#device = device
    this.#pipelines = new Cache(kept)
    const visibility = COMPUTE_STAGE
    this.table = device.createBindGroupLayout({
      label: 'table',
      entries: [{ binding: 0, visibility, buffer: { type: 'uniform', hasDynamicOffset: true } }],
    })
    for (let n = 0; n <= SLOTS; n++) {
      const entries = Array.from({ length: n }, (_, binding) => ({ binding, visibility, buffer: { type: 'storage' as const } }))
      const memory = device.createBindGroupLayout({ label: `${n} slabs`, entries })
      this.#memories.push(memory)
      this.#layouts.push(device.createPipelineLayout({ label: `${n} slabs`, bindGroupLayouts: [this.table, memory] }))
    }
  }

  #describe(label: string, code: string, slots: number): GPUComputePipelineDescriptor {
    const module = this.#device.createShaderModule({ label, code })
    return { label, layout: this.#layouts[slots]!, compute: { module, entryPoint: 'main' } }
  }

  /** `label` names the kernel in errors and profiles. */
  pipeline(label: string, code: string, slots: number): GPUComputePipeline {
    const refusal = this.refusals.get(code)
    if (refusal !== undefined) throw refusal
    const known = this.#pipelines.get(code)
    if (known !== undefined) return known
    this.#device.pushErrorScope('validation')
    const pipeline = this.#device.createComputePipeline(this.#describe(label, code, slots))
    this.pending++
    void this.#device.popErrorScope().then((error) => {
      this.pending--
      if (error === null) return
      const refusal = refused(label, code, error.message)
      this.refusals.set(code, refusal)
      this.failure ??= refusal
    })
    this.#pipelines.set(code, pipeline, bytesOf(code))
    return pipeline
  }

  /** The same, compiled aside. */
  async ready(label: string, code: string, slots: number): Promise<void> {
    if (this.#pipelines.get(code) !== undefined) return
    try {
      const pipeline = await this.#device.createComputePipelineAsync(this.#describe(label, code, slots))
      if (this.#pipelines.get(code) === undefined) this.#pipelines.set(code, pipeline, bytesOf(code))
    } catch (reason) {
      throw refused(label, code, String(reason))
    }
  }

  memory(slabs: readonly Slab[]): GPUBindGroup {
    const key = slabs.map(({ id }) => id).join()
    const known = this.#groups.get(key)
    if (known !== undefined) return known.group
    const entries = slabs.map(({ buffer }, binding) => ({ binding, resource: { buffer } }))
    const group = this.#device.createBindGroup({ label: `slabs ${key}`, layout: this.#memories[slabs.length]!, entries })
    this.#groups.set(key, { group, slabs })
    return group
  }

  /** Lets go of a slab. */
  forget(slab: Slab): void {
    for (const [key, { slabs }] of this.#groups) if (slabs.includes(slab)) this.#groups.delete(key)
  }
}
