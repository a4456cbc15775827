/** Reading back: a copy to a mappable buffer in the order of commands, submitted with what else the task encoded. */
import { MAP_READ_MODE, USAGE } from './flags.ts'
import type { Block } from './slabs.ts'
import type { Stream } from './stream.ts'

export const readerOf = (device: GPUDevice, stream: Stream): ((block: Block, bytes: number) => Promise<ArrayBuffer>) => {
  /** Mappable buffers that nobody reads, by size: powers of two. */
  const idle = new Map<number, GPUBuffer[]>()
  const staging = (size: number): GPUBuffer =>
    idle.get(size)?.pop() ?? device.createBuffer({ label: 'read', size, usage: USAGE.mapRead | USAGE.copyDst })
  return async ({ slab, offset }, bytes) => {
    if (bytes === 0) return new ArrayBuffer(0)
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(bytes)))
    const buffer = staging(size)
    stream.copy(slab.buffer, offset, buffer, bytes)
    await null // other reads of this task join the submit
    stream.flush()
    await buffer.mapAsync(MAP_READ_MODE, 0, Math.ceil(bytes / 8) * 8)
    const data = buffer.getMappedRange(0, Math.ceil(bytes / 8) * 8).slice(0, bytes)
    buffer.unmap()
    idle.set(size, [...(idle.get(size) ?? []), buffer])
    return data
  }
}
