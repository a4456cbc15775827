/** Long float32 sums are right to the last bits: a naive one of 10⁷ times 0.1 is 9% off. */
import { expect, test } from 'vitest'
import { jit, np } from '../../src/index.ts'

const tenth = Math.fround(0.1)
const relative = (sum: number, terms: number): number => Math.abs(sum / (terms * tenth) - 1)

test('whole arrays, long rows, long columns, prefixes and contractions', () => {
  const [rows, columns] = [10, 1_000_000]
  const long = np.full([rows, columns], 0.1)
  expect(relative(jit((x: typeof long) => np.sum(x))(long).item(), rows * columns)).toBeLessThan(1e-6)
  for (const sum of jit((x: typeof long) => np.sum(x, { axis: 1 }))(long).toTyped()) expect(relative(sum, columns)).toBeLessThan(1e-6)
  const tall = np.reshape(long, [columns, rows])
  for (const sum of jit((x: typeof tall) => np.sum(x, { axis: 0 }))(tall).toTyped()) expect(relative(sum, columns)).toBeLessThan(1e-6)
  const prefixes = np.cumsum(np.full([columns], 0.1)).toTyped()
  for (const terms of [1000, columns / 2, columns]) expect(relative(prefixes[terms - 1]!, terms)).toBeLessThan(1e-6)
  // A contraction adds blocks of 384 terms: 384 roundings of up to 2⁻²⁴ in each, and one more a block.
  const product = jit((x: typeof long, y: typeof tall) => np.matmul(x, y))(np.full([2, 200_000], 0.1), np.full([200_000, 9], 1))
  for (const sum of product.toTyped()) expect(relative(sum, 200_000)).toBeLessThan(4e-5)
})
