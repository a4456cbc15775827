import { describe, expect, test } from 'vitest'
import { explain, grad, jit, nn, np, random, valueAndGrad, vmap, type NdArray } from '../../src/index.ts'
import { close, loadTree, read, type Stored, type StoredTree } from './golden.ts'

type Options = nn.CrossEntropyOptions & nn.HuberOptions & nn.KlDivergenceOptions
interface Loss {
  readonly fn: string
  readonly inputs: StoredTree
  readonly params: Options
  readonly out: Stored
  readonly grads: StoredTree
}
type Inputs = Readonly<Record<string, NdArray>>
const calls: Readonly<Record<string, (x: Inputs, options: Options) => NdArray>> = {
  crossEntropy: ({ logits, labels }, options) => nn.crossEntropy(logits!, labels!, options),
  meanSquaredError: ({ x, y }, options) => nn.meanSquaredError(x!, y!, options),
  huber: ({ x, y }, options) => nn.huber(x!, y!, options),
  klDivergence: ({ logPredictions, targets }, options) => nn.klDivergence(logPredictions!, targets!, options),
  binaryCrossEntropy: ({ probabilities, targets }, options) => nn.binaryCrossEntropy(probabilities!, targets!, options),
  binaryCrossEntropyWithLogits: ({ logits, targets, posWeight }, options) =>
    nn.binaryCrossEntropyWithLogits(logits!, targets!, { ...options, ...(posWeight && { posWeight }) }),
}
/** As in torch_blocks.py. */
const weighted = (out: NdArray): NdArray => np.sum(np.mul(out, np.mod(np.arange(out.size), 7).mul(0.5).add(0.5).reshape(out.shape)))
const TOLERANCE = 5e-6 // sums of some ten terms

const { losses } = read('torch_blocks') as { readonly losses: readonly Loss[] }

describe('losses agree with PyTorch, and so do their gradients', () => {
  losses.forEach((l, i) =>
    test(`${i} ${l.fn} ${JSON.stringify(l.params)}`, () => {
      const inputs = loadTree(l.inputs)
      const call = (x: Inputs): NdArray => calls[l.fn]!(x, l.params)
      for (const f of [call, jit(call)]) close(f(inputs), l.out, TOLERANCE, 'out')
      const moving = Object.fromEntries(Object.keys(l.grads).map((k) => [k, inputs[k]!]))
      const grads = grad((x: Inputs) => weighted(call({ ...inputs, ...x })))(moving)
      for (const [k, g] of Object.entries(l.grads)) close(grads[k]!, g, TOLERANCE, `gradient in ${k}`)
      const twice = Object.fromEntries(Object.entries(inputs).map(([k, x]) => [k, np.stack([x, x])]))
      const [first, second] = [0, 1].map((b) => vmap(call)(twice).slice(b))
      close(first!, l.out, TOLERANCE, 'under vmap')
      close(second!, l.out, TOLERANCE, 'under vmap')
      const half = Object.fromEntries(Object.entries(inputs).map(([k, x]) => [k, x.dtype === 'float32' ? x.astype('float16') : x]))
      const out = call(half)
      expect(out.dtype).toBe('float16')
      close(out, l.out, 4e-3, 'float16') // inputs of up to 8 with 11 bits
    }),
  )
})

const ints = (...xs: readonly number[]): NdArray => np.array(xs, { dtype: 'int32' })

describe('at the edges', () => {
  test('a mean of rows that are all ignored is NaN, and their sum 0', () => {
    const call = (reduction: nn.Reduction): number => nn.crossEntropy(np.ones([2, 3]), ints(-1, -1), { ignoreIndex: -1, reduction }).item()
    expect([call('sum'), call('mean')]).toEqual([0, NaN])
  })
  test('a target of 0 costs nothing, even where the prediction is impossible in a log target', () => {
    const q = np.log(np.array([0.25, 0.75]))
    expect(nn.klDivergence(q, np.array([0, 1])).item()).toBeCloseTo(-Math.log(0.75), 6)
    expect(nn.klDivergence(q, np.array([-Infinity, 0]), { logTargets: true }).item()).toBeCloseTo(-Math.log(0.75), 6)
    const d = grad((t: NdArray) => nn.klDivergence(q, t, { logTargets: true }))(np.array([-Infinity, 0]))
    expect(Array.from(d.toTyped(), Number.isFinite)).toEqual([true, true])
  })
  test('probabilities of 0 and 1 cost 100 at most, and no gradient is NaN', () => {
    const f = (p: NdArray): NdArray => nn.binaryCrossEntropy(p, np.array([1, 0, 0, 1]), { reduction: 'sum' })
    const p = np.array([0, 1, 0, 1])
    expect(f(p).item()).toBe(200)
    expect(grad(f)(p).toArray()).toEqual([0, 0, 1, -1])
  })
  test('logits far out keep their digits', () => {
    const f = (x: number, y: number): number => nn.binaryCrossEntropyWithLogits(np.array(x), y).item()
    expect([f(-40, 0) / Math.exp(-40), f(40, 1) / Math.exp(-40), f(200, 0), f(-200, 1)].map((x) => Math.fround(x))).toEqual([
      expect.closeTo(1, 5),
      expect.closeTo(1, 5),
      200,
      200,
    ])
  })
  test('what does not fit is refused', () => {
    const x = np.ones([2, 3])
    expect(() => nn.crossEntropy(x, ints(1))).toThrow(/nn\.crossEntropy\(f32\[2,3\], i32\[1\]\): every row needs a label/)
    expect(() => nn.crossEntropy(x, np.ones([2]))).toThrow(/class numbers integers: convert with astype/)
    expect(() => nn.crossEntropy(x, x, { ignoreIndex: 0 })).toThrow(/a distribution has no label/)
    expect(() => nn.huber(x, x, { delta: 0 })).toThrow(/delta is positive/)
    expect(() => nn.klDivergence(0.5, 0.5)).toThrow(/an axis of classes/)
    expect(() => nn.crossEntropy(x, ints(0, 1), { reduction: 'max' as 'sum' })).toThrow(/reduction is one of "none", "mean", "sum"/)
  })
})

describe('linearCrossEntropy', () => {
  const [N, D, V] = [22, 6, 37]
  const x = random.normal(random.key(0), [2, N / 2, D])
  const weight = random.normal(random.key(1), [V, D])
  const bias = random.normal(random.key(2), [V])
  const labels = np.mod(np.arange(N).astype('int32').mul(5), V).reshape(2, N / 2)
  const cases: readonly nn.LinearCrossEntropyOptions[] = [
    {},
    { reduction: 'mean' },
    { reduction: 'sum', labelSmoothing: 0.1 },
    { reduction: 'mean', ignoreIndex: 5, labelSmoothing: 0.1, softcap: 2 },
  ]
  const near = (got: NdArray, want: NdArray, what: string): void => {
    expect(got.shape, what).toEqual(want.shape)
    expect(np.max(np.abs(got.sub(want))).item(), what).toBeLessThan(3e-6 * (1 + np.max(np.abs(want)).item()))
  }
  test.each(cases)('is the plain one, in value and gradient, however it is cut: %j', (options) => {
    const { softcap, ...others } = options
    const plain = (p: readonly NdArray[]): NdArray => {
      const z = nn.linear({ weight: p[1]!, bias: p[2]! }, p[0]!)
      return nn.crossEntropy(softcap === undefined ? z : np.tanh(z.div(softcap)).mul(softcap), labels, others)
    }
    for (const chunk of [undefined, 1, 4, 9, 37, 100])
      for (const turned of [false, true]) {
        const cut = (p: readonly NdArray[]): NdArray => {
          const params = turned ? { w: np.transpose(p[1]!), b: p[2]! } : { weight: p[1]!, bias: p[2]! }
          return nn.linearCrossEntropy(params, p[0]!, labels, { ...options, ...(chunk !== undefined && { chunk }) })
        }
        near(cut([x, weight, bias]), plain([x, weight, bias]), `value, ${chunk}`)
        const of = (f: typeof plain) => jit(grad((p: readonly NdArray[]) => weighted(f(p))))([x, weight, bias])
        of(cut).forEach((g, i) => near(g, of(plain)[i]!, `gradient ${i}, ${chunk}`))
      }
  })
  test('vmap is the stacked loop, and 16 bits are rounded once', () => {
    const f = (h: NdArray, of: NdArray): NdArray => nn.linearCrossEntropy({ weight }, h, of, { chunk: 4 })
    near(vmap(f)(x, labels), f(x, labels), 'vmap')
    const [h, w] = [x.astype('bfloat16'), weight.astype('bfloat16')]
    const got = nn.linearCrossEntropy({ weight: w }, h, labels, { chunk: 4 })
    const want = nn.linearCrossEntropy({ weight: w.astype('float32') }, h.astype('float32'), labels, { chunk: 4 }).astype('bfloat16')
    expect(got.dtype).toBe('bfloat16')
    near(got.astype('float32'), want.astype('float32'), 'bfloat16')
  })
  test('memory of value and gradient is a chunk’s', async () => {
    const [n, d, v, chunk] = [256, 16, 4096, 256]
    const own = { weight: np.ones([v, d]), x: np.ones([n, d]) }
    const y = np.zeros([n], 'int32')
    const cut = (p: typeof own): NdArray => nn.linearCrossEntropy({ weight: p.weight }, p.x, y, { chunk, reduction: 'mean' })
    const plain = (p: typeof own): NdArray => nn.crossEntropy(nn.linear({ weight: p.weight }, p.x), y, { reduction: 'mean' })
    const beyond = async (f: typeof cut, derive: boolean): Promise<number> =>
      (await explain(derive ? valueAndGrad(f) : f)(own)).peakBytes - 4 * (v * d + n * d) * (derive ? 2 : 1)
    const [chunkBytes, weightBytes] = [4 * n * chunk, 4 * v * d]
    expect(await beyond(plain, true)).toBeGreaterThan(4 * n * v)
    // The weight is copied to be read in pieces, and so is its gradient.
    expect(await beyond(cut, false)).toBeLessThan(2.5 * chunkBytes + weightBytes)
    expect(await beyond(cut, true)).toBeLessThan(2.5 * chunkBytes + 2 * weightBytes)
  })
  test('what is small keeps its digits, and impossible classes harm nothing', () => {
    const row = np.at(np.zeros([1, 6]), 0, 4).set(40)
    const cut = (b: NdArray): NdArray => nn.linearCrossEntropy({ weight: np.eye(6), bias: b }, row, ints(4), { chunk: 2 })
    expect(cut(np.zeros([6])).item() / (5 * Math.exp(-40))).toBeCloseTo(1, 5)
    const bias = np.array([-Infinity, -Infinity, -300, -300, -300, 0]) // the first chunk is impossible, and the others are far below 0
    expect(cut(bias).item()).toBeCloseTo(260, 4)
    expect(grad((b: NdArray) => np.sum(cut(b)))(bias).toArray()).toEqual([0, 0, 0, 0, -1, 1])
  })
})
