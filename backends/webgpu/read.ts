/** Reading back: a copy to a mappable buffer in the order of commands, submitted with what else the task encoded. */
import { MAP_READ_MODE, USAGE } from './flags.ts'
import type { Slab } from './slabs.ts'
import type { Stream } from './stream.ts'

export class Reader {
  readonly #device: GPUDevice
  readonly #stream: Stream
  /** Mappable buffers that nobody reads, by size: powers of two. */
  readonly #idle = new Map<number, GPUBuffer[]>()
  constructor(device: GPUDevice, stream: Stream) {
    this.#device = device
    this.#stream = stream
  }

  /** Behind all that was called. */
  read(slab: Slab, offset: number, bytes: number): Promise<ArrayBuffer> {
    return this.#through(bytes, (into) => this.#stream.inOrder(() => this.#stream.copy(slab.buffer, offset, into, bytes)))
  }

  /** Within a job: behind all that is encoded. */
  now(slab: Slab, offset: number, bytes: number): Promise<ArrayBuffer> {
    return this.#through(bytes, (into) => this.#stream.copy(slab.buffer, offset, into, bytes))
  }

  async #through(bytes: number, copy: (into: GPUBuffer) => void | Promise<void>): Promise<ArrayBuffer> {
    if (bytes === 0) return new ArrayBuffer(0)
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(bytes)))
    const idle = this.#idle.get(size) ?? []
    this.#idle.set(size, idle)
    const buffer = idle.pop() ?? this.#device.createBuffer({ label: 'read', size, usage: USAGE.mapRead | USAGE.copyDst })
    await copy(buffer) // and other reads of this task join the submit
    this.#stream.flush()
    await buffer.mapAsync(MAP_READ_MODE, 0, Math.ceil(bytes / 8) * 8)
    const data = buffer.getMappedRange(0, Math.ceil(bytes / 8) * 8).slice(0, bytes)
    buffer.unmap()
    idle.push(buffer)
    return data
  }
}
