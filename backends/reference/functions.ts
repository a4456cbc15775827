/**
 * The functions that JavaScript's Math lacks, in float64: erf and its inverse, nextafter, threefry, bit casts, 16-bit floats.
 */
import type { HalfFloat } from '../../src/core/dtype.ts'

const twoOverSqrtPi = 2 / Math.sqrt(Math.PI)

/** erf x for 0 <= x <= 2: (2/√π) e^(-x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)), all terms positive. */
const erfSeries = (x: number): number => {
  let term = x
  let sum = x
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return twoOverSqrtPi * Math.exp(-x * x) * sum
}

/** e^(-x²): a rounded x² would move a small result. x² = h² + (x - h)(x + h), where h² is exact. */
const gauss = (x: number): number => {
  const h = Math.fround(x)
  return Math.exp(-h * h) * Math.exp(-(x - h) * (x + h))
}

/** erfc x for x >= 1.5: e^(-x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the 100th level up. */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let n = 100; n >= 1; n--) tail = x + n / 2 / tail
  return gauss(x) / (Math.sqrt(Math.PI) * tail)
}

/** m or 1 - m, m the smaller: its derivative is m (1 - m). */
export const logistic = (x: number): number => {
  const e = Math.exp(-Math.abs(x))
  const m = e / (1 + e)
  return x > 0 ? 1 - m : m
}

export const erf = (x: number): number => {
  if (Number.isNaN(x)) return x
  const a = Math.abs(x)
  if (a === 0) return x
  return Math.sign(x) * (a < 2 ? erfSeries(a) : a > 6 ? 1 : 1 - erfcFraction(a))
}

export const erfc = (x: number): number => {
  if (x < 1.5 || Number.isNaN(x)) return 1 - erf(x)
  return x > 28 ? 0 : erfcFraction(x)
}

/** y with erf y = x. Halley's steps from Winitzki's estimate, on erfc where x is near 1 and erf has no digits left. */
export const erfInv = (x: number): number => {
  const a = Math.abs(x)
  if (!(a < 1)) return a === 1 ? x * Number.POSITIVE_INFINITY : Number.NaN
  if (a === 0) return x
  const l = Math.log1p(-a * a)
  const h = 2 / (Math.PI * 0.147) + l / 2
  let y = Math.sqrt(Math.max(Math.sqrt(h * h - l / 0.147) - h, 0)) // loses all digits for tiny x, hence:
  if (a < 1e-4) y = a / twoOverSqrtPi
  for (let step = 0; step < 4; step++) {
    const error = a < 0.5 || y < 2 ? erf(y) - a : 1 - a - erfcFraction(y)
    const newton = error / (twoOverSqrtPi * Math.exp(-y * y))
    y -= newton / (1 + y * newton)
  }
  return x < 0 ? -y : y
}

const bits64 = new BigInt64Array(1)
const float64 = new Float64Array(bits64.buffer)
const bits32 = new Int32Array(1)
const uint32 = new Uint32Array(bits32.buffer)
const float32 = new Float32Array(bits32.buffer)

export const nextafter32 = (x: number, towards: number): number => {
  if (Number.isNaN(x) || Number.isNaN(towards)) return Number.NaN
  if (x === towards) return towards
  if (x === 0) return towards > 0 ? 2 ** -149 : -(2 ** -149)
  float32[0] = x
  bits32[0]! += towards > x === x > 0 ? 1 : -1
  return float32[0]!
}

export const nextafter64 = (x: number, towards: number): number => {
  if (Number.isNaN(x) || Number.isNaN(towards)) return Number.NaN
  if (x === towards) return towards
  if (x === 0) return towards > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE
  float64[0] = x
  bits64[0]! += towards > x === x > 0 ? 1n : -1n
  return float64[0]!
}

const words = { float32, int32: bits32, uint32 } as const
export type Word = keyof typeof words
export const isWord = (dtype: string): dtype is Word => dtype in words

export const bitcast =
  (from: Word, to: Word) =>
  (x: number): number => {
    words[from][0] = x
    return words[to][0]!
  }

/** The number that a 16-bit float's bits stand for. */
export const widen = (dtype: HalfFloat): ((bits: number) => number) => {
  if (dtype === 'bfloat16') return (bits) => bitcast('int32', 'float32')(bits << 16)
  return (bits) => {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023]
    const size =
      exponent === 0 ? fraction * 2 ** -24 : exponent < 31 ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction === 0 ? Infinity : NaN
    return bits < 0x8000 ? size : -size
  }
}

/** The bits of the 16-bit float nearest to a number, ties to even: of the candidates around it, for they are in the order of their bits. */
export const narrow = (dtype: HalfFloat): ((x: number) => number) => {
  const value = widen(dtype)
  const infinity = dtype === 'float16' ? 0x7c00 : 0x7f80
  // Where an infinity would be, were exponents unbounded: what rounds to it is infinite.
  const valueOf = (bits: number): number => (bits === infinity ? 2 * value(infinity - (dtype === 'float16' ? 1024 : 128)) : value(bits))
  return (x) => {
    if (Number.isNaN(x)) return infinity + (dtype === 'float16' ? 512 : 64)
    const size = Math.min(Math.abs(x), valueOf(infinity))
    let [low, high] = [0, infinity]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (valueOf(middle) <= size) low = middle
      else high = middle
    }
    const [down, up] = [size - valueOf(low), valueOf(high) - size]
    const nearest = down < up || (down === up && low % 2 === 0) ? low : high
    return nearest + (x < 0 || Object.is(x, -0) ? 0x8000 : 0)
  }
}

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const

/** The threefry2x32 block of 20 rounds: [word 0, word 1]. */
export const threefry = (k0: number, k1: number, x0: number, x1: number): readonly [number, number] => {
  const ks = [k0, k1, k0 ^ k1 ^ 0x1bd11bda] as const
  let a = (x0 + ks[0]) | 0
  let b = (x1 + ks[1]) | 0
  for (let group = 0; group < 5; group++) {
    for (const r of rotations[group & 1]!) {
      a = (a + b) | 0
      b = ((b << r) | (b >>> (32 - r))) ^ a
    }
    a = (a + ks[(group + 1) % 3]!) | 0
    b = (b + ks[(group + 2) % 3]! + group + 1) | 0
  }
  return [a >>> 0, b >>> 0]
}
