/** Continuous distributions, from uniform bits as `jax.random` makes them. The dtype is float32 unless the options say float64. */
import { NdArray } from '../core/array.ts'
import { aval, eqShape } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import type { WideFloat } from '../core/dtype.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { userScalar } from '../core/trace.ts'
import { dtypeAmong, operand, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { refuse, shapeOf } from '../numpy/check.ts'
import { asArray, broadcastLists, toShape } from '../numpy/promote.ts'
import { fused } from '../numpy/fused.ts'
import { keyOf, twoWords, words } from './keys.ts'

export interface FloatOptions {
  /** Default: float32. */
  readonly dtype?: WideFloat
}
const floatOptions: Schema<FloatOptions> = { dtype: dtypeAmong('float32', 'float64') }
/** A parameter at the dtype; a number is an input of the program, so that another one compiles nothing. */
export const parameter = (what: string, x: Operand, dtype: WideFloat): NdArray =>
  x instanceof NdArray ? c.convertElementType(asArray(what, x), dtype) : userScalar(Number(asNumber(what, x)), aval([], dtype))
const asNumber = (what: string, x: unknown): number | boolean =>
  typeof x === 'number' || typeof x === 'boolean' ? x : refuse(DTypeError, what, [x], 'an array or a number is needed')

/** The shape asked for, or the parameters' own; they must broadcast to it. */
export const drawShape = (what: string, shape: readonly number[] | undefined, ...parameters: readonly NdArray[]): readonly number[] => {
  const own = parameters.map((x) => x.shape)
  if (shape === undefined) return broadcastLists(what, own, parameters)
  const of = shapeOf(what, shape)
  return eqShape(broadcastLists(what, [of, ...own], [of, ...parameters]), of)
    ? of
    : refuse(ShapeError, what, [of, ...parameters], 'the parameters must broadcast to the shape')
}
const spread = (x: NdArray, shape: readonly number[]): NdArray => (x.ndim === 0 ? x : toShape(x, shape))

/** Uniform in [0, 1): the bits become a mantissa. */
const unit = (k: NdArray, shape: readonly number[], dtype: WideFloat): NdArray => {
  const u32 = (value: number): NdArray => c.full([], value, 'uint32')
  if (dtype === 'float32') {
    const mantissa = c.or(c.shiftRightLogical(words(k, shape), u32(9)), u32(0x3f800000))
    return c.sub(c.bitcastConvertType(mantissa, dtype), c.full([], 1, dtype))
  }
  // 52 bits: 32 of the first word, 20 of the second.
  const [high, low] = twoWords(k, shape)
  const scaled = (x: NdArray, by: number): NdArray => c.mul(c.convertElementType(x, dtype), c.full([], by, dtype))
  return c.add(scaled(high, 2 ** -32), scaled(c.shiftRightLogical(low, u32(12)), 2 ** -52))
}

/** x as its upper 12 bits and the rest, so that products of parts are exact. */
const halves = (x: NdArray): readonly [NdArray, NdArray] => {
  const bits = c.bitcastConvertType(x, 'uint32')
  const high = c.bitcastConvertType(c.and(bits, c.lit(bits, 0xfffff000)), 'float32')
  return [high, c.sub(x, high)]
}
/** a + b rounded, and what the rounding lost (Knuth). */
const twoSum = (a: NdArray, b: NdArray): readonly [NdArray, NdArray] => {
  const sum = c.add(a, b)
  const part = c.sub(sum, a)
  return [sum, c.add(c.sub(a, c.sub(sum, part)), c.sub(b, part))]
}
/** x y + z rounded once, as XLA's fused multiply-add; every product here is exact, so a device that fuses changes nothing. */
const fma = (x: NdArray, y: NdArray, z: NdArray): NdArray => {
  const [[xh, xl], [yh, yl]] = [halves(x), halves(y)]
  const [s1, e1] = twoSum(z, c.mul(xh, yh))
  const [s2, e2] = twoSum(s1, c.mul(xh, yl))
  const [s3, e3] = twoSum(s2, c.mul(xl, yh))
  return c.add(s3, c.add(c.add(e1, e2), c.add(e3, c.mul(xl, yl))))
}
const between = (u: NdArray, low: NdArray, high: NdArray): NdArray => {
  const span = c.sub(high, low)
  return c.max(low, u.dtype === 'float32' ? fma(u, span, low) : c.add(c.mul(u, span), low))
}
export const uniformIn = (k: NdArray, shape: readonly number[], low: NdArray, high: NdArray): NdArray =>
  between(unit(k, shape, low.dtype as WideFloat), spread(low, shape), spread(high, shape))

export interface UniformOptions extends FloatOptions {
  /** Included; default 0. */
  readonly minval?: Operand
  /** Not included; default 1. */
  readonly maxval?: Operand
}
const uniformOptions: Schema<UniformOptions> = { ...floatOptions, minval: operand, maxval: operand }
/**
 * Uniform in [minval, maxval): key [] -> float of the shape. Bit for bit as `jax.random.uniform` in float32.
 *
 * @throws DTypeError when k isn't a key; ShapeError when the bounds don't broadcast to the shape
 * @example random.uniform(random.key(42), [2]) // [0.48870957, 0.6797972]
 */
export const uniform = /* @__PURE__ */ takesOptions(
  'random.uniform',
  3,
  uniformOptions,
  (k: NdArray, shape?: readonly number[], options: UniformOptions = {}): NdArray => {
    const what = 'random.uniform'
    const { dtype = 'float32', minval = 0, maxval = 1 } = options
    keyOf(what, k)
    if (minval === 0 && maxval === 1) {
      const of = shapeOf(what, shape ?? [])
      return fused(what, (one) => unit(one, of, dtype), k)
    }
    const [low, high] = [parameter(what, minval, dtype), parameter(what, maxval, dtype)]
    const of = drawShape(what, shape, low, high)
    return fused(what, (one, lo, hi) => uniformIn(one, of, lo, hi), k, low, high)
  },
)

/** √2 erf⁻¹ u. */
const quantile = (u: NdArray): NdArray => c.mul(c.erfInv(u), c.full([], Math.SQRT2, u.dtype))
const scalar = (value: number, dtype: WideFloat): NdArray => c.full([], value, dtype)

/**
 * Standard normal: key [] -> float of the shape. As `jax.random.normal`, by the inverse of erf, within 4 ulp in float32.
 *
 * @throws DTypeError when k isn't a key; ShapeError when the shape isn't one
 * @example random.normal(random.key(42), [2]) // [-0.02830462, 0.46713185]
 */
export const normal = /* @__PURE__ */ takesOptions(
  'random.normal',
  3,
  floatOptions,
  (k: NdArray, shape: readonly number[] = [], options: FloatOptions = {}): NdArray => {
    const what = 'random.normal'
    const { dtype = 'float32' } = options
    const of = shapeOf(what, shape)
    const least = dtype === 'float32' ? -1 + 2 ** -24 : -1 + 2 ** -53 // c.nextafter(-1, 0)
    return fused(what, (one) => quantile(uniformIn(one, of, scalar(least, dtype), scalar(1, dtype))), keyOf(what, k))
  },
)

/** Beyond this erf is so near to 1 that a draw between two of its values has few digits. */
const FAR = { float32: 4, float64: 7 } as const
/** Mills' ratio at x ≥ 4, (1 - Φ(x)) / φ(x) = 1/(x + 1/(x + 2/(x + …))) (Laplace). */
const mills = (x: NdArray): NdArray => {
  let down = x
  for (let k = 6; k > 0; k--) down = c.add(x, c.div(c.lit(x, k), down))
  return c.integerPow(down, -1)
}
/** The z in (a, b), a ≥ 4, above which there is the share 1 - u of what is above a and below b: z² = a² - 2 log(share · mills(a) / mills(z)). */
const tail = (u: NdArray, a: NdArray, b: NdArray): NdArray => {
  const [half, one] = [c.lit(a, 0.5), c.lit(a, 1)]
  const beyond = c.exp(c.mul(c.mul(c.sub(a, b), c.add(a, b)), half)) // φ(b) / φ(a)
  const share = c.sub(one, c.mul(u, c.sub(one, c.mul(beyond, c.div(mills(b), mills(a))))))
  let z = a
  for (let i = 0; i < 6; i++) {
    const more = c.mul(c.log(c.mul(share, c.div(mills(a), mills(z)))), c.lit(a, -2)) // z² - a²
    z = c.add(a, c.div(more, c.add(a, c.sqrt(c.add(c.mul(a, a), more)))))
  }
  return z
}
/** Where both bounds are far out on one side a draw of that tail, with u as the share below it; elsewhere the body's. */
const outIn = (body: NdArray, u: NdArray, low: NdArray, high: NdArray, far: number): NdArray => {
  const edge = c.lit(low, far)
  const [above, below] = [c.gt(low, edge), c.lt(high, c.neg(edge))]
  const [a, b] = [c.select(below, c.neg(high), c.select(above, low, edge)), c.select(below, c.neg(low), c.select(above, high, edge))]
  const z = tail(c.select(below, c.sub(c.lit(u, 1), u), u), a, b)
  return c.select(above, z, c.select(below, c.neg(z), body))
}

/**
 * Standard normal, kept within (lower, upper): key [], bounds that broadcast -> float. As `jax.random.truncated_normal`, within 4 ulp.
 *
 * @throws DTypeError when k isn't a key; ShapeError when the bounds don't broadcast to the shape
 * @example random.truncatedNormal(random.key(42), -2, 2, [2]) // [-0.0270165, 0.4443808]
 */
export const truncatedNormal = /* @__PURE__ */ takesOptions(
  'random.truncatedNormal',
  5,
  floatOptions,
  (k: NdArray, lower: Operand, upper: Operand, shape?: readonly number[], options: FloatOptions = {}): NdArray => {
    const what = 'random.truncatedNormal'
    const { dtype = 'float32' } = options
    const [low, high] = [parameter(what, lower, dtype), parameter(what, upper, dtype)]
    const of = drawShape(what, shape, low, high)
    const far = FAR[dtype]
    const near = [lower, upper].some((x) => typeof x === 'number' && Math.abs(x) <= far)
    const draw = (one: NdArray, lo: NdArray, hi: NdArray): NdArray => {
      const erfOf = (x: NdArray): NdArray => c.erf(c.div(x, scalar(Math.SQRT2, dtype)))
      const body = quantile(uniformIn(one, of, erfOf(lo), erfOf(hi)))
      const z = near ? body : outIn(body, unit(one, of, dtype), spread(lo, of), spread(hi, of), far)
      const inside = (x: NdArray, towards: number): NdArray => spread(c.nextafter(c.stopGradient(x), scalar(towards, dtype)), of)
      return c.min(c.max(z, inside(lo, Infinity)), inside(hi, -Infinity)) // rounding mustn't lead to a bound
    }
    return fused(what, draw, keyOf(what, k), low, high)
  },
)

/**
 * Exponential with mean 1: key [] -> float of the shape. As `jax.random.exponential`.
 *
 * @throws DTypeError when k isn't a key; ShapeError when the shape isn't one
 * @example random.exponential(random.key(42), [2]) // [0.67081755, 1.138801]
 */
export const exponential = /* @__PURE__ */ takesOptions(
  'random.exponential',
  3,
  floatOptions,
  (k: NdArray, shape: readonly number[] = [], options: FloatOptions = {}): NdArray => {
    const what = 'random.exponential'
    const { dtype = 'float32' } = options
    const of = shapeOf(what, shape)
    return fused(what, (one) => c.neg(c.log1p(c.neg(unit(one, of, dtype)))), keyOf(what, k))
  },
)

/** -log(-log u) with u in [tiny, 1), tiny the least normal number. */
export const gumbelOf = (k: NdArray, shape: readonly number[], dtype: WideFloat): NdArray => {
  const tiny = scalar(dtype === 'float32' ? 2 ** -126 : 2 ** -1022, dtype)
  return c.neg(c.log(c.neg(c.log(c.max(tiny, c.add(unit(k, shape, dtype), tiny))))))
}
/**
 * Standard Gumbel: key [] -> float of the shape. As `jax.random.gumbel`, within 2 ulp of 1 (or of the value where that is greater).
 *
 * @throws DTypeError when k isn't a key; ShapeError when the shape isn't one
 * @example random.gumbel(random.key(42), [2]) // [0.3340934, 0.9520194]
 */
export const gumbel = /* @__PURE__ */ takesOptions(
  'random.gumbel',
  3,
  floatOptions,
  (k: NdArray, shape: readonly number[] = [], options: FloatOptions = {}): NdArray => {
    const what = 'random.gumbel'
    const { dtype = 'float32' } = options
    const of = shapeOf(what, shape)
    return fused(what, (one) => gumbelOf(one, of, dtype), keyOf(what, k))
  },
)
