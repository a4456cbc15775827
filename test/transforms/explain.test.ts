import { describe, expect, test } from 'vitest'
import { bytesInUse, explain, grad, jit, type NdArray, np, random, scope, tree, valueAndGrad } from '../../src/index.ts'
import { gpt } from '../../src/models/index.ts'
import * as nn from '../../src/nn/index.ts'
import * as optim from '../../src/optim/index.ts'

const rows = random.normal(random.key(0), [64, 128])
const array = 4 * rows.size

describe('kernels by count and bytes', () => {
  const oneKernel = async (f: (x: NdArray) => NdArray, bytes: number): Promise<void> => {
    const e = await explain(f)(rows)
    expect(e.kernels.map((k) => k.what)).toEqual(['nest 64x[128]'])
    expect(e.bytesRead + e.bytesWritten).toBe(bytes)
  }
  test('softmax, layerNorm, logsumexp and cross-entropy are one kernel each that moves inputs and outputs once', async () => {
    await oneKernel((x) => nn.softmax(x), 2 * array)
    await oneKernel((x) => nn.layerNorm({}, x), 2 * array)
    await oneKernel((x) => np.logsumexp(x, { axis: -1 }), array + 4 * 64)
    const labels = np.astype(np.arange(64), 'int32')
    await oneKernel((x) => nn.crossEntropy(x, labels), array + 2 * 4 * 64)
    const scale = np.ones([128])
    await oneKernel((x) => nn.layerNorm({ scale, bias: scale }, x), 2 * array + 4 * 128)
  })
  test('the gradient of a matmul is two matmuls, with nothing transposed or broadcast in memory', async () => {
    const f = grad((xw: readonly [NdArray, NdArray]) => np.sum(np.sin(np.matmul(xw[0], xw[1]))))
    const e = await explain(f)([np.ones([96, 40]), np.ones([40, 56])])
    // The product's cosine is the epilogue of the forward matmul; the backward ones read it, and the operands as they lie.
    expect(e.kernels.map((k) => k.what)).toEqual(['dot 96x56x40', 'dot 96x40x56', 'dot 40x56x96'])
    expect(e.bytesWritten).toBe(4 * (96 * 56 + 40 * 56 + 96 * 40))
  })
  test('attention forward and backward stores no scores', async () => {
    const q = np.ones([1, 512, 2, 16])
    const f = grad((qkv: readonly NdArray[]) => np.sum(np.sin(nn.dotProductAttention(qkv[0]!, qkv[1]!, qkv[2]!, { causal: true }))))
    const e = await explain(f)([q, q, q])
    expect(e.kernels.map((k) => k.what.split(' ')[0])).toEqual(['attention', 'nest', 'attentionGrad'])
    expect(e.peakBytes).toBeLessThan(4 * 2 * 512 * 512)
  })
  test('equal blocks of a model are equal kernels: depth adds launches, not code', async () => {
    const tokens = np.zeros([2, 8], 'int32')
    const functions = async (layers: number): Promise<number> => {
      const params = gpt.init(random.key(0), { layers, heads: 2, width: 16, context: 8, vocab: 11 })
      const e = await explain(grad((p: typeof params) => gpt.loss(p, tokens, tokens, { heads: 2 })))(params)
      return e.source.length
    }
    expect(await functions(9)).toBe(await functions(4))
  })
  test('sums of several arrays are kernels side by side, not one that reads them all', async () => {
    const grads = [1, 2, 3].map((n) => np.mul(np.ones([40, 16]), n))
    const e = await explain((g: readonly NdArray[]) => optim.globalNorm(g))(grads)
    expect(e.kernels.map(({ what, runs }) => [what, runs])).toEqual([
      ['nest 1x[640]', 2],
      ['nest 1x[640]', 1], // with the root of all three
    ])
  })
  test('AdamW over a tree is at most 4 kernels, whose code does not grow with leaves', async () => {
    const optimizer = optim.adamw({ lr: 1e-3, weightDecay: 0.1, mask: (p: readonly NdArray[]) => tree.map((x) => x.ndim > 1, p) })
    const explained = async (leaves: number) => {
      const params = Array.from({ length: leaves }, (_, i) => np.ones(i % 2 === 0 ? [8 + i, 12] : [16 + i]))
      const update = (p: readonly NdArray[], s: optim.OptState, g: readonly NdArray[]) => {
        const [updates, next] = optimizer.update(g, s, p)
        return [optim.applyUpdates(p, updates), next]
      }
      return explain(update)(params, optimizer.init(params), params)
    }
    const [few, many] = [await explained(4), await explained(40)]
    expect(few.kernels.length).toBeLessThanOrEqual(4)
    expect(many.kernels.length).toBe(few.kernels.length)
    expect(many.source.join('').length).toBeLessThan(few.source.join('').length + 400) // a loop over records stands for calls one by one
  })
})

describe('explain', () => {
  test('shows the program, its cost, and why a call was traced again', async () => {
    const f = jit((p: { readonly w: NdArray }, n: number) => np.mul(p.w, n), { staticArgnums: [1] })
    f({ w: np.ones([3]) }, 2)
    f({ w: np.ones([4]) }, 2)
    f({ w: np.ones([4]) }, 3)
    const e = await explain(f)({ w: np.ones([4]) }, 3)
    expect(e.tracedAgain).toEqual(['argument [0].w was f32[3] and is f32[4]', 'a static argument was 2 and is 3'])
    expect(String(e)).toMatchInlineSnapshot(`
      "{ lambda ; a:f32[4]. let b:f32[4] = mul a 3.0:f32[]* in (b,) }

      wasm: 1 kernel, 16 B read, 16 B written, at most 32 B in use
      kernel  runs  read  written  flops
      nest 4     1  16 B     16 B      4
      traced again: argument [0].w was f32[3] and is f32[4]
      traced again: a static argument was 2 and is 3"
    `)
  })
})

describe('scope', () => {
  test('frees all but what it returns; after an outer one the heap is as before', () => {
    const before = bytesInUse()
    const step = jit(valueAndGrad((w: NdArray) => np.sum(np.square(np.sub(w, np.array([1, 2, 3, 4]))))))
    scope(() => {
      let w = np.zeros([4])
      for (let i = 0; i < 20; i++)
        w = scope(() => {
          const g = step(w)[1]
          return np.sub(w, np.mul(g, 0.1))
        })
      expect(bytesInUse() - before).toBeLessThanOrEqual(16 * 23) // a w of each step, and the constant
      expect(w.toArray()).not.toEqual([0, 0, 0, 0])
      expect(step(w)[0].item()).toBeLessThan(0.01) // its constant outlived the scope in which it was made
    })
    expect(bytesInUse() - before).toBe(16) // that constant
  })
  test('what it returns is kept at any depth, what it threw over is not', () => {
    const before = bytesInUse()
    expect(() =>
      scope(() => {
        np.ones([100])
        throw new RangeError('mine')
      }),
    ).toThrow(RangeError)
    expect(bytesInUse()).toBe(before)
    const { a } = scope(() => ({ a: [np.ones([2])], b: null }))
    expect(a[0]!.toArray()).toEqual([1, 1])
    expect(() => scope(async () => np.ones([1]))).toThrow(/promise/)
    a[0]!.dispose()
  })
})
