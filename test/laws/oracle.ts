/** What element-wise functions and their derivatives are in float64, by formulas of their own. */
import { erf, erfc, erfInv } from '../../backends/reference/functions.ts'
import type { NdArray } from '../../src/core/array.ts'
import { lax, nn, np } from '../../src/index.ts'

type Real = (x: number) => number
type Real2 = (x: number, y: number) => number
export interface One {
  readonly f: (x: NdArray) => NdArray
  readonly exact: Real
  readonly slope: Real
}
export interface Two {
  readonly f: (x: NdArray, y: NdArray) => NdArray
  readonly exact: Real2
  /** To x, and to y. */
  readonly slopes: readonly [Real2, Real2]
}

const { abs, acosh, asinh, atan, cosh, exp, expm1, hypot, log, log1p, sign, sinh, sqrt, tanh, trunc } = Math
const root2Pi = sqrt(2 * Math.PI)
/** e^-|x| is at hand where e^x would overflow. */
const logistic: Real = (x) => (x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)))
const softplus: Real = (x) => Math.max(x, 0) + log1p(exp(-abs(x)))
const belowOne: Real = (x) => (1 - x) * (1 + x)
const sech2: Real = (x) => (2 / (exp(x) + exp(-x))) ** 2
/** A derivative's x · y, where a tail that vanishes wins over an infinity. */
const times = (x: number, y: number): number => (x === 0 || y === 0 ? 0 : x * y)
const bell: Real = (x) => (2 / sqrt(Math.PI)) * exp(-x * x)
const cdf: Real = (x) => erfc(-x / Math.SQRT2) / 2
const inner: Real = (x) => sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3)
const innerSlope: Real = (x) => sqrt(8 / Math.PI) * (1 + 3 * 0.044715 * x ** 2)
const none: Real = () => 0

const one = (f: One['f'], exact: Real, slope: Real): One => ({ f, exact, slope })
export const ones: Readonly<Record<string, One>> = {
  neg: one(np.neg, (x) => -x, () => -1), // prettier-ignore
  abs: one(np.abs, abs, (x) => (x >= 0 ? 1 : -1)),
  sign: one(np.sign, sign, none),
  floor: one(np.floor, Math.floor, none),
  ceil: one(np.ceil, Math.ceil, none),
  trunc: one(np.trunc, trunc, none),
  square: one(np.square, (x) => x * x, (x) => 2 * x), // prettier-ignore
  reciprocal: one(np.reciprocal, (x) => 1 / x, (x) => -1 / x / x), // prettier-ignore
  sqrt: one(np.sqrt, sqrt, (x) => 0.5 / sqrt(x)),
  rsqrt: one(lax.rsqrt, (x) => 1 / sqrt(x), (x) => -0.5 / sqrt(x) / x), // prettier-ignore
  exp: one(np.exp, exp, exp),
  expm1: one(np.expm1, expm1, exp),
  log: one(np.log, log, (x) => 1 / x),
  log1p: one(np.log1p, log1p, (x) => 1 / (1 + x)),
  log2: one(np.log2, Math.log2, (x) => 1 / x / Math.LN2),
  log10: one(np.log10, Math.log10, (x) => 1 / x / Math.LN10),
  sin: one(np.sin, Math.sin, Math.cos),
  cos: one(np.cos, Math.cos, (x) => -Math.sin(x)),
  tan: one(np.tan, Math.tan, (x) => 1 + Math.tan(x) ** 2),
  asin: one(np.asin, Math.asin, (x) => 1 / sqrt(belowOne(x))),
  acos: one(np.acos, Math.acos, (x) => -1 / sqrt(belowOne(x))),
  atan: one(np.atan, atan, (x) => 1 / (1 + x * x)),
  sinh: one(np.sinh, sinh, cosh),
  cosh: one(np.cosh, cosh, sinh),
  tanh: one(np.tanh, tanh, sech2),
  asinh: one(np.asinh, asinh, (x) => 1 / hypot(x, 1)),
  acosh: one(np.acosh, acosh, (x) => 1 / sqrt(x - 1) / sqrt(x + 1)),
  atanh: one(np.atanh, Math.atanh, (x) => 1 / belowOne(x)),
  erf: one(lax.erf, erf, bell),
  erfc: one(lax.erfc, erfc, (x) => -bell(x)),
  erfInv: one(lax.erfInv, erfInv, (x) => 1 / bell(erfInv(x))),
  logistic: one(lax.logistic, logistic, (x) => logistic(x) * logistic(-x)),
  'nn.relu': one(nn.relu, (x) => Math.max(x, 0), (x) => (x > 0 ? 1 : 0)), // prettier-ignore
  'nn.relu6': one(nn.relu6, (x) => Math.min(Math.max(x, 0), 6), (x) => (x > 0 && x < 6 ? 1 : 0)), // prettier-ignore
  'nn.softplus': one(nn.softplus, softplus, logistic),
  'nn.logSigmoid': one(nn.logSigmoid, (x) => -softplus(-x), (x) => logistic(-x)), // prettier-ignore
  'nn.mish': one(nn.mish, (x) => x * tanh(softplus(x)), (x) => tanh(softplus(x)) + times(x, sech2(softplus(x)) * logistic(x))), // prettier-ignore
  'nn.elu': one(nn.elu, (x) => (x > 0 ? x : expm1(x)), (x) => (x > 0 ? 1 : exp(x))), // prettier-ignore
  'nn.leakyRelu': one(nn.leakyRelu, (x) => (x >= 0 ? x : x * Math.fround(0.01)), (x) => (x >= 0 ? 1 : Math.fround(0.01))), // prettier-ignore
  'nn.softSign': one(nn.softSign, (x) => x / (1 + abs(x)), (x) => (1 / (1 + abs(x))) ** 2), // prettier-ignore
  'nn.hardTanh': one(nn.hardTanh, (x) => Math.min(Math.max(x, -1), 1), (x) => (abs(x) <= 1 ? 1 : 0)), // prettier-ignore
  'nn.gelu': one(nn.gelu, (x) => x * logistic(inner(x)), (x) => logistic(inner(x)) + times(times(x, innerSlope(x)), logistic(inner(x)) * logistic(-inner(x)))), // prettier-ignore
  'nn.gelu, exact': one((x) => nn.gelu(x, { approximate: false }), (x) => x * cdf(x), (x) => cdf(x) + times(x, exp((-x * x) / 2) / root2Pi)), // prettier-ignore
}

const two = (f: Two['f'], exact: Real2, ...slopes: readonly [Real2, Real2]): Two => ({ f, exact, slopes })
const first: Real2 = (x, y) => (x > y ? 1 : x < y ? 0 : 0.5)
const overSquares: Real2 = (x, y) => (abs(x) === Infinity && Number.isFinite(y) ? 0 : x / (x * x + y * y))
/** The slope of √(x² + y²). */
const lean: Real2 = (x, y) => (abs(x) === Infinity && Number.isFinite(y) ? sign(x) : x / hypot(x, y))
export const twos: Readonly<Record<string, Two>> = {
  add: two(np.add, (x, y) => x + y, () => 1, () => 1), // prettier-ignore
  mul: two(np.mul, (x, y) => x * y, (_, y) => y, (x) => x), // prettier-ignore
  div: two(np.div, (x, y) => x / y, (_, y) => 1 / y, (x, y) => -x / y / y), // prettier-ignore
  maximum: two(np.maximum, Math.max, first, (x, y) => first(y, x)),
  minimum: two(np.minimum, Math.min, (x, y) => first(y, x), first),
  rem: two(lax.rem, (x, y) => x % y, () => 1, (x, y) => -trunc((x - (x % y)) / y)), // prettier-ignore
  atan2: two(np.atan2, Math.atan2, (y, x) => overSquares(x, y), (y, x) => -overSquares(y, x)), // prettier-ignore
  hypot: two(np.hypot, hypot, lean, (x, y) => lean(y, x)),
  logaddexp: two(np.logaddexp, (x, y) => Math.max(x, y) + log1p(exp(-abs(x - y))), (x, y) => logistic(x - y), (x, y) => logistic(y - x)), // prettier-ignore
}
