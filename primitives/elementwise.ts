/** Element-wise primitives. Operands have one shape, but scalars may join; dtypes are equal and weak types give way. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, aval, eqShape } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { add, div, exp, lit, mul, neg, sub } from '../src/core/constructors.ts'
import { computedIn, type DType, isFloat, isHalf, isInt, isNumeric } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { ScalarOp } from '../src/core/kernel.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { Linear, Refusal, Rules, Tangent, TransposeRule } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import {
  dtypes,
  elementwiseBatch,
  isLinear,
  valueOf,
  linearJvp,
  linearOp,
  noTangent,
  one,
  shapes,
  sumTangents,
  unbroadcast,
} from './families.ts'

type Kind = 'float' | 'int' | 'words' | 'number' | 'bits' | 'any'
const accepts: Readonly<Record<Kind, (d: DType) => boolean>> = {
  float: isFloat,
  int: isInt,
  words: (d) => d === 'uint32',
  number: isNumeric,
  bits: (d) => isInt(d) || d === 'bool',
  any: (d) => d !== 'key',
}
const wants: Readonly<Record<Kind, string>> = {
  float: 'a float dtype is needed: convert with astype',
  int: 'an integer dtype is needed: convert with astype',
  words: 'uint32 is needed: convert with astype',
  number: 'a number dtype is needed: convert with astype',
  bits: 'an integer or bool dtype is needed: convert with astype',
  any: 'a key has no arithmetic: use random.*',
}

/** The shape and dtype that operands agree on. */
const unify = (avals: readonly Aval[]): E.Either<Refusal, Aval> => {
  const first = avals.find((a) => a.shape.length > 0) ?? avals[0]!
  for (const a of avals) {
    if (a.shape.length > 0 && !eqShape(a.shape, first.shape)) {
      const axis = a.shape.findIndex((n, i) => n !== first.shape[i])
      const at =
        a.shape.length === first.shape.length
          ? `axis ${axis}: ${first.shape[axis]} against ${a.shape[axis]}`
          : `rank ${first.shape.length} against ${a.shape.length}`
      return shapes(`shapes don't broadcast (${at})`)
    }
    if (a.dtype !== avals[0]!.dtype) return dtypes(`dtypes differ (${avals[0]!.dtype} against ${a.dtype}): convert with astype`)
  }
  return E.right(
    aval(
      first.shape,
      first.dtype,
      avals.every((a) => a.weak),
    ),
  )
}

type Partial = (d: NdArray, xs: readonly NdArray[], out: NdArray) => NdArray
interface Spec<K extends OpName> {
  readonly takes: Kind
  readonly result?: 'bool'
  /** The tangent through each operand; absent where the derivative is zero everywhere. */
  readonly partials?: readonly (Partial | null)[]
  readonly transpose?: TransposeRule<K>
  readonly lower?: ScalarOp | ((xs: readonly g.Node[], params: OpParams[K]) => g.Node)
}

const elementwise = <K extends OpName>(name: K, spec: Spec<K>): Rules<K> => {
  const apply = (params: OpParams[K], ...xs: NdArray[]): NdArray => bind(name, params, xs)[0]!
  return {
    abstractEval: (avals) => {
      const unified = unify(avals)
      return E.isLeft(unified) || accepts[spec.takes](avals[0]!.dtype)
        ? E.map((a: Aval) => [spec.result === 'bool' ? aval(a.shape, 'bool') : a])(unified)
        : dtypes(wants[spec.takes])
    },
    jvp: (xs, ts, params) => {
      const out = apply(params, ...xs)
      const terms = ts.map((t, i): Tangent => {
        const partial = spec.partials?.[i]
        if (O.isNone(t) || partial === null || partial === undefined) return O.none
        const term = partial(t.value, xs, out)
        return O.some(c.broadcastInDim(term, out.shape, []))
      })
      return { outs: [out], tangents: [sumTangents(terms)] }
    },
    transpose: spec.transpose ?? 'notLinear',
    batch: elementwiseBatch(name),
    lower: (xs, params) => {
      const { lower = name as ScalarOp } = spec
      return [typeof lower === 'string' ? g.map(lower, spec.result ?? xs[0]!.dtype, ...xs) : lower(xs, params)]
    },
  }
}

const square = (x: NdArray): NdArray => mul(x, x)

const ct1 = (cts: readonly Tangent[], f: (ct: NdArray) => readonly Tangent[], arity: number): readonly Tangent[] =>
  O.isNone(cts[0]!) ? Array.from({ length: arity }, () => O.none) : f((cts[0] as O.Some<NdArray>).value)
/** Each linear operand gets `f(ct, its position)`, summed back where it was a scalar. */
const toLinear = (cts: readonly Tangent[], xs: readonly (NdArray | Linear)[], f: (ct: NdArray, i: number) => NdArray): readonly Tangent[] =>
  ct1(cts, (ct) => xs.map((x, i) => (isLinear(x) ? O.some(unbroadcast(f(ct, i), x.aval)) : O.none)), xs.length)

const unary = (takes: Kind, partial: Partial | null) => ({ takes, partials: [partial] })
const comparison = { takes: 'any', result: 'bool' } as const

const half = (x: NdArray, y: NdArray, d: NdArray, wins: (x: NdArray, y: NdArray) => NdArray): NdArray => {
  const weight = c.select(wins(x, y), fullOf(x, y, 1), c.select(c.eq(x, y), fullOf(x, y, 0.5), fullOf(x, y, 0)))
  return mul(d, weight)
}
const fullOf = (x: NdArray, y: NdArray, value: number): NdArray => c.full(x.ndim > 0 ? x.shape : y.shape, value, x.dtype)

/** 1 - x², of which nothing is lost near ±1. */
const belowOne = (x: NdArray): NdArray => mul(sub(lit(x, 1), x), add(lit(x, 1), x))
/** 1 / cosh x, which 1 - tanh² has no digits of where tanh is near 1. */
const sech = (x: NdArray): NdArray => {
  const e = c.exp(neg(c.abs(x)))
  return div(add(e, e), add(lit(x, 1), square(e)))
}
/** 1 / √(x² + 1), whose x² may overflow: beyond 2^30 it is 1 / |x|. */
const inverseRoot = (x: NdArray): NdArray => {
  const a = c.abs(x)
  return div(c.rsqrt(add(square(c.min(a, lit(x, 2 ** 30))), lit(x, 1))), c.max(mul(a, lit(x, 2 ** -30)), lit(x, 1)))
}
/** (2/√π) e^(-x²) */
const bell = (x: NdArray): NdArray => mul(lit(x, 2 / Math.sqrt(Math.PI)), exp(neg(square(x))))
/** x / (x² + y²), whose squares may overflow or vanish: the larger is taken out. */
const overSquares = (x: NdArray, y: NdArray): NdArray => {
  const steep = c.gt(c.abs(y), c.abs(x))
  const [low, high] = [c.select(steep, x, y), c.select(steep, y, x)]
  const ratio = div(low, high)
  return div(div(c.select(steep, ratio, lit(ratio, 1)), add(lit(ratio, 1), square(ratio))), high)
}

/** x^n by repeated squaring, in the kernel. */
const powerNode = (x: g.Node, n: number): g.Node => {
  const times = (a: g.Node, b: g.Node): g.Node => g.map('mul', x.dtype, a, b)
  if (n < 0) return g.map('div', x.dtype, g.constNode(1, x.dtype), powerNode(x, -n))
  let result: g.Node | null = null
  for (let base = x, k = n; k > 0; k = Math.floor(k / 2)) {
    if (k % 2 === 1) result = result === null ? base : times(result, base)
    if (k > 1) base = times(base, base)
  }
  return (
    result ??
    g.map('add', x.dtype, g.map('mul', x.dtype, g.constNode(0, x.dtype), g.constNode(0, x.dtype, x.shape)), g.constNode(1, x.dtype))
  )
}

const convert: Rules<'convertElementType'> = {
  abstractEval: ([x], { dtype, weak }) => (x!.dtype === 'key' || dtype === 'key' ? dtypes(wants.any) : one(aval(x!.shape, dtype, weak))),
  jvp: ([x], [dx], { dtype, weak }) => {
    const out = c.convertElementType(x!, dtype, weak)
    return isFloat(dtype) ? linearJvp(out, dx!, (d) => c.convertElementType(d, dtype, weak)) : noTangent(out)
  },
  transpose: (cts, [x]) => toLinear(cts, [x!], (ct) => c.convertElementType(ct, (x as Linear).aval.dtype, (x as Linear).aval.weak)),
  batch: elementwiseBatch('convertElementType'),
  lower: ([x], { dtype }) => [g.convert(x!, dtype)],
}

const bitcast: Rules<'bitcastConvertType'> = {
  abstractEval: ([x], { dtype }) =>
    [x!.dtype, dtype].every((d) => d === 'float32' || isInt(d))
      ? one(aval(x!.shape, dtype))
      : dtypes(`can't reinterpret as ${dtype}: 32-bit dtypes only`),
  jvp: ([x], _ts, { dtype }) => noTangent(c.bitcastConvertType(x!, dtype)),
  transpose: 'notLinear',
  batch: elementwiseBatch('bitcastConvertType'),
  lower: ([x], { dtype }) => [x!.dtype === dtype ? x! : g.map('bitcast', dtype, x!)],
}

const stopGradient: Rules<'stopGradient'> = {
  abstractEval: ([x]) => one(x!),
  jvp: ([x]) => noTangent(c.stopGradient(x!)),
  // Batches put it into linear code too (primitives/cond.ts): there as elsewhere it gives nothing back.
  transpose: () => [O.none],
  batch: elementwiseBatch('stopGradient'),
  lower: ([x]) => [x!],
}

const select: Rules<'select'> = {
  abstractEval: ([cond, a, b]) => {
    if (cond!.dtype !== 'bool') return dtypes('the condition must be bool: compare first')
    if (a!.dtype !== b!.dtype) return dtypes(`dtypes differ (${a!.dtype} against ${b!.dtype}): convert with astype`)
    const shape = unify([
      { ...cond!, dtype: 'int32' },
      { ...a!, dtype: 'int32' },
      { ...b!, dtype: 'int32' },
    ])
    if (a!.dtype === 'key' && E.isRight(shape) && !(eqShape(a!.shape, shape.right.shape) && eqShape(b!.shape, shape.right.shape)))
      return shapes('keys must have the shape of the result: broadcast them first')
    return E.map((u: Aval) => [aval(u.shape, a!.dtype, a!.weak && b!.weak)])(shape)
  },
  jvp: linearOp('select', (i) => i > 0),
  transpose: (cts, [cond, a, b]) =>
    ct1(
      cts,
      (ct) => {
        const zero = c.zerosLike(ct.aval)
        const side = (x: NdArray | Linear, y: NdArray): Tangent => (isLinear(x) ? O.some(unbroadcast(y, x.aval)) : O.none)
        return [O.none, side(a!, c.select(valueOf(cond!), ct, zero)), side(b!, c.select(valueOf(cond!), zero, ct))]
      },
      3,
    ),
  batch: elementwiseBatch('select'),
  lower: ([p, a, b]) => {
    if (a === b && p!.shape.length <= a!.shape.length) return [a!]
    // A key's words sit in one more dim than the condition has.
    const cond = p!.shape.length > 0 && p!.shape.length < a!.shape.length ? g.broadcast(p!, a!.shape, c.range(p!.shape.length)) : p!
    return [g.map('select', a!.dtype, cond, a!, b!)]
  },
}

/** What is said of each; where nothing is said of lowering it is the device's operation of that name. */
const specs = {
  neg: { takes: 'number', partials: [(d) => neg(d)], transpose: (cts, xs) => toLinear(cts, xs, neg) },
  abs: unary('number', (d, [x]) => mul(d, c.select(c.ge(x!, lit(x!, 0)), c.full(x!.shape, 1, x!.dtype), c.full(x!.shape, -1, x!.dtype)))),
  sign: unary('number', null),
  floor: unary('float', null),
  ceil: unary('float', null),
  round: unary('float', null),
  exp: unary('float', (d, _, y) => mul(d, y)),
  expm1: unary('float', (d, [x]) => mul(d, c.exp(x!))),
  log: unary('float', (d, [x]) => div(d, x!)),
  log1p: unary('float', (d, [x]) => div(d, add(x!, lit(x!, 1)))),
  sqrt: unary('float', (d, _, y) => div(mul(d, lit(y, 0.5)), y)),
  rsqrt: unary('float', (d, [x], y) => mul(d, div(mul(lit(y, -0.5), y), x!))),
  sin: unary('float', (d, [x]) => mul(d, c.cos(x!))),
  cos: unary('float', (d, [x]) => neg(mul(d, c.sin(x!)))),
  tan: unary('float', (d, _, y) => mul(d, add(lit(y, 1), square(y)))),
  asin: unary('float', (d, [x]) => mul(d, c.rsqrt(belowOne(x!)))),
  acos: unary('float', (d, [x]) => neg(mul(d, c.rsqrt(belowOne(x!))))),
  atan: unary('float', (d, [x]) => div(d, add(lit(x!, 1), square(x!)))),
  sinh: unary('float', (d, [x]) => mul(d, c.cosh(x!))),
  cosh: unary('float', (d, [x]) => mul(d, c.sinh(x!))),
  tanh: unary('float', (d, [x]) => mul(d, square(sech(x!)))),
  asinh: unary('float', (d, [x]) => mul(d, inverseRoot(x!))),
  acosh: unary('float', (d, [x]) => mul(d, mul(c.rsqrt(sub(x!, lit(x!, 1))), c.rsqrt(add(x!, lit(x!, 1)))))),
  atanh: unary('float', (d, [x]) => div(d, belowOne(x!))),
  cbrt: unary('float', (d, _, y) => mul(d, mul(lit(y, 1 / 3), c.integerPow(y, -2)))),
  erf: unary('float', (d, [x]) => mul(d, bell(x!))),
  erfc: unary('float', (d, [x]) => neg(mul(d, bell(x!)))),
  erfInv: unary('float', (d, _, y) => mul(d, mul(lit(y, Math.sqrt(Math.PI) / 2), exp(square(y))))),
  logistic: unary('float', null),
  not: { takes: 'bits' },
  isFinite: { takes: 'float', result: 'bool' },
  integerPow: {
    takes: 'number',
    partials: [null],
    lower: ([x], { y }) => powerNode(x!, y),
  },
  add: {
    takes: 'number',
    partials: [(d) => d, (d) => d],
    transpose: (cts, xs) => toLinear(cts, xs, (ct) => ct),
  },
  sub: {
    takes: 'number',
    partials: [(d) => d, (d) => neg(d)],
    transpose: (cts, xs) => toLinear(cts, xs, (ct, i) => (i === 0 ? ct : neg(ct))),
  },
  mul: {
    takes: 'number',
    partials: [(d, [, y]) => mul(d, y!), (d, [x]) => mul(x!, d)],
    transpose: (cts, xs) => toLinear(cts, xs, (ct, i) => mul(ct, valueOf(xs[1 - i]!))),
  },
  div: {
    takes: 'number',
    partials: [(d, [, y]) => div(d, y!), (d, [, y], out) => neg(mul(d, div(out, y!)))],
    transpose: (cts, xs) => toLinear(cts, xs, (ct) => div(ct, valueOf(xs[1]!))),
  },
  rem: {
    takes: 'number',
    partials: [(d) => d, (d, [x, y]) => neg(mul(d, mul(c.sign(div(x!, y!)), c.floor(c.abs(div(x!, y!))))))],
  },
  pow: {
    takes: 'float',
    partials: [
      (d, [x, y]) => {
        if (!isInt(y!.dtype)) return mul(d, mul(y!, c.pow(x!, sub(y!, lit(y!, 1)))))
        // x^0 is 1 everywhere, and x^-1 may be infinite.
        const flat = c.eq(y!, lit(y!, 0))
        const factor = c.convertElementType(y!, x!.dtype, x!.aval.weak)
        const below = c.pow(x!, c.select(flat, lit(y!, 1), sub(y!, lit(y!, 1))))
        return mul(d, c.select(flat, lit(x!, 0), mul(factor, below)))
      },
      (d, [x], out) => mul(d, mul(out, c.log(c.select(c.eq(x!, lit(x!, 0)), c.full(x!.shape, 1, x!.dtype), x!)))),
    ],
  },
  max: {
    takes: 'any',
    partials: [(d, [x, y]) => half(x!, y!, d, c.gt), (d, [x, y]) => half(x!, y!, d, c.lt)],
  },
  min: {
    takes: 'any',
    partials: [(d, [x, y]) => half(x!, y!, d, c.lt), (d, [x, y]) => half(x!, y!, d, c.gt)],
  },
  atan2: {
    takes: 'float',
    partials: [(d, [y, x]) => mul(d, overSquares(x!, y!)), (d, [y, x]) => neg(mul(d, overSquares(y!, x!)))],
  },
  nextafter: { takes: 'float' },
  and: { takes: 'bits' },
  or: { takes: 'bits' },
  xor: { takes: 'bits' },
  shiftLeft: { takes: 'int', lower: 'shl' },
  shiftRightLogical: { takes: 'int', lower: 'shrLogical' },
  shiftRightArithmetic: { takes: 'int', lower: 'shrArithmetic' },
  eq: comparison,
  ne: comparison,
  lt: comparison,
  le: comparison,
  gt: comparison,
  ge: comparison,
  clamp: {
    takes: 'number',
    partials: [
      (d, [lo, x, hi]) => c.select(c.and(c.gt(lo!, x!), c.lt(lo!, hi!)), d, c.zerosLike(d.aval)),
      (d, [lo, x, hi]) => c.select(c.and(c.gt(x!, lo!), c.lt(x!, hi!)), d, c.zerosLike(d.aval)),
      (d, [, x, hi]) => c.select(c.gt(x!, hi!), d, c.zerosLike(d.aval)),
    ],
    lower: ([lo, x, hi]) => g.map('min', x!.dtype, g.map('max', x!.dtype, x!, lo!), hi!),
  },
  threefry: { takes: 'words', lower: (xs, { word }) => g.map(word === 0 ? 'threefry0' : 'threefry1', 'uint32', ...xs) },
} satisfies { readonly [K in OpName]?: Spec<K> }

const plain = Object.fromEntries(
  Object.entries(specs).map(([name, spec]) => [name, elementwise(name as OpName, spec as Spec<OpName>)]),
) as { readonly [K in keyof typeof specs]: Rules<K> }

/** Its exponent is a param, which the derivative needs. */
const integerPow: Rules<'integerPow'> = {
  ...plain.integerPow,
  abstractEval: (avals, params) =>
    params.y < 0 && isInt(avals[0]!.dtype)
      ? dtypes('an integer has no negative power: convert with astype')
      : plain.integerPow.abstractEval(avals, params),
  jvp: ([x], [dx], { y }) =>
    linearJvp(c.integerPow(x!, y), y === 0 ? O.none : dx!, (d) =>
      mul(d, mul(lit(x!, y), y === 1 ? c.full(x!.shape, 1, x!.dtype) : c.integerPow(x!, y - 1))),
    ),
}

/** m = logistic(-|x|) is the smaller of y and 1 - y, with all its digits: one exponential for the value and m (1 - m), its derivative. */
const logistic: Rules<'logistic'> = {
  ...plain.logistic,
  jvp: ([x], [dx]) => {
    const m = c.logistic(neg(c.abs(x!)))
    const opposite = sub(lit(m, 1), m)
    return linearJvp(c.select(c.gt(x!, lit(x!, 0)), opposite, m), dx!, (d) => mul(d, mul(m, opposite)))
  },
}

/** Exponents may be integers, whose derivative is right at 0. */
const pow: Rules<'pow'> = {
  ...plain.pow,
  abstractEval: ([x, y], params) => plain.pow.abstractEval([x!, isInt(y!.dtype) ? { ...y!, dtype: x!.dtype } : y!], params),
  lower: ([x, y]) => [g.map('pow', x!.dtype, x!, g.convert(y!, computedIn(x!.dtype)))],
}

/** The next float32 isn't the next float of 16 bits. */
const nextafter: Rules<'nextafter'> = {
  ...plain.nextafter,
  abstractEval: (avals, params) =>
    avals.some((a) => isHalf(a.dtype))
      ? dtypes('float32 or float64 is needed: convert with astype')
      : plain.nextafter.abstractEval(avals, params),
}

export const elementwiseRules = {
  ...plain,
  integerPow,
  logistic,
  pow,
  nextafter,
  convertElementType: convert,
  bitcastConvertType: bitcast,
  stopGradient,
  select,
} satisfies { readonly [K in OpName]?: Rules<K> }
