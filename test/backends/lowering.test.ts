/** Programs that once gave wrong results, each as small as it gets. Whatever runs here, memory holds what its kernels read. */
import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest'
import { checkJaxpr, grad, hessian, jit, lax, makeJaxpr, type NdArray, np, vmap } from '../../src/index.ts'
import { type Engine, runtime } from '../../src/core/runtime.ts'
import { disorder } from '../laws/order.ts'

let lower: MockInstance<Engine['lower']>
beforeEach(() => {
  lower = vi.spyOn(runtime.engine, 'lower')
})
afterEach(() => {
  const disorders = lower.mock.results.map(({ type, value }) => (type === 'return' ? disorder(value.program) : 'lowering failed'))
  lower.mockRestore()
  expect(disorders.filter((found) => found !== null)).toEqual([])
})

test('an update of a window behind a reshape of a product stays inside the window', () => {
  const f = (x: NdArray): NdArray =>
    np
      .at(np.matmul(x, np.eye(3)).reshape(2, 1, 3, 2), [0], [], [], 0)
      .set(0)
      .ravel()
  const x = np.arange(1, 13, 1, { dtype: 'float32' }).reshape(4, 3)
  expect(jit(f)(x).toArray()).toEqual([0, 2, 0, 4, 0, 6, 0, 8, 0, 10, 0, 12])
})

test('kernels that agree late on a buffer run in the order of what they read', () => {
  const f = (a: NdArray, b: NdArray): NdArray[] => {
    const c = np.roll(a, -4)
    return [np.roll(c, 4, { axis: 1 }), np.roll(np.repeat(c, 1, { axis: 2 }), 3, { axis: 1 }).ravel(), np.atan2(b, c)]
  }
  const a = np.array([1, 2, 3, 4, 5, 6], { dtype: 'float64' }).reshape(1, 6, 1)
  const b = np.array([0.5], { dtype: 'float64' })
  const batch = [np.stack([a, a.mul(2)]), np.stack([b, b])] as const
  const [back, rolled, angle] = vmap(f)(...batch) as [NdArray, NdArray, NdArray]
  expect(back.ravel().toArray()).toEqual([1, 2, 3, 4, 5, 6, 2, 4, 6, 8, 10, 12])
  expect(rolled.toArray()).toEqual([
    [2, 3, 4, 5, 6, 1],
    [4, 6, 8, 10, 12, 2],
  ])
  expect(angle.slice(0).ravel().toTyped()[0]).toBeCloseTo(Math.atan2(0.5, 5), 12)
})

test('a donated argument is read before the result that takes its memory is written', () => {
  const f = (x: NdArray, y: NdArray, z: NdArray): NdArray[] => {
    const product = np.matmul(x, y)
    return [product, product.add(z)]
  }
  const ones = np.ones([5, 5])
  const [product, sum] = jit(f, { donateArgnums: [2] })(ones, ones, np.full([5, 5], 3)) as [NdArray, NdArray]
  expect([product.slice(4, 4).item(), sum.slice(4, 4).item()]).toEqual([5, 8])
})

test('a kernel that holds early and late results needs no other that needs it', () => {
  const weights = np.sin(np.arange(1, 10, 1, { dtype: 'float64' })).reshape(3, 3)
  const f = (x: NdArray): NdArray => np.sum(np.mul(np.sin(x), np.prod(x)))
  const g = (x: NdArray): NdArray => np.sum(np.mul(weights, hessian(f)(x)))
  const gradient = grad(g)(np.array([0.3, -0.7, 1.1], { dtype: 'float64' })).toTyped()
  const expected = [-0.5061625146423726, 1.9397932882360638, -0.9628166803496521] // jax.grad of the same
  expected.forEach((e, i) => expect(gradient[i]).toBeCloseTo(e, 12))
})

test('a constant that has a buffer is padded like others', () => {
  const f = (x: NdArray): NdArray => np.at(np.at(x, [], [null, null, 2]).set(2), [], 0).set(-3)
  expect(jit(f)(np.full([4, 2], 7)).toArray()).toEqual([-3, -3, -3, -3].map((first) => [first, 7]))
})

test('rolls of rolls keep some of what they would compute at ever more places', () => {
  const f = (x: NdArray): NdArray => {
    let y = x
    for (let i = 1; i <= 20; i++) y = np.add(np.roll(np.mul(y, 0.5), i % 5, { axis: 0 }), np.flip(y, 1))
    return y
  }
  const y = jit(f)(np.ones([5, 7]))
  expect(y.slice(2, 3).item()).toBeCloseTo(1.5 ** 20, 1)
})

test('what a branch keeps for its derivative has the type that the first branch gives, weak or not', () => {
  const one = (z: NdArray): NdArray => np.sin(np.prod(z)).mul(2)
  const other = (z: NdArray): NdArray => np.sum(np.exp(np.cumsum(z.reshape(1))).mul(np.sin(z)))
  const f = (y: NdArray): NdArray => lax.cond(y.greater(0), one, other, y)
  const jaxpr = makeJaxpr((x: NdArray) => grad(f)(x))(0.5 as never) // a number: weak
  expect(checkJaxpr(jaxpr)).toBe(jaxpr)
})

test('rows of a donated array are set where they lie, but not where they are updates too', () => {
  const at = np.array([2, 0], { dtype: 'int32' })
  const set = (x: NdArray, u: NdArray): NdArray => x.at(at).set(u)
  const [rows, more] = [np.ones([2, 3]), np.arange(12).reshape(4, 3).astype('float32')]
  const lowered = (f: typeof set, donated: number[]) => {
    jit(f, { donateArgnums: donated })(more.mul(1), rows)
    return (lower.mock.results.at(-1)!.value as ReturnType<Engine['lower']>).program
  }
  const { buffers, outputs } = lowered(set, [0])
  expect(buffers[outputs[0]!]!.place.kind).toBe('input')
  const all = (x: NdArray): NdArray => x.at(np.array([1, 3, 0, 2], { dtype: 'int32' })).set(x)
  const own = lowered(all, [0])
  expect(own.buffers[own.outputs[0]!]!.place.kind).toBe('output')
  const twice = jit(all, { donateArgnums: [0] })
  expect(twice(more.mul(1)).toArray()).toEqual([[6, 7, 8], [0, 1, 2], [9, 10, 11], [3, 4, 5]]) // prettier-ignore
})
