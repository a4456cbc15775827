/** Functions of the user's in programs: told apart by identity, so that what is the same is one program. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Cache } from '../../src/core/cache.ts'
import { runtime } from '../../src/core/runtime.ts'
import { customJvp, customVjp, debug, grad, jit, lax, makeJaxpr, np, type NdArray, pureCallback, vmap } from '../../src/index.ts'

const { counters } = runtime.engine

const x = np.array([1, 4])
/** How many programs twenty turns compile after the first two. */
const compiledBy = (turn: (i: number) => unknown): number => {
  turn(0)
  turn(1)
  const before = counters.compiled
  for (let i = 2; i < 22; i++) turn(i)
  return counters.compiled - before
}
afterEach(() => void vi.restoreAllMocks())

describe('an eager loop compiles once', () => {
  const root = (y: NdArray): number[] => [...y.toTyped()].map(Math.sqrt)
  test('over callbacks', () => {
    const say = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const seen: number[] = []
    const rootOf = (y: NdArray): number => Math.sqrt(y.item())
    const note = (y: NdArray): unknown => seen.push(y.size)
    expect(compiledBy(() => pureCallback(root, { shape: [2], dtype: 'float32' }, [x]))).toBe(0)
    expect(compiledBy(() => debug.print('x is {}', x))).toBe(0)
    expect(compiledBy(() => debug.callback(note, x))).toBe(0)
    expect(compiledBy(() => vmap((y: NdArray) => pureCallback(rootOf, { shape: [], dtype: 'float32' }, [y]))(x))).toBe(0)
    expect([say.mock.calls.length, seen.length]).toEqual([22, 22])
  })
  test('over roots, whose equation closes over other values', () => {
    const solve = (a: NdArray): NdArray =>
      lax.customRoot((y: NdArray) => np.sub(np.mul(y, y), a), np.array(1), () => np.sqrt(a), (g, y) => np.div(y, g(np.ones([])))) // prettier-ignore
    expect(compiledBy((i) => expect(solve(np.array(i + 1)).item()).toBeCloseTo(Math.sqrt(i + 1), 5))).toBe(0)
    expect(compiledBy((i) => expect(grad(solve)(np.array(i + 1)).item()).toBeCloseTo(0.5 / Math.sqrt(i + 1), 5))).toBe(0)
    expect(compiledBy((i) => expect(vmap(grad(solve))(np.array([i + 1])).item()).toBeCloseTo(0.5 / Math.sqrt(i + 1), 5))).toBe(0)
  })
  test('over rules', () => {
    const twice = customJvp((y: NdArray) => y.mul(2), ([y], [dy]) => [y.mul(2), dy.mul(3)]) // prettier-ignore
    const thrice = customVjp((y: NdArray) => y.mul(3), (y) => [y.mul(3), y] as const, (_y, ct) => [ct.mul(5)]) // prettier-ignore
    expect(compiledBy(() => [twice(x), thrice(x), vmap(twice)(x), vmap(thrice)(x)])).toBe(0)
    expect(compiledBy(() => grad((y: NdArray) => np.sum(vmap(thrice)(vmap(twice)(y))))(x))).toBe(0)
  })
})

describe('one function in several places', () => {
  const add = (y: NdArray): number[] => [...y.toTyped()].map((v) => v + 1)
  test('with operands and results of other types is several programs, each right', () => {
    const f32 = { shape: [2], dtype: 'float32' } as const
    const i32 = { shape: [2], dtype: 'int32' } as const
    const whole = np.array([1, 4], { dtype: 'int32' })
    expect(pureCallback(add, f32, [x]).toArray()).toEqual([2, 5])
    expect(pureCallback(add, i32, [whole]).toArray()).toEqual([2, 5])
    expect(pureCallback(add, i32, [x]).dtype).toBe('int32')
    const halves = pureCallback(add, { shape: [2], dtype: 'float16' }, [np.astype(x, 'float16')])
    expect([halves.dtype, halves.toArray()]).toEqual(['float16', [2, 5]])
    const tree = pureCallback(((p: { readonly a: NdArray } | NdArray) => ('a' in p ? p.a.toTyped() : [0, 0])) as never, f32, [{ a: x }])
    expect(tree.toArray()).toEqual([1, 4])
  })
  test('prints under one number, and other functions under others', () => {
    const other = (y: NdArray): number[] => add(y)
    const numbers = (fs: readonly (typeof add)[]): string[] => {
      const jaxpr = makeJaxpr((y: NdArray) => fs.map((f) => pureCallback(f, { shape: [2], dtype: 'float32' }, [y])))(x)
      return [...String(jaxpr).matchAll(/call=(\d+)/g)].map(([, n]) => n!)
    }
    const [a, b, c] = numbers([add, add, other])
    expect(a).toBe(b)
    expect(c).not.toBe(a)
    expect(numbers([add])).toEqual([a])
  })
  test('jitted, a callback runs each time', () => {
    let calls = 0
    const f = jit((y: NdArray) => pureCallback((z) => (calls++, z.toTyped()), { shape: [2], dtype: 'float32' }, [y]))
    for (let i = 0; i < 3; i++) f(x)
    expect(calls).toBe(3)
  })
})

test('a cache is bounded by number and by bytes: what was used longest ago goes, and the newest stays', () => {
  const cache = new Cache<number>({ count: 4, bytes: 100 })
  for (const key of ['a', 'b', 'c']) cache.set(key, 1, 30)
  cache.get('a')
  cache.set('d', 1, 30) // b goes
  expect([cache.get('a'), cache.get('b'), cache.get('c'), cache.get('d'), cache.bytes]).toEqual([1, undefined, 1, 1, 90])
  cache.set('c', 2, 10)
  expect([cache.size, cache.bytes]).toEqual([3, 70])
  for (const key of ['e', 'f']) cache.set(key, 1, 1) // four at most
  expect([cache.size, cache.get('a')]).toEqual([4, undefined])
  cache.set('large', 1, 1000)
  expect([cache.size, cache.bytes, cache.get('large')]).toEqual([1, 1000, 1])
  cache.set('small', 1, 1)
  expect([cache.size, cache.bytes, cache.get('large')]).toEqual([1, 1, undefined])
})
