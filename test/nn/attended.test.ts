/** Soft caps and sinks, against plain formulas; and that a rotation is one. */
import { describe, expect, test } from 'vitest'
import { grad, jit, type NdArray, nn, np, random } from '../../src/index.ts'

const [B, T, H, K, D] = [2, 5, 4, 2, 8] as const
const drawn = (i: number, shape: readonly number[]): NdArray => random.normal(random.foldIn(random.key(7), i), shape)
const [q, k, v] = [drawn(0, [B, T, H, D]), drawn(1, [B, T, K, D]), drawn(2, [B, T, K, D])] as const
const sinks = drawn(3, [H])
const bias = drawn(4, [1, H, T, T])

/** softmax over keys and the sink, with everything written out. */
const plain = (x: NdArray, { softcap, sink }: { readonly softcap?: number; readonly sink?: NdArray }, biased: boolean): NdArray => {
  const wide = (y: NdArray): NdArray => np.repeat(y, H / K, { axis: 2 })
  const raw = np.einsum('bthd,bshd->bhts', x, wide(k)).div(Math.sqrt(D))
  const bent = softcap === undefined ? raw : np.tanh(raw.div(softcap)).mul(softcap)
  const seen = np.greaterEqual(np.expandDims(np.arange(T), 1), np.arange(T))
  const s = np.where(seen, biased ? bent.add(bias) : bent, -Infinity)
  const all = sink === undefined ? s : np.concatenate([s, np.broadcastTo(sink.reshape(1, H, 1, 1), [B, H, T, 1])], 3)
  return np.einsum('bhts,bshd->bthd', nn.softmax(all).slice([], [], [], [0, T]), wide(v))
}
const close = (a: NdArray, b: NdArray): void => expect(np.max(np.abs(np.sub(a, b))).item()).toBeLessThan(2e-6)

describe.each([
  ['softcap', { softcap: 1.5 }],
  ['sinks', { sinks }],
  ['both', { softcap: 1.5, sinks }],
] as const)('%s', (_, options) => {
  test.each([false, true])('value and gradients, with a bias: %s', (biased) => {
    const own = { ...options, causal: true, ...(biased ? { bias } : {}) }
    const f = (x: NdArray): NdArray => nn.dotProductAttention(x, k, v, own)
    const g = (x: NdArray): NdArray => plain(x, { ...('softcap' in options ? { softcap: 1.5 } : {}), ...('sinks' in options ? { sink: sinks } : {}) }, biased) // prettier-ignore
    close(f(q), g(q))
    close(jit(f)(q), g(q))
    const weigh = drawn(5, [B, T, H, D])
    const of = (h: typeof f) => grad((x: NdArray) => np.sum(np.mul(h(x), weigh)))(q)
    close(of(f), of(g))
  })
})
test('sinks have a gradient', () => {
  const f = (s: NdArray): NdArray => np.sum(nn.dotProductAttention(q, k, v, { sinks: s }))
  const slope = grad(f)(sinks)
  const by = 1e-2
  const nudged = sinks.at(1).add(by)
  expect(Math.abs(f(nudged).sub(f(sinks)).item() / by - slope.slice(1).item())).toBeLessThan(2e-2)
})
test.each([0, -1, NaN, Infinity])('a softcap of %s is refused', (softcap) => {
  expect(() => nn.dotProductAttention(q, k, v, { softcap })).toThrow(/a softcap is positive and finite/)
})
test('sinks of another number of heads are refused', () => {
  expect(() => nn.dotProductAttention(q, k, v, { sinks: np.zeros([3]) })).toThrow(/sinks are \[4\], one for each head/)
})

describe('one query of 16-bit keys and values, whichever of them can be read as it lies', () => {
  const cases: readonly (readonly [string, (k: NdArray) => NdArray, (v: NdArray) => NdArray, readonly [number, number]])[] = [
    ['both', (k) => k, (v) => v, [4, 6]],
    ['keys in columns', (k) => k.transpose([0, 3, 2, 1]).astype('float32').transpose([0, 3, 2, 1]), (v) => v, [4, 6]],
    ['keys of one number', (k) => k, (v) => v, [1, 6]],
    ['values of one number', (k) => k, (v) => v, [4, 1]],
    ['keys of float32', (k) => k.astype('float32'), (v) => v, [4, 6]],
  ]
  test.each(cases)('%s', (_, asKey, asValue, [width, valued]) => {
    for (const dtype of ['float16', 'bfloat16'] as const) {
      const query = drawn(8, [1, 1, 4, width])
      const keys = asKey(drawn(9, [1, 7, 2, width]).astype(dtype))
      const values = asValue(drawn(10, [1, 7, 2, valued]).astype(dtype))
      const f = (x: NdArray, y: NdArray, z: NdArray): NdArray => nn.dotProductAttention(x, y.astype('float32'), z.astype('float32'))
      close(jit(f)(query, keys, values), f(query, keys, values))
      const turned = (x: NdArray, y: NdArray, z: NdArray): NdArray => nn.dotProductAttention(x, y.astype('float32').transpose([0, 3, 2, 1]), z.astype('float32')) // prettier-ignore
      const columns = keys.transpose([0, 3, 2, 1])
      close(jit(turned)(query, columns, values), f(query, keys, values))
    }
  })
})
test('a window may begin behind its query, of one query as of several', () => {
  for (const window of [
    [-2, 10],
    [-2, -1],
    [3, -2],
  ] as const) {
    // prettier-ignore
    const of = (n: number): NdArray => nn.dotProductAttention(q.slice([], [0, n]), k, v, { window })
    close(of(1), of(2).slice([], [0, 1]))
  }
})

describe('rotations', () => {
  const at = np.arange(T).reshape(1, T)
  test('keep lengths, and scores depend on distances alone', () => {
    const turned = (x: NdArray, from: number): NdArray => nn.rotate(x, nn.rotary(at.add(from), { base: 100, dims: 6 }))
    close(np.sum(np.square(turned(q, 3)), { axis: -1 }), np.sum(np.square(q), { axis: -1 }))
    const scores = (from: number): NdArray => np.einsum('bthd,bshd->bhts', turned(q, from), turned(drawn(6, [B, T, H, D]), from))
    expect(np.max(np.abs(np.sub(scores(0), scores(11)))).item()).toBeLessThan(2e-5)
  })
  test('what a head has too few numbers for is refused', () => {
    expect(() => nn.rotate(q, nn.rotary(at, { base: 100, dims: 10 }))).toThrow(/nn.rotate\(f32\[2,5,4,8\].*at most half as many/)
    expect(() => nn.rotary(at, { base: 100, dims: 3 })).toThrow(/dims 3 is odd/)
    expect(() => nn.rotary(at, { base: 100, dims: 4, scaling: { kind: 'yarm' } as never })).toThrow(
      /scaling is an object whose kind is one of linear/,
    )
  })
})
