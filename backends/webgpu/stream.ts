/**
 * Commands in order: dispatches collect in one encoder, and go to the queue with one submit when something is read, when many are there, or
 * at the end of the task. Places of arrays travel in one table of uniforms, written before each submit.
 */
import { USAGE } from './flags.ts'
import type { Profiler } from './profiler.ts'
import type { Slabs } from './slabs.ts'
import { RECORD_BYTES } from './wgsl/module.ts'

/** A kernel pass ready to be encoded. */
export interface Dispatch {
  readonly label: string
  readonly pipeline: GPUComputePipeline
  readonly memory: GPUBindGroup
  /** Segments' records, as `module.ts` describes them. */
  readonly records: Uint32Array
  readonly grid: readonly [number, number, number]
}

const TABLE_BYTES = 2 ** 18
const ENOUGH = 256

export class Stream {
  readonly #device: GPUDevice
  readonly #slabs: Slabs
  readonly #table: GPUBuffer
  readonly #words = new Uint32Array(TABLE_BYTES / 4)
  readonly #group: GPUBindGroup
  readonly #align: number
  #encoder: GPUCommandEncoder | null = null
  #pass: GPUComputePassEncoder | null = null
  #used = 0
  #count = 0
  #scheduled = false
  /** The end of the last job that waits for the device. */
  #tail: Promise<void> | null = null
  profiler: Profiler | null = null

  constructor(device: GPUDevice, slabs: Slabs, layout: GPUBindGroupLayout) {
    this.#device = device
    this.#slabs = slabs
    this.#align = device.limits.minUniformBufferOffsetAlignment
    const usage = USAGE.uniform | USAGE.copyDst
    this.#table = device.createBuffer({ label: 'table', size: TABLE_BYTES, usage })
    const resource = { buffer: this.#table, size: RECORD_BYTES }
    this.#group = device.createBindGroup({ label: 'table', layout, entries: [{ binding: 0, resource }] })
  }

  #open(): GPUCommandEncoder {
    if (!this.#scheduled) {
      this.#scheduled = true
      queueMicrotask(() => this.flush())
    }
    this.#slabs.encoding = true
    return (this.#encoder ??= this.#device.createCommandEncoder())
  }

  /** Does a job when those before it are done: at once, as a rule. One that reads from the device is a promise, and what comes after it waits. */
  inOrder<T>(job: () => T | Promise<T>): T | Promise<T> {
    const result = this.#tail === null ? job() : this.#tail.then(job)
    if (!(result instanceof Promise)) return result
    this.#slabs.encoding = true
    const ended = (): void => {
      if (this.#tail !== tail) return
      this.#tail = null
      this.flush()
    }
    const tail: Promise<void> = result.then(ended, ended)
    this.#tail = tail
    return result
  }

  dispatch(dispatches: readonly Dispatch[]): void {
    let [pipeline, memory]: [GPUComputePipeline | null, GPUBindGroup | null] = [null, null]
    for (const next of dispatches) {
      if (this.#used + RECORD_BYTES > TABLE_BYTES || this.#count >= ENOUGH || this.profiler?.full === true) this.flush()
      if (this.#pass === null) {
        const timed = this.profiler === null ? {} : { timestampWrites: this.profiler.writes(next.label) }
        this.#pass = this.#open().beginComputePass(timed)
        pipeline = memory = null
      }
      const at = this.#used
      this.#words.set(next.records, at / 4)
      this.#used = Math.ceil((at + next.records.byteLength) / this.#align) * this.#align
      if (next.pipeline !== pipeline) this.#pass.setPipeline((pipeline = next.pipeline))
      this.#pass.setBindGroup(0, this.#group, [at])
      if (next.memory !== memory) this.#pass.setBindGroup(1, (memory = next.memory))
      this.#pass.dispatchWorkgroups(...next.grid)
      this.#count++
      if (this.profiler !== null) this.#end()
    }
  }

  #end(): void {
    this.#pass?.end()
    this.#pass = null
  }

  copy(from: GPUBuffer, offset: number, to: GPUBuffer, bytes: number): void {
    this.#end()
    this.#open().copyBufferToBuffer(from, offset, to, 0, Math.ceil(bytes / 4) * 4) // whole words
  }

  /** Submits what there is. */
  flush(): void {
    this.#scheduled = false
    if (this.#encoder !== null) this.#submit(this.#encoder)
    // A job that waits may use what was released since.
    if (this.#tail === null) this.#slabs.submitted()
  }

  #submit(encoder: GPUCommandEncoder): void {
    this.#end()
    const afterwards = this.profiler?.resolve(encoder)
    if (this.#used > 0) this.#device.queue.writeBuffer(this.#table, 0, this.#words, 0, this.#used / 4)
    this.#device.queue.submit([encoder.finish()])
    afterwards?.()
    this.#encoder = null
    this.#used = this.#count = 0
  }
}
