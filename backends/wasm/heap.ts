/**
 * The allocator of a WebAssembly memory. Blocks are 16-byte aligned and 16 bytes longer than asked for, so that vector
 * loads may read past an array's end. A block of a size freed before comes back at once; other sizes take the best fit among large
 * blocks, adjacent ones joined.
 */

const PAGE = 65536
/** Below 2 GiB an address is positive as a signed integer, which loops over pointers rely on. */
const MAX_PAGES = 32767

/** Smaller blocks are found by their exact size alone: thousands may lie between arrays in use, and a search would pass them all. */
const LARGE = 4096

export class Heap {
  readonly memory = new WebAssembly.Memory({ initial: 16 })
  /** Views of the memory as it is now: take them anew after any allocation. */
  i32 = new Int32Array(this.memory.buffer)
  bytes = new Uint8Array(this.memory.buffer)
  /** Freed blocks by size: not joined yet, or small. */
  private readonly recent = new Map<number, number[]>()
  private recentBytes = 0
  /** Joined large blocks by address. */
  private free: { at: number; size: number }[] = []
  /** Nothing above was ever used. The first 1024 bytes stay free: address 0 means none. */
  private top = 1024

  /** The size of the block that holds `bytes`. */
  static blockSize(bytes: number): number {
    return bytes < 4096 ? (bytes + 31) & ~15 : Math.ceil((bytes + 16) / 64) * 64
  }

  /** An address, or 0 when the memory can't grow. `size` is a block's size. */
  allocate(size: number): number {
    const again = this.recent.get(size)?.pop()
    if (again !== undefined) {
      this.recentBytes -= size
      return again
    }
    let at = this.bestFit(size) || this.raise(size)
    if (at === 0 && this.recentBytes > 0) {
      this.join()
      at = this.bestFit(size) || this.raise(size)
    }
    return at || (this.grow(size) ? this.raise(size) : 0)
  }

  release(at: number, size: number): void {
    const blocks = this.recent.get(size)
    if (blocks === undefined) this.recent.set(size, [at])
    else blocks.push(at)
    this.recentBytes += size
  }

  private bestFit(size: number): number {
    let best = -1
    for (let i = 0; i < this.free.length; i++) {
      const block = this.free[i] as { at: number; size: number }
      if (block.size < size || (best >= 0 && block.size >= (this.free[best]?.size ?? 0))) continue
      best = i
      if (block.size === size) break
    }
    const block = this.free[best]
    if (block === undefined) return 0
    const { at } = block
    if (block.size === size) this.free.splice(best, 1)
    else {
      block.at += size
      block.size -= size
    }
    return at
  }

  /** Takes the block above all others. */
  private raise(size: number): number {
    if (this.top + size > this.bytes.length) return 0
    this.top += size
    return this.top - size
  }

  /** Makes recently freed blocks part of the sorted list, joining neighbours. */
  private join(): void {
    for (const [size, blocks] of this.recent) for (const at of blocks) this.free.push({ at, size })
    this.recent.clear()
    this.recentBytes = 0
    this.free.sort((a, b) => a.at - b.at)
    const joined: { at: number; size: number }[] = []
    for (const block of this.free) {
      const last = joined.at(-1)
      if (last !== undefined && last.at + last.size === block.at) last.size += block.size
      else joined.push(block)
    }
    const last = joined.at(-1)
    if (last !== undefined && last.at + last.size === this.top) {
      this.top = last.at
      joined.pop()
    }
    this.free = []
    for (const block of joined)
      if (block.size >= LARGE) this.free.push(block)
      else this.release(block.at, block.size)
  }

  /** Grows by a quarter at least: every growth makes all views stale. */
  private grow(size: number): boolean {
    const pages = this.bytes.length / PAGE
    const needed = Math.ceil((this.top + size) / PAGE) - pages
    for (const more of [Math.max(needed, pages >> 2), needed]) {
      if (pages + more > MAX_PAGES) continue
      try {
        this.memory.grow(more)
      } catch {
        continue
      }
      this.i32 = new Int32Array(this.memory.buffer)
      this.bytes = new Uint8Array(this.memory.buffer)
      return true
    }
    return false
  }
}
