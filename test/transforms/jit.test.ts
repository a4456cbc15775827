/** jit(f).lower(...): traced and compiled ahead of calls, which then find what they need. */
import { expect, test } from 'vitest'
import { grad, jit, makeJaxpr, type NdArray, np, ShapeError, TreeError } from '../../src/index.ts'
import { runtime } from '../../src/core/runtime.ts'

const { counters } = runtime.engine

const f32 = (...shape: number[]) => ({ shape, dtype: 'float32' }) as const

test('a call of what was lowered traces and compiles nothing; trees, numbers and donation as in calls', async () => {
  const step = jit((p: { w: NdArray; b: readonly NdArray[] }, lr: number) => ({ w: np.sub(p.w, lr), b: p.b }), { donateArgnums: 0 })
  const lowered = step.lower({ w: f32(2), b: [f32()] }, 0)
  expect(String(lowered.jaxpr)).toContain('f32[2]')
  const compiled = await lowered.compile()
  expect(compiled).toBe(step)
  const before = { ...counters }
  const given = { w: np.array([1, 2]), b: [np.array(3)] }
  expect(step(given, 0.5).w.toArray()).toEqual([0.5, 1.5])
  expect(counters).toEqual(before)
  expect(() => given.w.toArray()).toThrow('donated')
})
test('static arguments keep their identity', async () => {
  const config = { power: 2, dtype: 'float32', shape: [1] }
  const f = jit((x: NdArray, c: typeof config) => np.pow(x, c.power), { staticArgnums: 1 })
  await f.lower(f32(1), config).compile()
  const before = { ...counters }
  expect(f(np.array([3]), config).toArray()).toEqual([9])
  expect(counters).toEqual(before)
})
test('what was lowered inside a trace, and captured its tracers, is traced again outside', () => {
  let outer = np.array(2)
  const inner = jit((x: NdArray) => np.mul(x, outer))
  grad((y: NdArray) => {
    outer = y
    inner.lower(f32())
    return y
  })(np.array(1))
  outer = np.array(5)
  expect(inner(np.array(3)).item()).toBe(15)
})
test('an array named dtype is an array', () => {
  const f = jit((p: { dtype: NdArray; shape: NdArray }) => np.add(p.dtype, p.shape))
  expect(f.lower({ dtype: np.ones([2]), shape: f32(2) }).jaxpr.outs[0]!.aval.shape).toEqual([2])
})
test('what stands for no array is refused', () => {
  const f = jit((x: NdArray) => x)
  for (const bad of [
    { dtype: 'float32' },
    { shape: [-1], dtype: 'float32' },
    { shape: [1], dtype: 'float31' },
    { shape: 3, dtype: 'bool' },
  ])
    expect(() => f.lower(bad as never)).toThrow(ShapeError)
  expect(() => f.lower('x' as never)).toThrow(TreeError)
  expect(() => jit((x: NdArray) => x, { donateArgnums: 1 }).lower(f32())).toThrow(ShapeError)
})

test('what is dear is computed once where a kernel reads it at several places', () => {
  const patches = (x: NdArray): NdArray => np.concatenate([0, 1, 2, 3].map((i) => np.pad(x, 3).slice([i, i + 8])))
  const tanhs = (f: (x: NdArray) => NdArray): number => {
    const { program } = runtime.engine.lower(makeJaxpr(f)(np.ones([8])))
    return program.steps.reduce((n, s) => n + (s.kind === 'launch' ? JSON.stringify(s.kernel).split('"op":"tanh"').length - 1 : 0), 0)
  }
  expect(tanhs((x) => patches(np.tanh(x)))).toBe(1)
  expect(tanhs((x) => np.dot(patches(np.tanh(x)).reshape(4, 8), np.ones([8, 3])))).toBe(1)
  expect(tanhs((x) => np.tanh(patches(x)))).toBe(1)
  const x = np.arange(8).astype('float32')
  expect(np.allclose(jit((y: NdArray) => patches(np.tanh(y)))(x), patches(np.tanh(x))).item()).toBe(1)
})
