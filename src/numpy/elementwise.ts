/**
 * Element by element. Operands are arrays or numbers; they broadcast as NumPy's and promote as JAX's, and a number takes the array's
 * dtype where it can. All throw ShapeError when shapes don't broadcast, and DTypeError for keys and dtypes that have no such operation.
 */
import { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { isFloat, isInt } from '../core/dtype.ts'
import { DTypeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { numberOf, refuse } from './check.ts'
import { asArray, asFloat, broadcastShapes, modular, numeric, oneShape, promoted, together, toShape } from './promote.ts'
import { number, type Schema, whole as wholeNumber } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

type Unary = (x: Operand) => NdArray
type Binary = (x: Operand, y: Operand) => NdArray

const unary = (what: string, f: (x: NdArray) => NdArray): Unary => takes<Unary>(what, 1, (x) => f(asArray(what, x)))
const floatUnary = (what: string, f: (x: NdArray) => NdArray): Unary => takes<Unary>(what, 1, (x) => f(asFloat(what, x)))
/** Of several operations. */
const composite = (what: string, f: (x: NdArray) => NdArray): Unary => floatUnary(what, c.roundedOnce(f))
/** The primitive of this name. */
const floatOp = (name: Parameters<typeof c.op1>[0]): Unary => floatUnary(name, c.op1(name))
const binary = (what: string, f: (x: NdArray, y: NdArray) => NdArray): Binary =>
  takes<Binary>(what, 2, (x, y) => {
    const [a, b] = together(what, x, y)
    return f(a!, b!)
  })
const floatBinary = (what: string, f: (x: NdArray, y: NdArray) => NdArray): Binary =>
  binary(what, (x, y) => f(asFloat(what, x), asFloat(what, y)))
const compositeBinary = (what: string, f: (x: NdArray, y: NdArray) => NdArray): Binary => floatBinary(what, c.roundedOnce(f))
/** Of two bools the operation is `logic`, or the one of their int32. */
const arithmetic = (what: string, f: (x: NdArray, y: NdArray) => NdArray, logic?: typeof c.or): Binary =>
  binary(what, (x, y) => (logic !== undefined && x.dtype === 'bool' ? logic(x, y) : f(numeric(x), numeric(y))))
/** Right modulo 2^32. */
const ring = (f: Binary): Binary => takes<Binary>(f.name, 2, (x, y) => f(modular(x, y), modular(y, x)))
const whole = (f: (x: NdArray) => NdArray) => (x: NdArray) => (isFloat(x.dtype) ? f(x) : x)
const truth = (x: NdArray): NdArray => c.convertElementType(x, 'bool')

/** -x. As `jnp.negative`. @example np.neg(np.array([1, -2])) // [-1, 2] */
export const neg = unary('neg', (x) => c.neg(numeric(x)))
/** |x|; the derivative at 0 is 1. As `jnp.abs`. @example np.abs(np.array([1, -2])) // [1, 2] */
export const abs = unary('abs', (x) => (x.dtype === 'bool' ? x : c.abs(x)))
/** -1, 0 or 1; NaN stays. As `jnp.sign`. @example np.sign(np.array([3, -2, 0])) // [1, -1, 0] */
export const sign = unary('sign', (x) => c.sign(numeric(x)))
/** The greatest whole number at most x. As `jnp.floor`. @example np.floor(np.array([1.5, -1.5])) // [1, -2] */
export const floor = unary('floor', whole(c.floor))
/** The least whole number at least x. As `jnp.ceil`. @example np.ceil(np.array([1.5, -1.5])) // [2, -1] */
export const ceil = unary('ceil', whole(c.ceil))
/** x without its fraction. As `jnp.trunc`. @example np.trunc(np.array([1.5, -1.5])) // [1, -1] */
export const trunc = unary(
  'trunc',
  whole((x) => c.select(c.lt(x, c.lit(x, 0)), c.ceil(x), c.floor(x))),
)
export interface RoundOptions {
  /** Default 0; negative ones round to tens, hundreds and so on. */
  readonly decimals?: number
}
const roundOptions: Schema<RoundOptions> = { decimals: wholeNumber }
/** To the nearest whole number, halves to even, or at so many decimals; negative ones round integers too. As `np.round` of NumPy. @example np.round(np.array([0.5, 1.5, 2.5])) // [0, 2, 2] */
export const round = /* @__PURE__ */ takesOptions('round', 2, roundOptions, (x: Operand, options: RoundOptions = {}): NdArray => {
  const y = asArray('round', x)
  const { decimals = 0 } = options
  if (isInt(y.dtype) && decimals < 0) return toTens(y, -decimals)
  if (!isFloat(y.dtype)) return y
  if (decimals === 0) return c.round(y)
  return c.roundedOnce((z) => {
    const factor = c.lit(z, 10 ** decimals)
    return c.div(c.round(c.mul(z, factor)), factor)
  })(y)
})
/** Integers to the nearest multiple of 10^digits, halves to the even one. */
const toTens = (x: NdArray, digits: number): NdArray => {
  const lit = (n: number): NdArray => c.lit(x, n)
  if (digits > 9) return c.full(x.shape, 0, x.dtype) // less than half of 10^10
  const [ten, rest] = [10 ** digits, c.rem(x, lit(10 ** digits))]
  const below = c.sub(x, rest) // towards 0
  const odd = c.ne(c.rem(c.div(below, lit(ten)), lit(2)), lit(0))
  const size = c.abs(rest)
  const up = c.or(c.gt(size, lit(ten / 2)), c.and(c.eq(size, lit(ten / 2)), odd))
  return c.add(below, c.select(up, c.mul(c.sign(rest), lit(ten)), lit(0)))
}
/** e^x. As `jnp.exp`. @example np.exp(np.array([0, 1])) // [1, 2.7182817] */
export const exp = floatOp('exp')
/** e^x - 1, exact near 0. As `jnp.expm1`. @example np.expm1(np.array([1e-8])) // [1e-8] */
export const expm1 = floatOp('expm1')
/** The natural logarithm. As `jnp.log`. @example np.log(np.array([1, Math.E])) // [0, 1] */
export const log = floatOp('log')
/** log(1 + x), exact near 0. As `jnp.log1p`. @example np.log1p(np.array([1e-8])) // [1e-8] */
export const log1p = floatOp('log1p')
const logOf = (what: string, base: number): Unary => composite(what, (x) => c.div(c.log(x), c.lit(x, Math.log(base))))
/** The logarithm to base 2. As `jnp.log2`. @example np.log2(np.array([1, 8])) // [0, 3] */
export const log2 = logOf('log2', 2)
/** The logarithm to base 10. As `jnp.log10`. @example np.log10(np.array([1, 1000])) // [0, 3] */
export const log10 = logOf('log10', 10)
/** The square root. As `jnp.sqrt`. @example np.sqrt(np.array([4, 9])) // [2, 3] */
export const sqrt = floatOp('sqrt')
/** The cube root, of negative numbers too. As `jnp.cbrt`. @example np.cbrt(np.array([8, -27])) // [2, -3] */
export const cbrt = floatOp('cbrt')
/** 1 / x. As `jnp.reciprocal`. @example np.reciprocal(np.array([2, 4])) // [0.5, 0.25] */
export const reciprocal = floatUnary('reciprocal', (x) => c.integerPow(x, -1))
/** x². As `jnp.square`. @example np.square(np.array([2, -3])) // [4, 9] */
export const square = unary('square', (x) => c.integerPow(numeric(x), 2))
/** The sine of radians. As `jnp.sin`. @example np.sin(np.array([0, Math.PI / 2])) // [0, 1] */
export const sin = floatOp('sin')
/** The cosine of radians. As `jnp.cos`. @example np.cos(np.array([0, Math.PI])) // [1, -1] */
export const cos = floatOp('cos')
/** The tangent of radians. As `jnp.tan`. @example np.tan(np.array([0, Math.PI / 4])) // [0, 1] */
export const tan = floatOp('tan')
/** The inverse sine, in radians. As `jnp.asin`. @example np.asin(np.array([0, 1])) // [0, 1.5707964] */
export const asin = floatOp('asin')
/** The inverse cosine, in radians. As `jnp.acos`. @example np.acos(np.array([1, 0])) // [0, 1.5707964] */
export const acos = floatOp('acos')
/** The inverse tangent, in radians. As `jnp.atan`. @example np.atan(np.array([0, 1])) // [0, 0.7853982] */
export const atan = floatOp('atan')
/** The hyperbolic sine. As `jnp.sinh`. @example np.sinh(np.array([0, 1])) // [0, 1.1752012] */
export const sinh = floatOp('sinh')
/** The hyperbolic cosine. As `jnp.cosh`. @example np.cosh(np.array([0, 1])) // [1, 1.5430807] */
export const cosh = floatOp('cosh')
/** The hyperbolic tangent. As `jnp.tanh`. @example np.tanh(np.array([0, 1])) // [0, 0.7615942] */
export const tanh = floatOp('tanh')
/** The inverse hyperbolic sine. As `jnp.asinh`. @example np.asinh(np.array([0, 1])) // [0, 0.8813736] */
export const asinh = floatOp('asinh')
/** The inverse hyperbolic cosine. As `jnp.acosh`. @example np.acosh(np.array([1, 2])) // [0, 1.316958] */
export const acosh = floatOp('acosh')
/** The inverse hyperbolic tangent. As `jnp.atanh`. @example np.atanh(np.array([0, 0.5])) // [0, 0.54930615] */
export const atanh = floatOp('atanh')
/** Whether x is neither infinite nor NaN: bool. As `jnp.isfinite`. @example np.isfinite(np.array([1, Infinity])) // [true, false] */
export const isfinite = floatUnary('isfinite', c.isFinite)
/** Whether x is infinite: bool. As `jnp.isinf`. @example np.isinf(np.array([1, -Infinity])) // [false, true] */
export const isinf = floatUnary('isinf', (x) => c.eq(c.abs(x), c.lit(x, Infinity)))
/** Whether x isn't a number: bool. As `jnp.isnan`. @example np.isnan(np.array([1, NaN])) // [false, true] */
export const isnan = floatUnary('isnan', (x) => c.ne(x, x))
/** Whether x is 0 or false: bool. As `jnp.logical_not`. @example np.logicalNot(np.array([0, 2])) // [true, false] */
export const logicalNot = unary('logicalNot', (x) => c.not(truth(x)))

/** x + y; of bools, either. As `jnp.add`. @example np.add(np.array([1, 2]), 3) // [4, 5] */
export const add = ring(arithmetic('add', c.add, c.or))
/** x - y. As `jnp.subtract`. @example np.sub(np.array([1, 2]), 3) // [-2, -1] */
export const sub = ring(arithmetic('sub', c.sub))
/** x · y; of bools, both. As `jnp.multiply`. @example np.mul(np.array([1, 2]), 3) // [3, 6] */
export const mul = ring(arithmetic('mul', c.mul, c.and))
/** x / y; integers become float32. As `jnp.divide`. @example np.div(np.array([1, 2]), 4) // [0.25, 0.5] */
export const div = floatBinary('div', c.div)
/** The greater; NaN where either is, and ties share the gradient. As `jnp.maximum`. @example np.maximum(np.array([1, 5]), 3) // [3, 5] */
export const maximum = binary('maximum', c.max)
/** The lesser; NaN where either is, and ties share the gradient. As `jnp.minimum`. @example np.minimum(np.array([1, 5]), 3) // [1, 3] */
export const minimum = binary('minimum', c.min)
/** The left one where it wins or the right one is NaN; of equals the right one has the gradient, as in JAX. */
const passing = (what: string, wins: typeof c.gt): Binary => binary(what, (x, y) => c.select(c.or(wins(x, y), c.ne(y, y)), x, y))
/** The greater, passing over NaN. As `jnp.fmax`. @example np.fmax(np.array([1, NaN]), 3) // [3, 3] */
export const fmax = passing('fmax', c.gt)
/** The lesser, passing over NaN. As `jnp.fmin`. @example np.fmin(np.array([1, NaN]), 3) // [1, 3] */
export const fmin = passing('fmin', c.lt)
/** The angle of the point (x, y), in radians. As `jnp.atan2`. @example np.atan2(np.array([1]), np.array([-1])) // [2.3561945] */
export const atan2 = floatBinary('atan2', c.atan2)
/** √(x² + y²) without overflow. As `jnp.hypot`. @example np.hypot(np.array([3]), 4) // [5] */
export const hypot = compositeBinary('hypot', (x, y) => {
  const [a, b] = [c.abs(x), c.abs(y)]
  const top = c.stopGradient(c.max(a, b))
  const [zero, one] = [c.lit(top, 0), c.lit(top, 1)]
  const [still, endless] = [isZero(top), c.or(isinf(a), isinf(b))]
  // Of two infinities the derivative is NaN, as in JAX, of one it is ±1.
  const special = c.or(still, c.ne(isinf(a), isinf(b)))
  // A derivative goes through the scale, and mustn't vanish there.
  const scale = c.select(special, one, c.max(top, c.lit(top, x.dtype === 'float64' ? 2 ** -960 : 2 ** -100)))
  const part = (z: NdArray): NdArray => c.integerPow(c.div(c.select(special, one, z), scale), 2)
  const only = (z: NdArray): NdArray => c.select(isinf(z), z, zero)
  const limit = c.select(endless, c.add(only(a), only(b)), c.max(a, b))
  return c.select(c.or(still, endless), limit, c.mul(scale, c.sqrt(c.add(part(x), part(y)))))
})
/** log(e^x + e^y) without overflow. As `jnp.logaddexp`. @example np.logaddexp(np.array([1000]), 1000) // [1000.6931] */
export const logaddexp = compositeBinary('logaddexp', (x, y) => {
  const first = c.ge(x, y)
  const top = c.select(first, x, c.select(c.ne(x, x), x, y))
  const [zero, infinity] = [c.lit(top, 0), c.lit(top, Infinity)]
  const endless = c.eq(top, infinity)
  const only = (z: NdArray): NdArray => c.select(c.eq(z, infinity), z, zero) // the gradient of what is infinite is 1
  const below = c.select(endless, zero, c.select(first, c.sub(y, x), c.sub(x, y))) // -|x - y|; of two -Infinity NaN, as is the derivative
  const sum = c.add(top, c.log1p(c.exp(below)))
  return c.select(endless, c.add(only(x), only(y)), c.select(c.eq(top, c.lit(top, -Infinity)), top, sum))
})
/** x to the y. A whole number as exponent is exact multiplication, and has its derivative at 0, as have integer arrays. As `jnp.power`. @example np.pow(np.array([2, 3]), 2) // [4, 9] */
export const pow = /* @__PURE__ */ takes('pow', 2, (x: Operand, y: Operand): NdArray => {
  if (typeof y === 'number' && Number.isInteger(y)) {
    const base = numeric(asArray('pow', x))
    const odd = base.dtype !== 'float64' && Math.fround(y) !== y // as a float32 it would be even
    if (isFloat(base.dtype) ? Math.abs(y) <= 64 || odd : y >= 0) return c.integerPow(base, y)
  }
  if (x instanceof NdArray && isFloat(x.dtype) && y instanceof NdArray && !isFloat(y.dtype)) {
    const [base, exponent] = oneShape('pow', [asArray('pow', x), numeric(asArray('pow', y))])
    return c.pow(base!, exponent!)
  }
  const [a, b] = together('pow', x, y)
  return isFloat(a!.dtype) ? c.pow(a!, b!) : integerPower(numeric(a!), numeric(b!))
})
/** Repeated squaring over the bits of the exponent; a negative one gives what is left of 1 / x. */
const integerPower = (x: NdArray, y: NdArray): NdArray => {
  const one = c.lit(x, 1)
  let [result, base, left] = [c.full(x.ndim > 0 ? x.shape : y.shape, 1, x.dtype), x, y]
  for (let bit = 0; bit < (x.dtype === 'uint32' ? 32 : 31); bit++) {
    result = c.select(c.ne(c.and(left, one), c.lit(left, 0)), c.mul(result, base), result)
    base = c.mul(base, base)
    left = c.shiftRightLogical(left, one)
  }
  if (x.dtype === 'uint32') return result
  const odd = c.ne(c.and(y, one), c.lit(y, 0))
  const unit = c.or(c.eq(x, one), c.eq(x, c.lit(x, -1)))
  return c.select(c.lt(y, c.lit(y, 0)), c.select(unit, c.select(odd, x, one), c.lit(x, 0)), result)
}
const isZero = (x: NdArray): NdArray => c.eq(x, c.lit(x, 0))
const below0 = (x: NdArray): NdArray => c.lt(x, c.lit(x, 0))
/** The remainder that truncation leaves, and whether rounding down leaves one divisor more. */
const remainder = (x: NdArray, y: NdArray): readonly [NdArray, off: NdArray] => {
  const r = c.rem(x, y)
  return [r, c.and(c.not(isZero(r)), c.ne(below0(r), below0(y)))]
}
/** The remainder with the divisor's sign; an integer's by 0 is 0. As `jnp.mod`. @example np.mod(np.array([7, -7]), 3) // [1, 2] */
export const mod = arithmetic('mod', (x, y) => {
  const [r, off] = remainder(x, y)
  const out = c.select(off, c.add(r, y), r)
  return isFloat(x.dtype) ? out : c.select(isZero(y), c.lit(out, 0), out)
})
/** The remainder with the dividend's sign; an integer's by 0 is 0. As `jnp.fmod`. @example np.fmod(np.array([7, -7]), 3) // [1, -1] */
export const fmod = arithmetic('fmod', (x, y) => (isFloat(x.dtype) ? c.rem(x, y) : c.select(isZero(y), c.lit(y, 0), c.rem(x, y))))
/** The quotient rounded down, whose derivative is 0; an integer's by 0 is -2, and -1 for 0 by 0. As `jnp.floor_divide`. @example np.floorDivide(np.array([7, -7]), 2) // [3, -4] */
export const floorDivide = arithmetic(
  'floorDivide',
  c.roundedOnce((x, y) => {
    const q = c.div(x, y)
    if (x.dtype === 'uint32') return q
    const [r, off] = remainder(x, y)
    const down = (z: NdArray): NdArray => c.select(off, c.sub(z, c.lit(z, 1)), z)
    if (isFloat(x.dtype)) return c.stopGradient(c.select(isZero(y), q, c.round(down(c.div(c.sub(x, r), y)))))
    return c.select(isZero(y), c.select(isZero(x), q, c.sub(q, c.lit(q, 1))), down(q))
  }),
)

/** x = y: bool; NaN equals nothing. As `jnp.equal`. @example np.equal(np.array([1, 2]), 2) // [false, true] */
export const equal = binary('equal', c.eq)
/** x ≠ y: bool. As `jnp.not_equal`. @example np.notEqual(np.array([1, 2]), 2) // [true, false] */
export const notEqual = binary('notEqual', c.ne)
/** x < y: bool. As `jnp.less`. @example np.less(np.array([1, 2]), 2) // [true, false] */
export const less = binary('less', c.lt)
/** x ≤ y: bool. As `jnp.less_equal`. @example np.lessEqual(np.array([1, 3]), 2) // [true, false] */
export const lessEqual = binary('lessEqual', c.le)
/** x > y: bool. As `jnp.greater`. @example np.greater(np.array([1, 3]), 2) // [false, true] */
export const greater = binary('greater', c.gt)
/** x ≥ y: bool. As `jnp.greater_equal`. @example np.greaterEqual(np.array([1, 2]), 2) // [false, true] */
export const greaterEqual = binary('greaterEqual', c.ge)
const logical = (what: string, f: typeof c.and): Binary => binary(what, (x, y) => f(truth(x), truth(y)))
/** Both aren't 0: bool. As `jnp.logical_and`. @example np.logicalAnd(np.array([0, 2]), true) // [false, true] */
export const logicalAnd = logical('logicalAnd', c.and)
/** Either isn't 0: bool. As `jnp.logical_or`. @example np.logicalOr(np.array([0, 2]), false) // [false, true] */
export const logicalOr = logical('logicalOr', c.or)
/** One of the two isn't 0: bool. As `jnp.logical_xor`. @example np.logicalXor(np.array([0, 2]), true) // [true, false] */
export const logicalXor = logical('logicalXor', c.xor)

const bitsOf = (what: string, x: NdArray): NdArray =>
  isFloat(x.dtype) ? refuse(DTypeError, what, [x], "an integer or bool dtype is needed: convert with astype('int32')") : x
const bitwise = (what: string, f: typeof c.and, of = (x: NdArray): NdArray => x): Binary =>
  binary(what, (x, y) => f(of(bitsOf(what, x)), of(bitsOf(what, y))))
/** Every bit turned: of int32, uint32 or bool. As `jnp.bitwise_not`. @example np.bitwiseNot(np.astype(5, 'int32')) // -6 */
export const bitwiseNot = unary('bitwiseNot', (x) => c.not(bitsOf('bitwiseNot', x)))
/** The bits that both have. As `jnp.bitwise_and`. @example np.bitwiseAnd(np.astype(6, 'int32'), 3) // 2 */
export const bitwiseAnd = ring(bitwise('bitwiseAnd', c.and))
/** The bits that either has. As `jnp.bitwise_or`. @example np.bitwiseOr(np.astype(6, 'int32'), 3) // 7 */
export const bitwiseOr = ring(bitwise('bitwiseOr', c.or))
/** The bits that one of the two has. As `jnp.bitwise_xor`. @example np.bitwiseXor(np.astype(6, 'int32'), 3) // 5 */
export const bitwiseXor = ring(bitwise('bitwiseXor', c.xor))
/** x · 2^y, wrapping; 0 when y is 32 or more. As `jnp.left_shift`. @example np.leftShift(np.astype(3, 'int32'), 2) // 12 */
export const leftShift = bitwise('leftShift', c.shiftLeft, numeric)
/** x / 2^y rounded down; the sign of an int32 stays. As `jnp.right_shift`. @example np.rightShift(np.astype(-8, 'int32'), 1) // -4 */
export const rightShift = bitwise(
  'rightShift',
  (x, y) => (x.dtype === 'int32' ? c.shiftRightArithmetic(x, y) : c.shiftRightLogical(x, y)),
  numeric,
)

const chosen = (what: string, condition: Operand, x: Operand, y: Operand): NdArray => {
  const [a, b] = promoted(what, [x, y])
  const p = truth(asArray(what, condition))
  const shape = broadcastShapes(what, [p, a!, b!])
  const fit = (z: NdArray): NdArray => (z.ndim === 0 ? z : toShape(z, shape))
  return c.select(fit(p), fit(a!), fit(b!))
}
/** x where the condition holds (isn't 0), else y; only the taken side gets a gradient. As `jnp.where`. @example np.where(np.array([true, false]), 1, 2) // [1, 2] */
export const where = /* @__PURE__ */ takes('where', 3, (condition: Operand, x: Operand, y: Operand): NdArray =>
  chosen('where', condition, x, y),
)
/**
 * f(x) where the condition holds, else y. Unlike `where(condition, f(x), y)`, whose gradient is NaN where f's is infinite or NaN though nobody took f's
 * side, f sees only elements for which the condition holds, and 1 in place of the others (or `safe`).
 *
 * @example np.safeWhere(np.array([true, false]), np.sqrt, np.array([4, -1]), 0) // [2, 0]
 */
export const safeWhere = /* @__PURE__ */ takes(
  'safeWhere',
  5,
  (condition: Operand, f: (x: NdArray) => Operand, x: Operand, y: Operand, safe: Operand = 1): NdArray =>
    typeof f === 'function'
      ? chosen('safeWhere', condition, f(chosen('safeWhere', condition, x, safe)), y)
      : refuse(DTypeError, 'safeWhere', [f], 'a function is needed'),
)
/** x no less than `min` and no more than `max`; null or undefined leaves a side open. As `jnp.clip`. @example np.clip(np.array([-2, 0.5, 2]), 0, 1) // [0, 0.5, 1] */
export const clip = /* @__PURE__ */ takes('clip', 3, (x: Operand, min?: Operand | null, max?: Operand | null): NdArray => {
  const open = (y: Operand | null | undefined): y is null | undefined => y === null || y === undefined
  const [y, low, high] = promoted('clip', [x, open(min) ? x : min, open(max) ? x : max])
  const raised = open(min) ? y! : maximum(y!, low!)
  return open(max) ? raised : minimum(raised, high!)
})
export interface NanToNumOptions {
  /** In NaN's place; default 0. */
  readonly nan?: number
  /** In infinity's; default the greatest finite number. */
  readonly posinf?: number
  /** In minus infinity's; default the least finite number. */
  readonly neginf?: number
}
const nanToNumOptions: Schema<NanToNumOptions> = { nan: number, posinf: number, neginf: number }
/** NaN and infinities replaced: by 0 and the greatest finite numbers unless said. As `jnp.nan_to_num`. @example np.nanToNum(np.array([NaN, 1])) // [0, 1] */
export const nanToNum = /* @__PURE__ */ takesOptions(
  'nanToNum',
  2,
  nanToNumOptions,
  (x: Operand, options: NanToNumOptions = {}): NdArray => {
    const y = asArray('nanToNum', x)
    if (!isFloat(y.dtype)) return y
    const greatest = { float16: 65504, bfloat16: 2 ** 128 - 2 ** 120, float32: 2 ** 128 - 2 ** 104, float64: Number.MAX_VALUE }[y.dtype]
    const { nan = 0, posinf = greatest, neginf = -greatest } = options
    const to = (n: number): NdArray => c.lit(y, numberOf('nanToNum', n))
    const at = (n: number): NdArray => c.eq(y, c.lit(y, n))
    return c.select(c.ne(y, y), to(nan), c.select(at(Infinity), to(posinf), c.select(at(-Infinity), to(neginf), y)))
  },
)

// NumPy's long names of what the methods call by short ones.
/** -x. As `jnp.negative`. @example np.negative(np.array([1, -2])) // [-1, 2] */
export const negative = neg
/** x - y. As `jnp.subtract`. @example np.subtract(np.array([1, 2]), 3) // [-2, -1] */
export const subtract = sub
/** x · y; of bools, both. As `jnp.multiply`. @example np.multiply(np.array([1, 2]), 3) // [3, 6] */
export const multiply = mul
/** x / y; integers become float32. As `jnp.divide`. @example np.divide(np.array([1, 2]), 4) // [0.25, 0.5] */
export const divide = div
/** x to the y. As `jnp.power`. @example np.power(np.array([2, 3]), 2) // [4, 9] */
export const power = pow
