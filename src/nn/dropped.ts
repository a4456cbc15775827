/** Dropout in blocks of several parts: one key and rate, and a part's own key by its number. */
import type { NdArray } from '../core/array.ts'
import { array, needed, number, type OptionKind, record } from '../core/options.ts'
import { foldIn } from '../random/index.ts'
import { dropout } from './layers.ts'

/** The share of activations to drop, in [0, 1), and the key that says which. Without it nothing is dropped: evaluation. */
export interface Dropped {
  readonly key: NdArray
  readonly rate: number
}
export const droppedKind: OptionKind<Dropped> = record<Dropped>({ key: needed(array), rate: needed(number) })

/** The i-th of the independent droppings within one. */
export const part = (d: Dropped | undefined, i: number): Dropped | undefined =>
  d === undefined || d.rate === 0 ? undefined : { rate: d.rate, key: foldIn(d.key, i) }
export const drop = (x: NdArray, d: Dropped | undefined): NdArray => (d === undefined ? x : dropout(d.key, x, d.rate))
