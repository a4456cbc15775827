/**
 * Where a program's intermediates live: in one block of memory, at the places that the program gives them; or in several, the arena's pages,
 * where one would be larger than a buffer can be.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import { type Buffer, buffersOf, type FixedPlace, type Program, type Step } from '../../src/core/program.ts'
import type { Scratch } from './wgsl/shader.ts'

/** Where an array is when the program runs; a part of one that moves with a loop's trips, in bytes. */
export type Spot =
  | Exclude<FixedPlace, { readonly kind: 'arena' }>
  | { readonly kind: 'arena'; readonly page: number; readonly offset: number }
  | { readonly kind: 'slice'; readonly of: Spot; readonly counter: number; readonly start: number; readonly step: number }

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16

export class Arena {
  /** Bytes of each page. */
  readonly pages: number[] = [0]
  /** Of each of the program's buffers. */
  readonly spots: readonly Spot[]
  readonly #limit: number
  /** Where the last page of the program's own ends. */
  readonly #end: readonly [page: number, offset: number]

  /** `limit`: bytes that a page has at most. */
  constructor({ buffers, steps, arenaBytes }: Program, limit: number) {
    this.#limit = limit
    if (arenaBytes <= limit) this.pages[0] = align(arenaBytes)
    const placed = arenaBytes <= limit ? null : inPages(buffers, steps, limit)
    const spotOf = (id: number): Spot => {
      const { place, dtype } = buffers[id]!
      if (place.kind === 'arena') return placed === null ? { ...place, page: 0 } : this.#spot(placed.get(id) ?? NOWHERE)
      if (place.kind !== 'slice') return place
      const [start, step] = [place.start * byteWidth[dtype], place.step * byteWidth[dtype]]
      return { ...place, of: spotOf(place.of), start, step }
    }
    this.spots = buffers.map((_, id) => spotOf(id))
    this.#end = [this.pages.length - 1, this.pages.at(-1)!]
  }

  #spot({ page, offset, end }: Range): Spot {
    this.pages[page] = Math.max(this.pages[page] ?? 0, end)
    return { kind: 'arena', page, offset }
  }

  /** Gives spots to arrays that only one kernel sees, while it runs: behind the program's own, and the same for every kernel. */
  scratch(): (array: Scratch, extent: number) => Spot {
    let [page, next] = this.#end
    return ({ size, dtype }, extent) => {
      const bytes = align(size * extent * byteWidth[dtype])
      if (next + bytes > this.#limit) [page, next] = [page + 1, 0]
      next += bytes
      return this.#spot({ page, offset: next - bytes, end: next })
    }
  }
}

interface Range {
  readonly page: number
  readonly offset: number
  readonly end: number
}

/** Of a buffer that no step uses. */
const NOWHERE: Range = { page: 0, offset: 0, end: 0 }

/** First fit by lifetime; what a loop or a branch uses is alive in all of it. */
const inPages = (buffers: readonly Buffer[], steps: readonly Step[], limit: number): ReadonlyMap<number, Range> => {
  const lives = new Map<number, { first: number; last: number }>()
  steps.forEach((step, time) => {
    for (let id of buffersOf(step)) {
      for (let { place } = buffers[id]!; place.kind === 'slice'; { place } = buffers[id]!) id = place.of
      lives.set(id, { first: lives.get(id)?.first ?? time, last: time })
    }
  })
  const placed = new Map<number, Range>()
  for (const [id, { first, last }] of lives) {
    const { place, size, dtype } = buffers[id]!
    if (place.kind !== 'arena') continue
    const bytes = align(size * byteWidth[dtype])
    const meeting = [...placed]
      .filter(([other]) => lives.get(other)!.first <= last && first <= lives.get(other)!.last)
      .map(([, range]) => range)
    for (let page = 0; !placed.has(id); page++) {
      const here = meeting.filter((range) => range.page === page)
      const offset = [0, ...here.map(({ end }) => end)]
        .sort((a, b) => a - b)
        .find((at) => here.every((range) => at + bytes <= range.offset || at >= range.end))!
      // One that no page could hold has a page of its own, which the slabs refuse.
      if (offset + bytes <= limit || here.length === 0) placed.set(id, { page, offset, end: offset + bytes })
    }
  }
  return placed
}
