/** Device memory: a few large buffers, in which arrays are places. Few buffers are few bindings, so bind groups outlive calls. */
import { DeviceError } from '../../src/core/errors.ts'
import { USAGE } from './flags.ts'

export interface Slab {
  readonly id: number
  readonly buffer: GPUBuffer
  readonly bytes: number
  /** Free ranges [from, to), sorted, never touching. */
  readonly free: [from: number, to: number][]
}
export interface Block {
  readonly slab: Slab
  readonly offset: number
  readonly bytes: number
}

const ALIGNMENT = 64
/** The first slab; each next one is twice as large, to a limit: 4 GiB are seven where buffers may be so large, and a kernel can have eight. */
const FIRST_SLAB = 2 ** 26
const LARGEST_SHARED = 2 ** 30

export interface SlabOptions {
  /** Bytes of the largest buffer that a kernel can be given. */
  readonly buffer: number
  /** Bytes of all slabs. */
  readonly total: number
  /** Told of a buffer that the system couldn't give. That is known later: arrays may have been placed in it. */
  readonly refused: (error: DeviceError) => void
  /** Told of a slab that went back to the system. */
  readonly gone: (slab: Slab) => void
}

export class Slabs {
  readonly #device: GPUDevice
  readonly #options: SlabOptions
  readonly #slabs = new Set<Slab>()
  /** Freed while commands that use them aren't submitted. */
  #limbo: Block[] = []
  #made = 0
  #held = 0
  #next = FIRST_SLAB
  /** Slabs of which it isn't known yet whether the system gave them. */
  pending = 0
  constructor(device: GPUDevice, options: SlabOptions) {
    this.#device = device
    this.#options = options
  }

  /** A place that no command encoded so far touches, so that the queue may write it at once. */
  allocate(wanted: number): Block {
    const bytes = Math.max(ALIGNMENT, Math.ceil(wanted / ALIGNMENT) * ALIGNMENT)
    for (const slab of this.#slabs) {
      const found = slab.free.findIndex(([from, to]) => to - from >= bytes)
      if (found < 0) continue
      const range = slab.free[found]!
      const offset = range[0]
      range[0] += bytes
      if (range[0] === range[1]) slab.free.splice(found, 1)
      return { slab, offset, bytes }
    }
    this.#grow(bytes)
    return this.allocate(wanted)
  }

  #grow(bytes: number): void {
    const { buffer: most, total } = this.#options
    if (bytes > most)
      throw new DeviceError(
        `an array of ${bytes} bytes is more than a buffer of this WebGPU device can hold, which is ${most} bytes: split it`,
      )
    const size = Math.max(bytes, Math.min(this.#next, most, total - this.#held))
    if (this.#held + size > total)
      throw new DeviceError(
        `arrays hold ${this.#held} bytes on this WebGPU device, and ${bytes} more pass the limit of ${total}: dispose of arrays, use scope, or await something now and then, since unused arrays are only found between tasks`,
      )
    if (this.#next < LARGEST_SHARED) this.#next *= 2
    const usage = USAGE.storage | USAGE.copySrc | USAGE.copyDst
    const id = this.#made++
    this.#device.pushErrorScope('out-of-memory')
    const buffer = this.#device.createBuffer({ label: `slab ${id}`, size, usage })
    const slab: Slab = { id, buffer, bytes: size, free: [[0, size]] }
    this.#slabs.add(slab)
    this.#held += size
    this.pending++
    void this.#device.popErrorScope().then((error) => {
      this.pending--
      if (error === null) return
      this.#drop(slab)
      this.#options.refused(
        new DeviceError(
          `the system has no ${size} bytes more for this WebGPU device, whose arrays hold ${this.#held}: dispose of arrays, or keep fewer`,
        ),
      )
    })
  }

  #drop(slab: Slab): void {
    if (!this.#slabs.delete(slab)) return
    this.#held -= slab.bytes
    slab.buffer.destroy()
    this.#options.gone(slab)
  }

  /** Commands are being encoded: what is released now may be in use until they are submitted. */
  encoding = false

  /** `encoded`: commands that use it may not have been submitted. */
  release(block: Block, encoded = this.encoding): void {
    if (encoded) this.#limbo.push(block)
    else this.#free(block)
  }

  /** All commands encoded so far are submitted: what was released can be used again. */
  submitted(): void {
    this.encoding = false
    for (const block of this.#limbo) this.#free(block)
    this.#limbo = []
  }

  #free({ slab, offset, bytes }: Block): void {
    const { free } = slab
    let at = free.findIndex(([from]) => from > offset)
    if (at < 0) at = free.length
    const [before, after] = [free[at - 1], free[at]]
    const [joinsBefore, joinsAfter] = [before?.[1] === offset, after?.[0] === offset + bytes]
    if (joinsBefore && joinsAfter) {
      before![1] = after![1]
      free.splice(at, 1)
    } else if (joinsBefore) before![1] += bytes
    else if (joinsAfter) after![0] = offset
    else free.splice(at, 0, [offset, offset + bytes])
    // What only one large array was in goes back to the system.
    if (slab.bytes > LARGEST_SHARED && free.length === 1 && free[0]![1] - free[0]![0] === slab.bytes) this.#drop(slab)
  }
}
