/**
 * What each ScalarOp computes on one element. Numbers stand for every dtype: a float32 is a float64 that is
 * representable in float32, an int32 and a uint32 are integers in their range, a bool is 0 or 1.
 */
import { absurd } from './absurd.ts'
import { type DType, isFloat, isHalf } from '../../src/core/dtype.ts'
import type { ReduceOp, ScalarOp } from '../../src/core/kernel.ts'
import { bitcast, erf, erfc, erfInv, isWord, logistic, narrow, nextafter32, nextafter64, threefry, widen } from './functions.ts'

/** A function of the op's operands, in order; ops with fewer than four ignore the rest. */
export type Scalar = (a: number, b: number, c: number, d: number) => number

/** Into `dtype` from an exact or float64 result: floats round, integers wrap. */
export const wrap = (dtype: DType): ((x: number) => number) => {
  switch (dtype) {
    case 'float32':
      return Math.fround
    case 'float64':
      return (x) => x
    case 'int32':
      return (x) => x | 0
    case 'uint32':
      return (x) => x >>> 0
    case 'bool':
      return (x) => (x !== 0 ? 1 : 0)
    case 'float16':
    case 'bfloat16':
    case 'key':
      throw new Error(`internal: a kernel computes on ${dtype} only as another dtype`)
    default:
      return absurd(dtype)
  }
}

/** The function of `op` that gives `dtype`, its operands being of `from` (dtypes of all operands). */
export const scalar = (op: ScalarOp, dtype: DType, from: readonly DType[]): Scalar => {
  const x = from[0]!
  if (op === 'cast') return cast(x, dtype)
  const round = wrap(dtype)
  const f1 =
    (f: (a: number) => number): Scalar =>
    (a) =>
      round(f(a))
  const test =
    (f: (a: number, b: number) => boolean): Scalar =>
    (a, b) =>
      f(a, b) ? 1 : 0
  switch (op) {
    case 'neg':
      return f1((a) => -a)
    case 'abs':
      return f1(Math.abs)
    case 'sign':
      return f1(Math.sign)
    case 'floor':
      return f1(Math.floor)
    case 'ceil':
      return f1(Math.ceil)
    case 'round':
      return f1(roundHalfEven)
    case 'exp':
      return f1(Math.exp)
    case 'expm1':
      return f1(Math.expm1)
    case 'log':
      return f1(Math.log)
    case 'log1p':
      return f1(Math.log1p)
    case 'sqrt':
      return f1(Math.sqrt)
    case 'rsqrt':
      return f1((a) => 1 / Math.sqrt(a))
    case 'sin':
      return f1(Math.sin)
    case 'cos':
      return f1(Math.cos)
    case 'tan':
      return f1(Math.tan)
    case 'asin':
      return f1(Math.asin)
    case 'acos':
      return f1(Math.acos)
    case 'atan':
      return f1(Math.atan)
    case 'sinh':
      return f1(Math.sinh)
    case 'cosh':
      return f1(Math.cosh)
    case 'tanh':
      return f1(Math.tanh)
    case 'asinh':
      return f1(Math.asinh)
    case 'acosh':
      return f1(Math.acosh)
    case 'atanh':
      return f1(Math.atanh)
    case 'cbrt':
      return f1(Math.cbrt)
    case 'erf':
      return f1(erf)
    case 'erfc':
      return f1(erfc)
    case 'erfInv':
      return f1(erfInv)
    case 'logistic':
      return f1(logistic)
    case 'not':
      return dtype === 'bool' ? (a) => 1 - a : f1((a) => ~a)
    case 'isFinite':
      return test(Number.isFinite)
    case 'bitcast':
      if (isWord(x) && isWord(dtype)) return bitcast(x, dtype)
      throw new Error(`internal: no bitcast from ${x} to ${dtype}`)
    case 'add':
      return (a, b) => round(a + b)
    case 'sub':
      return (a, b) => round(a - b)
    case 'mul':
      return isFloat(dtype) ? (a, b) => round(a * b) : (a, b) => round(Math.imul(a, b))
    case 'div':
      return isFloat(dtype) ? (a, b) => round(a / b) : (a, b) => round(b === 0 ? -1 : Math.trunc(a / b))
    case 'rem':
      return isFloat(dtype) ? (a, b) => round(a % b) : (a, b) => round(b === 0 ? a : a % b)
    case 'pow':
      return isFloat(dtype) ? (a, b) => round(power(a, b)) : (a, b) => round(integerPower(a, b))
    case 'max':
      return (a, b) => Math.max(a, b)
    case 'min':
      return (a, b) => Math.min(a, b)
    case 'atan2':
      return (a, b) => round(Math.atan2(a, b))
    case 'nextafter':
      return dtype === 'float32' ? nextafter32 : nextafter64
    case 'and':
      return (a, b) => round(a & b)
    case 'or':
      return (a, b) => round(a | b)
    case 'xor':
      return (a, b) => round(a ^ b)
    case 'shl':
      return (a, n) => (n >>> 0 < 32 ? round(a << n) : 0)
    case 'shrLogical':
      return (a, n) => (n >>> 0 < 32 ? round(a >>> n) : 0)
    case 'shrArithmetic':
      return (a, n) => round((a | 0) >> (n >>> 0 < 32 ? n : 31))
    case 'eq':
      return test((a, b) => a === b)
    case 'ne':
      return test((a, b) => a !== b)
    case 'lt':
      return test((a, b) => a < b)
    case 'le':
      return test((a, b) => a <= b)
    case 'gt':
      return test((a, b) => a > b)
    case 'ge':
      return test((a, b) => a >= b)
    case 'select':
      return (a, b, c) => (a !== 0 ? b : c)
    case 'threefry0':
      return (a, b, c, d) => threefry(a, b, c, d)[0]
    case 'threefry1':
      return (a, b, c, d) => threefry(a, b, c, d)[1]
    default:
      return absurd(op)
  }
}

export interface Reducer {
  readonly identity: number
  /** Folds in float64 for floats; `finish` rounds once. */
  readonly fold: (sum: number, x: number) => number
  readonly finish: (sum: number) => number
}

export const reducer = (op: ReduceOp, dtype: DType): Reducer => {
  const finish = wrap(dtype)
  const exact = isFloat(dtype) ? (x: number): number => x : finish
  switch (op) {
    case 'sum':
      return { identity: 0, fold: (a, b) => exact(a + b), finish }
    case 'prod':
      return { identity: 1, fold: isFloat(dtype) ? (a, b) => a * b : (a, b) => exact(Math.imul(a, b)), finish }
    case 'max':
      return { identity: least(dtype), fold: (a, b) => Math.max(a, b), finish }
    case 'min':
      return { identity: greatest(dtype), fold: (a, b) => Math.min(a, b), finish }
    default:
      return absurd(op)
  }
}

const least = (dtype: DType): number => (isFloat(dtype) ? Number.NEGATIVE_INFINITY : dtype === 'int32' ? -(2 ** 31) : 0)

const greatest = (dtype: DType): number =>
  isFloat(dtype) ? Number.POSITIVE_INFINITY : dtype === 'int32' ? 2 ** 31 - 1 : dtype === 'uint32' ? 2 ** 32 - 1 : 1

const cast = (from: DType, to: DType): Scalar => {
  if (isHalf(from)) return widen(from)
  if (isHalf(to)) return narrow(to)
  if (!isFloat(from)) return wrap(to)
  if (to === 'int32') return (x) => Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1) | 0
  if (to === 'uint32') return (x) => Math.min(Math.max(Math.trunc(x), 0), 2 ** 32 - 1) >>> 0
  return wrap(to)
}

/** Adding 2^52 leaves no bit for a fraction, and float64 addition rounds half to even. */
const roundHalfEven = (x: number): number => {
  const a = Math.abs(x)
  const r = a < 2 ** 52 ? a + 2 ** 52 - 2 ** 52 : a
  return x < 0 || Object.is(x, -0) ? -r : r
}

/** C's pow, and XLA's: 1 to any power is 1, and so is -1 to an infinite one, where JavaScript's are NaN. */
const power = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY) ? 1 : x ** y)

/** Wraps as repeated multiplication does; a negative exponent gives the truncated reciprocal (of 0: 0). */
const integerPower = (x: number, y: number): number => {
  if (y < 0) return x === 1 ? 1 : x === -1 ? (y & 1 ? -1 : 1) : 0
  let product = 1
  for (let base = x, n = y; n > 0; n = Math.floor(n / 2), base = Math.imul(base, base)) {
    if (n % 2 === 1) product = Math.imul(product, base)
  }
  return product
}
