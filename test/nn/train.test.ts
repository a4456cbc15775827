import { expect, test } from 'vitest'
import { jit, type NdArray, np, random, tree, valueAndGrad } from '../../src/index.ts'
import * as gpt from '../../src/models/gpt.ts'
import * as optim from '../../src/optim/index.ts'
import { read } from './golden.ts'

interface Golden {
  readonly config: gpt.GptConfig & { readonly batch: number }
  readonly losses: readonly number[]
  readonly gradNorms: readonly number[]
  readonly check: {
    readonly leaves: readonly { readonly path: string; readonly shape: readonly number[] }[]
    readonly hashes: readonly { readonly i: number; readonly t: number; readonly h: number }[]
    readonly batch0: readonly (readonly number[])[]
    readonly lr: readonly number[]
  }
}
const { config: golden, losses, gradNorms, check } = read('train') as Golden
const { batch: examples, layers, heads, width, context, vocab } = golden
const config: gpt.GptConfig = { layers, heads, width, context, vocab }

const hash = (i: number, t: number): number => {
  let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(t + 1, 0x85ebca77)
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return (h ^ (h >>> 16)) >>> 0
}
const weights = (params: gpt.GptParams): gpt.GptParams => {
  let t = 0
  return tree.map((p) => {
    const leaf = t++
    if (p.ndim === 1) return p
    const draw = (_: unknown, i: number): number => (Math.fround((hash(i, leaf) >>> 8) / 2 ** 24) - 0.5) * 0.1
    return np.array(Float32Array.from({ length: p.size }, draw), { shape: p.shape })
  }, params)
}
const batch = (s: number): number[][] =>
  Array.from({ length: examples }, (_, b) => {
    const row: number[] = []
    for (let j = 0; j <= config.context; j++) {
      const i = (s * examples + b) * (config.context + 1) + j
      row.push(j % 3 === 0 ? (hash(i, 1000) >>> 16) % config.vocab : (row[j - 1]! * 7 + 3) % config.vocab)
    }
    return row
  })
const ints = (rows: readonly (readonly number[])[]): NdArray => np.array(rows, { dtype: 'int32' })

const fresh = (): gpt.GptParams => gpt.init(random.key(0), config)

test('the parameters have the paths and shapes of the golden file, and GPT-2’s spread', () => {
  const params = fresh()
  const paths = check.leaves.map((l) => '.' + l.path.replace(/\.(\d+)/, '[$1]'))
  expect(tree.paths(params)).toEqual(paths)
  expect((tree.leaves(params) as NdArray[]).map((p) => p.shape)).toEqual(check.leaves.map((l) => l.shape))
  const { attn } = params.blocks[0]!
  expect(np.std(attn.qkv.w).item()).toBeCloseTo(0.02, 2)
  expect(np.std(attn.proj.w).item()).toBeCloseTo(0.01, 2) // 0.02 / sqrt(2 · 2)
})

test('the recipe is copied right', () => {
  for (const { i, t, h } of check.hashes) expect(hash(i, t)).toBe(h)
  expect(batch(0)).toEqual(check.batch0)
})

test('what cannot be applied is refused', () => {
  const params = fresh()
  expect(() => gpt.apply(params, np.zeros([1, 33], 'int32'), config)).toThrow(/33 tokens/)
  expect(() => gpt.apply(params, np.zeros([3], 'int32'), config)).toThrow(/\[B,T\]/)
  expect(() => gpt.init(random.key(0), { ...config, heads: 3 })).toThrow(/3 heads/)
})

test('dropout changes the loss by its key alone, and a rate of 0 changes nothing', () => {
  const params = weights(fresh())
  const tokens = batch(0)
  const [x, y] = [ints(tokens.map((row) => row.slice(0, -1))), ints(tokens.map((row) => row.slice(1)))]
  const lossOf = (rate: number, key: NdArray): NdArray => gpt.loss(params, x, y, { heads: config.heads, dropout: { rate, key } })
  const plain = gpt.loss(params, x, y, { heads: config.heads }).item()
  expect(lossOf(0, random.key(1)).item()).toBeCloseTo(plain, 6)
  const dropped = [1, 1, 2].map((seed) => lossOf(0.2, random.key(seed)).item())
  expect(dropped[0]).toBe(dropped[1])
  expect(dropped[0]).not.toBe(dropped[2])
  for (const loss of dropped) expect(Math.abs(loss - plain)).toBeLessThan(0.1 * plain)
})

test('fifty training losses, and the norms of their gradients, are PyTorch’s', () => {
  const optimizer = optim.chain(
    optim.clipByGlobalNorm(1),
    optim.adamw({ lr: 0, b2: 0.99, weightDecay: 0.1, mask: (params: gpt.GptParams) => tree.map((p) => p.ndim > 1, params) }),
  )
  const step = jit((params: gpt.GptParams, state: optim.OptState, x: NdArray, y: NdArray, lr: number | NdArray) => {
    const [value, grads] = valueAndGrad((p: gpt.GptParams) => gpt.loss(p, x, y, config))(params)
    const [updates, next] = optimizer.update(grads, state, params, { lr })
    return [value, optim.globalNorm(grads), optim.applyUpdates(params, updates), next] as const
  })
  let params = weights(fresh())
  let state = optimizer.init(params)
  for (let s = 0; s < losses.length; s++) {
    const tokens = batch(s)
    const x = ints(tokens.map((row) => row.slice(0, -1)))
    const y = ints(tokens.map((row) => row.slice(1)))
    const [value, norm, p, o] = step(params, state, x, y, check.lr[s]!)
    ;[params, state] = [p, o]
    expect(Math.abs(value.item() / losses[s]! - 1), `loss of step ${s}`).toBeLessThan(2e-5)
    expect(Math.abs(norm.item() / gradNorms[s]! - 1), `gradient norm of step ${s}`).toBeLessThan(2e-5)
  }
})
