/** `np`: NumPy's names and JAX's semantics over immutable arrays. Operands broadcast and promote; options come last. */
import { type Nested, NdArray } from '../core/array.ts'
import { aval, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { type DType, isFloat, type TypedArray } from '../core/dtype.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import type { Operand, ReduceOptions } from '../core/methods.ts'
import { upload } from '../core/trace.ts'
import { asArray, asFloat, axesOf, axisOf, broadcastLists, broadcastShapes, broadcastTo as toShape, together } from './promote.ts'

// Making arrays ------------------------------------------------------------------------------------------------------------------

const shapeOf = (x: Nested): number[] => {
  const shape: number[] = []
  for (let y = x; Array.isArray(y); y = y[0] as Nested) {
    shape.push(y.length)
    if (y.length === 0) break
  }
  return shape
}
const flatten = (x: Nested, shape: readonly number[], out: (number | boolean)[], path = ''): void => {
  const [n, ...rest] = shape
  if (n === undefined) {
    if (Array.isArray(x)) throw new ShapeError(`array: a list at ${path} where a number was expected: rows must have one length`)
    out.push(x as number | boolean)
    return
  }
  if (!Array.isArray(x) || x.length !== n)
    throw new ShapeError(
      `array: ${Array.isArray(x) ? x.length : 'no'} elements at ${path || 'the root'} where ${n} were expected: rows must have one length`,
    )
  x.forEach((y, i) => flatten(y as Nested, rest, out, `${path}[${i}]`))
}
const dtypeOfTyped = (x: TypedArray): DType =>
  x instanceof Float64Array ? 'float64' : x instanceof Int32Array ? 'int32' : x instanceof Uint32Array ? 'uint32' : 'float32'

export interface ArrayOptions {
  /** Default: float32 for numbers, bool for booleans, the element type of a typed array. */
  readonly dtype?: DType
  /** For a typed array; default one axis. */
  readonly shape?: readonly number[]
}

/** An array from numbers, nested lists, a typed array or another array. */
export const array = (x: Nested | TypedArray | NdArray, options: ArrayOptions = {}): NdArray => {
  if (x instanceof NdArray) return options.dtype === undefined ? x : c.convertElementType(x, options.dtype)
  if (ArrayBuffer.isView(x)) {
    const shape = options.shape ?? [x.length]
    if (sizeOf(shape) !== x.length) throw new ShapeError(`array: ${x.length} elements can't take the shape [${shape.join(',')}]`)
    return upload(aval(shape, options.dtype ?? dtypeOfTyped(x)), x.slice())
  }
  const shape = shapeOf(x)
  const flat: (number | boolean)[] = []
  flatten(x, shape, flat)
  for (const v of flat)
    if (typeof v !== 'number' && typeof v !== 'boolean')
      throw new TreeError(`array: ${typeof v} among the elements: numbers and booleans only`)
  const dtype = options.dtype ?? (flat.length > 0 && flat.every((v) => typeof v === 'boolean') ? 'bool' : 'float32')
  const data = flat.map(Number)
  return upload(aval(options.shape ?? shape, dtype), dtype === 'bool' ? data.map((v) => (v === 0 ? 0 : 1)) : data)
}
export const full = (shape: readonly number[], value: Operand, dtype: DType = 'float32'): NdArray => {
  const x = asArray(value, 'full')
  return toShape(c.convertElementType(x, value instanceof NdArray ? x.dtype : dtype), shape)
}
export const zeros = (shape: readonly number[], dtype: DType = 'float32'): NdArray => c.full(shape, 0, dtype)
export const ones = (shape: readonly number[], dtype: DType = 'float32'): NdArray => c.full(shape, 1, dtype)
export const zerosLike = (x: NdArray): NdArray => c.full(x.shape, 0, x.dtype)
export const onesLike = (x: NdArray): NdArray => c.full(x.shape, 1, x.dtype)
/** [start, stop) by step; one argument is the stop. int32 where all are whole. */
export const arange = (start: number, stop?: number, step = 1, dtype?: DType): NdArray => {
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  const n = Math.max(0, Math.ceil((to - from) / step))
  const d = dtype ?? ([from, to, step].every(Number.isInteger) ? 'int32' : 'float32')
  return c.add(c.mul(c.iota([n], d, 0), asArrayOf(step, d)), asArrayOf(from, d))
}
const asArrayOf = (value: number, dtype: DType): NdArray => c.full([], value, dtype)
/** n numbers from start to stop, both included. */
export const linspace = (start: number, stop: number, n = 50): NdArray => {
  if (n < 2) return full([n], start)
  const t = c.div(c.iota([n], 'float32', 0), asArrayOf(n - 1, 'float32'))
  const line = c.add(c.mul(t, asArrayOf(stop, 'float32')), c.mul(c.sub(asArrayOf(1, 'float32'), t), asArrayOf(start, 'float32')))
  return c.select(c.eq(c.iota([n], 'int32', 0), asArrayOf(n - 1, 'int32')), c.full([n], stop, 'float32'), line)
}
export const eye = (n: number, m = n, dtype: DType = 'float32'): NdArray =>
  c.convertElementType(c.eq(c.iota([n, m], 'int32', 0), c.iota([n, m], 'int32', 1)), dtype)
/** Ones at and below the k-th diagonal. */
export const tri = (n: number, m = n, k = 0, dtype: DType = 'float32'): NdArray =>
  c.convertElementType(c.ge(c.add(c.iota([n, m], 'int32', 0), asArrayOf(k, 'int32')), c.iota([n, m], 'int32', 1)), dtype)

// Element by element -------------------------------------------------------------------------------------------------------------

const floatUnary =
  (name: string, f: (x: NdArray) => NdArray) =>
  (x: Operand): NdArray =>
    f(asFloat(x, name))
const unary =
  (name: string, f: (x: NdArray) => NdArray) =>
  (x: Operand): NdArray =>
    f(asArray(x, name))
const binary =
  (name: string, f: (x: NdArray, y: NdArray) => NdArray) =>
  (x: Operand, y: Operand): NdArray => {
    const [a, b] = together(name, x, y)
    return f(a!, b!)
  }
const numeric = (x: NdArray): NdArray => (x.dtype === 'bool' ? c.convertElementType(x, 'int32') : x)
const arithmetic = (name: string, f: (x: NdArray, y: NdArray) => NdArray) =>
  binary(name, (x, y) => (x.dtype === 'bool' ? f(numeric(x), numeric(y)) : f(x, y)))

export const neg = unary('neg', c.neg)
export const negative = neg
export const abs = unary('abs', c.abs)
export const sign = unary('sign', c.sign)
const whole =
  (f: (x: NdArray) => NdArray) =>
  (x: NdArray): NdArray =>
    isFloat(x.dtype) ? f(x) : x
export const floor = unary('floor', whole(c.floor))
export const ceil = unary('ceil', whole(c.ceil))
export const round = unary('round', whole(c.round))
export const exp = floatUnary('exp', c.exp)
export const expm1 = floatUnary('expm1', c.expm1)
export const log = floatUnary('log', c.log)
export const log1p = floatUnary('log1p', c.log1p)
export const sqrt = floatUnary('sqrt', c.sqrt)
export const sin = floatUnary('sin', c.sin)
export const cos = floatUnary('cos', c.cos)
export const tan = floatUnary('tan', c.tan)
export const asin = floatUnary('asin', c.asin)
export const acos = floatUnary('acos', c.acos)
export const atan = floatUnary('atan', c.atan)
export const sinh = floatUnary('sinh', c.sinh)
export const cosh = floatUnary('cosh', c.cosh)
export const tanh = floatUnary('tanh', c.tanh)
export const asinh = floatUnary('asinh', c.asinh)
export const acosh = floatUnary('acosh', c.acosh)
export const atanh = floatUnary('atanh', c.atanh)
export const square = unary('square', (x) => c.integerPow(x, 2))
export const isfinite = floatUnary('isfinite', c.isFinite)
export const isnan = floatUnary('isnan', (x) => c.ne(x, x))
export const logicalNot = unary('logicalNot', (x) => c.not(c.convertElementType(x, 'bool')))
export const bitwiseNot = unary('bitwiseNot', c.not)

export const add = arithmetic('add', c.add)
export const sub = arithmetic('sub', c.sub)
export const subtract = sub
export const mul = arithmetic('mul', c.mul)
export const multiply = mul
/** True division: integers become float32. */
export const div = binary('div', (x, y) =>
  isFloat(x.dtype) ? c.div(x, y) : c.div(c.convertElementType(x, 'float32'), c.convertElementType(y, 'float32')),
)
export const divide = div
export const maximum = binary('maximum', c.max)
export const minimum = binary('minimum', c.min)
export const arctan2 = binary('arctan2', (y, x) => c.atan2(asFloat(y, 'arctan2'), asFloat(x, 'arctan2')))
/** x to the y. A whole JS number as exponent is exact repeated multiplication, and differentiable at 0. */
export const power = (x: Operand, y: Operand): NdArray => {
  if (typeof y === 'number' && Number.isInteger(y) && Math.abs(y) <= 64 && x instanceof NdArray && (y >= 0 || isFloat(x.dtype)))
    return c.integerPow(numeric(x), y)
  const [a, b] = together('power', x, y)
  return c.pow(asFloat(a!, 'power'), asFloat(b!, 'power'))
}
export const pow = power
/** The remainder with the divisor's sign, as in Python. */
export const mod = arithmetic('mod', (x, y) => {
  const r = c.rem(x, y)
  const off = c.and(c.ne(r, c.lit(r, 0)), c.ne(c.lt(r, c.lit(r, 0)), c.lt(y, c.lit(y, 0))))
  return c.select(off, c.add(r, y), r)
})
export const remainder = mod
export const floorDivide = arithmetic('floorDivide', (x, y) => {
  if (isFloat(x.dtype)) return c.round(c.div(c.sub(x, mod(x, y)), y))
  const q = c.div(x, y)
  if (x.dtype === 'uint32') return q
  const off = c.and(c.ne(c.sign(x), c.sign(y)), c.ne(c.rem(x, y), c.lit(x, 0)))
  return c.select(off, c.sub(q, c.lit(q, 1)), q)
})

export const equal = binary('equal', c.eq)
export const notEqual = binary('notEqual', c.ne)
export const less = binary('less', c.lt)
export const lessEqual = binary('lessEqual', c.le)
export const greater = binary('greater', c.gt)
export const greaterEqual = binary('greaterEqual', c.ge)
const logical = (name: string, f: (x: NdArray, y: NdArray) => NdArray) =>
  binary(name, (x, y) => f(c.convertElementType(x, 'bool'), c.convertElementType(y, 'bool')))
export const logicalAnd = logical('logicalAnd', c.and)
export const logicalOr = logical('logicalOr', c.or)
export const logicalXor = logical('logicalXor', c.xor)
export const bitwiseAnd = binary('bitwiseAnd', c.and)
export const bitwiseOr = binary('bitwiseOr', c.or)
export const bitwiseXor = binary('bitwiseXor', c.xor)
export const leftShift = binary('leftShift', c.shiftLeft)
export const rightShift = binary('rightShift', (x, y) => (x.dtype === 'int32' ? c.shiftRightArithmetic(x, y) : c.shiftRightLogical(x, y)))

/** x where the condition holds, else y. */
export const where = (condition: Operand, x: Operand, y: Operand): NdArray => {
  const [a, b] = together('where', x, y)
  const p = c.convertElementType(asArray(condition, 'where'), 'bool')
  const shape = broadcastShapes('where', [p, a!, b!])
  const fit = (z: NdArray): NdArray => (z.ndim === 0 ? z : toShape(z, shape))
  return c.select(fit(p), fit(a!), fit(b!))
}
export const clip = (x: Operand, low: Operand, high: Operand): NdArray => minimum(maximum(x, low), high)

// Reductions ---------------------------------------------------------------------------------------------------------------------

const reduction =
  (name: string, f: (x: NdArray, axes: readonly number[]) => NdArray) =>
  (x: Operand, options: ReduceOptions = {}): NdArray => {
    const y = asArray(x, name)
    const axes = axesOf(name, y, options.axis)
    const out = f(y, axes)
    return options.keepdims === true
      ? c.reshape(
          out,
          y.shape.map((n, d) => (axes.includes(d) ? 1 : n)),
        )
      : out
  }
const countOf = (x: NdArray, axes: readonly number[]): number => sizeOf(axes.map((a) => x.shape[a]!))

export const sum = reduction('sum', (x, axes) => c.reduceSum(numeric(x), axes))
export const prod = reduction('prod', (x, axes) => c.reduceProd(numeric(x), axes))
export const max = reduction('max', (x, axes) => c.reduceMax(numeric(x), axes))
export const min = reduction('min', (x, axes) => c.reduceMin(numeric(x), axes))
export const any = reduction('any', (x, axes) => c.reduceOr(c.convertElementType(x, 'bool'), axes))
export const all = reduction('all', (x, axes) => c.reduceAnd(c.convertElementType(x, 'bool'), axes))
export const mean = reduction('mean', (x, axes) => {
  const y = asFloat(x, 'mean')
  return c.mul(c.reduceSum(y, axes), c.lit(y, 1 / countOf(y, axes)))
})
/** The mean squared distance from the mean; `ddof` is subtracted from the count. */
export const variance = (x: Operand, options: ReduceOptions & { readonly ddof?: number } = {}): NdArray => {
  const y = asFloat(x, 'variance')
  const centred = sub(y, mean(y, { ...options, keepdims: true }))
  const n = countOf(y, axesOf('variance', y, options.axis))
  return div(sum(square(centred), options), n - (options.ddof ?? 0))
}
export const std = (x: Operand, options: ReduceOptions & { readonly ddof?: number } = {}): NdArray => sqrt(variance(x, options))
const place =
  (name: string, f: (x: NdArray, axis: number) => NdArray) =>
  (x: NdArray, options: { readonly axis?: number } = {}): NdArray =>
    options.axis === undefined ? f(c.reshape(x, [x.size]), 0) : f(x, axisOf(name, x, options.axis))
export const argmax = place('argmax', c.argmax)
export const argmin = place('argmin', c.argmin)
export const cumsum = place('cumsum', (x, axis) => c.cumsum(numeric(x), axis))
export const cumprod = place('cumprod', (x, axis) => c.cumprod(numeric(x), axis))
/** log Σ exp, without overflow. */
export const logsumexp = (x: Operand, options: ReduceOptions = {}): NdArray => {
  const y = asFloat(x, 'logsumexp')
  const top = c.stopGradient(max(y, { axis: options.axis, keepdims: true }))
  const safe = c.select(c.isFinite(top), top, c.full(top.shape, 0, top.dtype))
  const out = add(log(sum(exp(sub(y, safe)), { axis: options.axis, keepdims: true })), safe)
  return options.keepdims === true ? out : c.reshape(out, sum(y, { axis: options.axis }).shape)
}

// Layout -------------------------------------------------------------------------------------------------------------------------

/** One extent may be -1: it takes what is left. */
export const reshape = (x: NdArray, shape: readonly number[]): NdArray => {
  const rest = shape.reduce((n, m) => (m === -1 ? n : n * m), 1)
  return c.reshape(
    x,
    shape.map((n) => (n === -1 ? x.size / rest : n)),
  )
}
export const transpose = (x: NdArray, permutation: readonly number[] = c.range(x.ndim).reverse()): NdArray =>
  c.transpose(
    x,
    permutation.map((a) => axisOf('transpose', x, a)),
  )
export const swapaxes = (x: NdArray, i: number, j: number): NdArray => {
  const [a, b] = [axisOf('swapaxes', x, i), axisOf('swapaxes', x, j)]
  return c.transpose(
    x,
    c.range(x.ndim).map((d) => (d === a ? b : d === b ? a : d)),
  )
}
export const broadcastTo = toShape
export const expandDims = (x: NdArray, axis: number): NdArray => {
  const at = axis < 0 ? axis + x.ndim + 1 : axis
  return c.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
}
export const squeeze = (x: NdArray, axis?: number): NdArray =>
  c.reshape(
    x,
    x.shape.filter((n, d) => (axis === undefined ? n !== 1 : d !== axisOf('squeeze', x, axis))),
  )
export const concatenate = (xs: readonly NdArray[], axis = 0): NdArray => {
  const dtype = together('concatenate', ...xs.map((x) => c.full([], 0, x.dtype)))[0]!.dtype
  return c.concatenate(
    xs.map((x) => c.convertElementType(x, dtype)),
    axisOf('concatenate', xs[0]!, axis),
  )
}
export const stack = (xs: readonly NdArray[], axis = 0): NdArray =>
  concatenate(
    xs.map((x) => expandDims(x, axis)),
    axis,
  )
export const flip = (x: NdArray, axis: number): NdArray => c.rev(x, [axisOf('flip', x, axis)])
/** Elements along an axis: ints beyond it give NaN (the least int), negative ones count from the end. */
export const take = (x: NdArray, indices: NdArray, options: { readonly axis?: number } = {}): NdArray => {
  const axis = axisOf('take', x, options.axis ?? 0)
  const i = c.convertElementType(indices, 'int32')
  const wrapped = c.select(c.lt(i, c.lit(i, 0)), c.add(i, c.lit(i, x.shape[axis]!)), i)
  const out = c.gather(x, [wrapped], [axis], 'fill') // [...indices, ...others]
  const others = c.range(x.ndim - 1).map((d) => d + i.ndim)
  return c.transpose(out, [...others.slice(0, axis), ...c.range(i.ndim), ...others.slice(axis)])
}
export const sort = (x: NdArray, axis = -1): NdArray => c.sort([x], axisOf('sort', x, axis))[0]!
export const argsort = (x: NdArray, axis = -1): NdArray => {
  const at = axisOf('argsort', x, axis)
  return c.sort([x, c.iota(x.shape, 'int32', at)], at)[1]!
}

// Contractions -------------------------------------------------------------------------------------------------------------------

/** Matrix product, with leading axes broadcast. */
export const matmul = (x: NdArray, y: NdArray): NdArray => {
  const dtype = together('matmul', c.full([], 0, x.dtype), c.full([], 0, y.dtype))[0]!.dtype
  const [a, b] = [c.convertElementType(x, dtype), c.convertElementType(y, dtype)]
  if (a.ndim === 0 || b.ndim === 0) throw new ShapeError('matmul: scalars have no matrix product: use mul')
  if (b.ndim <= 2) return c.dotGeneral(a, b, [[a.ndim - 1], [Math.max(0, b.ndim - 2)]])
  if (a.ndim === 1) return c.dotGeneral(a, b, [[0], [b.ndim - 2]])
  const lead = broadcastLead(a, b)
  const [l, r] = [toShape(a, [...lead, ...a.shape.slice(-2)]), toShape(b, [...lead, ...b.shape.slice(-2)])]
  const batch = c.range(lead.length)
  return c.dotGeneral(l, r, [[lead.length + 1], [lead.length]], [batch, batch])
}
/** The leading axes of two stacks of matrices, broadcast. */
const broadcastLead = (a: NdArray, b: NdArray): readonly number[] =>
  broadcastLists(
    'matmul',
    [a, b].map((x) => x.shape.slice(0, -2)),
  )
export const dot = (x: NdArray, y: NdArray): NdArray =>
  x.ndim === 0 || y.ndim === 0 ? mul(x, y) : c.dotGeneral(x, y, [[x.ndim - 1], [Math.max(0, y.ndim - 2)]])
export const astype = (x: NdArray, dtype: DType): NdArray => c.convertElementType(x, dtype)
