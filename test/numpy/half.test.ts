/** 16-bit floats as users meet them. */
import { expect, test } from 'vitest'
import { decodeSafetensors, encodeSafetensors } from '../../src/io/index.ts'
import { DTypeError, type OptState, grad, jit, lax, nn, np, optim, random, tree, valueAndGrad } from '../../src/index.ts'
import { INSPECT, type NdArray } from '../../src/core/array.ts'
import { HALVES } from '../laws/halves.ts'

test('made and read as numbers, each rounded once', () => {
  expect(np.array([0.1, 1 / 3, 65520], { dtype: 'float16' }).toArray()).toEqual([0.0999755859375, 0.333251953125, Infinity])
  expect(np.array([0.1, 1 / 3, 65520], { dtype: 'bfloat16' }).toArray()).toEqual([0.10009765625, 0.333984375, 65536])
  // Halfway between two but for what float32 would lose.
  expect(np.array([1 + 2 ** -11 + 2 ** -40], { dtype: 'float16' }).item()).toBe(1 + 2 ** -10)
  expect(np.array([0.1], { dtype: 'float16' })[INSPECT]()).toBe('f16[1] [0.099976]')
  expect(np.zeros([2], 'bfloat16').toTyped()).toEqual(new Float32Array(2))
  expect(np.astype(np.array([70_000, -70_000, NaN]), 'float16').toArray()).toEqual([Infinity, -Infinity, NaN])
  expect(np.nanToNum(np.array([Infinity, NaN], { dtype: 'float16' })).toArray()).toEqual([65504, 0])
  expect(np.nanToNum(np.array([-Infinity], { dtype: 'bfloat16' })).item()).toBe(-(2 ** 128 - 2 ** 120))
})

test('promotion as in JAX: a number is weak, the two meet at float32, integers give way', () => {
  const of = (a: NdArray, b: NdArray | number): string => np.add(a, b).dtype
  for (const half of HALVES) {
    const x = np.ones([2], half)
    expect([of(x, 0.5), of(x, np.ones([2], 'int32')), of(x, np.ones([2])), of(x, np.ones([2], 'bool'))]).toEqual([
      half,
      half,
      'float32',
      half,
    ])
    expect(np.equal(np.array([0.1], { dtype: half }), 0.1).toArray()).toEqual([true])
    expect(np.mean(x).dtype).toBe(half)
  }
  expect(of(np.ones([2], 'float16'), np.ones([2], 'bfloat16'))).toBe('float32')
})

test('sums and contractions accumulate in float32', () => {
  for (const half of HALVES) {
    expect(np.sum(np.ones([4096], half)).item()).toBe(4096)
    expect(np.matmul(np.ones([1, 3001], half), np.ones([3001, 1], half)).item()).toBe(half === 'float16' ? 3000 : 3008)
    expect(lax.dotGeneral(np.ones([3001], half), np.ones([3001], half), [[[0], [0]], [[], []]], { preferredElementType: 'float32' }).item()).toBe(3001)
  } // prettier-ignore
})

test.each(HALVES)('a jitted training step keeps parameters, gradients and moments at %s', (half) => {
  const x = random.normal(random.key(1), [2, 8, 2, 4]).astype(half)
  const loss = (p: { readonly w: NdArray }): NdArray => {
    const h = np.matmul(x, p.w)
    return np.mean(np.square(nn.dotProductAttention(h, h, h, { causal: true }).sub(1)))
  }
  const optimizer = optim.adamw({ lr: 1e-2 })
  const step = jit((p: { readonly w: NdArray }, state: OptState) => {
    const [value, grads] = valueAndGrad(loss)(p)
    const [updates, next] = optimizer.update(grads, state, p)
    return { value, params: optim.applyUpdates(p, updates), next }
  })
  let params = { w: random.normal(random.key(0), [4, 4]).astype(half) }
  let state = optimizer.init(params)
  const values: number[] = []
  for (let i = 0; i < 5; i++) {
    const { value, params: p, next } = step(params, state)
    ;[params, state] = [p, next]
    values.push(value.item())
  }
  expect(values[4]!).toBeLessThan(values[0]!)
  expect(params.w.dtype).toBe(half)
  expect(tree.leaves(state).map((s) => (s as NdArray).dtype)).toEqual(['int32', half, half])
  expect(grad(loss)(params).w.dtype).toBe(half)
})

test('safetensors hold their bits', async () => {
  const bytes = await encodeSafetensors({ a: np.array([0.1, -2], { dtype: 'float16' }), b: np.array([[1e30]], { dtype: 'bfloat16' }) })
  const { tensors } = decodeSafetensors(bytes)
  expect([tensors['a']!.dtype, tensors['b']!.dtype]).toEqual(['float16', 'bfloat16'])
  expect(tensors['a']!.toArray()).toEqual([0.0999755859375, -2])
  expect(new TextDecoder().decode(bytes.subarray(8, 200))).toContain('"dtype":"BF16"')
})

test('what can’t be done with them says so', () => {
  const x = np.ones([2], 'float16')
  expect(() => lax.nextafter(x, x)).toThrow(DTypeError)
  expect(() => lax.bitcastConvertType(x, 'int32')).toThrow(/32-bit dtypes only/)
  expect(() => random.normal(random.key(0), [2], { dtype: 'float16' as 'float32' })).toThrow(
    /dtype is one of float32, float64, and got "float16"/,
  )
})
