/** The allocator: blocks never overlap, and memory that comes back is used again. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Heap } from '../../backends/wasm/heap.ts'

const MEGABYTE = 1 << 20

test('blocks in use never overlap, whatever is asked for and given back', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: MEGABYTE }))
  const action = fc.oneof(
    size.map((bytes) => ({ bytes, drop: -1 })),
    fc.nat().map((drop) => ({ bytes: 0, drop })),
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
      const heap = new Heap()
      const used: { readonly at: number; readonly size: number }[] = []
      for (const { bytes, drop } of actions) {
        if (drop >= 0) {
          const [block] = used.splice(drop % Math.max(1, used.length), 1)
          if (block !== undefined) heap.release(block.at, block.size)
          continue
        }
        const block = { size: Heap.blockSize(bytes), at: heap.allocate(Heap.blockSize(bytes)) }
        expect(block.at % 16).toBe(0)
        expect(block.at).toBeGreaterThan(0)
        expect(block.at + block.size).toBeLessThanOrEqual(heap.bytes.length)
        used.push(block)
      }
      used.sort((a, b) => a.at - b.at)
      used.forEach(({ at, size }, i) => expect(at + size).toBeLessThanOrEqual(used[i + 1]?.at ?? heap.bytes.length))
    }),
  )
})

test('what is given back in pieces serves larger blocks without growing', () => {
  const heap = new Heap()
  const small = Heap.blockSize(100)
  const blocks = Array.from({ length: 50_000 }, () => heap.allocate(small))
  const grown = heap.bytes.length
  for (const at of blocks) heap.release(at, small)
  for (let i = 0; i < 4; i++) expect(heap.allocate(Heap.blockSize(MEGABYTE))).toBeGreaterThan(0)
  expect(heap.bytes.length).toBe(grown)
})

test('holes between arrays in use are not searched: what is searched for another size is no longer than if there were none', () => {
  const [small, other] = [Heap.blockSize(16), Heap.blockSize(64)]
  /** Blocks that are looked through for one of another size, with 40,000 small ones, of which every second is free or none is. */
  const searched = (holes: boolean): number => {
    const heap = new Heap()
    const blocks = Array.from({ length: 40_000 }, () => heap.allocate(small))
    if (holes) blocks.forEach((at, i) => i % 2 === 0 && heap.release(at, small))
    heap.allocate(Heap.blockSize(heap.bytes.length)) // joins what is free before it grows
    heap.allocate(other)
    return (heap as unknown as { readonly free: readonly unknown[] }).free.length
  }
  expect(searched(true)).toBe(searched(false))
})
