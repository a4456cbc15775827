import { describe, expect, test } from 'vitest'
import { jit, type NdArray, np } from '../../src/index.ts'
import * as optim from '../../src/optim/index.ts'
import { close, load, loadTree, read, type Stored, type StoredTree } from '../nn/golden.ts'

interface Case {
  readonly fn: string
  readonly config: {
    readonly learningRate: number | { readonly warmupCosineDecaySchedule: Warmup }
    readonly chain?: readonly [string, number]
    readonly momentum?: number
    readonly nesterov?: boolean
    readonly b1?: number
    readonly b2?: number
    readonly eps?: number
    readonly weightDecay?: number
    readonly mask?: unknown
  }
  readonly init: StoredTree
  readonly grads: readonly StoredTree[]
  readonly params: readonly StoredTree[]
}
interface Warmup {
  readonly initValue: number
  readonly peakValue: number
  readonly warmupSteps: number
  readonly decaySteps: number
  readonly endValue: number
}
interface Golden {
  readonly optimizers: readonly Case[]
  readonly norms: readonly { readonly maxNorm: number; readonly tree: StoredTree; readonly globalNorm: Stored; readonly out: StoredTree }[]
  readonly schedules: readonly {
    readonly fn: string
    readonly config: never
    readonly steps: readonly number[]
    readonly values: { readonly data: readonly number[] }
  }[]
}
type Tree = Readonly<Record<string, NdArray>>

const golden = read('nn') as Golden
const warmup = (c: Warmup): optim.Schedule =>
  optim.warmupCosineDecay({ init: c.initValue, peak: c.peakValue, warmup: c.warmupSteps, steps: c.decaySteps, end: c.endValue })
const makers: Readonly<Record<string, (options: never) => optim.Optimizer>> = {
  sgd: optim.sgd,
  adam: optim.adam,
  adamw: optim.adamw,
  lion: optim.lion,
  rmsprop: optim.rmsprop,
  adagrad: optim.adagrad,
}
const make = ({ fn, config: { learningRate, chain, ...rest } }: Case): optim.Optimizer => {
  const lr = typeof learningRate === 'number' ? learningRate : warmup(learningRate.warmupCosineDecaySchedule)
  const one = makers[fn]!({ lr, ...rest } as never)
  return chain === undefined ? one : optim.chain(optim.clipByGlobalNorm(chain[1]), one)
}
// Five steps; Optax takes 1 - b^t in float32, where b2 = 0.999 loses four digits of it at t = 1.
const TOLERANCE = 5e-6

describe('five steps agree with Optax, under jit', () => {
  const cases = golden.optimizers.map((c) => [`${c.fn} ${JSON.stringify(c.config)}`, c] as const)
  const check = (c: Case, rateAt: (step: number) => number | undefined): void => {
    const optimizer = make(c)
    const step = jit((params: Tree, state: optim.OptState, grads: Tree, lr?: number) => {
      const [updates, next] = optimizer.update(grads, state, params, lr === undefined ? {} : { lr })
      return [optim.applyUpdates(params, updates), next] as const
    })
    let params: Tree = loadTree(c.init)
    let state = optimizer.init(params)
    c.grads.forEach((g, i) => {
      ;[params, state] = step(params, state, loadTree(g), rateAt(i))
      for (const [k, v] of Object.entries(c.params[i]!)) close(params[k]!, v, TOLERANCE, `${k} after step ${i}`)
    })
  }
  test.each(cases)('%s', (_, c) => check(c, () => undefined))
  test.each(cases)('the learning rate from the call: %s', (_, c) => {
    const rate = c.config.learningRate
    check(c, typeof rate === 'number' ? optim.constant(rate) : warmup(rate.warmupCosineDecaySchedule))
  })
})

test("without jit, and with the optimizer's own learning rate", () => {
  const [c] = golden.optimizers
  const optimizer = make(c!)
  const params: Tree = loadTree(c!.init)
  const [updates] = optimizer.update(loadTree(c!.grads[0]!), optimizer.init(params), params)
  close(optim.applyUpdates(params, updates)['w']!, c!.params[0]!['w']!, 1e-6, 'w')
})

test('a mask may be a function of the parameters', () => {
  const c = golden.optimizers.find((k) => k.config.mask !== undefined)!
  const optimizer = optim.adamw({
    lr: 0.01,
    weightDecay: 0.1,
    mask: (p: Tree) => Object.fromEntries(Object.keys(p).map((k) => [k, p[k]!.ndim > 1])),
  })
  const params: Tree = loadTree(c.init)
  const [updates] = optimizer.update(loadTree(c.grads[0]!), optimizer.init(params), params)
  for (const k of ['b', 'w']) close(optim.applyUpdates(params, updates)[k]!, c.params[0]![k]!, TOLERANCE, k)
})

test('global norm and clipping agree with Optax', () => {
  for (const { tree, maxNorm, globalNorm, out } of golden.norms) {
    const grads: Tree = loadTree(tree)
    close(optim.globalNorm(grads), globalNorm, 1e-6, 'norm')
    const clip = optim.clipByGlobalNorm(maxNorm)
    const [clipped] = clip.update(grads, clip.init(grads), grads)
    for (const [k, v] of Object.entries(out)) close(clipped[k]!, v, 1e-6, k)
  }
})

test('scale multiplies', () => {
  const double = optim.scale(2)
  const x = load({ dtype: 'float32', shape: [2], data: [1, -3] })
  expect(double.update([x], double.init([x]), [x])[0][0]!.toArray()).toEqual([2, -6])
})

describe('schedules agree with Optax in float64', () => {
  interface Line {
    readonly initValue: number
    readonly endValue: number
    readonly transitionSteps: number
    readonly transitionBegin: number
  }
  interface Exponential {
    readonly initValue: number
    readonly transitionSteps: number
    readonly decayRate: number
    readonly staircase?: boolean
  }
  const makers: Readonly<Record<string, (config: never) => optim.Schedule>> = {
    warmupCosineDecaySchedule: warmup,
    linearSchedule: (c: Line) => optim.linear({ from: c.initValue, to: c.endValue, steps: c.transitionSteps, begin: c.transitionBegin }),
    cosineDecaySchedule: (c: { readonly initValue: number; readonly decaySteps: number; readonly alpha: number }) =>
      optim.cosineDecay({ init: c.initValue, steps: c.decaySteps, end: c.initValue * c.alpha }),
    exponentialDecay: ({ initValue: init, transitionSteps: steps, decayRate: rate, staircase = false }: Exponential) =>
      optim.exponentialDecay({ init, steps, rate, staircase }),
  }
  test.each(golden.schedules.map((s, i) => [`${i} ${s.fn}`, s] as const))('%s', (_, s) => {
    const schedule = makers[s.fn]!(s.config)
    s.steps.forEach((step, i) => expect(schedule(step)).toBeCloseTo(s.values.data[i]!, 12))
    // and of an array, in float32
    const values = schedule(np.array([...s.steps], { dtype: 'int32' })).toTyped()
    s.values.data.forEach((v, i) => expect(Math.abs(values[i]! - v)).toBeLessThanOrEqual(1e-6 * schedule(0) + 1e-6 * v + 1e-9))
  })
})
