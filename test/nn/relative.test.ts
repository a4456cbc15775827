/** T5's buckets, against the formula with every step in float32. */
import { describe, expect, test } from 'vitest'
import { jit, type NdArray, nn, np } from '../../src/index.ts'

const { fround } = Math
/** Transformers' `_relative_position_bucket`, line by line. */
const plain = (at: number, bidirectional: boolean, buckets: number, most: number): number => {
  const n = bidirectional ? buckets / 2 : buckets
  const base = bidirectional && at > 0 ? n : 0
  const d = bidirectional ? Math.abs(at) : -Math.min(at, 0)
  const exact = Math.floor(n / 2)
  if (d < exact) return base + d
  const share = fround(fround(Math.log(fround(d / exact))) / fround(Math.log(most / exact)))
  return base + Math.min(exact + Math.trunc(fround(share * (n - exact))), n - 1)
}
const ids = (x: readonly number[]): NdArray => np.array(x as number[], { dtype: 'int32' })

describe.each([
  [32, 128],
  [8, 16],
  [320, 800],
])('%i buckets to %i', (buckets, maxDistance) => {
  test.each([true, false])('bidirectional: %s', (bidirectional) => {
    const all = Array.from({ length: 2001 }, (_, i) => i - 1000)
    const of = jit((x: NdArray) => nn.relativeBuckets(x, { buckets, maxDistance, bidirectional }))
    expect(of(ids(all)).dtype).toBe('int32')
    expect(of(ids(all)).toArray()).toEqual(all.map((at) => plain(at, bidirectional, buckets, maxDistance)))
  })
})
test('where the logarithm is whole, a new bucket begins', () => {
  expect(nn.relativeBuckets(ids([-15, -16, -31, -32, -63, -64, -127, -128])).toArray()).toEqual([9, 10, 11, 12, 13, 14, 15, 15])
})
test('distances beyond any text are far', () => {
  expect(nn.relativeBuckets(ids([-(2 ** 31), 2 ** 31 - 1])).toArray()).toEqual([15, 31])
})
test('what makes no buckets is refused', () => {
  expect(() => nn.relativeBuckets(np.ones([2]))).toThrow(/nn.relativeBuckets\(f32\[2\]\): indices are integers/)
  expect(() => nn.relativeBuckets(ids([1]), { buckets: 7 })).toThrow(
    'nn.relativeBuckets: 7 buckets, and an even number of at least 4 is needed',
  )
  expect(() => nn.relativeBuckets(ids([1]), { buckets: 64, maxDistance: 16 })).toThrow("maxDistance 16 isn't above 16")
})
