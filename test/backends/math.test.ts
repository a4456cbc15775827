/** How many ulps wasm's functions are off the reference's, which rounds float64 results once: over their whole range, and at what is special. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { ScalarOp } from '../../src/core/kernel.ts'
import { bounds, points, specials, ulpsBetween } from './functions.ts'
import { elementwise } from './harness.ts'

const oracle = reference()
const device = wasm()

describe('float32 functions on wasm', () => {
  for (const [op, [ulps, from, to]] of Object.entries(bounds) as [ScalarOp, readonly [number, number, number]][])
    test(`${op} within ${ulps} ulps`, () => {
      const xs = points(from, to)
      const [expected, actual] = [elementwise(oracle, op, 'float32', 'float32', xs), elementwise(device, op, 'float32', 'float32', xs)]
      let [worst, at] = [0, 0]
      xs.forEach((_, i) => {
        const off = ulpsBetween(expected[i]!, actual[i]!)
        if (off > worst) [worst, at] = [off, i]
      })
      expect(worst, `${op}(${xs[at]}) is ${actual[at]}, should be ${expected[at]}`).toBeLessThanOrEqual(ulps)
    })

  test('pow within 4 ulps, atan2 within 3', () => {
    const xs = points(-4, 4)
    const ys = [...xs].reverse()
    for (const [op, ulps] of [
      ['pow', 4],
      ['atan2', 3],
    ] as const) {
      const [a, b] = [specials.flatMap((x) => specials.map(() => x)).concat(xs), specials.flatMap(() => specials).concat(ys)]
      const [expected, actual] = [elementwise(oracle, op, 'float32', 'float32', a, b), elementwise(device, op, 'float32', 'float32', a, b)]
      a.forEach((x, i) => {
        const off = ulpsBetween(expected[i]!, actual[i]!)
        expect(off, `${op}(${x}, ${b[i]}) is ${actual[i]}, should be ${expected[i]}`).toBeLessThanOrEqual(ulps)
      })
    }
  })
})

describe('float64 functions on wasm', () => {
  for (const [op, [, from, to]] of Object.entries(bounds) as [ScalarOp, readonly [number, number, number]][])
    test(`${op} within 1e-13`, () => {
      // Tiny ones too, where a formula may lose all its digits.
      const xs = [...points(from, to).filter((_, i) => i % 7 === 0), 1e-9, -1e-9, 1e-300, -1e-300, 1 - 2 ** -53, 0.9999, 0.999999999]
      const [expected, actual] = ([oracle, device] as readonly Backend[]).map((backend) =>
        elementwise(backend, op, 'float64', 'float64', xs),
      )
      xs.forEach((x, i) => {
        const [wanted, got] = [expected![i]!, actual![i]!]
        const near = Object.is(wanted, got) || Math.abs(got - wanted) <= 1e-13 * Math.abs(wanted)
        expect(near, `${op}(${x}) is ${got}, should be ${wanted}`).toBe(true)
      })
    })
})
