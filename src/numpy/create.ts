/** Making arrays. Numbers become float32 and booleans bool, unless a dtype is given. */
import { type Nested, NdArray } from '../core/array.ts'
import { aval, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { type DType, type HostArray, rangeOf, typedArrayOf } from '../core/dtype.ts'
import { DTypeError, ShapeError, TreeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { constant, upload } from '../core/trace.ts'
import { dtypeOf, numberOf, optionsOf, refuse, shapeOf, wholeOf } from './check.ts'
import { anyArray, asArray, broadcastLists, toShape } from './promote.ts'

/** The shape by the first element at each depth. */
const nestedShape = (x: Nested): number[] => {
  const shape: number[] = []
  for (let y = x; Array.isArray(y) && shape.length <= 32; y = y[0] as Nested) {
    shape.push(y.length)
    if (y.length === 0) break
  }
  return shape
}
const flatten = (x: Nested, shape: readonly number[], depth: number, out: (number | boolean)[], path: string): void => {
  if (depth === shape.length) {
    if (typeof x !== 'number' && typeof x !== 'boolean')
      refuse(
        Array.isArray(x) ? ShapeError : TreeError,
        'array',
        [x],
        `a number or a boolean was expected${path && ` at ${path}`}: rows must have one length, and lists hold numbers`,
      )
    out.push(x as number | boolean)
    return
  }
  if (!Array.isArray(x) || x.length !== shape[depth])
    return refuse(ShapeError, 'array', [x], `${shape[depth]} elements were expected${path && ` at ${path}`}: rows must have one length`)
  x.forEach((y, i) => flatten(y as Nested, shape, depth + 1, out, `${path}[${i}]`))
}
const dtypeOfTyped = (x: HostArray): DType =>
  (['float32', 'float64', 'int32', 'uint32'] as const).find((dtype) => x instanceof typedArrayOf(dtype)) ??
  refuse(DTypeError, 'array', [], 'typed arrays of float32, float64, int32 or uint32 only')

export interface ArrayOptions {
  /** Default: float32 for numbers, bool for booleans, the element type of a typed array. */
  readonly dtype?: DType
  /** Default: the lists' own; one axis for a typed array. */
  readonly shape?: readonly number[]
}

/**
 * An array from numbers, nested lists, a typed array (copied) or another array. As `jnp.array`.
 *
 * @throws ShapeError when rows have several lengths or the elements can't take the shape; TreeError when an element is no number
 * @example np.array([[1, 2], [3, 4]]) // [[1, 2], [3, 4]]
 */
export const array = (x: Nested | HostArray | NdArray, options: ArrayOptions = {}): NdArray => {
  const { dtype, shape } = optionsOf('array', options)
  if (dtype !== undefined) dtypeOf('array', dtype)
  if (shape !== undefined) shapeOf('array', shape)
  if (x instanceof NdArray) {
    const y = dtype === undefined ? x : c.convertElementType(asArray('array', x), dtype)
    return shape === undefined ? y : c.reshape(y, shape)
  }
  const make = (data: ArrayLike<number>, own: readonly number[], as: DType): NdArray => {
    const to = shape ?? own
    if (sizeOf(to) !== data.length) refuse(ShapeError, 'array', [], `${data.length} elements can't take the shape [${to.join(',')}]`)
    return upload(aval(to, as), data)
  }
  const truth = (data: ArrayLike<number>): number[] => Array.from(data, (v) => (v === 0 ? 0 : 1))
  if (ArrayBuffer.isView(x)) {
    const own = dtypeOfTyped(x)
    return make(dtype === 'bool' ? truth(x) : x.slice(), [x.length], dtype ?? own)
  }
  const own = nestedShape(x)
  const flat: (number | boolean)[] = []
  flatten(x, own, 0, flat, '')
  const as = dtype ?? (flat.length > 0 && flat.every((v) => typeof v === 'boolean') ? 'bool' : 'float32')
  if (as === 'int32' || as === 'uint32') {
    const [least, most] = rangeOf[as]
    const off = flat.find((v) => Math.trunc(Number(v)) < least || Math.trunc(Number(v)) > most)
    if (off !== undefined) refuse(DTypeError, 'array', [x], `${String(off)} is beyond ${as}`)
  }
  return make(as === 'bool' ? truth(flat.map(Number)) : flat.map(Number), own, as)
}

/**
 * One value everywhere. As `jnp.full`; an array as the value keeps its dtype and broadcasts.
 *
 * @throws ShapeError when the shape isn't one
 * @example np.full([2], 7) // [7, 7]
 */
export const full = (shape: readonly number[], value: Operand, dtype?: DType): NdArray => filled('full', shape, value, dtype)
const filled = (what: string, shape: readonly number[], value: Operand, dtype?: DType): NdArray => {
  const of = shapeOf(what, shape)
  const x = asArray(what, value)
  const as = dtype === undefined ? (typeof value === 'boolean' ? 'bool' : x.dtype) : dtypeOf(what, dtype)
  if (broadcastLists(what, [of, x.shape], [of, x]).length !== of.length)
    refuse(ShapeError, what, [of, x], 'the value must broadcast to the shape')
  if (
    typeof value === 'number' &&
    (as === 'int32' || as === 'uint32') &&
    !(value >= rangeOf.int32[0] && value <= rangeOf[as][1]) &&
    !Number.isNaN(value)
  )
    refuse(DTypeError, what, [of, value], `${value} is beyond ${as}`)
  return toShape(c.convertElementType(x, as), of)
}
/**
 * Zeros of the shape; float32 unless said. As `jnp.zeros`.
 *
 * @throws ShapeError when the shape isn't one; DTypeError when the dtype isn't
 * @example np.zeros([2], 'int32') // [0, 0]
 */
export const zeros = (shape: readonly number[], dtype: DType = 'float32'): NdArray =>
  c.full(shapeOf('zeros', shape), 0, dtypeOf('zeros', dtype))
/**
 * Ones of the shape; float32 unless said. As `jnp.ones`.
 *
 * @throws ShapeError when the shape isn't one; DTypeError when the dtype isn't
 * @example np.ones([2]) // [1, 1]
 */
export const ones = (shape: readonly number[], dtype: DType = 'float32'): NdArray =>
  c.full(shapeOf('ones', shape), 1, dtypeOf('ones', dtype))
const like =
  (what: string, value: number) =>
  (x: Operand): NdArray => {
    const y = asArray(what, x)
    return c.full(y.shape, value, y.dtype)
  }
/**
 * Zeros of x's shape and dtype. As `jnp.zeros_like`.
 *
 * @example np.zerosLike(np.array([3, 4])) // [0, 0]
 */
export const zerosLike = like('zerosLike', 0)
/**
 * Ones of x's shape and dtype. As `jnp.ones_like`.
 *
 * @example np.onesLike(np.array([3, 4])) // [1, 1]
 */
export const onesLike = like('onesLike', 1)
/**
 * One value in x's shape and dtype. As `jnp.full_like`.
 *
 * @example np.fullLike(np.array([3, 4]), 7) // [7, 7]
 */
export const fullLike = (x: Operand, value: Operand): NdArray => {
  const y = asArray('fullLike', x)
  return filled('fullLike', y.shape, value, y.dtype)
}

export interface DTypeOptions {
  readonly dtype?: DType
}
const dtypeFrom = (what: string, options: DTypeOptions | undefined, otherwise: DType): DType =>
  dtypeOf(what, optionsOf(what, options).dtype ?? otherwise)

/**
 * [start, stop) by step; one argument is the stop. int32 where all three are whole, else float32. As `jnp.arange`.
 *
 * @throws ShapeError when the step is 0 or a bound isn't finite
 * @example np.arange(2, 8, 3) // [2, 5]
 */
export const arange = (start: number, stop?: number, step = 1, options: DTypeOptions = {}): NdArray => {
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  const given = [from, to, step]
  given.forEach((x) => numberOf('arange', x))
  if (step === 0 || !given.every(Number.isFinite)) refuse(ShapeError, 'arange', given, 'finite bounds and a step other than 0 are needed')
  const dtype = dtypeFrom('arange', options, given.every(Number.isInteger) ? 'int32' : 'float32')
  const n = Math.max(0, Math.ceil((to - from) / step))
  const line = c.iota([n], dtype === 'bool' ? 'int32' : dtype, 0)
  return c.convertElementType(c.add(c.mul(line, c.lit(line, step)), c.lit(line, from)), dtype)
}

export interface LinspaceOptions extends DTypeOptions {
  /** Whether the last number is the stop; default true. */
  readonly endpoint?: boolean
}
/**
 * `num` numbers evenly from start to stop, both included: float32 [num]. As `jnp.linspace`.
 *
 * @throws ShapeError when num isn't a whole number of at least 0
 * @example np.linspace(0, 1, 5) // [0, 0.25, 0.5, 0.75, 1]
 */
export const linspace = (start: number, stop: number, num = 50, options: LinspaceOptions = {}): NdArray => {
  const [from, to] = [numberOf('linspace', start), numberOf('linspace', stop)]
  const n = wholeOf('linspace', num, 0)
  const { endpoint = true } = optionsOf('linspace', options)
  const dtype = dtypeFrom('linspace', options, 'float32')
  const steps = endpoint ? n - 1 : n
  const place = c.iota([n], 'float32', 0)
  const lit = (x: number): NdArray => c.lit(place, x)
  if (steps < 1) return c.convertElementType(c.add(place, lit(from)), dtype)
  const t = c.div(place, lit(steps))
  const line = c.add(c.mul(c.sub(lit(1), t), lit(from)), c.mul(t, lit(to)))
  return c.convertElementType(endpoint ? c.select(c.eq(place, lit(steps)), lit(to), line) : line, dtype)
}

export interface EyeOptions extends DTypeOptions {
  /** Columns; default n. */
  readonly m?: number
  /** Which diagonal: above the main one where positive; default 0. */
  readonly k?: number
}
const byPlace =
  (what: string, holds: (row: NdArray, column: NdArray) => NdArray) =>
  (n: number, options: EyeOptions = {}): NdArray => {
    const { m = n, k = 0 } = optionsOf(what, options)
    const shape = [wholeOf(what, n, 0), wholeOf(what, m, 0)]
    const row = c.add(c.iota(shape, 'int32', 0), constant(Math.min(Math.max(wholeOf(what, k), -n), m), aval([], 'int32')))
    return c.convertElementType(holds(row, c.iota(shape, 'int32', 1)), dtypeFrom(what, options, 'float32'))
  }
/**
 * Ones on the k-th diagonal of n rows, zeros elsewhere: float32 [n, m]. As `jnp.eye`.
 *
 * @throws ShapeError when an extent isn't a whole number
 * @example np.eye(2) // [[1, 0], [0, 1]]
 */
export const eye = byPlace('eye', c.eq)
/**
 * Ones at and below the k-th diagonal of n rows, zeros above: float32 [n, m]. As `jnp.tri`.
 *
 * @throws ShapeError when an extent isn't a whole number
 * @example np.tri(2) // [[1, 0], [1, 1]]
 */
export const tri = byPlace('tri', c.ge)

/**
 * The array at another dtype: floats to integers truncate and saturate, NaN to 0. As `jnp.astype`.
 *
 * @throws DTypeError when the dtype isn't one, or x is a key
 * @example np.astype(np.array([1.7, -1.7]), 'int32') // [1, -1]
 */
export const astype = (x: Operand, dtype: DType): NdArray => c.convertElementType(asArray('astype', x), dtypeOf('astype', dtype))

export interface MeshgridOptions {
  /** 'xy' (the default): the first array runs along axis 1. 'ij': along axis 0. */
  readonly indexing?: 'xy' | 'ij'
}
/**
 * Coordinates of a grid from arrays [n], [m], …: each as an array of the whole grid. As `jnp.meshgrid`.
 *
 * @throws ShapeError when an array hasn't one axis
 * @example np.meshgrid([np.array([1, 2]), np.array([5, 6])])[0] // [[1, 2], [1, 2]]
 */
export const meshgrid = (xs: readonly NdArray[], options: MeshgridOptions = {}): NdArray[] => {
  const { indexing = 'xy' } = optionsOf('meshgrid', options)
  const arrays = listOf('meshgrid', xs)
  if (arrays.some((x) => x.ndim !== 1)) refuse(ShapeError, 'meshgrid', arrays, 'arrays of one axis are needed')
  const axes = c.range(arrays.length)
  if (indexing === 'xy' && axes.length > 1) axes.splice(0, 2, 1, 0)
  const shape = axes.map((a) => arrays[a]!.size)
  return arrays.map((x, i) => c.broadcastInDim(x, shape, [axes.indexOf(i)]))
}
/** A list of arrays, keys too. */
export const listOf = (what: string, xs: unknown): NdArray[] =>
  Array.isArray(xs) && xs.length > 0
    ? xs.map((x) => anyArray(what, x))
    : refuse(ShapeError, what, [xs], 'a list of at least one array is needed')
