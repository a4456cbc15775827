/** Dispatches as they are encoded, for arrays in given blocks. */
import type { Spot } from './arena.ts'
import { type Launch, type Planned, planned } from './dispatches.ts'
import type { Pipelines } from './pipelines.ts'
import type { Block } from './slabs.ts'
import type { Dispatch } from './stream.ts'

export type Bound = Planned & Dispatch
export type BlockOf = (spot: Spot) => Block

/** Which slabs the blocks are in is part of it; where in them, `locate` says. */
export const bind = (together: readonly Launch[], blockOf: BlockOf, pipelines: Pipelines): Bound[] =>
  planned(together, (spot) => blockOf(spot).slab).map((one) => ({
    ...one,
    pipeline: pipelines.pipeline(one.label, one.code, one.slabs.length),
    memory: pipelines.memory(one.slabs),
  }))

/** The trip of each loop around, by its counter. */
export type Trips = ReadonlyMap<number, number>

/** Bytes from the beginning of its slab. */
export const offsetOf = (spot: Spot, blockOf: BlockOf, trips: Trips): number =>
  spot.kind === 'slice'
    ? offsetOf(spot.of, blockOf, trips) + spot.start + spot.step * trips.get(spot.counter)!
    : blockOf(spot).offset + (spot.kind === 'arena' ? spot.offset : 0)

/** Writes into the records where the arrays are. */
export const locate = (dispatches: readonly Bound[], blockOf: BlockOf, trips: Trips): void => {
  for (const { records, places } of dispatches) for (const { at, spot } of places) records[at] = offsetOf(spot, blockOf, trips) / 4
}
