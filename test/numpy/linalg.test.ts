/** Norms, contractions and prefixes as JAX has them, from the golden file and at the edges. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ShapeError, type NdArray, grad, nn, np } from '../../src/index.ts'
import type { Nested } from '../../src/core/array.ts'
import type { NormOptions } from '../../src/numpy/linalg.ts'

interface Norm {
  readonly case: string
  readonly ord: string
  readonly options: NormOptions
  readonly x: Nested
  readonly y: Nested
  readonly d: Nested
}
interface Attention {
  readonly name: string
  readonly q: Nested
  readonly k: Nested
  readonly v: Nested
  readonly options: Readonly<Record<string, Nested>>
  readonly y: Nested
}
const golden = JSON.parse(readFileSync(new URL('../golden/norms.json', import.meta.url), 'utf8')) as {
  readonly norms: readonly Norm[]
  readonly attention: readonly Attention[]
}
const close = (got: NdArray, want: Nested): void => {
  const expected = np.array(want)
  expect(got.shape).toEqual(expected.shape)
  expect(np.max(np.abs(got.sub(expected))).item()).toBeLessThan(2e-5)
}

test.each(golden.norms.map((c) => [`${c.case}, ${c.ord}`, c] as const))('norm of %s', (_, { ord, options, x, y, d }) => {
  const given: NormOptions = { ...options, ...(ord === 'none' ? {} : { ord: ord === 'fro' ? ord : Number(ord) }) }
  const f = (z: NdArray): NdArray => np.linalg.norm(z, given)
  close(f(np.array(x)), y)
  close(grad((z: NdArray) => f(z).sum())(np.array(x)), d)
})
test('orders that a vector or a matrix hasn’t are refused by name', () => {
  const [v, m, t] = [np.ones([3]), np.ones([2, 3]), np.ones([2, 2, 2])]
  for (const ord of [2, -2, 'nuc'] as const) expect(() => np.linalg.norm(m, { ord })).toThrow(/needs singular values/)
  for (const ord of [0, 3, NaN]) expect(() => np.linalg.norm(m, { ord })).toThrow(ShapeError)
  for (const ord of ['fro', 'nuc', NaN] as const) expect(() => np.linalg.norm(v, { ord })).toThrow(/a vector's order is a number/)
  for (const x of [t, np.ones([])]) expect(() => np.linalg.norm(x, { ord: 1 })).toThrow(/for vectors and matrices/)
  expect([np.linalg.norm(np.array(-3)).item(), np.linalg.norm(t).item(), np.linalg.norm(np.array([0, 2, 0]), { ord: 0 }).item()]).toEqual([3, np.array(Math.sqrt(8)).item(), 1]) // prettier-ignore
})

test.each(golden.attention.map((c) => [c.name, c] as const))('attention takes JAX’s options: %s', (_, { q, k, v, options, y }) => {
  const camel = (name: string): string => name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase())
  const value = (name: string, x: Nested): unknown =>
    /lengths/.test(name) ? np.array(x, { dtype: 'int32' }) : name === 'mask' || name === 'bias' ? np.array(x) : x
  const given = Object.fromEntries(Object.entries(options).map(([name, x]) => [camel(name), value(name, x)]))
  const [a, b, c] = [q, k, v].map((x) => np.array(x)) as [NdArray, NdArray, NdArray]
  close(nn.dotProductAttention(a, b, c, given), y)
})
test('attention of one sequence needs no batch; lengths fit the batch', () => {
  const [q, k, v] = [np.ones([4, 4, 3]), np.ones([5, 2, 3]), np.arange(50).astype('float32').reshape(5, 2, 5)]
  const one = nn.dotProductAttention(q, k, v, { isCausal: true })
  const batch = nn.dotProductAttention(q.reshape(1, 4, 4, 3), k.reshape(1, 5, 2, 3), v.reshape(1, 5, 2, 5), { causal: true })
  expect(one.shape).toEqual([4, 4, 5])
  expect(one.toArray()).toEqual(batch.slice(0).toArray())
  expect(() => nn.dotProductAttention(q, k, v, { querySeqLengths: np.zeros([2], 'int32') })).toThrow(ShapeError)
  expect(() => nn.dotProductAttention(q, k, v, { querySeqLengths: np.zeros([1]) })).toThrow(/indices are integers/)
})

test('prefixes of a scalar are those of a vector of one, as in JAX and NumPy', () => {
  for (const f of [np.cumsum, np.cumprod, np.cummax, np.cummin]) {
    for (const axis of [0, -1]) expect(f(np.array(3), { axis }).toArray()).toEqual([3])
    expect(f(np.array(3)).toArray()).toEqual([3])
    for (const axis of [1, -2]) expect(() => f(np.array(3), { axis })).toThrow(ShapeError)
  }
})
test('einsum: a label with several extents is named, and an axis of 1 repeats', () => {
  expect(() => np.einsum('ii->i', np.ones([2, 3]))).toThrow(/the label i has 2 and 3 elements/)
  expect(() => np.einsum('...jj', np.ones([2, 3, 4]))).toThrow(/the label j has 3 and 4 elements/)
  const a = np.arange(3).astype('float32')
  expect(np.einsum('ii->i', a.reshape(1, 3)).toArray()).toEqual([0, 1, 2])
  expect(np.einsum('ii', a.reshape(3, 1)).item()).toBe(3)
  expect(np.einsum('ii,i->i', np.ones([1, 1]), a).toArray()).toEqual([0, 1, 2])
  expect(np.einsum('...ii->...i', np.ones([2, 1, 3])).toArray()).toEqual([[1, 1, 1], [1, 1, 1]]) // prettier-ignore
})
test('tensordot takes its axes as an option too, single ones as numbers', () => {
  const [x, y] = [np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)]
  const want = [[10, 13], [28, 40]] // prettier-ignore
  for (const axes of [1, [1, 0], [[1], [0]], [[-1], [-2]]] as const) {
    expect(np.tensordot(x, y, { axes }).toArray()).toEqual(want)
    expect(np.tensordot(x, y, axes).toArray()).toEqual(want)
  }
  expect(np.tensordot(x, x, {}).item()).toBe(55)
  expect(np.tensordot(x, x, { axes: 0 }).shape).toEqual([2, 3, 2, 3])
  expect(() => np.tensordot(x, y, { axes: 3 })).toThrow(/each operand needs 3 axes/)
})
