/** What every optimizer is held to, at every float dtype and for gradients however large or small. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FloatDType } from '../../src/core/dtype.ts'
import { grad, jit, lax, type NdArray, np, type Optimizer, type OptState, tree } from '../../src/index.ts'
import * as optim from '../../src/optim/index.ts'
import { close, load, read, type Stored } from '../nn/golden.ts'

type Carry = readonly [{ readonly w: NdArray }, NonNullable<OptState>]
type Config = optim.SgdOptions & optim.AdamwOptions & optim.AdagradOptions
const makers: Readonly<Record<string, (c: Config) => Optimizer>> = {
  sgd: optim.sgd,
  momentum: optim.sgd,
  nesterov: optim.sgd,
  adam: optim.adam,
  nadam: optim.adam,
  adamw: optim.adamw,
  lion: optim.lion,
  rmsprop: optim.rmsprop,
  adagrad: optim.adagrad,
  clip: (c) => optim.chain(optim.clipByGlobalNorm(1), optim.adam(c)),
  scale: (c) => optim.chain(optim.scale(np.array(0.5)), optim.sgd(c)),
}
interface Golden {
  readonly updates: readonly {
    readonly fn: string
    readonly config: Config
    readonly params: Stored
    readonly grads: readonly Stored[]
    readonly updates: readonly Stored[]
  }[]
  readonly dtypes: readonly { readonly fn: string; readonly grads: FloatDType; readonly params: FloatDType; readonly updates: FloatDType }[]
}
const golden = read('optim') as Golden
const configs = Object.fromEntries(golden.updates.map(({ fn, config }) => [fn, config]))
const optimizers = Object.entries(configs).map(
  ([name, config]) => [name, (lr: optim.LearningRate) => makers[name]!({ ...config, lr })] as const,
)
const dtypesOf = (x: unknown): string[] => (tree.leaves(x) as NdArray[]).map((a) => `${a.dtype} [${a.shape.join()}]`)
const finite = (x: NdArray): boolean => x.toTyped().every(Number.isFinite)

/** 16 bits: Optax rounds after every operation, Cotangent once. float32: Optax takes 1 - b^t in it. */
const TOLERANCE = { float16: 2 ** -8, bfloat16: 2 ** -5, float32: 2e-6, float64: 1e-13 } as const
/** Half the largest numbers, since Nesterov's momentum adds 0.9 of a gradient to it. */
const LARGEST = { float16: 32752, bfloat16: 1.6e38, float32: 1.7e38, float64: 8.9e307 } as const
const FLOATS = Object.keys(LARGEST) as FloatDType[]

test.each(golden.updates.map((c) => [c.fn, c.params.dtype, c] as const))("%s's updates at %s are Optax's", (fn, dtype, c) => {
  const optimizer = makers[fn]!(c.config)
  const params = load(c.params)
  let state = optimizer.init(params)
  c.grads.forEach((g, i) => {
    const [updates, next] = optimizer.update(load(g), state, params)
    state = next
    expect(updates.dtype).toBe(dtype)
    close(updates, c.updates[i]!, TOLERANCE[dtype as FloatDType], `step ${i}`)
  })
})

test.each(golden.dtypes)('$fn: gradients of $grads, parameters of $params: updates of $updates, as in Optax', (c) => {
  const optimizer = makers[c.fn]!(configs[c.fn]!)
  const params = { w: np.ones([2], c.params) }
  const state = optimizer.init(params)
  const [updates, next] = optimizer.update({ w: np.ones([2], c.grads) }, state, params)
  expect(updates.w.dtype).toBe(c.updates)
  expect(dtypesOf(next)).toEqual(dtypesOf(state))
  expect(optim.applyUpdates(params, updates).w.dtype).toBe(c.params)
})

describe.each(FLOATS)('%s', (dtype) => {
  const [small, large] = [dtype === 'float64' ? 5e-324 : dtype === 'float16' ? 2 ** -24 : 2 ** -126, LARGEST[dtype]]
  const gradient = fc.oneof(
    fc.constantFrom(0, -0, 1, -1, small, -small, large, -large),
    fc.double({ noNaN: true, min: -large, max: large }),
    fc.double({ noNaN: true, min: -4, max: 4 }),
  )
  test.each(optimizers)('%s: updates are finite at the dtype and shape that came in, jitted as not', (_, make) => {
    const optimizer = make(0.1)
    const params = { w: np.array([0.5, -1], { dtype }), b: np.array(2, { dtype }) }
    const update = (g: typeof params, s: OptState): readonly [typeof params, OptState] => optimizer.update(g, s, params)
    const jitted = jit(update)
    fc.assert(
      fc.property(fc.tuple(gradient, gradient, gradient), ([x, y, z]) => {
        const grads = { w: np.array([x, y], { dtype }), b: np.array(z, { dtype }) }
        const state = optimizer.init(params)
        const [updates, next] = update(grads, state)
        expect([dtypesOf(updates), dtypesOf(next)]).toEqual([dtypesOf(params), dtypesOf(state)])
        expect(dtypesOf(optim.applyUpdates(params, updates))).toEqual(dtypesOf(params))
        for (const u of [updates.w, updates.b]) expect(finite(u)).toBe(true)
        const [again] = jitted(grads, state)
        for (const k of ['w', 'b'] as const)
          close(again[k], { dtype, shape: updates[k].shape, data: [...updates[k].toTyped()] }, TOLERANCE[dtype], k)
      }),
      { numRuns: 12 },
    )
  })
  test.each(optimizers)('%s: gradients of zero move nothing, decay aside, at any step', (name, make) => {
    const optimizer = make(0.1)
    const params = [np.zeros([2], dtype)]
    let state = optimizer.init(params)
    for (let i = 0; i < 3; i++) {
      const [updates, next] = optimizer.update(params, state, params)
      state = next
      expect([...updates[0]!.toTyped()].map(Math.abs), name).toEqual([0, 0])
    }
  })
  test.each(optimizers)('%s: parameters and state are a carry', (_, make) => {
    const optimizer = optim.chain(optim.clipByGlobalNorm(1), optim.scale(np.array(0.5)), make(optim.linear({ from: 0.1, to: 0, steps: 3 })))
    const start = { w: np.array([1, 2], { dtype }) }
    const loss = (p: Carry[0]): NdArray => np.sum(np.square(p.w))
    const step = ([p, state]: Carry): readonly [Carry, null] => {
      const [updates, next] = optimizer.update(grad(loss)(p), state, p)
      return [[optim.applyUpdates(p, updates), next as NonNullable<OptState>], null]
    }
    const [[end]] = lax.scan(step, [start, optimizer.init(start) as NonNullable<OptState>] as Carry, null, { length: 3 })
    expect(loss(end).item()).toBeLessThan(loss(start).item())
  })
  test.each(optimizers)('%s: a learning rate is a number, a scalar array, a function or a schedule, or the call’s', (_, make) => {
    const params = [np.array([1, -2], { dtype })]
    const updated = (lr: optim.LearningRate, options?: optim.UpdateOptions): string => {
      const o = make(lr)
      const [updates] = o.update(params, o.init(params), params, options)
      return `${updates[0]!.dtype} ${String(updates[0]!.toArray())}`
    }
    const rate = np.array(0.25, { dtype: 'float32' })
    const want = updated(0.25)
    for (const lr of [rate, () => 0.25, () => rate, optim.constant(0.25), (s: NdArray) => np.add(np.astype(s, 'float32'), 0.25)])
      expect(updated(lr)).toBe(want)
    for (const own of [7, optim.constant(7)]) expect([updated(own, { lr: 0.25 }), updated(own, { lr: rate })]).toEqual([want, want])
  })
})

test('an eps matters at 16 bits: tiny gradients give steps no larger than the learning rate', () => {
  for (const optimizer of [optim.adam({ lr: 1 }), optim.rmsprop({ lr: 0.3 })])
    for (const g of [1e-4, 6e-8, 1000]) {
      const params = [np.array([g], { dtype: 'float16' })]
      const [[u]] = optimizer.update(params, optimizer.init(params), params)
      expect(u!.item()).toBeLessThanOrEqual(0)
      expect(u!.item()).toBeGreaterThan(-1.01)
    }
})

describe('float64', () => {
  const params = [np.array([1, 3], { dtype: 'float64' })]
  const one = (o: Optimizer): number[] => o.update(params, o.init(params), params)[0][0]!.toArray() as number[]
  test('learning rates keep its digits', () => {
    const lr = 1 / 3
    for (const rate of [lr, optim.constant(lr), optim.linear({ from: lr, to: 0, steps: 7 }), np.array(lr, { dtype: 'float64' })])
      expect(one(optim.sgd({ lr: rate }))).toEqual([-lr, -lr * 3])
  })
  test('beside float32 each keeps its own', () => {
    const mixed = { a: np.ones([1]), b: np.ones([1], 'float64') }
    const o = optim.adam({ lr: optim.constant(1 / 3) })
    const [updates, state] = o.update(mixed, o.init(mixed), mixed)
    expect([dtypesOf(updates), dtypesOf(state)]).toEqual([dtypesOf(mixed), dtypesOf(o.init(mixed))])
    expect(updates.b.item()).toBeCloseTo(-1 / 3 / (1 + 1e-8), 15)
  })
})

describe('the count stays at the largest', () => {
  const MOST = 2 ** 31 - 1
  const late = (state: OptState): OptState =>
    tree.map((x) => (x.dtype === 'int32' ? np.array(MOST, { dtype: 'int32' }) : np.fullLike(x, 0.25)), state as NdArray)
  test.each(['adam', 'nadam', 'adamw'] as const)('%s', (name) => {
    const optimizer = makers[name]!({ ...configs[name]!, lr: optim.linear({ from: 1, to: 0.1, steps: 10 }) })
    const params = [np.zeros([2])]
    for (const update of [optimizer.update, jit(optimizer.update)] as (typeof optimizer.update)[]) {
      const [updates, state] = update([np.array([0.25, 0.25])], late(optimizer.init(params)), params)
      for (const u of updates[0]!.toTyped()) expect(u).toBeCloseTo(-0.05, 3)
      expect((tree.leaves(state) as NdArray[]).filter((x) => x.dtype === 'int32').map((x) => x.item())).toEqual([MOST, MOST])
    }
  })
})

test('what isn’t a setting is refused by name', () => {
  for (const lr of [np.array([0.1]), '0.1', null, true]) {
    expect(() => optim.adam({ lr: lr as never })).toThrow(/optim\.adam: lr is a number, a scalar array or a schedule/)
    const sgd = optim.sgd({ lr: (() => lr) as never })
    expect(() => sgd.update([np.ones([1])], sgd.init([]), [np.ones([1])])).toThrow(/optim\.scaleByLearningRate.*a number or a scalar array/)
  }
  expect(() => optim.scale(np.ones([3]))).toThrow(/optim\.scale\(f32\[3\]\): the factor/)
  for (const n of [-1, NaN, np.ones([1])]) expect(() => optim.clipByGlobalNorm(n)).toThrow(/optim\.clipByGlobalNorm\(.*at least 0/)
})
