/** JavaScript numbers that int32 doesn't hold: refused by name, or outside as every other place that there isn't; never wrapped. */
import { describe, expect, test } from 'vitest'
import { CotangentError, lax, nn, np, random, type NdArray } from '../../src/index.ts'

const i32 = (x: number | readonly number[]): NdArray => np.array(x as number[], { dtype: 'int32' })
const x = np.array([10, 20, 30])
const far = [2 ** 31, 2 ** 32, 2 ** 32 + 1, -(2 ** 31) - 1, 2 ** 52]
const odd = [NaN, Infinity, 1.5]

const refused: Readonly<Record<string, (n: number) => unknown>> = {
  take: (n) => np.take(x, n),
  embedding: (n) => nn.embedding({ w: np.eye(2) }, n as never),
  dynamicSlice: (n) => lax.dynamicSlice(x, [n], [1]),
  dynamicUpdateSlice: (n) => lax.dynamicUpdateSlice(x, np.ones([1]), [n]),
  'foriLoop, upper': (n) => lax.foriLoop(0, n, (_, c: NdArray) => c, i32(0)),
  'foriLoop, lower': (n) => lax.foriLoop(n, 0, (_, c: NdArray) => c, i32(0)),
  'array of int32': (n) => (Number.isFinite(n) && !Number.isInteger(n) ? refused.take!(n) : i32([1, n])),
  'int32 + n': (n) => (Number.isFinite(n) && Number.isInteger(n) ? i32([1]).add(n) : refused.take!(n)),
  'full of int32': (n) => (Number.isInteger(n) ? np.full([1], n, 'int32') : refused.take!(n)),
  tensordot: (n) => np.tensordot(x, x, n),
  switch: (n) => lax.switch(n, [() => np.array(0), () => np.array(1)]),
  split: (n) => np.split(np.zeros([0]), n),
}
describe.each(Object.keys(refused))('%s', (name) => {
  test.each([...far, ...odd.filter((n) => !(Number.isNaN(n) && name.startsWith('array')))])('refuses %d', (n) => {
    expect(() => refused[name]!(n)).toThrow(CotangentError)
  })
})

describe.each(far)('%d', (n) => {
  const clip = n > 0 ? 30 : 10
  test('is outside an axis', () => {
    expect(np.slice(x, n).item()).toBe(clip)
    expect(np.at(x, n).set(7).toArray()).toEqual([10, 20, 30])
    const matrix = np.array([[1, 2], [3, 4]]) // prettier-ignore
    expect(np.slice(matrix, n, i32([0, 1])).toArray()).toEqual(n > 0 ? [3, 4] : [1, 2])
    expect(np.take(x, n, { mode: 'wrap' }).item()).toBe(x.slice(((n % 3) + 3) % 3).item())
  })
  test('is a diagonal that there is not', () => {
    expect(np.eye(2, { k: n }).sum().item()).toBe(0)
    expect(np.tri(2, { k: n }).sum().item()).toBe(n > 0 ? 4 : 0)
    expect(
      np
        .tril(np.ones([2, 2]), n)
        .sum()
        .item(),
    ).toBe(n > 0 ? 4 : 0)
    expect(
      np
        .triu(np.ones([2, 2]), n)
        .sum()
        .item(),
    ).toBe(n > 0 ? 0 : 4)
    expect(np.trace(np.ones([2, 2]), n).item()).toBe(0)
  })
  test('rolls round, and is an exponent', () => {
    expect(np.roll(x, n).toArray()).toEqual(np.roll(x, ((n % 3) + 3) % 3).toArray())
    expect(lax.integerPow(np.array([2, 0.5]), n).toArray()).toEqual(n > 0 ? [Infinity, 0] : [0, Infinity])
    for (const f of [lax.integerPow, np.pow]) expect(f(np.array([-1]), n).item()).toBe(n % 2 === 0 ? 1 : -1)
  })
  test('is a seed modulo 2^32, and no step', () => {
    if (n >= 0) expect(random.bits(random.key(n)).item()).toBe(random.bits(random.key(n % 2 ** 32)).item())
    if (n >= 2 ** 32) expect(() => random.foldIn(random.key(0), n)).toThrow(CotangentError)
  })
  test('differs to nothing', () => {
    if (n > 0) expect(np.diff(x, { n }).shape).toEqual([0])
  })
})

test('a switch by no whole number is refused', () => {
  for (const n of [...odd, -Infinity]) expect(() => lax.switch(n, [() => np.array(0), () => np.array(1)])).toThrow(CotangentError)
})
test('places in uint32 beyond int32 are outside, not negative', () => {
  const places = np.array([2 ** 32 - 1, 1], { dtype: 'uint32' })
  expect(np.take(x, places).toArray()).toEqual([NaN, 20])
  expect(np.slice(x, places).toArray()).toEqual([30, 20])
})
test('indices in a list by mistake are told apart from a slice', () => {
  const matrix = np.ones([3, 3])
  expect(() => np.at(matrix, [[0, 2], 1] as never)).toThrow(/indices are separate arguments/)
  expect(() => np.at(x, [0, 2], 1)).toThrow(/indices are separate arguments/)
  expect(() => np.at(matrix, [0, 1, 2, 0] as never)).toThrow(/indices are separate arguments/)
})
