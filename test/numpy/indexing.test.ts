/** Indexing against a plain implementation on nested lists, on generated index lists; and what `at` does with transforms. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Index, Slice } from '../../src/core/methods.ts'
import { tries } from '../effort.ts'
import { grad, jit, NdArray, np, vmap } from '../../src/index.ts'

/** The places of x that an index list reaches, as NumPy has it: flat numbers in the shape of the result. */
const places = (shape: readonly number[], given: readonly Index[]): { readonly shape: number[]; readonly flat: number[] } => {
  const used = given.filter((i) => i !== null && i !== '...').length
  const open: Slice[] = Array.from({ length: shape.length - used }, () => [])
  const dots = given.indexOf('...')
  const list = dots < 0 ? [...given, ...open] : [...given.slice(0, dots), ...open, ...given.slice(dots + 1)]
  let out: { shape: number[]; flat: number[] } = { shape: [], flat: [0] }
  let axis = 0
  for (const index of list) {
    if (index === null) {
      out = { shape: [...out.shape, 1], flat: out.flat }
      continue
    }
    const n = shape[axis++]!
    const chosen: number[] = []
    if (typeof index === 'number') chosen.push(index < 0 ? index + n : index)
    else if (Array.isArray(index)) {
      const [start, stop, step] = index as readonly (number | null | undefined)[]
      const by = step ?? 1
      const bound = (i: number | null | undefined, otherwise: number, lo: number, hi: number): number =>
        i === null || i === undefined ? otherwise : Math.min(Math.max(i < 0 ? i + n : i, lo), hi)
      const from = by > 0 ? bound(start, 0, 0, n) : bound(start, n - 1, -1, n - 1)
      const to = by > 0 ? bound(stop, n, 0, n) : bound(stop, -1, -1, n - 1)
      for (let i = from; by > 0 ? i < to : i > to; i += by) chosen.push(i)
    }
    out = {
      shape: typeof index === 'number' ? out.shape : [...out.shape, chosen.length],
      flat: out.flat.flatMap((base) => chosen.map((i) => base * n + i)),
    }
  }
  return out
}

const part = (n: number): fc.Arbitrary<number | null> => fc.option(fc.integer({ min: -n - 2, max: n + 2 }))
const indexOf = (n: number): fc.Arbitrary<Index> =>
  fc.oneof(
    fc.integer({ min: -n, max: n - 1 }),
    fc.tuple(part(n), part(n), fc.constantFrom(null, 1, 2, 3, -1, -2)).map((s): Slice => s),
    part(n).map((start): Slice => [start]),
    fc.constant<Slice>([]),
  )
const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
const cases = shapes.chain((shape) =>
  fc
    .tuple(
      fc.tuple(...shape.map(indexOf)).chain((list) => fc.integer({ min: 0, max: list.length }).map((k) => list.slice(0, k))),
      fc.nat(3),
      fc.nat(3),
      fc.boolean(),
    )
    .map(([list, at, dots, withDots]) => {
      const out: Index[] = [...list]
      out.splice(at % (out.length + 1), 0, null)
      if (withDots) out.splice(dots % (out.length + 1), 0, '...')
      return { shape, list: out }
    })
    // Indices after '...' speak of other axes than those they were drawn for.
    .filter(({ shape, list }) => {
      const rest = list.slice(list.indexOf('...') + 1).filter((i) => i !== null)
      return (
        !list.includes('...') ||
        rest.every((i, k) => typeof i !== 'number' || (i < shape.at(k - rest.length)! && i >= -shape.at(k - rest.length)!))
      )
    }),
)
const numbered = (shape: readonly number[]): NdArray => np.reshape(np.arange(shape.reduce((a, b) => a * b, 1)), shape)

describe('indexing by whole numbers and slices', () => {
  test('reads what NumPy reads', () =>
    fc.assert(
      fc.property(cases, ({ shape, list }) => {
        const want = places(shape, list)
        const got = np.slice(numbered(shape), ...list)
        expect(got.shape).toEqual(want.shape)
        expect([...got.toTyped()]).toEqual(want.flat)
      }),
      { numRuns: tries(200) },
    ))
  test('writes where it reads', () =>
    fc.assert(
      fc.property(
        cases,
        fc.constantFrom('set' as const, 'add' as const, 'mul' as const, 'min' as const, 'max' as const),
        ({ shape, list }, how) => {
          const want = places(shape, list)
          const x = numbered(shape)
          const value = np.add(np.mul(np.arange(want.flat.length), 3), -4).reshape(...want.shape)
          const ops = {
            set: (_: number, v: number) => v,
            add: (a: number, v: number) => a + v,
            mul: (a: number, v: number) => a * v,
            min: Math.min,
            max: Math.max,
          }
          const expected = [...x.toTyped()]
          want.flat.forEach((p, i) => (expected[p] = ops[how](expected[p]!, i * 3 - 4) | 0))
          expect([
            ...np
              .at(x, ...list)
              [how](value)
              .toTyped(),
          ]).toEqual(expected)
        },
      ),
      { numRuns: tries(200) },
    ))
})

const ints = (...xs: readonly number[]): NdArray => np.array(xs, { dtype: 'int32' })
const x = np.reshape(np.arange(24), [2, 3, 4])

describe('indexing by arrays', () => {
  test('arrays side by side keep their place, arrays apart come first', () => {
    expect(np.slice(x, [], ints(2, 0)).shape).toEqual([2, 2, 4])
    expect(np.slice(x, 0, [], ints(1, 3)).toArray()).toEqual([
      [1, 5, 9],
      [3, 7, 11],
    ])
    expect(np.slice(x, ints(1, 0), ints(0, 2)).toArray()).toEqual([
      [12, 13, 14, 15],
      [8, 9, 10, 11],
    ])
    expect(np.slice(x, '...', ints(0, -1), null).shape).toEqual([2, 3, 2, 1])
  })
  test('a scalar array is a traced index', () => {
    const row = jit((y: NdArray, i: NdArray) => y.slice(i))
    expect(row(x, np.array(1, { dtype: 'int32' })).toArray()).toEqual(x.slice(1).toArray())
    expect(vmap((i: NdArray) => np.slice(x, 1, i, [1, 3]))(ints(2, 0)).toArray()).toEqual([
      [21, 22],
      [13, 14],
    ])
  })
  test('updates beside slices and new axes', () => {
    const y = np.zeros([2, 3, 4]).at(1, ints(0, 2), [1, 3]).set(np.array([[1, 2], [3, 4]])) // prettier-ignore
    expect(y.slice(1).toArray()).toEqual([
      [0, 1, 2, 0],
      [0, 0, 0, 0],
      [0, 3, 4, 0],
    ])
    expect(
      np
        .zeros([3])
        .at(ints(0, 0, 2))
        .add(1)
        .toArray(),
    ).toEqual([2, 0, 1])
    expect(np.ones([2, 3]).at([], ints(1, 1)).mul(np.array([2, 3])).toArray()).toEqual([[1, 6, 1], [1, 6, 1]]) // prettier-ignore
  })
  test('an update keeps the dtype, and outside it is dropped', () => {
    expect(ints(1, 2).at(0).set(3.7).toArray()).toEqual([3, 2])
    expect(ints(1, 2).at(2).set(9).toArray()).toEqual([1, 2])
    expect(ints(1, 2).at(ints(5, -1)).min(0).toArray()).toEqual([1, 0])
  })
  test('gradients reach what was read and what was written', () => {
    const f = (a: NdArray, v: NdArray): NdArray => np.sum(np.square(a.at(ints(0, 0, 1)).mul(v)))
    const [da, dv] = grad(f, { argnums: [0, 1] })(np.array([2, 3, 4]), np.array([5, 6, 7]))
    expect(da.toArray()).toEqual([2 * 2 * 900, 2 * 3 * 49, 8]) // d (a v0 v1)² = 2 a v0² v1²
    expect(dv.toArray()).toEqual([2 * 4 * 5 * 36, 2 * 4 * 25 * 6, 2 * 9 * 7])
    expect(grad((a: NdArray) => a.slice([null, null, -2]).sum())(np.ones([4])).toArray()).toEqual([0, 1, 0, 1])
  })
})

test('what cannot be an index is refused with the call', () => {
  expect(() => x.slice(0, 0, 0, 0)).toThrow('slice(i32[2,3,4], 0, 0, 0, 0): 4 indices are too many for rank 3')
  expect(() => x.slice([0, 2, 0])).toThrow(/step of a slice is never 0/)
  expect(() => x.slice(np.array([true]))).toThrow(/use np.where/)
  expect(() => x.slice(np.array([1.5]))).toThrow(/indices are integers/)
  expect(() => x.at(0).set(np.ones([5], 'float32'))).toThrow("at.set([3,4], i32[5]): shapes don't broadcast (axis 1: 4 against 5)")
})
