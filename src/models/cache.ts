/** The keys and values of positions that were: a static place for each, written where it lies. */
import type { NdArray } from '../core/array.ts'
import { broadcastInDim, convertElementType, iota, reshape, transpose } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { array, list, needed, record, type Schema } from '../core/options.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'

/** One layer's, of C positions; a layer with a window of W keeps W of them, position p in place p mod W. */
export interface KeyValues {
  readonly k: NdArray // [B,K,C,D], so that a head's keys lie behind one another
  readonly v: NdArray
}
/**
 * A cache is a value: kept over turns, cut back (`lengths`), copied, copied for several continuations. Where a layer's window is smaller than what was said,
 * its oldest positions are written over, and it can't be cut back but to nothing.
 */
export interface Cache {
  readonly layers: readonly KeyValues[]
  /** int32 [B]: how many positions each row has. */
  readonly lengths: NdArray
}
export const keyValuesKind = list(record<KeyValues>({ k: needed(array), v: needed(array) }))
export const cacheKind: Schema<Cache> = { layers: needed(keyValuesKind), lengths: needed(array) }
/** What a layer is given: its own part, where the new positions begin, and how many of them each row really has. */
export interface LayerCache extends KeyValues {
  readonly lengths: NdArray // int32 [B]
  readonly valid: NdArray // int32 [B]
}

export const emptyCache = (
  batch: number,
  capacity: number,
  windows: readonly (number | null)[],
  kvHeads: number,
  headDim: number,
  dtype: DType,
): Cache => ({
  layers: windows.map((window) => {
    const shape = [batch, kvHeads, Math.min(capacity, window ?? capacity), headDim]
    return { k: np.zeros(shape, dtype), v: np.zeros(shape, dtype) }
  }),
  lengths: np.zeros([batch], 'int32'),
})

/** A ring takes any number; other layers have place for so many tokens at least. */
export const mustHold = ({ layers }: Cache, windows: readonly (number | null)[], T: number): void => {
  const places = layers.flatMap(({ k }, i) => (k.shape[2] === windows[i] ? [] : [k.shape[2]!]))
  if (places.some((C) => C < T))
    throw new ShapeError(`model.apply: ${T} tokens are more than the ${Math.min(...places)} that the cache has place for`)
}
/** Whether an earlier call has written into it. */
export const isTaken = (cache: Cache): boolean => (tree.leaves(cache) as NdArray[]).some((x) => x.deleted)

/** [B] along the first axis of a shape. */
const rows = (x: NdArray, shape: readonly number[]): NdArray => broadcastInDim(x, shape, [0])
/** The position of each new token: int32 [B,T], from each row's length on. */
export const positionsFrom = (lengths: NdArray, T: number): NdArray => {
  const shape = [lengths.shape[0]!, T]
  return np.add(rows(lengths, shape), iota(shape, 'int32', 1))
}

/** The new keys and values written to their places, what the new queries may look at, and which of it each sees: bool [B,1,T,S]. */
export const remembered = (
  { k, v, lengths, valid }: LayerCache,
  newK: NdArray,
  newV: NdArray,
  window: number | null,
): { readonly keys: NdArray; readonly values: NdArray; readonly seen: NdArray; readonly cache: KeyValues } => {
  const [B, T, K] = newK.shape as readonly [number, number, number, number]
  const C = k.shape[2]!
  const at = positionsFrom(lengths, T) // [B,T]
  const real = np.less(iota([B, T], 'int32', 1), rows(valid, [B, T]))
  const ring = window !== null && C <= window
  // Of what a ring has no place for, the last stay; a place outside is none.
  const kept = ring ? np.logicalAnd(real, np.greaterEqual(at, rows(np.sub(np.add(lengths, valid), C), [B, T]))) : real
  const place = np.where(kept, ring ? np.mod(at, C) : at, C)
  /** [B,K,·,D] from [B,·,K,D], and back. */
  const turned = (x: NdArray): NdArray => transpose(x, [0, 2, 1, 3])
  const grid = [B, K, T]
  const written = (x: NdArray, y: NdArray): NdArray =>
    x.at(iota(grid, 'int32', 0), iota(grid, 'int32', 1), broadcastInDim(place, grid, [0, 2])).set(convertElementType(turned(y), x.dtype))
  const [nextK, nextV] = [written(k, newK), written(v, newV)]
  const cache = { k: nextK, v: nextV }
  const query = reshape(at, [B, 1, T, 1])
  const column = (n: number): NdArray => iota([1, 1, 1, n], 'int32', 3)
  const within = (key: NdArray): NdArray => {
    const before = np.lessEqual(key, query)
    return window === null ? before : np.logicalAnd(before, np.greater(key, np.sub(query, window)))
  }
  const [allK, allV] = [turned(nextK), turned(nextV)]
  if (!ring) return { keys: allK, values: allV, seen: within(column(C)), cache }
  if (T === 1) return { keys: allK, values: allV, seen: np.lessEqual(column(C), query), cache }
  // Later tokens of this call overwrite what earlier ones still see: both are looked at side by side.
  const last = reshape(np.sub(lengths, 1), [B, 1, 1, 1])
  const held = np.sub(last, np.mod(np.sub(last, column(C)), C)) // the position in each place before this call, below 0 where there is none
  const ofRing = np.logicalAnd(np.greaterEqual(held, 0), within(held))
  const ofCall = np.logicalAnd(within(reshape(at, [B, 1, 1, T])), reshape(real, [B, 1, 1, T]))
  return {
    keys: np.concatenate([turned(k), convertElementType(newK, k.dtype)], 1),
    values: np.concatenate([turned(v), convertElementType(newV, v.dtype)], 1),
    seen: np.concatenate([np.broadcastTo(ofRing, [B, 1, T, C]), np.broadcastTo(ofCall, [B, 1, T, T])], 3),
    cache,
  }
}
