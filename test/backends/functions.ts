/** How many ulps a device's float32 functions may be off the reference's, which rounds float64 results once, and where that is asked. */
import type { ScalarOp } from '../../src/core/kernel.ts'

/** The bound in ulps, and where arguments are drawn from besides the special ones: [lowest, highest] exponents of two. */
export const bounds: Partial<Record<ScalarOp, readonly [ulps: number, from: number, to: number]>> = {
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
  cbrt: [2, -126, 127],
  erf: [2, -20, 3],
  erfc: [8, -20, 4],
  // Giles' formula as XLA evaluates it: x² is rounded to float32 before 1 - x² is taken.
  erfInv: [70, -20, 0],
  logistic: [3, -20, 7],
}

export const specials: readonly number[] = [
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

export const points = (from: number, to: number): readonly number[] => {
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
export const ulpsBetween = (x: number, y: number): number => {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) && Number.isNaN(y) ? 0 : Number.POSITIVE_INFINITY
  const place = (z: number): number => {
    float[0] = z
    return bits[0]! < 0 ? -(bits[0]! & 0x7fffffff) : bits[0]!
  }
  return Math.abs(place(x) - place(y))
}

/** Every pair of numbers, as two columns. */
export const pairs = (xs: readonly number[]): readonly [number[], number[]] => [xs.flatMap((x) => xs.map(() => x)), xs.flatMap(() => xs)]
