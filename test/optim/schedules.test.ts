/** Schedules at their edges, of numbers and of arrays. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CotangentError, jit, np, optim, type Schedule } from '../../src/index.ts'
import { read } from '../nn/golden.ts'

interface Golden {
  readonly schedules: readonly {
    readonly fn: 'constant' | 'linear' | 'cosineDecay' | 'warmupCosineDecay' | 'exponentialDecay'
    readonly config: Readonly<Record<string, number>>
    readonly steps: readonly number[]
    readonly values: { readonly data: readonly number[] } | null
  }[]
}
const make = ({ fn, config }: Pick<Golden['schedules'][number], 'fn' | 'config'>): Schedule =>
  fn === 'constant' ? optim.constant(config['value']!) : optim[fn](config as never)

test.each((read('optim') as Golden).schedules.map((s) => [s.fn, JSON.stringify(s.config), s] as const))(
  '%s of %s is Optax’s, of numbers and arrays, or refused by name as there',
  (fn, _, s) => {
    if (s.values === null) {
      expect(() => make(s)).toThrow(CotangentError)
      expect(() => make(s)).toThrow(new RegExp(`optim\\.${fn}\\(.*steps`))
      return
    }
    const schedule = make(s)
    const steps = np.array([...s.steps], { dtype: 'int32' })
    const single = [...schedule(steps).toTyped()]
    const double = schedule(np.astype(steps, 'float64'))
    expect([schedule(steps).dtype, double.dtype]).toEqual(['float32', 'float64'])
    expect([...jit(schedule as (x: typeof steps) => typeof steps)(steps).toTyped()]).toEqual(single)
    s.values.data.forEach((v, i) => {
      expect(schedule(s.steps[i]!)).toBeCloseTo(v, 14)
      expect(double.toTyped()[i]).toBeCloseTo(v, 14)
      expect(Math.abs(single[i]! - v)).toBeLessThan(2e-6 * v + 1e-9)
      expect(schedule(np.array(s.steps[i]!, { dtype: 'int32' })).item()).toBe(single[i])
    })
  },
)

const value = fc.double({ noNaN: true, min: 0, max: 10 })
const steps = fc.integer({ min: 1, max: 1000 })
test('first and last values are those that were asked for, to the last digit', () => {
  fc.assert(
    fc.property(value, value, value, steps, steps, (first, peak, last, up, down) => {
      const warmup = optim.warmupCosineDecay({ init: first, peak, end: last, warmup: up, steps: up + down })
      expect([0, up, up + down, up + down + 1, 2 ** 31 - 1].map((s) => warmup(s))).toEqual([first, peak, last, last, last])
      const line = optim.linear({ from: first, to: last, steps: down, begin: up })
      expect([0, up, up + down, up + down + 1, 2 ** 31 - 1].map((s) => line(s))).toEqual([first, first, last, last, last])
      const cosine = optim.cosineDecay({ init: first, end: last, steps: down })
      expect([0, down, down + 1, 2 ** 31 - 1].map((s) => cosine(s))).toEqual([first, last, last, last])
    }),
    { numRuns: 200 },
  )
})
test('arrays of steps up to the largest give what numbers do', () => {
  const any = fc.oneof(
    fc.record({ fn: fc.constant('linear' as const), config: fc.record({ from: value, to: value, steps: fc.nat(9), begin: fc.nat(9) }) }),
    fc.record({ fn: fc.constant('cosineDecay' as const), config: fc.record({ init: value, end: value, steps: fc.integer({ min: 1, max: 9 }) }) }),
    fc.record({ fn: fc.constant('exponentialDecay' as const), config: fc.record({ init: value, rate: fc.double({ noNaN: true, min: 0, max: 1 }), steps: fc.nat(9) }) }),
    fc
      .record({ init: value, peak: value, end: value, warmup: fc.nat(9), more: fc.integer({ min: 1, max: 9 }) })
      .map(({ more, ...c }) => ({ fn: 'warmupCosineDecay' as const, config: { ...c, steps: c.warmup + more } })),
  ) // prettier-ignore
  const at = [0, 1, 2, 5, 9, 17, 18, 19, 1000, 2 ** 31 - 1]
  fc.assert(
    fc.property(any, (s) => {
      const schedule = make(s)
      const got = schedule(np.array(at, { dtype: 'int32' })).toTyped()
      at.forEach((step, i) => expect(Math.abs(got[i]! - schedule(step))).toBeLessThan(2e-5))
    }),
    { numRuns: 100 },
  )
})

test('what gives no schedule is refused by name', () => {
  expect(() => optim.exponentialDecay({ init: 1, rate: -0.5, steps: 3 })).toThrow(/optim\.exponentialDecay\(.*at least 0/)
  expect(() => optim.linear({ from: 1, to: NaN, steps: 3 })).toThrow(/optim\.linear\(.*to is a number/)
  expect(() => optim.cosineDecay({ init: 1 } as never)).toThrow(/optim\.cosineDecay: the option steps is needed: a number/)
})
