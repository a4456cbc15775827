/**
 * Times of kernels: while a profiler is at work, every dispatch is a pass of its own between two timestamps. Chromium rounds them to 100 µs unless
 * it was started with --enable-webgpu-developer-features.
 */
import type { KernelTime } from '../../src/core/backend.ts'
import { MAP_READ_MODE, USAGE } from './flags.ts'

/** Timestamps of a query set; WebGPU allows no more. */
const MOST = 4096

export class Profiler {
  readonly #device: GPUDevice
  readonly #set: GPUQuerySet
  readonly #resolved: GPUBuffer
  #names: string[] = []
  /** Copied in a submit that is to come. */
  #waiting: { readonly names: readonly string[]; readonly buffer: GPUBuffer }[] = []
  readonly #read: Promise<readonly KernelTime[]>[] = []

  constructor(device: GPUDevice) {
    this.#device = device
    this.#set = device.createQuerySet({ label: 'times', type: 'timestamp', count: MOST })
    this.#resolved = device.createBuffer({ label: 'times', size: 8 * MOST, usage: USAGE.queryResolve | USAGE.copySrc })
  }

  /** Whether what is encoded must be submitted before another pass. */
  get full(): boolean {
    return 2 * this.#names.length === MOST
  }

  writes(name: string): GPUComputePassTimestampWrites {
    const at = 2 * this.#names.length
    this.#names.push(name)
    return { querySet: this.#set, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 }
  }

  /** The last commands before a submit. */
  resolve(encoder: GPUCommandEncoder): void {
    if (this.#names.length === 0) return
    const count = 2 * this.#names.length
    const buffer = this.#device.createBuffer({ label: 'times read', size: 8 * count, usage: USAGE.mapRead | USAGE.copyDst })
    encoder.resolveQuerySet(this.#set, 0, count, this.#resolved, 0)
    encoder.copyBufferToBuffer(this.#resolved, 0, buffer, 0, 8 * count)
    this.#waiting.push({ names: this.#names, buffer })
    this.#names = []
  }

  submitted(): void {
    for (const { names, buffer } of this.#waiting) {
      const times = buffer.mapAsync(MAP_READ_MODE).then(() => {
        const ns = new BigUint64Array(buffer.getMappedRange())
        const kernels = names.map((name, i) => ({ name, start: Number(ns[2 * i]!) / 1e6, ms: Number(ns[2 * i + 1]! - ns[2 * i]!) / 1e6 }))
        buffer.destroy()
        return kernels
      })
      times.catch(() => {}) // told by stop
      this.#read.push(times)
    }
    this.#waiting = []
  }

  async stop(): Promise<readonly KernelTime[]> {
    const kernels = (await Promise.all(this.#read)).flat()
    this.#set.destroy()
    this.#resolved.destroy()
    return kernels
  }
}
