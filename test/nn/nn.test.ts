import { describe, expect, test } from 'vitest'
import { grad, type NdArray, np, random } from '../../src/index.ts'
import * as nn from '../../src/nn/index.ts'
import { close, load, loadTree, read, type Stored, type StoredTree } from './golden.ts'

interface Layer {
  readonly fn: string
  readonly inputs: StoredTree
  readonly params: {
    readonly eps?: number
    readonly approximate?: boolean
    readonly axis?: number
    readonly labelSmoothing?: number
    readonly isCausal?: boolean
    readonly scale?: number
    readonly note?: string
  }
  readonly out: Stored
  readonly ct: Stored
  readonly grads: StoredTree
}
type Inputs = Readonly<Record<string, NdArray>>

const defined = <T extends object>(x: T): T => Object.fromEntries(Object.entries(x).filter(([, v]) => v !== undefined)) as T
const calls: Readonly<Record<string, (x: Inputs, params: Layer['params']) => NdArray>> = {
  layerNorm: ({ x, ...p }, options) => nn.layerNorm(p, x!, options),
  rmsNorm: ({ x, ...p }, options) => nn.rmsNorm(p, x!, options),
  gelu: ({ x }, options) => nn.gelu(x!, options),
  silu: ({ x }) => nn.silu(x!),
  relu: ({ x }) => nn.relu(x!),
  softmax: ({ x }, options) => nn.softmax(x!, options),
  logSoftmax: ({ x }, options) => nn.logSoftmax(x!, options),
  crossEntropy: ({ logits, labels }, options) => np.mean(nn.crossEntropy(logits!, labels!, options)),
  mse: ({ x, y }) => nn.meanSquaredError(x!, y!),
  linear: ({ x, w, b }) => nn.linear({ w: w!, b: b! }, x!),
  embedding: ({ w, ids }) => nn.embedding({ w: w! }, ids!),
  dotProductAttention: ({ query, key, value, mask, bias }, { isCausal, scale }) =>
    nn.dotProductAttention(query!, key!, value!, defined({ causal: isCausal!, scale: scale!, mask: mask!, bias: bias! })),
}
// Float32 sums of up to 40 terms, and a softmax, in another order than PyTorch's: some 50 ulp.
const TOLERANCE = 5e-6

const { layers } = read('nn') as { readonly layers: readonly Layer[] }

const nameOf = (l: Layer): string => `${l.fn} ${l.params.note ?? JSON.stringify(l.params)}`

describe('layers, losses and attention agree with PyTorch, and so do their gradients', () => {
  layers.forEach((l, i) =>
    test(`${i} ${nameOf(l)}`, () => {
      const call = (x: Inputs): NdArray => calls[l.fn]!(x, l.params)
      const inputs = loadTree(l.inputs)
      close(call(inputs), l.out, TOLERANCE, 'out')
      const moving = Object.fromEntries(Object.keys(l.grads).map((k) => [k, inputs[k]!]))
      const ct = load(l.ct)
      const grads = grad((x: Inputs) => np.sum(np.mul(call({ ...inputs, ...x }), ct)))(moving)
      for (const [k, g] of Object.entries(l.grads)) close(grads[k]!, g, TOLERANCE, `gradient in ${k}`)
    }),
  )
})

test('silu and its derivatives keep their digits where sigmoid is subnormal', () => {
  const xs = Array.from({ length: 60 }, (_, i) => -58 - i / 2)
  const at = (f: (x: NdArray) => NdArray): Float32Array => f(np.array(xs)).toTyped() as Float32Array
  const slope = grad((x: NdArray) => nn.silu(x).sum())
  const curvature = grad((x: NdArray) => slope(x).sum())
  const near = (got: Float32Array, wanted: (x: number) => number): void =>
    xs.forEach((x, i) => expect(Math.abs(got[i]! / wanted(x) - 1), `at ${x}`).toBeLessThan(1e-6))
  near(at(nn.silu), (x) => x * Math.exp(x))
  near(at(slope), (x) => (1 + x) * Math.exp(x))
  near(at(curvature), (x) => (2 + x) * Math.exp(x))
})

test('cross-entropy keeps one loss a row', () => {
  const losses = nn.crossEntropy(np.zeros([2, 3, 4]), np.zeros([2, 3], 'int32'))
  expect(losses.shape).toEqual([2, 3])
  expect(losses.mean().item()).toBeCloseTo(Math.log(4), 6)
})

test('dropout keeps the mean, repeats with its key, and refuses a rate of 1', () => {
  const x = np.ones([4000])
  const y = nn.dropout(random.key(1), x, 0.25)
  expect(nn.dropout(random.key(1), x, 0.25).toArray()).toEqual(y.toArray())
  expect(Math.abs(y.mean().item() - 1)).toBeLessThan(0.05) // five standard errors: sqrt(1/3/4000) is 0.009
  expect(() => nn.dropout(random.key(1), x, 1)).toThrow(/rate 1/)
})

test('an attention row that is hidden whole gives the mean of the values', () => {
  const v = np.array([[[[1]], [[3]]]])
  const out = nn.dotProductAttention(np.ones([1, 1, 1, 1]), np.ones([1, 2, 1, 1]), v, { mask: np.array([[[[false, false]]]]) })
  expect(out.item()).toBe(2)
})
