/** What is composed of several operations is float32's result on the same numbers, rounded once: eagerly, jitted, and differentiated. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toBits } from '../../src/core/half.ts'
import { tries } from '../effort.ts'
import { type NdArray, debug, grad, jit, lax, nn, np, vmap } from '../../src/index.ts'
import { HALVES } from '../laws/halves.ts'

debug.compileWarnings(false)
const labels = (x: NdArray): NdArray => np.zeros(x.shape.slice(0, -1), 'int32')
const composites: Readonly<Record<string, (x: NdArray) => NdArray>> = {
  mean: (x) => np.mean(x),
  'mean of rows': (x) => np.mean(x, { axis: -1, keepdims: true }),
  var: (x) => np.var(x),
  'var of columns': (x) => np.var(x, { axis: 0, ddof: 1 }),
  std: (x) => np.std(x, { axis: -1 }),
  nanmean: (x) => np.nanmean(np.where(np.greater(x, 1), NaN, x)),
  nansum: (x) => np.nansum(x),
  median: (x) => np.median(x),
  logsumexp: (x) => np.logsumexp(x, { axis: -1 }),
  'logsumexp of all': (x) => np.logsumexp(x),
  norm: (x) => np.linalg.norm(x),
  'norm 1': (x) => np.linalg.norm(x, { ord: 1, axis: -1 }),
  softmax: (x) => nn.softmax(x),
  'softmax of all': (x) => nn.softmax(x, { axis: [0, 1] }),
  logSoftmax: (x) => nn.logSoftmax(x),
  standardize: (x) => nn.standardize(x),
  layerNorm: (x) => nn.layerNorm({}, x),
  'layerNorm, affine': (x) => nn.layerNorm({ scale: x.slice(0), bias: x.slice(-1) }, x),
  rmsNorm: (x) => nn.rmsNorm({}, x),
  'rmsNorm, scaled': (x) => nn.rmsNorm({ scale: x.slice(0) }, x),
  linear: (x) => nn.linear({ w: x.T, b: np.max(x, { axis: 1 }) }, x.slice(0)),
  crossEntropy: (x) => nn.crossEntropy(x, labels(x)),
  'crossEntropy, smoothed': (x) => nn.crossEntropy(x, labels(x), { labelSmoothing: 0.1 }),
  meanSquaredError: (x) => nn.meanSquaredError(x, 0.5),
  'crossEntropy, the mean of a distribution': (x) => nn.crossEntropy(x, nn.softmax(np.flip(x)), { reduction: 'mean' }),
  huber: (x) => nn.huber(x, np.flip(x), { delta: 0.7, reduction: 'mean' }),
  klDivergence: (x) => nn.klDivergence(x, np.abs(x)),
  binaryCrossEntropyWithLogits: (x) => nn.binaryCrossEntropyWithLogits(x, 0.3, { posWeight: 2, reduction: 'sum' }),
  linearCrossEntropy: (x) => nn.linearCrossEntropy({ weight: x }, x, labels(x), { chunk: 2 }),
  allclose: (x) => np.allclose(x, np.flip(x), { atol: 0.3 }),
  'einsum of three': (x) => np.einsum('ij,kj,kl->il', x, x, x),
  'einsum with a sum before': (x) => np.einsum('ij,kj->j', x, x),
  hypot: (x) => np.hypot(x, np.flip(x)),
  logaddexp: (x) => np.logaddexp(x, x.neg()),
  cbrt: (x) => np.cbrt(x),
  log2: (x) => np.log2(x.abs()),
  log10: (x) => np.log10(x.abs()),
  floorDivide: (x) => np.floorDivide(x, 0.7),
  'second differences': (x) => np.diff(x, { n: 2, axis: 0 }),
  'products of several updates': (x) => x.at(np.zeros([3], 'int32')).mul(np.stack([x.slice(0), x.slice(1), x.slice(1)])),
  pmean: (x) => vmap((y: NdArray) => lax.pmean(y, 'i'), { axisName: 'i' })(x),
  'round to decimals': (x) => np.round(x, { decimals: 2 }),
  gelu: (x) => nn.gelu(x),
  'gelu, exact': (x) => nn.gelu(x, { approximate: false }),
  silu: (x) => nn.silu(x),
  mish: (x) => nn.mish(x),
  logSigmoid: (x) => nn.logSigmoid(x),
  softplus: (x) => nn.softplus(x),
  softSign: (x) => nn.softSign(x),
  elu: (x) => nn.elu(x),
}

/** Neighbours at most: where float32 itself is an ulp off, eager and fused, a result on the edge may round either way. */
const apart = (a: NdArray, b: NdArray, half: (typeof HALVES)[number]): number => {
  const [x, y] = [a, b].map((z) => Int16Array.from(toBits(z.astype('float32').toTyped(), half))) as [Int16Array, Int16Array]
  return Math.max(...Array.from(x, (bits, i) => (Math.abs(a.toTyped()[i]!) === Math.abs(b.toTyped()[i]!) ? 0 : Math.abs(bits - y[i]!))))
}

describe.each(HALVES)('%s', (half) => {
  test.each(Object.keys(composites))('%s', (name) => {
    const f = composites[name]!
    const fused = jit(f)
    const scale = fc.constantFrom(1, 1, 300, 1e-3)
    const shape = fc.tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 40 }))
    const cases = fc.tuple(shape, scale).chain(([[n, m], by]) => {
      const value = fc.double({ min: -2, max: 2, noNaN: true }).map((v) => v * by)
      return fc.tuple(fc.constant([n, m]), fc.array(value, { minLength: n * m, maxLength: n * m }))
    })
    fc.assert(
      fc.property(cases, ([of, data]) => {
        const x = np.array(data, { dtype: half, shape: of })
        const [wide, eager] = [f(x.astype('float32')), f(x)]
        const want = wide.dtype === 'float32' ? wide.astype(half) : wide
        expect(eager.dtype).toBe(want.dtype)
        expect(apart(eager, want, half)).toBeLessThanOrEqual(1)
        expect(apart(fused(x), eager, half)).toBeLessThanOrEqual(1)
      }),
      { numRuns: tries(10) },
    )
  })
})

test('many 16-bit floats are counted exactly', () => {
  for (const f of [(x: NdArray) => np.mean(x), (x: NdArray) => np.nanmean(x)])
    for (const run of [f, jit(f)]) {
      expect(run(np.ones([70_000], 'float16')).item()).toBe(1)
      expect(run(np.full([10_000], 10, 'float16')).item()).toBe(10)
      expect(run(np.full([257], 3, 'bfloat16')).item()).toBe(3)
    }
  expect(np.std(np.array([300, -300], { dtype: 'float16' })).item()).toBe(300)
  expect(np.linalg.norm(np.array([300, -300, 100, 0], { dtype: 'float16' })).item()).toBe(436)
  expect(nn.meanSquaredError(np.array([300, 0], { dtype: 'float16' }), 0).item()).toBe(44992)
  expect(nn.layerNorm({}, np.array([300, -300, 100, 0], { dtype: 'float16' })).toArray()).toEqual([1.2705078125, -1.5009765625, 0.346435546875, -0.115478515625]) // prettier-ignore
  const same = vmap((x: NdArray) => lax.pmean(x, 'i'), { axisName: 'i' })
  for (const run of [same, jit(same)])
    expect(
      run(np.full([70_000], 3, 'float16'))
        .slice(0)
        .item(),
    ).toBe(3)
  const flat = np.zeros([70_000], 'float16')
  for (const f of [nn.logSoftmax, jit((x: NdArray) => nn.logSoftmax(x))]) expect(f(flat).slice(0).item()).toBe(-11.15625)
  for (const f of [nn.softmax, jit((x: NdArray) => nn.softmax(x))]) expect(f(flat).slice(0).item()).toBeCloseTo(1 / 70_000, 7)
  expect(np.logsumexp(flat).item()).toBe(11.15625)
})

test('a linear layer whose bias takes most of its product away is rounded once', () => {
  for (const half of HALVES) {
    const [x, w] = ([[6, 40], [40, 50]] as const).map((of, i) => np.sin(np.arange(of[0] * of[1]).mul(i + 1)).reshape(of).astype(half)) as [NdArray, NdArray] // prettier-ignore
    const b = np.matmul(x, w).slice(0).neg()
    const wide = (y: NdArray): NdArray => y.astype('float32')
    const want = nn.linear({ w: wide(w), b: wide(b) }, wide(x)).astype(half)
    expect(want.slice(0).toArray()).not.toEqual(np.zeros([50]).toArray())
    for (const run of [nn.linear, jit(nn.linear)]) expect(apart(run({ w, b }, x), want, half)).toBeLessThanOrEqual(1)
  }
})

test('gradients too: of a mean of many, and of an extreme that many share', () => {
  const x = np.ones([70_000], 'float16')
  const d = (f: (x: NdArray) => NdArray): number => grad(f)(x).slice(5).item()
  const share = np.astype(1 / 70_000, 'float16').item()
  for (const f of [np.mean, np.max, np.min, np.nanmean, np.nanmax] as const) expect(d((y) => f(y))).toBe(share)
  expect(d((y) => np.cummax(y).slice(-1))).toBe(share)
  expect(d((y) => np.linalg.norm(y))).toBeCloseTo(1 / Math.sqrt(70_000), 5)
})
