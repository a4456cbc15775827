/**
 * Functions of float64 and of 32-bit integers that generated code imports: JavaScript's Math, and what it lacks.
 */

/** Repeated squaring, wrapping; `n` is unsigned. */
const power = (x: number, n: number): number => {
  let [product, square] = [1, x]
  for (let rest = n; rest !== 0; rest >>>= 1) {
    if (rest & 1) product = Math.imul(product, square)
    square = Math.imul(square, square)
  }
  return product
}

/** erf x for 0 <= x <= 3: (2/√π) e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms positive. */
const erfSeries = (x: number): number => {
  let [term, sum] = [x, x]
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** erfc x for x >= 1.5, by its continued fraction; x² = h² + (x - h)(x + h), where h² is exact. */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let n = 100; n >= 1; n--) tail = x + n / 2 / tail
  const h = Math.fround(x)
  return (Math.exp(-h * h) * Math.exp(-(x - h) * (x + h))) / (Math.sqrt(Math.PI) * tail)
}

const erf64 = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0)) return x
  return Math.sign(x) * (a < 2 ? erfSeries(a) : 1 - erfc64(a))
}

const erfc64 = (x: number): number => (x >= 1.5 ? (x > 28 ? 0 : erfcFraction(x)) : 1 - erf64(x))

/** Halley's steps on erf, or on erfc where erf is flat, from Winitzki's estimate, which has no digits for tiny x. */
const erfInv64 = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0 && a < 1)) return a === 1 ? x * Infinity : a > 1 ? Number.NaN : x
  const l = Math.log1p(-a * a)
  const t = 2 / (Math.PI * 0.147) + l / 2
  let y = a < 1e-4 ? (a * Math.sqrt(Math.PI)) / 2 : Math.sqrt(Math.sqrt(t * t - l / 0.147) - t)
  for (let i = 0; i < 4; i++) {
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-y * y)
    const error = y < 2 ? erfSeries(y) - a : 1 - a - erfcFraction(y)
    const step = error / slope
    y -= step / (1 + y * step)
  }
  return Math.sign(x) * y
}

const view = new DataView(new ArrayBuffer(8))

/** The float64 after x towards y. */
const nextafter = (x: number, y: number): number => {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN
  if (x === y) return y
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE
  view.setFloat64(0, x)
  view.setBigInt64(0, view.getBigInt64(0) + (x < y === x > 0 ? 1n : -1n))
  return view.getFloat64(0)
}

/** C's pow, where JavaScript's gives NaN for 1 and -1 to infinite powers. */
const pow = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y)

/** Of float64, by operation. */
export const hostDoubles = {
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  cbrt: Math.cbrt,
  atan2: Math.atan2,
  erf: erf64,
  erfc: erfc64,
  erfInv: erfInv64,
  logistic: (x: number) => 1 / (1 + Math.exp(-x)),
  nextafter,
  pow,
  rem: (x: number, y: number) => x % y,
}

/** By the names that generated code imports. */
export const hostFunctions = {
  ...hostDoubles,
  // Of integers. A negative power is the reciprocal, truncated.
  int_pow: (x: number, n: number) => (n >= 0 ? power(x, n) : Math.abs(x) === 1 ? power(x, n & 1) : 0),
  uint_pow: power,
}
