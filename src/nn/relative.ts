/** Buckets of relative positions (Raffel et al. 2020): near ones one by one, far ones by the logarithm, one for all beyond. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { atLeast, flag, type Schema } from '../core/options.ts'
import { ShapeError } from '../core/errors.ts'
import { composedOptions } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asIndex } from '../numpy/promote.ts'

export interface RelativeBucketsOptions {
  /** How many there are; default 32. */
  readonly buckets?: number
  /** From which distance on all are alike; default 128. */
  readonly maxDistance?: number
  /** Half of the buckets are for keys behind the query; default true. Otherwise those keys are in bucket 0. */
  readonly bidirectional?: boolean
}
const relativeOptions: Schema<RelativeBucketsOptions> = { buckets: atLeast(2), maxDistance: atLeast(1), bidirectional: flag }
/** Beyond it a table of all distances is no table any more. */
export const FURTHEST = 2 ** 16

/**
 * The bucket of each distance 0, 1, …, maxDistance. Computed here, once, and rounded to float32 at each step as Transformers does: a device's
 * logarithm may be off by a place, and 64 would be in another bucket.
 */
const bucketsOf = (n: number, maxDistance: number): Int32Array => {
  const { fround, log, trunc, min } = Math
  const exact = Math.floor(n / 2)
  const growth = fround(log(maxDistance / exact))
  const far = (d: number): number => exact + trunc(fround(fround(fround(log(fround(d / exact))) / growth) * (n - exact)))
  return Int32Array.from(c.range(maxDistance + 1), (d) => (d < exact ? d : min(far(d), n - 1)))
}

/**
 * Which of a table's rows says how a query sees a key so far from it: int [...], positions of keys minus those of queries, -> int32 [...]. The first
 * half of the buckets (of those for one direction) holds one distance each, the others more and more, to `maxDistance`. As T5 does (Raffel et al. 2020).
 *
 * @example nn.relativeBuckets(np.array([-200, -9, -1, 0, 1, 9], { dtype: 'int32' })) // [15, 8, 1, 0, 17, 24]
 * @example nn.relativeBuckets(np.array([-200, -9, -1, 0, 1, 9], { dtype: 'int32' }), { bidirectional: false }) // [31, 9, 1, 0, 0, 0]
 * @throws DTypeError where distances aren't integers; ShapeError for buckets that are too few, odd in two directions, or not fewer than distances
 */
export const relativeBuckets = /* @__PURE__ */ composedOptions(
  'nn.relativeBuckets',
  2,
  relativeOptions,
  (distances: NdArray, options: RelativeBucketsOptions = {}): NdArray => {
    const what = 'nn.relativeBuckets'
    const { buckets = 32, maxDistance = 128, bidirectional = true } = options
    const given = np.clip(asIndex(what, distances), -maxDistance, maxDistance)
    if (bidirectional && (buckets % 2 !== 0 || buckets < 4))
      throw new ShapeError(`${what}: ${buckets} buckets, and an even number of at least 4 is needed: half are for keys behind the query`)
    const n = bidirectional ? buckets / 2 : buckets
    if (maxDistance <= Math.floor(n / 2) || maxDistance > FURTHEST)
      throw new ShapeError(`${what}: maxDistance ${maxDistance} isn't above ${Math.floor(n / 2)}, the distances with a bucket of their own, and at most ${FURTHEST}`) // prettier-ignore
    const distance = bidirectional ? np.abs(given) : np.maximum(np.negative(given), 0)
    const own = np.take(np.array(bucketsOf(n, maxDistance)), distance)
    return bidirectional ? np.add(own, np.mul(np.astype(np.greater(given, 0), 'int32'), n)) : own
  },
)
