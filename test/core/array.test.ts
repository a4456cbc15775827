import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { bytesInUse, DeviceError, jit, type NdArray, np, random } from '../../src/index.ts'

test('consoles show what an array is and what is in it', () => {
  expect(inspect(np.array([[0.1, 1 / 3], [-0, NaN]]))).toBe('f32[2,2] [[0.1, 0.33333334], [0, NaN]]') // prettier-ignore
  expect(inspect({ mask: np.array([true, false]), n: np.array(3, { dtype: 'int32' }) })).toBe('{ mask: bool[2] [true, false], n: i32[] 3 }')
  expect(inspect(random.key(7))).toBe('key<fry>[] [0, 7]')
  expect(inspect(np.zeros([1001]))).toBe('f32[1001]')
  const gone = np.ones([2])
  gone.dispose()
  expect(inspect(gone)).toBe('f32[2] disposed of')
  let shown = ''
  jit(function loss(x: NdArray) {
    shown = inspect(x)
    return x
  })(np.ones([2]))
  expect(shown).toBe('tracer f32[2] of jit(loss)')
})

test('JSON holds the contents', () => {
  expect(JSON.stringify({ loss: np.array(0.5), w: np.eye(2) })).toBe('{"loss":0.5,"w":[[1,0],[0,1]]}')
})

test('an array that the device has no room for is refused, and nothing else is harmed', () => {
  const before = bytesInUse()
  expect(() => np.zeros([2 ** 31])).toThrow(DeviceError)
  expect(() => np.ones([60_000, 1]).matmul(np.ones([1, 60_000]))).toThrow(/out of memory: 14400000064 bytes asked for/)
  expect(np.ones([3]).sum().item()).toBe(3)
  expect(bytesInUse() - before).toBeLessThan(1e6)
})

test('arrays iterate along their first axis, keys and tracers too', () => {
  const [a, b] = np.array([[1, 2], [3, 4]]) // prettier-ignore
  expect([a!.toArray(), b!.toArray()]).toEqual([[1, 2], [3, 4]]) // prettier-ignore
  const [k1, k2] = random.split(random.key(42))
  expect([k1!.toArray(), k2!.toArray()]).toEqual([[1832780943, 270669613], [64467757, 2916123636]]) // prettier-ignore
  const sum = jit((x: NdArray) => [...x].reduce((total, row) => np.add(total, row)))
  expect(sum(np.array([[1, 2], [3, 4], [5, 6]])).toArray()).toEqual([9, 12]) // prettier-ignore
  expect(() => [...np.array(1)]).toThrow(/iterating over f32\[\]: a scalar has no axis/)
})
