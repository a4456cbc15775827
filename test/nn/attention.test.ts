/** Flash attention in float32 against the composed form that float64 takes, through every transform. */
import { describe, expect, test } from 'vitest'
import { grad, jit, jvp, makeJaxpr, type NdArray, np, random, vmap } from '../../src/index.ts'
import { type AttentionOptions, dotProductAttention } from '../../src/nn/attention.ts'
import { runtime } from '../../src/core/runtime.ts'
import { trace } from '../../src/core/trace.ts'
import { run } from '../laws/harness.ts'

const draw = (seed: number, shape: readonly number[], dtype: 'float32' | 'float64'): NdArray =>
  np.astype(random.normal(random.key(seed), shape), dtype)
const mask = np.less(random.uniform(random.key(9), [2, 1, 5, 7]), 0.7)
const cases: Readonly<Record<string, (dtype: 'float32' | 'float64') => AttentionOptions>> = {
  plain: () => ({}),
  'causal, its own scale': () => ({ causal: true, scale: 0.3 }),
  window: () => ({ window: [2, 1] }),
  'mask, with rows that see nothing': () => ({ mask: np.logicalAnd(mask, np.less(np.reshape(np.arange(5), [5, 1]), 4)) }),
  bias: (dtype) => ({ bias: draw(8, [4, 5, 7], dtype) }),
  dropout: () => ({ dropout: { key: random.key(3), rate: 0.4 } }),
}
const operands = (dtype: 'float32' | 'float64'): [NdArray, NdArray, NdArray] => [
  draw(0, [2, 5, 4, 6], dtype),
  draw(1, [2, 7, 2, 6], dtype),
  draw(2, [2, 7, 2, 3], dtype),
]
const near = (a: NdArray, b: NdArray, tolerance = 3e-5): void => {
  expect(a.shape).toEqual(b.shape)
  const [x, y] = [a.toTyped(), b.toTyped()]
  x.forEach((v, i) => expect(Math.abs(v - y[i]!)).toBeLessThan(tolerance * (1 + Math.abs(y[i]!))))
}
const loss = (options: AttentionOptions) => (qkv: [NdArray, NdArray, NdArray]) =>
  np.sum(np.sin(dotProductAttention(qkv[0], qkv[1], qkv[2], options)))

describe('attention', () => {
  for (const [name, options] of Object.entries(cases))
    test(`${name}: value, gradient, tangent and second derivative`, () => {
      const [single, double] = [loss(options('float32')), loss(options('float64'))]
      const [x, y] = [operands('float32'), operands('float64')]
      near(single(x), double(y))
      grad(single)(x).forEach((g, i) => near(g, grad(double)(y)[i]!))
      const tangents = (qkv: [NdArray, NdArray, NdArray]): [NdArray, NdArray, NdArray] => [np.sin(qkv[0]), np.cos(qkv[1]), np.sin(qkv[2])]
      near(jvp(single, [x], [tangents(x)])[1], jvp(double, [y], [tangents(y)])[1])
      const twice = (f: typeof single) => grad((qkv: [NdArray, NdArray, NdArray]) => np.sum(np.square(grad(f)(qkv)[0])))
      twice(single)(x).forEach((g, i) => near(g, twice(double)(y)[i]!, 2e-4))
      const h = 1e-5
      const moved = (s: number): NdArray =>
        double(y.map((p, i) => np.add(p, np.mul(tangents(y)[i]!, s * h))) as [NdArray, NdArray, NdArray])
      near(jvp(double, [y], [tangents(y)])[1], np.div(np.sub(moved(1), moved(-1)), 2 * h), 1e-6)
    })
  test('vmap is the stacked loop, with and without dropout', () => {
    const [q, k, v] = operands('float32')
    for (const options of [
      cases['plain']!('float32'),
      cases['dropout']!('float32'),
      cases['mask, with rows that see nothing']!('float32'),
    ]) {
      const f = (a: NdArray, b: NdArray): NdArray => dotProductAttention(a, b, v, options)
      const [qs, ks] = [np.stack([q, np.sin(q)]), np.stack([k, np.cos(k)], 1)]
      const all = vmap(f, { inAxes: [0, 1] })(qs, ks)
      near(all, np.stack([f(q, k), f(np.sin(q), np.cos(k))]))
      near(
        vmap((a: NdArray) => grad((z: NdArray) => np.sum(np.sin(f(z, k))))(a))(qs),
        np.stack([q, np.sin(q)].map((a) => grad((z: NdArray) => np.sum(np.sin(f(z, k))))(a))),
      )
    }
  })
  test('forward and backward are a kernel each; scores stay out of memory', () => {
    const long: [NdArray, NdArray, NdArray] = [np.ones([1, 256, 2, 16]), np.ones([1, 256, 2, 16]), np.ones([1, 256, 2, 16])]
    const { program } = runtime.engine.lower(makeJaxpr((qkv: typeof long) => grad(loss({ causal: true }))(qkv))(long))
    const kinds = program.steps.map((s) => (s.kind === 'launch' ? s.kernel.kind : s.kind))
    expect(kinds.filter((k) => k !== 'nest')).toEqual(['attention', 'attentionGrad'])
    expect(Math.max(...program.buffers.map((b) => b.size))).toBe(256 * 2 * 16)
  })
  test('what does not fit is refused', () => {
    const [q, k, v] = operands('float32')
    expect(() => jit(dotProductAttention)(q, np.ones([2, 7, 3, 6]), np.ones([2, 7, 3, 3]))).toThrow(/4 query heads aren't a multiple of 3/)
    expect(() => dotProductAttention(q, k, v, { mask: np.ones([3, 5, 7], 'bool') })).toThrow(/mask bool\[1,3,5,7\] doesn't broadcast/)
    expect(() => dotProductAttention(q, k, v, { dropout: { key: random.key(0), rate: 1 } })).toThrow(/isn't in \[0, 1\)/)
  })
})

test('a NaN in a key that a query sees is in that query’s result and nobody else’s, on every device', () => {
  const q = np.arange(16).astype('float32').reshape(1, 4, 1, 4)
  const k = np.at(q, 0, 2, 0, 0).set(NaN)
  for (const [options, rows] of [
    [{ causal: true }, [2, 3]],
    [{}, [0, 1, 2, 3]],
    [{ window: 1 }, [1, 2, 3]],
  ] as const) {
    const attend = (...xs: NdArray[]): NdArray => dotProductAttention(xs[0]!, xs[1]!, xs[2]!, options)
    const { jaxpr } = trace([q, k, q].map((x) => x.aval), (xs) => [attend(...xs)], 'attend') // prettier-ignore
    for (const device of ['reference', 'wasm'] as const) {
      const [out] = run(device, jaxpr, [q, k, q].map((x) => ({ aval: x.aval, data: Array.from(x.toTyped()) }))) // prettier-ignore
      out!.data.forEach((x, i) => expect(Number.isNaN(x), `${device}, row ${i >> 2}`).toBe((rows as readonly number[]).includes(i >> 2)))
    }
  }
})
