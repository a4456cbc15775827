/** JavaScript numbers become arrays exactly, at the dtype they take, or are refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DTypeError, type NdArray, grad, jit, lax, nn, np, random } from '../../src/index.ts'

type F = (x: NdArray, n: number) => NdArray
const f64 = (x: number): NdArray => np.array(x, { dtype: 'float64' })
const i32 = (x: number): NdArray => np.array(x, { dtype: 'int32' })
const u32 = (x: number): NdArray => np.array(x, { dtype: 'uint32' })
/** Ways for a number to become an array of x's dtype with that value. */
const makers: Readonly<Record<string, F>> = {
  'np.array': (x, n) => np.array(n, { dtype: x.dtype }),
  'np.full': (x, n) => np.full([], n, x.dtype),
  'np.fullLike': (x, n) => np.fullLike(x, n),
  'np.astype': (x, n) => np.astype(n, x.dtype),
  'lax.full': (x, n) => lax.full([], n, x.dtype),
  'lax.convertElementType': (x, n) => lax.convertElementType(n, x.dtype),
  where: (x, n) => np.where(false, x, n),
  'where, after an integer': (x, n) => np.where(i32(0), x, n),
  safeWhere: (x, n) => np.safeWhere(false, (y) => y, x, n),
  maximum: (x, n) => np.minimum(np.maximum(x, n), n),
  clip: (x, n) => np.clip(x, n, n),
  'lax.clamp': (x, n) => lax.clamp(n, x, n),
  'at.set': (x, n) => np.at(np.broadcastTo(x, [2]), 1).set(n).slice(1),
  'at.max': (x, n) => np.at(np.broadcastTo(np.where(true, n, x), [2]), np.array([1], { dtype: 'int32' })).max(n).slice(1),
  pad: (x, n) => np.pad(np.broadcastTo(x, [1]), 1, { value: n }).slice(0),
  stack: (x, n) => np.stack([x, n]).slice(1),
  cond: (x, n) => lax.cond(true, () => np.where(true, n, x), () => x),
} // prettier-ignore
/** And with that value added to 0. */
const sums: Readonly<Record<string, F>> = {
  add: (x, n) => np.add(x, n),
  'sub of': (x, n) => np.sub(n, x),
  'mul by 1': (x, n) => np.mul(np.onesLike(x), n),
  'lax.add': (x, n) => lax.add(x, n),
  'at.add': (x, n) =>
    np
      .at(np.broadcastTo(x, [2]), 1)
      .add(n)
      .slice(1),
  'a sum of three': (x, n) => np.add(np.add(i32(0).astype(x.dtype), n), x),
}

const run = (f: F, x: NdArray, n: number): number[] => [f(x, n).item(), jit((y: NdArray) => f(y, n))(x).item()]
describe('a number is exact at the dtype it takes, eagerly and jitted', () => {
  for (const [name, f] of Object.entries({ ...makers, ...sums }))
    test(name, () => {
      for (const n of [0.1, 1 / 3, -2.7, 16777217, 1e300, -4.9e-324]) expect(run(f, f64(0), n), `float64 ${n}`).toEqual([n, n])
      for (const n of [16777217, -2147483647, 2147483647, -(2 ** 31)]) expect(run(f, i32(0), n), `int32 ${n}`).toEqual([n, n])
      for (const n of [16777217, 4294967293, 2 ** 32 - 1]) expect(run(f, u32(0), n), `uint32 ${n}`).toEqual([n, n])
    })
})
test('comparisons and exponents take numbers exactly', () => {
  type G = (x: NdArray) => NdArray
  for (const wrap of [(f: G): G => f, (f: G): G => jit(f)]) {
    expect(wrap((x: NdArray) => np.equal(x, 0.1))(f64(0.1)).item()).toBe(1)
    expect(wrap((x: NdArray) => np.less(x, 0.1))(f64(0.1)).item()).toBe(0)
    expect(wrap((x: NdArray) => np.equal(x, 16777217))(i32(16777216)).item()).toBe(0)
    expect(wrap((x: NdArray) => np.greater(x, 4294967294))(u32(4294967295)).item()).toBe(1)
    expect(wrap((x: NdArray) => np.pow(x, 0.1))(f64(2)).item()).toBeCloseTo(2 ** 0.1, 14)
    expect(wrap((x: NdArray) => np.clip(x, i32(0).astype('float32'), 0.1))(f64(1)).item()).toBe(0.1)
    expect(wrap((x: NdArray) => lax.foriLoop(0, 2, (_, s) => s.add(x), 0.1))(f64(0)).item()).toBe(0.1)
    expect(wrap((x: NdArray) => lax.scan((s: NdArray, y: NdArray) => [s.add(y), null], 0.1, x.reshape(1))[0])(f64(0)).item()).toBe(0.1)
  }
  expect(grad((x: NdArray) => np.mul(x, 0.1))(f64(1)).item()).toBe(0.1)
  expect(np.linspace(0, 1, 4, { dtype: 'float64' }).toArray()).toEqual([0, 1 / 3, 2 / 3, 1])
  expect(np.arange(0, 1, 0.1, { dtype: 'float64' }).toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => i * 0.1))
  expect(random.uniform(random.key(0), [], { minval: 0.1, maxval: 0.1, dtype: 'float64' }).item()).toBe(0.1)
})

describe('a number that an integer dtype can’t hold is refused, with the dtype’s range', () => {
  const dtypes = { int32: [i32(5), -(2 ** 31), 2 ** 31 - 1], uint32: [u32(5), 0, 2 ** 32 - 1] } as const
  for (const [dtype, [x, least, most]] of Object.entries(dtypes))
    for (const [name, f] of Object.entries({
      ...makers,
      ...sums,
      less: (y: NdArray, n: number) => np.less(y, n),
      greater: (y: NdArray, n: number) => np.greater(y, n),
      equal: (y: NdArray, n: number) => np.equal(n, y),
    }))
      test(`${name} of ${dtype}`, () => {
        fc.assert(
          fc.property(fc.constantFrom(most + 1, 3 * 2 ** 31, 2 ** 40, -(2 ** 40), least - 2 ** 32, 1e300), (n) => {
            for (const g of [(y: NdArray) => f(y, n), jit((y: NdArray) => f(y, n))]) {
              expect(() => g(x)).toThrow(DTypeError)
              expect(() => g(x)).toThrow(new RegExp(`${dtype} holds ${least} to ${most}, and ${String(n).replace('+', '.')} isn't`))
            }
          }),
        )
      })
})
test('negative numbers beside uint32: refused where order matters, modulo 2^32 where it doesn’t', () => {
  for (const f of [np.less, np.greater, np.equal, np.maximum, np.clip]) expect(() => f(u32(5), -1)).toThrow(DTypeError)
  expect(() => np.full([1], -1, 'uint32')).toThrow(DTypeError)
  expect(() => np.array([-1], { dtype: 'uint32' })).toThrow(/uint32 holds 0 to 4294967295, and -1 isn't/)
  expect([np.add(u32(5), -1), np.mul(u32(5), -1), np.bitwiseAnd(u32(13), ~7), np.at(np.ones([1], 'uint32'), 0).add(-1)].map((y) => y.ravel().slice(0).item())).toEqual([4, 4294967291, 8, 0]) // prettier-ignore
})
test('fractions are dropped, as in NumPy; what is no number isn’t', () => {
  expect(np.array([1.7, -1.7, -0.5], { dtype: 'int32' }).toArray()).toEqual([1, -1, 0])
  expect(np.array([-0.5], { dtype: 'uint32' }).toArray()).toEqual([0])
  expect(np.full([1], 1.5, 'int32').toArray()).toEqual([1])
  expect(
    np
      .at(np.zeros([1], 'int32'), 0)
      .set(1.5)
      .toArray(),
  ).toEqual([1])
  expect(np.add(i32(5), 1.5).dtype).toBe('float32')
  for (const n of [NaN, Infinity, -Infinity]) {
    for (const dtype of ['int32', 'uint32'] as const) {
      expect(() => np.array([n], { dtype })).toThrow(DTypeError)
      expect(() => np.array(Float32Array.of(n), { dtype })).toThrow(DTypeError)
      expect(() => np.full([1], n, dtype)).toThrow(DTypeError)
    }
    expect(np.less(i32(5), n).dtype).toBe('bool')
  }
  expect(np.array(Int32Array.of(-1), { dtype: 'uint32' }).toArray()).toEqual([4294967295])
  expect(np.array([NaN, 0, -0, 3], { dtype: 'bool' }).toArray()).toEqual([true, false, false, true])
})
test('places, counts, seeds and exponents don’t wrap either', () => {
  const x = np.array([10, 20, 30])
  for (const n of [2 ** 31, 2 ** 32 + 1, -(2 ** 40)]) {
    expect(() => np.take(x, n)).toThrow(DTypeError)
    expect(() => nn.embedding({ w: np.eye(2) }, n as unknown as NdArray)).toThrow(DTypeError)
  }
  for (const n of [NaN, 1.5]) expect(() => lax.switch(n, [() => np.array(0), () => np.array(1)])).toThrow(/whole number/)
  expect(() => random.foldIn(random.key(0), 2 ** 32)).toThrow(DTypeError)
  expect(() => random.randint(random.key(0), [2], 0, 2 ** 40)).toThrow(DTypeError)
  expect(random.randint(random.key(0), [2], 0, 2 ** 31).dtype).toBe('int32')
  expect(lax.integerPow(np.array([2, 0.5]), 2 ** 53).toArray()).toEqual([Infinity, 0])
  expect(lax.integerPow(np.array([2]), 2 ** 32 + 1).toArray()).toEqual([Infinity])
  expect(np.pow(i32(3), 2 ** 40).item()).toBe(1)
  expect(np.eye(2, { k: 2 ** 40 }).toArray()).toEqual([[0, 0], [0, 0]]) // prettier-ignore
  expect(np.tri(2, { k: 2 ** 40 }).toArray()).toEqual([[1, 1], [1, 1]]) // prettier-ignore
  expect(np.tril(np.ones([2, 2]), -(2 ** 40)).toArray()).toEqual([[0, 0], [0, 0]]) // prettier-ignore
  expect(() => np.arange(2 ** 31, 2 ** 31 + 2)).toThrow(DTypeError)
  expect(() => np.arange(-1, 2, 1, { dtype: 'uint32' })).toThrow(DTypeError)
  expect(np.arange(0, 3e9, 1e9).toArray()).toEqual([0, 1e9, 2e9])
  expect(np.arange(3, 0, -1, { dtype: 'uint32' }).toArray()).toEqual([3, 2, 1])
})
test('linspace of integers rounds down', () => {
  expect(np.linspace(-1, 1, 5, { dtype: 'int32' }).toArray()).toEqual([-1, -1, 0, 0, 1])
  expect(np.linspace(-2.5, 2.5, 6, { dtype: 'int32' }).toArray()).toEqual([-3, -2, -1, 0, 1, 2])
  expect(np.linspace(-2.5, 2.5, 6, { dtype: 'int32', endpoint: false }).toArray()).toEqual([-3, -2, -1, 0, 0, 1])
  expect(np.linspace(-1.5, 1, 1, { dtype: 'int32' }).toArray()).toEqual([-2])
  expect(np.linspace(-7, 10, 18, { dtype: 'int32' }).toArray()).toEqual(Array.from({ length: 18 }, (_, i) => i - 7))
  expect(np.linspace(0, 2147483647, 3, { dtype: 'int32' }).toArray()).toEqual([0, 1073741823, 2147483647])
  expect(np.linspace(0, 4294967295, 2, { dtype: 'uint32' }).toArray()).toEqual([0, 4294967295])
  expect(() => np.linspace(0, 2 ** 31, 3, { dtype: 'int32' })).toThrow(/linspace.*int32 holds/)
  expect(np.linspace(0, 1, 3, { dtype: 'bool' }).toArray()).toEqual([false, true, true])
})
test('a typed array whose memory went elsewhere is refused by name', () => {
  const x = new Float32Array([1, 2])
  structuredClone(x.buffer, { transfer: [x.buffer] })
  expect(() => np.array(x)).toThrow(/^array\(.*\): the typed array's memory was transferred/)
  expect(np.array(new Float32Array(0)).shape).toEqual([0])
})
