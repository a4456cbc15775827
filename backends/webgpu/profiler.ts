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

  /** The last commands before a submit; the function that comes back is for after it. */
  resolve(encoder: GPUCommandEncoder): () => void {
    const names = this.#names
    const bytes = 16 * names.length
    if (bytes === 0) return () => {}
    this.#names = []
    const buffer = this.#device.createBuffer({ label: 'times read', size: bytes, usage: USAGE.mapRead | USAGE.copyDst })
    encoder.resolveQuerySet(this.#set, 0, 2 * names.length, this.#resolved, 0)
    encoder.copyBufferToBuffer(this.#resolved, 0, buffer, 0, bytes)
    return () => {
      const times = timesOf(buffer, names)
      times.catch(() => {}) // told by stop
      this.#read.push(times)
    }
  }

  async stop(): Promise<readonly KernelTime[]> {
    const kernels = (await Promise.all(this.#read)).flat()
    this.#set.destroy()
    this.#resolved.destroy()
    return kernels
  }
}

const timesOf = async (buffer: GPUBuffer, names: readonly string[]): Promise<readonly KernelTime[]> => {
  await buffer.mapAsync(MAP_READ_MODE)
  const ns = new BigUint64Array(buffer.getMappedRange())
  const kernels = names.map((name, i) => ({ name, start: Number(ns[2 * i]!) / 1e6, ms: Number(ns[2 * i + 1]! - ns[2 * i]!) / 1e6 }))
  buffer.destroy()
  return kernels
}
