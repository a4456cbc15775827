/**
 * Element by element, as XLA does it. Operands have one dtype and one shape, scalars aside. All throw ShapeError when shapes differ and
 * DTypeError when dtypes do, or have no such operation.
 */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import type { Operand } from '../core/methods.ts'
import { casting } from '../numpy/create.ts'
import { takes } from '../core/takes.ts'
import { binary, call, unary } from './call.ts'

/** -x. As `lax.neg`. @example lax.neg(np.array([1, -2])) // [-1, 2] */
export const neg = unary('neg')
/** |x|. As `lax.abs`. @example lax.abs(np.array([1, -2])) // [1, 2] */
export const abs = unary('abs')
/** -1, 0 or 1; a zero keeps its sign. As `lax.sign`. @example lax.sign(np.array([3, 0, -2])) // [1, 0, -1] */
export const sign = unary('sign')
/** The next whole number below. As `lax.floor`. @example lax.floor(np.array([1.5, -1.5])) // [1, -2] */
export const floor = unary('floor')
/** The next whole number above. As `lax.ceil`. @example lax.ceil(np.array([1.5, -1.5])) // [2, -1] */
export const ceil = unary('ceil')
/** The nearest whole number, halves to the even one. As `lax.round` with TO_NEAREST_EVEN. @example lax.round(np.array([1.5, 2.5])) // [2, 2] */
export const round = unary('round')
/** e^x. As `lax.exp`. @example lax.exp(np.array([0, 1])) // [1, 2.7182817] */
export const exp = unary('exp')
/** e^x - 1 without the loss of small numbers. As `lax.expm1`. @example lax.expm1(np.array([0, 1])) // [0, 1.7182819] */
export const expm1 = unary('expm1')
/** The natural logarithm. As `lax.log`. @example lax.log(np.array([1, Math.E])) // [0, 1] */
export const log = unary('log')
/** log(1 + x) without the loss of small numbers. As `lax.log1p`. @example lax.log1p(np.array([0, 1])) // [0, 0.6931472] */
export const log1p = unary('log1p')
/** √x. As `lax.sqrt`. @example lax.sqrt(np.array([4, 9])) // [2, 3] */
export const sqrt = unary('sqrt')
/** 1 / √x. As `lax.rsqrt`. @example lax.rsqrt(np.array([4, 16])) // [0.5, 0.25] */
export const rsqrt = unary('rsqrt')
/** The sine of radians. As `lax.sin`. @example lax.sin(np.array([0, Math.PI / 2])) // [0, 1] */
export const sin = unary('sin')
/** The cosine of radians. As `lax.cos`. @example lax.cos(np.array([0, Math.PI])) // [1, -1] */
export const cos = unary('cos')
/** The tangent of radians. As `lax.tan`. @example lax.tan(np.array([0, Math.PI / 4])) // [0, 1] */
export const tan = unary('tan')
/** The inverse sine. As `lax.asin`. @example lax.asin(np.array([0, 1])) // [0, 1.5707964] */
export const asin = unary('asin')
/** The inverse cosine. As `lax.acos`. @example lax.acos(np.array([1, 0])) // [0, 1.5707964] */
export const acos = unary('acos')
/** The inverse tangent. As `lax.atan`. @example lax.atan(np.array([0, 1])) // [0, 0.7853982] */
export const atan = unary('atan')
/** The hyperbolic sine. As `lax.sinh`. @example lax.sinh(np.array([0, 1])) // [0, 1.1752012] */
export const sinh = unary('sinh')
/** The hyperbolic cosine. As `lax.cosh`. @example lax.cosh(np.array([0, 1])) // [1, 1.5430807] */
export const cosh = unary('cosh')
/** The hyperbolic tangent. As `lax.tanh`. @example lax.tanh(np.array([0, 1])) // [0, 0.7615942] */
export const tanh = unary('tanh')
/** The inverse hyperbolic sine. As `lax.asinh`. @example lax.asinh(np.array([0, 1])) // [0, 0.8813736] */
export const asinh = unary('asinh')
/** The inverse hyperbolic cosine. As `lax.acosh`. @example lax.acosh(np.array([1, 2])) // [0, 1.316958] */
export const acosh = unary('acosh')
/** The inverse hyperbolic tangent. As `lax.atanh`. @example lax.atanh(np.array([0, 0.5])) // [0, 0.54930615] */
export const atanh = unary('atanh')
/** The cube root, of negative numbers too. As `lax.cbrt`. @example lax.cbrt(np.array([8, -27])) // [2, -3] */
export const cbrt = unary('cbrt')
/** 2/√π ∫₀ˣ e^(-t²) dt. As `lax.erf`. @example lax.erf(np.array([0, 1])) // [0, 0.8427008] */
export const erf = unary('erf')
/** 1 - erf(x) without the loss of small numbers. As `lax.erfc`. @example lax.erfc(np.array([0, 1])) // [1, 0.1572992] */
export const erfc = unary('erfc')
/** The inverse of erf. As `lax.erf_inv`. @example lax.erfInv(np.array([0, 0.5])) // [0, 0.47693628] */
export const erfInv = unary('erfInv')
/** 1 / (1 + e^-x). As `lax.logistic`. @example lax.logistic(np.array([0, 1])) // [0.5, 0.7310586] */
export const logistic = unary('logistic')
/** Whether x is neither infinite nor NaN: bool. As `lax.is_finite`. @example lax.isFinite(np.array([1, Infinity])) // [true, false] */
export const isFinite = unary('isFinite')
/** Every bit turned; of a bool, the other. As `lax.bitwise_not`. @example lax.bitwiseNot(np.array([true, false])) // [false, true] */
export const bitwiseNot = unary('not')
/** x itself, but a constant to derivatives. As `lax.stop_gradient`. @example grad((x: NdArray) => x.mul(lax.stopGradient(x)))(3) // 3 */
export const stopGradient = unary('stopGradient')

/** x + y. As `lax.add`. @example lax.add(np.array([1, 2]), 3) // [4, 5] */
export const add = binary('add')
/** x - y. As `lax.sub`. @example lax.sub(np.array([1, 2]), 3) // [-2, -1] */
export const sub = binary('sub')
/** x · y. As `lax.mul`. @example lax.mul(np.array([1, 2]), 3) // [3, 6] */
export const mul = binary('mul')
/** x / y; of integers truncated, and -1 by 0. As `lax.div`. @example lax.div(np.array([1, 2]), 4) // [0.25, 0.5] */
export const div = binary('div')
/** The remainder with the dividend's sign; an integer's by 0 is the dividend. As `lax.rem`. @example lax.rem(np.array([7, -7]), 3) // [1, -1] */
export const rem = binary('rem')
/** x to the y, floats. As `lax.pow`. @example lax.pow(np.array([2, 4]), 0.5) // [1.4142135, 2] */
export const pow = binary('pow')
/** The greater; NaN where either is. As `lax.max`. @example lax.max(np.array([1, 5]), 3) // [3, 5] */
export const max = binary('max')
/** The lesser; NaN where either is. As `lax.min`. @example lax.min(np.array([1, 5]), 3) // [1, 3] */
export const min = binary('min')
/** The angle of the point (y, x), in radians. As `lax.atan2`. @example lax.atan2(np.array([1]), np.array([-1])) // [2.3561945] */
export const atan2 = binary('atan2')
/** The next float from x towards y. As `lax.nextafter`. @example lax.nextafter(np.array([1]), 2) // [1.0000001] */
export const nextafter = binary('nextafter')
/** The bits that both have. As `lax.bitwise_and`. @example lax.bitwiseAnd(np.array([6], { dtype: 'int32' }), 3) // [2] */
export const bitwiseAnd = binary('and')
/** The bits that either has. As `lax.bitwise_or`. @example lax.bitwiseOr(np.array([6], { dtype: 'int32' }), 3) // [7] */
export const bitwiseOr = binary('or')
/** The bits that one of the two has. As `lax.bitwise_xor`. @example lax.bitwiseXor(np.array([6], { dtype: 'int32' }), 3) // [5] */
export const bitwiseXor = binary('xor')
/** x · 2^y, wrapping. As `lax.shift_left`. @example lax.shiftLeft(np.array([3], { dtype: 'int32' }), 2) // [12] */
export const shiftLeft = binary('shiftLeft')
/** Bits moved down, zeros from above. As `lax.shift_right_logical`. @example lax.shiftRightLogical(np.array([-1], { dtype: 'int32' }), 28) // [15] */
export const shiftRightLogical = binary('shiftRightLogical')
/** Bits moved down, copies of the sign from above. As `lax.shift_right_arithmetic`. @example lax.shiftRightArithmetic(np.array([-8], { dtype: 'int32' }), 1) // [-4] */
export const shiftRightArithmetic = binary('shiftRightArithmetic')
/** x = y: bool. As `lax.eq`. @example lax.eq(np.array([1, 2]), 2) // [false, true] */
export const eq = binary('eq')
/** x ≠ y: bool. As `lax.ne`. @example lax.ne(np.array([1, 2]), 2) // [true, false] */
export const ne = binary('ne')
/** x < y: bool. As `lax.lt`. @example lax.lt(np.array([1, 2]), 2) // [true, false] */
export const lt = binary('lt')
/** x ≤ y: bool. As `lax.le`. @example lax.le(np.array([1, 3]), 2) // [true, false] */
export const le = binary('le')
/** x > y: bool. As `lax.gt`. @example lax.gt(np.array([1, 3]), 2) // [false, true] */
export const gt = binary('gt')
/** x ≥ y: bool. As `lax.ge`. @example lax.ge(np.array([1, 2]), 2) // [false, true] */
export const ge = binary('ge')

/** x to a whole number, by multiplications. As `lax.integer_pow`. @example lax.integerPow(np.array([2, 3]), -1) // [0.5, 0.33333334] */
export const integerPow = /* @__PURE__ */ takes('integerPow', 2, (x: Operand, y: number): NdArray => call('integerPow', { y }, x))
/** x where the bool holds, else y. As `lax.select`. @example lax.select(np.array([true, false]), np.array([1, 2]), np.array([3, 4])) // [1, 4] */
export const select = /* @__PURE__ */ takes('select', 3, (condition: Operand, x: Operand, y: Operand): NdArray =>
  call('select', {}, condition, x, y),
)
/** x no less than `low` and no more than `high`. As `lax.clamp`. @example lax.clamp(0, np.array([-2, 0.5, 2]), 1) // [0, 0.5, 1] */
export const clamp = /* @__PURE__ */ takes('clamp', 3, (low: Operand, x: Operand, high: Operand): NdArray =>
  call('clamp', {}, low, x, high),
)
/** The values at another dtype. As `lax.convert_element_type`. @example lax.convertElementType(np.array([1.7, -1.7]), 'int32') // [1, -1] */
export const convertElementType = casting('convertElementType')
/** The bits as another dtype of 32 bits. As `lax.bitcast_convert_type`. @example lax.bitcastConvertType(np.array([1]), 'int32') // [1065353216] */
export const bitcastConvertType = /* @__PURE__ */ takes('bitcastConvertType', 2, (x: Operand, dtype: DType): NdArray =>
  call('bitcastConvertType', { dtype }, x),
)
