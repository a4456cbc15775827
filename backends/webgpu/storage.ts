/** Arrays' memory: places in slabs, given back when they are freed or nobody holds them any more. */
import type { Storage } from '../../src/core/backend.ts'
import type { Block, Slabs } from './slabs.ts'

export class WebgpuStorage implements Storage {
  readonly byteLength: number
  readonly block: Block
  readonly #owner: Storages
  #live = true
  constructor(owner: Storages, byteLength: number, block: Block) {
    this.#owner = owner
    this.byteLength = byteLength
    this.block = block
  }
  free(): void {
    if (!this.#live) return
    this.#live = false
    this.#owner.freed(this)
  }
}

interface Held {
  readonly block: Block
  readonly byteLength: number
}

export class Storages {
  readonly slabs: Slabs
  /** Bytes of live arrays. */
  bytes = 0
  /** Runs between tasks, never inside one. */
  readonly #collected = new FinalizationRegistry<Held>((held) => this.#release(held))
  constructor(slabs: Slabs) {
    this.slabs = slabs
  }

  create(byteLength: number): WebgpuStorage {
    const block = this.slabs.allocate(byteLength)
    const storage = new WebgpuStorage(this, byteLength, block)
    this.bytes += byteLength
    this.#collected.register(storage, { block, byteLength }, storage)
    return storage
  }

  freed(storage: WebgpuStorage): void {
    this.#collected.unregister(storage)
    this.#release(storage)
  }

  #release({ block, byteLength }: Held): void {
    this.bytes -= byteLength
    this.slabs.release(block)
  }
}
