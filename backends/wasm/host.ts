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

/** erfc x for x >= 2, by its continued fraction. */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let n = 100; n >= 1; n--) tail = x + n / 2 / tail
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail)
}

const erf64 = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0)) return x
  return Math.sign(x) * (a < 2 ? erfSeries(a) : 1 - erfcFraction(a))
}

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

/** The float after x towards y: `move` adds to the number that its bits are. */
const after =
  (least: number, move: (x: number, by: number) => number) =>
  (x: number, y: number): number => {
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN
    if (x === y) return y
    return x === 0 ? (y > 0 ? least : -least) : move(x, x < y === x > 0 ? 1 : -1)
  }
const nextafter = after(Number.MIN_VALUE, (x, by) => {
  view.setFloat64(0, x)
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(by))
  return view.getFloat64(0)
})
const nextafter32 = after(2 ** -149, (x, by) => {
  view.setFloat32(0, x)
  view.setInt32(0, view.getInt32(0) + by)
  return view.getFloat32(0)
})

/** C's pow, where JavaScript's gives NaN for 1 and -1 to infinite powers. */
const pow = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y)

const names = 'exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh atan2'
export type HostFunction = (x: number, y: number) => number
/** By name. */
export const hostFunctions: Readonly<Record<string, HostFunction>> = {
  ...Object.fromEntries(names.split(' ').map((name) => [name, Math[name as 'atan2']])),
  pow,
  erf: erf64,
  erfInv: erfInv64,
  logistic: (x) => 1 / (1 + Math.exp(-x)),
  nextafter,
  nextafter32,
  rem: (x, y) => x % y,
  // Of integers. A negative power is the reciprocal, truncated.
  int_shl: (x, n) => (n >>> 0 < 32 ? x << n : 0),
  int_shrLogical: (x, n) => (n >>> 0 < 32 ? x >>> n : 0),
  int_shrArithmetic: (x, n) => x >> Math.min(n >>> 0, 31),
  int_pow: (x, n) => (n >= 0 ? power(x, n) : Math.abs(x) === 1 ? power(x, n & 1) : 0),
  uint_pow: power,
}
