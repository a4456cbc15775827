/** What the golden file has no rows for: creation, layout, products, order, and how np behaves under transforms. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { grad, jit, type NdArray, np, vmap } from '../../src/index.ts'

const list = (x: NdArray): unknown => x.toArray()
const m = np.reshape(np.arange(6), [2, 3])

describe('creation', () => {
  test('arrays from lists, typed arrays and arrays', () => {
    expect(np.array([[true], [false]]).dtype).toBe('bool')
    expect(np.array(Int32Array.of(1, 2), { shape: [2, 1] }).shape).toEqual([2, 1])
    expect(np.array([1, 0, 3], { dtype: 'bool' }).toArray()).toEqual([true, false, true])
    expect(np.array([]).shape).toEqual([0])
    expect(np.array(m, { dtype: 'float64' }).dtype).toBe('float64')
    expect(() => np.array([[1, 2], [3]])).toThrow(/array\(\[3\]\): 2 elements were expected at \[1\]/)
  })
  test('full takes arrays and broadcasts', () => expect(list(np.full([2, 2], np.array([1, 2])))).toEqual([[1, 2], [1, 2]])) // prettier-ignore
  test('eye and tri off the diagonal', () => {
    expect(list(np.eye(2, { m: 3, k: 1 }))).toEqual([[0, 1, 0], [0, 0, 1]]) // prettier-ignore
    expect(list(np.tri(2, { m: 3, k: -1, dtype: 'int32' }))).toEqual([[0, 0, 0], [1, 0, 0]]) // prettier-ignore
  })
  test('meshgrid in matrix and in Cartesian order', () => {
    const [a, b] = [np.arange(2), np.arange(3)]
    expect(np.meshgrid([a, b]).map((x) => x.shape)).toEqual([[3, 2], [3, 2]]) // prettier-ignore
    expect(np.meshgrid([a, b], { indexing: 'ij' }).map(list)).toEqual([[[0, 0, 0], [1, 1, 1]], [[0, 1, 2], [0, 1, 2]]]) // prettier-ignore
  })
})

describe('layout', () => {
  test('pad in every mode', () => {
    const x = np.arange(3)
    expect(list(np.pad(x, [[2, 1]]))).toEqual([0, 0, 0, 1, 2, 0])
    expect(list(np.pad(x, 2, { mode: 'edge' }))).toEqual([0, 0, 0, 1, 2, 2, 2])
    expect(list(np.pad(x, 2, { mode: 'reflect' }))).toEqual([2, 1, 0, 1, 2, 1, 0])
    expect(list(np.pad(x, [[4, 2]], { mode: 'wrap' }))).toEqual([2, 0, 1, 2, 0, 1, 2, 0, 1])
    expect(np.pad(m, [[0, 1], [2, 0]], { value: -1 }).shape).toEqual([3, 5]) // prettier-ignore
  })
  test('tile and repeat', () => {
    expect(list(np.tile(m, [2, 1]))).toEqual([[0, 1, 2], [3, 4, 5], [0, 1, 2], [3, 4, 5]]) // prettier-ignore
    expect(np.tile(m, [2, 1, 2]).shape).toEqual([2, 2, 6])
    expect(list(np.repeat(m, 2, { axis: 1 }))).toEqual([[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]) // prettier-ignore
  })
  test('split at places, and in equal parts', () => {
    expect(np.split(np.arange(5), [1, 3]).map(list)).toEqual([[0], [1, 2], [3, 4]])
    expect(np.split(m, 3, 1).map((x) => x.shape)).toEqual([[2, 1], [2, 1], [2, 1]]) // prettier-ignore
    expect(() => np.split(np.arange(5), 2)).toThrow(/split\(i32\[5\], 2\)/)
  })
  test('diagonals in and out', () => {
    expect(list(np.diag(m))).toEqual([0, 4])
    expect(list(np.diag(m, 1))).toEqual([1, 5])
    expect(list(np.diag(m, -1))).toEqual([3])
    expect(list(np.diag(m, 5))).toEqual([])
    expect(list(np.diag(np.array([1, 2]), -1))).toEqual([[0, 0, 0], [1, 0, 0], [0, 2, 0]]) // prettier-ignore
    expect(np.trace(m, 1).item()).toBe(6)
  })
  test('flip and concatenate take their axis by place or by name', () => {
    const x = np.array([[1, 2], [3, 4]]) // prettier-ignore
    for (const axis of [0, 1, -1, [0, 1]]) expect(np.flip(x, { axis }).toArray()).toEqual(np.flip(x, axis).toArray())
    expect(np.flip(x, {}).toArray()).toEqual(np.flip(x).toArray())
    for (const axis of [0, 1]) expect(np.concatenate([x, x], { axis }).toArray()).toEqual(np.concatenate([x, x], axis).toArray())
    expect(np.concatenate([x, x], {}).toArray()).toEqual(np.concatenate([x, x]).toArray())
    expect(jit((y: NdArray) => np.flip(y, { axis: 0 }))(x).toArray()).toEqual([[3, 4], [1, 2]]) // prettier-ignore
    expect(() => np.flip(x, { axes: 0 } as never)).toThrow(/^flip: there is no option axes: did you mean axis\? it takes axis$/)
    expect(() => np.concatenate([x, x], { axis: [0] } as never)).toThrow(/^concatenate: axis is a whole number, and got \[0\]$/)
    expect(() => np.flip(x, 'rows' as never)).toThrow(/^flip\(f32\[2,2\]\): an axis is a whole number, and got "rows"$/)
  })
  test('stack, concatenate and promote', () => {
    expect(np.concatenate([np.arange(2), np.array([0.5])]).dtype).toBe('float32')
    expect(list(np.stack([1, np.array(2)]))).toEqual([1, 2])
    expect(np.stack([m, m], -1).shape).toEqual([2, 3, 2])
  })
  test('reshape with -1, and through zero elements', () => {
    expect(np.reshape(np.zeros([0, 3]), [3, 0]).shape).toEqual([3, 0])
    expect(() => np.reshape(m, [4, -1])).toThrow(/reshape\(i32\[2,3\], \[4,-1\]\)/)
  })
  test('the methods are the functions', () => {
    expect(list(m.T)).toEqual([[0, 3], [1, 4], [2, 5]]) // prettier-ignore
    expect(m.var({ axis: 1 }).toTyped()[0]).toBeCloseTo(2 / 3, 6)
    expect(list(m.slice(1).at([1]).set(0))).toEqual([3, 0, 0])
  })
})

describe('products', () => {
  const brute = (a: number[][], b: number[][]): number[][] =>
    a.map((row) => b[0]!.map((_, j) => row.reduce((s, v, k) => s + v * b[k]![j]!, 0)))
  test('matmul of stacks broadcasts', () => {
    const a = np.reshape(np.arange(24), [2, 1, 3, 4])
    const b = np.reshape(np.arange(40), [5, 4, 2])
    const out = np.matmul(a, b)
    expect(out.shape).toEqual([2, 5, 3, 2])
    expect(list(out.slice(1, 3))).toEqual(brute(list(a.slice(1, 0)) as number[][], list(b.slice(3)) as number[][]))
    expect(np.matmul(np.ones([4]), b).shape).toEqual([5, 2])
    expect(() => np.matmul(m, m)).toThrow('matmul(i32[2,3], i32[2,3]): axis 1 has 3 elements against 2 of axis 0')
  })
  test('tensordot by axes', () => {
    const a = np.reshape(np.arange(24), [2, 3, 4])
    expect(list(np.tensordot(a, a, [[0, 2], [0, 2]]))).toEqual(list(np.einsum('ijk,ilk->jl', a, a))) // prettier-ignore
  })
  test('einsum takes the small products first, and its gradient is einsums', () => {
    const [a, b, v] = [np.ones([64, 64]), np.ones([64, 64]), np.ones([64])]
    const f = (x: NdArray): NdArray => np.einsum('ij,jk,k->', x, b, v)
    expect(list(grad(f)(a))).toEqual(list(np.full([64, 64], 64)))
    expect(jit(f)(a).item()).toBe(64 ** 3)
    expect(() => np.einsum('ij,jk->iq', a, b)).toThrow(/einsum\("ij,jk->iq".*label q/)
    expect(() => np.einsum('ij,jk', a, v)).toThrow(/'jk' has 2 axes, and the operand 1/)
  })
  test('einsum over leading axes that broadcast', () => {
    const x = np.reshape(np.arange(12), [2, 1, 2, 3])
    const y = np.reshape(np.arange(24), [4, 3, 2])
    expect(list(np.einsum('...ij,...jk->...ik', x, y))).toEqual(list(np.matmul(x, y)))
    expect(np.einsum('i...->...i', np.ones([2, 3, 4])).shape).toEqual([3, 4, 2])
  })
})

describe('order', () => {
  test('sort and argsort agree, downwards too', () => {
    const x = np.array([[3, 1, 2], [0, 5, 0]]) // prettier-ignore
    const down = { descending: true }
    expect(list(np.takeAlongAxis(x, np.argsort(x, down), -1))).toEqual(list(np.sort(x, down)))
  })
  test('median along an axis, and with NaN', () => {
    expect(list(np.median(np.array([[1, 9, 2, 4], [3, 3, 3, NaN]]), { axis: 1 }))).toEqual([3, NaN]) // prettier-ignore
  })
  test('searchsorted on the right', () =>
    expect(list(np.searchsorted(np.array([1, 2, 2]), np.array([2, NaN]), { side: 'right' }))).toEqual([3, 3]))
})

test('np under vmap is the loop', () => {
  const f = (x: NdArray): NdArray => np.roll(np.cumsum(np.pad(x, [[1, 1]], { mode: 'reflect' })), 1).sum()
  const xs = np.reshape(np.arange(12), [3, 4])
  expect(list(vmap(f)(xs))).toEqual([0, 1, 2].map((i) => f(xs.slice(i)).item()))
})
test('hypot and logaddexp keep their range', () => {
  expect(np.hypot(np.array(3e30), 4e30).item()).toBeCloseTo(5e30, -25)
  expect(np.hypot(np.array(Infinity), NaN).item()).toBe(Infinity)
  expect(grad((x: NdArray) => np.hypot(x, 4))(np.array(3)).item()).toBeCloseTo(0.6, 6)
})

test('reshape and transpose take extents, or one list of them', () => {
  const x = np.arange(6)
  expect(x.reshape([2, -1]).toArray()).toEqual(x.reshape(2, -1).toArray())
  expect(x.reshape([2, 3]).transpose([1, 0]).toArray()).toEqual(x.reshape(2, 3).transpose().toArray())
})

test('pad goes back and forth, round and round, and over empty axes where nothing is added', () => {
  const x = np.array([1, 2, 3])
  expect(np.pad(x, 4, { mode: 'reflect' }).toArray()).toEqual([1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3])
  expect(np.pad(np.array([5]), 2, { mode: 'reflect' }).toArray()).toEqual([5, 5, 5, 5, 5])
  expect(np.pad(x, 7, { mode: 'wrap' }).toArray()).toEqual([3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1])
  const none = [[0, 0], [1, 1]] as const // prettier-ignore
  for (const mode of ['edge', 'reflect', 'wrap', 'constant'] as const)
    expect(np.pad(np.zeros([0, 2]), none, { mode }).shape).toEqual([0, 4])
  for (const mode of ['edge', 'reflect', 'wrap'] as const) expect(() => np.pad(np.zeros([0]), 1, { mode })).toThrow(/axis 0 is empty/)
  expect(() => np.pad(x, 0, { mode: 'round' as 'edge' })).toThrow(/mode is one of "constant", "edge", "reflect", "wrap", and got "round"/)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.nat({ max: 12 }), fc.nat({ max: 12 }), (n, before, after) => {
      const at = (i: number): number => {
        const there = Math.max(1, 2 * (n - 1))
        const r = ((i % there) + there) % there
        return Math.min(r, there - r)
      }
      const want = Array.from({ length: before + n + after }, (_, i) => at(i - before))
      expect(np.pad(np.arange(n), [[before, after]], { mode: 'reflect' }).toArray()).toEqual(want)
    }),
  )
})
