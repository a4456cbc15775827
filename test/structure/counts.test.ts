import type { Backend } from '../../src/core/backend.ts'
/** Counts that no machine changes: what is traced and compiled again, and when. */
import { beforeEach, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { jit, grad, makeJaxpr, type NdArray, np, vmap } from '../../src/index.ts'
import { ProgramEngine } from '../../transforms/engine.ts'
import { runtime } from '../../src/core/runtime.ts'

const { counters } = runtime.engine

const reset = (): void => {
  Object.assign(counters, { traced: 0, compiled: 0 })
}
beforeEach(reset)
const counted = (): readonly [traced: number, compiled: number] => [counters.traced, counters.compiled]

test('a second call of a jitted function traces nothing and compiles nothing', () => {
  const f = jit((p: { readonly w: NdArray; readonly b: NdArray }, x: NdArray) => np.add(np.matmul(x, p.w), p.b))
  const p = { w: np.ones([3, 2]), b: np.ones([2]) }
  const x = np.ones([4, 3])
  const b = np.zeros([2])
  reset() // what made the arrays
  f(p, x)
  expect(counted()).toEqual([1, 1])
  for (let i = 0; i < 10; i++) f({ b, w: p.w }, x) // in any order of keys
  expect(counted()).toEqual([1, 1])
})

test('10,000 calls with 10,000 different learning rates compile once', () => {
  const step = jit((w: NdArray, lr: number) => np.sub(w, np.mul(grad((v: NdArray) => np.sum(np.square(v)))(w), lr)))
  let w = np.ones([3])
  reset()
  for (let i = 0; i < 10_000; i++) w = step(w, 1e-3 / (i + 1))
  expect(counted()).toEqual([1, 1])
  expect(w.toTyped()[0]).toBeCloseTo(Math.exp(-2e-3 * (Math.log(10_000) + 0.5772)), 4) // Π (1 - 2e-3/i)
})

test('grad outside jit traces its function, which may read values, but compiles nothing twice', () => {
  const g = grad((x: NdArray, s: number) => np.sum(np.mul(np.sin(x), s)))
  g(np.ones([3]), 1)
  counters.compiled = 0
  for (let i = 0; i < 10; i++) g(np.ones([3]), i)
  expect(counters.compiled).toBe(0)
})

test('what a call is told apart by: shape, dtype, weakness, structure, and nothing else', () => {
  const f = jit((x: unknown) => np.add((x as { readonly a: NdArray }).a ?? (x as NdArray), 1))
  const calls: readonly unknown[] = [
    ...[np.ones([2]), np.ones([3]), np.ones([2], 'int32'), np.ones([]), 1, true],
    ...[{ a: np.ones([2]) }, { a: np.ones([2]), b: null }, { a: np.ones([2]), b: undefined }, { a: np.ones([2]), c: [] }],
  ]
  calls.forEach((x, i) => {
    f(x)
    expect(counters.traced).toBe(i + 1)
  })
  for (const x of calls) f(x)
  for (const x of [...calls].reverse()) f(x)
  f(np.zeros([2]))
  f({ a: np.zeros([3]) })
  expect(counters.traced).toBe(calls.length + 1)
})

test('a dict is told apart by its own keys', () => {
  const f = jit((x: Readonly<Record<string, unknown>>) => Object.values(x).filter((v) => v !== null).length)
  const bare = (keys: readonly string[], value: unknown): Record<string, unknown> => {
    const dict = Object.create(null) as Record<string, unknown>
    for (const key of keys) dict[key] = value
    return dict
  }
  expect((f(bare(['__proto__', 'a'], null)) as unknown as NdArray).item()).toBe(0)
  expect((f({ a: 1, b: 1 }) as unknown as NdArray).item()).toBe(2)
  expect((f({ a: null, b: null }) as unknown as NdArray).item()).toBe(0)
  expect((f(bare(['a', 'toString'], null)) as unknown as NdArray).item()).toBe(0)
  expect(counters.traced).toBe(4)
})

test('static arguments are told apart exactly: by value, by type, objects by identity', () => {
  const f = jit((x: NdArray, a: unknown, _b: unknown) => np.add(x, Object.is(a, -0) ? -1 : 1), { staticArgnums: [1, 2] })
  const x = np.ones([2])
  const [o, p] = [{}, {}]
  const pairs: readonly (readonly [unknown, unknown])[] = [
    ...([
      ['a,string:b', 'c'],
      ['a', 'b,string:c'],
    ] as const),
    ...([
      [0, 1],
      [-0, 1],
      ['0', 1],
      [0, '1'],
      [NaN, 1],
      [null, 1],
      [undefined, 1],
    ] as const),
    ...([
      [o, 1],
      [p, 1],
    ] as const),
  ]
  for (const [a, b] of [...pairs, ...pairs, ...[...pairs].reverse()])
    expect(f(x, a, b).toArray()).toEqual(Object.is(a, -0) ? [0, 0] : [2, 2])
  expect(counters.traced).toBe(pairs.length)
})

test('an entry that captured a tracer of an outer trace is used once', () => {
  let scale = np.ones([])
  const inner = jit((x: NdArray) => np.mul(x, scale))
  const outer = grad((s: NdArray) => {
    scale = s
    return np.sum(inner(np.array([1, 2, 3])))
  })
  expect(outer(np.array(5)).item()).toBe(6)
  expect(outer(np.array(7)).item()).toBe(6)
  expect(counters.traced).toBe(2)
  scale = np.array(10) // a concrete one is kept, as jit keeps what a function closes over
  expect(inner(np.array([1, 2, 3])).toArray()).toEqual([10, 20, 30])
  expect(inner(np.array([1, 2, 3])).toArray()).toEqual([10, 20, 30])
  expect(counters.traced).toBe(3)
})

test('a captured array is an input of the program: functions that differ in it alone share one', () => {
  const make = (c: NdArray): ((x: NdArray) => NdArray) => jit((x: NdArray) => np.mul(x, c))
  const x = np.ones([5])
  const [f, g] = [make(np.full([5], 2)), make(np.full([5], 3))]
  expect(f(x).toArray()).toEqual([2, 2, 2, 2, 2])
  counters.compiled = 0
  expect(g(x).toArray()).toEqual([3, 3, 3, 3, 3])
  expect(counters.compiled).toBe(0)
})

test('a jitted function keeps a bounded number of entries: the oldest is traced again', () => {
  const f = jit((x: NdArray, n: number) => np.mul(x, n % 3), { staticArgnums: [1] })
  const x = np.ones([2])
  for (let n = 0; n < 1030; n++) f(x, n)
  counters.traced = 0
  f(x, 1029)
  expect(counters.traced).toBe(0)
  f(x, 0)
  expect(counters.traced).toBe(1)
})

test('an engine keeps a bounded number of programs: the one used longest ago goes', () => {
  const device = reference()
  let compiled = 0
  const backend = { ...device, compile: (program: Parameters<typeof device.compile>[0]) => (compiled++, device.compile(program)) }
  const engine = new ProgramEngine({ ...runtime, backend: () => backend as Backend, kept: { count: 8, bytes: Infinity } })
  const program = (n: number): ReturnType<typeof engine.compile> => engine.compile(makeJaxpr((x: NdArray) => np.mul(x, n))(np.ones([2])))
  for (let n = 0; n < 8; n++) program(n)
  program(0)
  for (let n = 8; n < 15; n++) program(n) // 1 to 7 go
  expect(compiled).toBe(15)
  program(0)
  program(14)
  expect(compiled).toBe(15)
  program(1)
  expect(compiled).toBe(16)
})

test('an engine keeps so many bytes of programs: large ones go sooner', () => {
  const device = reference()
  const backend = {
    ...device,
    compile: (program: Parameters<typeof device.compile>[0]) => ({ ...device.compile(program), bytes: 2 ** 20 }),
  }
  const engine = new ProgramEngine({ ...runtime, backend: () => backend as Backend, kept: { count: 100, bytes: 2 ** 24 } })
  const compiledBy = (n: number): number => {
    const before = engine.counters.compiled
    engine.compile(makeJaxpr((x: NdArray) => np.mul(x, n))(np.ones([2])))
    return engine.counters.compiled - before
  }
  for (let n = 0; n < 5; n++) expect(compiledBy(n)).toBe(1) // four of 4 MB don't fit in 16 with what else they hold
  expect([compiledBy(4), compiledBy(3), compiledBy(2), compiledBy(0)]).toEqual([0, 0, 0, 1])
})

test('an inner jit is traced once however often it is called, and vmap of it adds no trace of its own', () => {
  const inner = jit((x: NdArray) => np.exp(x))
  const outer = jit((x: NdArray) => np.add(inner(inner(x)), inner(x)))
  outer(np.ones([3]))
  expect(counters.traced).toBe(2)
  vmap(inner)(np.ones([4, 3]))
  expect(counters.traced).toBe(2)
})
