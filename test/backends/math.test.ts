/** How many ulps wasm's functions are off the reference's, which rounds float64 results once: over their whole range, and at what is special. */
import { describe, expect, test } from 'vitest'
import { bringSpecial } from '../../backends/bring.ts'
import { reference } from '../../backends/reference/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { ScalarOp } from '../../src/core/kernel.ts'
import { elementwise } from './harness.ts'

bringSpecial()
const oracle = reference()
const device = wasm()

/** The bound in ulps, and where arguments are drawn from besides the special ones: [lowest, highest] exponents of two. */
const bounds: Partial<Record<ScalarOp, readonly [ulps: number, from: number, to: number]>> = {
  exp: [2, -20, 7],
  expm1: [2, -20, 7],
  log: [2, -126, 127],
  log1p: [2, -30, 127],
  rsqrt: [2, -126, 127],
  sqrt: [0, -126, 127],
  sin: [2, -20, 16],
  cos: [2, -20, 16],
  tan: [4, -20, 16],
  asin: [3, -20, 0],
  acos: [3, -20, 0],
  atan: [3, -20, 30],
  sinh: [3, -20, 7],
  cosh: [3, -20, 7],
  tanh: [2, -20, 5],
  asinh: [3, -20, 100],
  acosh: [3, 0, 100],
  atanh: [3, -20, 0],
  erf: [2, -20, 3],
  // Giles' formula as XLA evaluates it: x² is rounded to float32 before 1 - x² is taken.
  erfInv: [70, -20, 0],
  logistic: [3, -20, 7],
}

const specials = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  2,
  -2,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  88.7,
  88.73,
  -87.4,
  -103.9,
  -104.1,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  1 - 2 ** -24,
  -1 + 2 ** -24,
  1 + 2 ** -23,
].map(Math.fround)

const points = (from: number, to: number): readonly number[] => {
  const made = [...specials]
  for (let i = 0; i < 20000; i++) {
    const magnitude = 2 ** (from + ((to - from) * (i + 0.37)) / 20000)
    made.push(Math.fround(i % 2 ? magnitude : -magnitude))
  }
  return made
}

const bits = new Int32Array(1)
const float = new Float32Array(bits.buffer)

/** The number of float32s between two; NaN only equals NaN, and zeros are one. */
const ulpsBetween = (x: number, y: number): number => {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) && Number.isNaN(y) ? 0 : Number.POSITIVE_INFINITY
  const place = (z: number): number => {
    float[0] = z
    return bits[0]! < 0 ? -(bits[0]! & 0x7fffffff) : bits[0]!
  }
  return Math.abs(place(x) - place(y))
}

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
