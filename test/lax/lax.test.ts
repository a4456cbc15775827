import { expect, test } from 'vitest'
import { DTypeError, grad, jit, lax, type NdArray, np, ShapeError, vmap } from '../../src/index.ts'

test('nothing promotes, and only scalars broadcast', () => {
  const x = np.array([1, 2, 3])
  expect(lax.add(x, 1).toArray()).toEqual([2, 3, 4])
  expect(() => lax.add(x, np.arange(3))).toThrow(DTypeError)
  expect(() => lax.add(x, np.ones([1, 3]))).toThrow(ShapeError)
  expect(() => lax.add(np.arange(3), 0.5)).toThrow(DTypeError)
  expect(lax.add(np.arange(3), 1).dtype).toBe('int32')
})

test('params are checked, and the refusal names the function', () => {
  const x = np.array([1, 2, 3])
  expect(() => lax.reduceSum(x, 0 as never)).toThrow("reduceSum(f32[3]): reduceSum's param axes must be a list, each an integer")
  expect(() => lax.reduceSum(x, [1])).toThrow(/^reduceSum\(f32\[3\]\): axis 1 /)
  expect(() => lax.pad(x, 0, [1] as never)).toThrow('pad(f32[3], 0, [1]): the padding is [low, high, interior] for every axis')
  expect(() => lax.concatenate(x as never, 0)).toThrow('concatenate(f32[3]): a list of arrays is needed')
  expect(() => lax.slice(x, [0], [4])).toThrow(ShapeError)
})

test('its functions go through every transform', () => {
  const f = (x: NdArray): NdArray => lax.reduceSum(lax.mul(lax.sin(x), lax.dynamicSlice(x, [0], [3])), [0])
  const x = np.array([0.1, 0.2, 0.3])
  const direct = np.add(np.sin(x), np.mul(x, np.cos(x)))
  expect(np.allclose(grad(f)(x), direct).item()).toBe(1)
  expect(np.allclose(jit(vmap(grad(f)))(np.stack([x, x])), np.stack([direct, direct])).item()).toBe(1)
})

test('sort takes several operands and keys', () => {
  const [a, b, c] = lax.sort([np.array([2, 1, 2]), np.array([5, 4, 3]), np.arange(3)], { numKeys: 2 })
  expect([a!.toArray(), b!.toArray(), c!.toArray()]).toEqual([[1, 2, 2], [4, 3, 5], [1, 2, 0]]) // prettier-ignore
})
