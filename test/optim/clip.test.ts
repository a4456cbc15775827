/** Clipping by the global norm. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { grad, jit, type NdArray, np, optim } from '../../src/index.ts'

const clipped = (maxNorm: number | NdArray, grads: readonly NdArray[]): readonly NdArray[] =>
  optim.clipByGlobalNorm(maxNorm).update(grads, [], grads)[0]

test('a norm above the largest becomes it, others stay', () => {
  const numbers = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(numbers, fc.float({ noNaN: true, min: 0, max: 100 }), (xs, most) => {
      const grads = [np.array(xs), np.array(xs[0]!)]
      const norm = Math.hypot(...xs, xs[0]!)
      const out = clipped(most, grads).flatMap((x) => [...x.toTyped()])
      if (norm <= most * (1 - 1e-6)) expect(out).toEqual([...xs, xs[0]!].map(Math.fround))
      expect(Math.hypot(...out)).toBeCloseTo(Math.min(norm, most), 3)
    }),
    { numRuns: 50 },
  )
})

test('zeros stay zeros, whatever the largest norm, and so do derivatives', () => {
  for (const f of [clipped, jit(clipped)])
    for (const most of [np.array(0), np.array(1), np.array(Infinity)])
      expect(f(most, [np.zeros([3]), np.zeros([])]).map((x) => x.toArray())).toEqual([[0, 0, 0], 0])
  const through = (most: number) => grad((x: NdArray) => np.sum(clipped(most, [x])[0]!))
  expect(through(1)(np.zeros([2])).toArray()).toEqual([1, 1])
  for (const most of [0, 1, 1e-30, Infinity])
    for (const x of [np.zeros([2]), np.array([1e-30, 0]), np.array([1, 2])])
      for (const d of through(most)(x).toTyped()) expect(d).not.toBeNaN()
  expect(grad((x: NdArray) => optim.globalNorm([x]))(np.zeros([2])).toArray()).toEqual([0, 0])
  expect(clipped(0, [np.array([3, 4])])[0]!.toArray()).toEqual([0, 0])
})

test('norms of 16-bit floats are float32, so that they overflow no sooner', () => {
  for (const dtype of ['float16', 'bfloat16'] as const) {
    const grads = [np.array([3000, 4000], { dtype }), np.zeros([0], dtype)]
    const norm = optim.globalNorm(grads)
    expect(norm.dtype).toBe('float32')
    expect(norm.item() / 5000).toBeCloseTo(1, 2)
    const [out, none] = clipped(10, grads)
    expect([out!.dtype, none!.dtype, none!.shape]).toEqual([dtype, dtype, [0]])
    expect((out!.toArray() as number[]).map((x) => Math.round(x * 10) / 10)).toEqual([6, 8])
  }
})

test('NaN is told, and an infinite norm leaves no NaN where gradients are finite', () => {
  expect(clipped(1, [np.array([NaN]), np.array([1])]).map((x) => x.item())).toEqual([NaN, NaN])
  expect(optim.globalNorm([np.array([NaN, 1])]).item()).toBeNaN()
  expect(clipped(1, [np.array([1e30, -1])])[0]!.toArray()).toEqual([0, -0])
  expect(clipped(Infinity, [np.array([1e30, -1])])[0]!.toTyped()).toEqual(Float32Array.of(1e30, -1))
})
