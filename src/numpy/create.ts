/** Making arrays. Numbers become float32 and booleans bool, unless a dtype is given. */
import { type Nested, NdArray } from '../core/array.ts'
import { aval, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { type DType, type HostArray, computedIn, isInt, typedArrayOf } from '../core/dtype.ts'
import { ArgumentError, DTypeError, ShapeError, TreeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { upload } from '../core/trace.ts'
import { dtypeOf, numberOf, refuse, shapeOf, wholeOf } from './check.ts'
import { anyArray, asArray, broadcastLists, fitting, scalarOf, toShape } from './promote.ts'
import { atLeast, dtype as anyDtype, extents, flag, oneOf, type Schema, whole } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { isDense } from '../core/params.ts'

const DEEPEST = 32
/** The shape by the first element at each depth. */
const nestedShape = (x: Nested): number[] => {
  const shape: number[] = []
  for (let y = x; Array.isArray(y) && shape.length <= DEEPEST; y = y[0] as Nested) {
    shape.push(y.length)
    if (y.length === 0) break
  }
  return shape
}
/** The numbers of nested lists in order, and whether they are all booleans. */
const flatten = (x: Nested, shape: readonly number[]): { readonly values: readonly number[]; readonly booleans: boolean } => {
  const values: number[] = []
  const at: number[] = []
  let numbers = false
  const where = (depth: number): string => (depth === 0 ? '' : ` at [${at.slice(0, depth).join('][')}]`)
  const walk = (x: Nested, depth: number): void => {
    if (depth === shape.length) {
      if (typeof x === 'number') numbers = true
      else if (typeof x !== 'boolean')
        refuse(
          Array.isArray(x) ? ShapeError : TreeError,
          'array',
          [x],
          `a number or a boolean was expected${where(depth)}: rows must have one length, and lists hold numbers`,
        )
      values.push(Number(x))
      return
    }
    if (!Array.isArray(x) || x.length !== shape[depth])
      return refuse(ShapeError, 'array', [x], `${shape[depth]} elements were expected${where(depth)}: rows must have one length`)
    for (let i = 0; i < x.length; i++) {
      at[depth] = i
      walk(x[i] as Nested, depth + 1)
    }
  }
  walk(x, 0)
  return { values, booleans: values.length > 0 && !numbers }
}
/** The numbers as an array of the dtype holds them. */
const fitted = (data: ArrayLike<number>, as: DType): ArrayLike<number> => {
  if (as !== 'bool' && !isInt(as)) return data
  const out = new (typedArrayOf(as))(data.length)
  for (let i = 0; i < data.length; i++) out[i] = fitting('array', [data[i], as], data[i]!, as)
  return out
}
/** Its own methods throw then. */
const isDetached = (x: HostArray): boolean => {
  if (x.length > 0) return false
  try {
    return x.slice().length > 0
  } catch {
    return true
  }
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
const arrayOptions: Schema<ArrayOptions> = { dtype: anyDtype, shape: extents }

/**
 * An array from numbers, nested lists, a typed array (copied) or another array. As `jnp.array`.
 *
 * @throws ShapeError when rows have several lengths or the elements can't take the shape; TreeError when an element is no number; DTypeError
 *   when an integer dtype can't hold it (a fraction is dropped, as in NumPy)
 * @example np.array([[1, 2], [3, 4]]) // [[1, 2], [3, 4]]
 */
export const array = /* @__PURE__ */ takesOptions(
  'array',
  2,
  arrayOptions,
  (x: Nested | HostArray | NdArray, options: ArrayOptions = {}): NdArray => {
    const { dtype, shape } = options
    if (x instanceof NdArray) {
      const y = dtype === undefined ? x : c.convertElementType(asArray('array', x), dtype)
      return shape === undefined ? y : c.reshape(y, shape)
    }
    const make = (data: ArrayLike<number>, own: readonly number[], as: DType): NdArray => {
      const to = shape ?? own
      if (sizeOf(to) !== data.length) refuse(ShapeError, 'array', [], `${data.length} elements can't take the shape [${to.join(',')}]`)
      return upload(aval(to, as), data)
    }
    if (ArrayBuffer.isView(x)) {
      const own = dtypeOfTyped(x)
      if (isDetached(x)) refuse(ArgumentError, 'array', [], "the typed array's memory was transferred to somebody else")
      const as = dtype ?? own
      // Words of the other sign stay the same words, as in NumPy.
      return make(isInt(own) && isInt(as) ? x : fitted(x, as), [x.length], as)
    }
    const own = nestedShape(x)
    if (own.length > DEEPEST) refuse(ShapeError, 'array', [x], `lists are at most ${DEEPEST} deep`)
    const { values, booleans } = flatten(x, own)
    const as = dtype ?? (booleans ? 'bool' : 'float32')
    return make(fitted(values, as), own, as)
  },
)

/**
 * One value everywhere. As `jnp.full`; an array as the value keeps its dtype and broadcasts.
 *
 * @throws ShapeError when the shape isn't one
 * @example np.full([2], 7) // [7, 7]
 */
export const full = /* @__PURE__ */ takes('full', 3, (shape: readonly number[], value: Operand, dtype?: DType): NdArray =>
  filled('full', shape, value, dtype),
)
const filled = (what: string, shape: readonly number[], value: Operand, dtype?: DType): NdArray => {
  const of = shapeOf(what, shape)
  const as = dtype === undefined ? undefined : dtypeOf(what, dtype)
  const x = value instanceof NdArray || as === undefined ? asArray(what, value) : scalarOf(what, [value, as], value, as)
  if (broadcastLists(what, [of, x.shape], [of, x]).length !== of.length)
    refuse(ShapeError, what, [of, x], 'the value must broadcast to the shape')
  return toShape(c.convertElementType(x, as ?? x.dtype), of)
}
/**
 * Zeros of the shape; float32 unless said. As `jnp.zeros`.
 *
 * @throws ShapeError when the shape isn't one; DTypeError when the dtype isn't
 * @example np.zeros([2], 'int32') // [0, 0]
 */
export const zeros = /* @__PURE__ */ takes('zeros', 2, (shape: readonly number[], dtype: DType = 'float32'): NdArray =>
  c.full(shapeOf('zeros', shape), 0, dtypeOf('zeros', dtype)),
)
/**
 * Ones of the shape; float32 unless said. As `jnp.ones`.
 *
 * @throws ShapeError when the shape isn't one; DTypeError when the dtype isn't
 * @example np.ones([2]) // [1, 1]
 */
export const ones = /* @__PURE__ */ takes('ones', 2, (shape: readonly number[], dtype: DType = 'float32'): NdArray =>
  c.full(shapeOf('ones', shape), 1, dtypeOf('ones', dtype)),
)
const like = (what: string, value: number) =>
  takes(what, 1, (x: Operand): NdArray => {
    const y = asArray(what, x)
    return c.full(y.shape, value, y.dtype)
  })
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
export const fullLike = /* @__PURE__ */ takes('fullLike', 2, (x: Operand, value: Operand): NdArray => {
  const y = asArray('fullLike', x)
  return filled('fullLike', y.shape, value, y.dtype)
})

export interface DTypeOptions {
  readonly dtype?: DType
}
const dtypeOptions: Schema<DTypeOptions> = { dtype: anyDtype }

/**
 * [start, stop) by step; one argument is the stop. int32 where all three are whole, else float32. As `jnp.arange`.
 *
 * @throws ShapeError when the step is 0 or a bound isn't finite; DTypeError when the dtype can't hold the numbers
 * @example np.arange(2, 8, 3) // [2, 5]
 */
export const arange = /* @__PURE__ */ takesOptions(
  'arange',
  4,
  dtypeOptions,
  (start: number, stop?: number, step: number = 1, options: DTypeOptions = {}): NdArray => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop]
    const given = [from, to, step]
    given.forEach((x) => numberOf('arange', x))
    if (step === 0 || !given.every(Number.isFinite)) refuse(ShapeError, 'arange', given, 'finite bounds and a step other than 0 are needed')
    const dtype = options.dtype ?? (given.every(Number.isInteger) ? 'int32' : 'float32')
    const n = Math.max(0, Math.ceil((to - from) / step))
    const line = c.iota([n], dtype === 'bool' ? 'int32' : computedIn(dtype), 0)
    const lit = (x: number): NdArray => c.lit(line, n > 0 ? fitting('arange', [...given, dtype], x, line.dtype) : 0)
    lit(from + (n - 1) * step) // refuses
    const way = c.mul(line, lit(n > 1 ? Math.abs(step) : 0))
    return c.convertElementType(step > 0 ? c.add(lit(from), way) : c.sub(lit(from), way), dtype)
  },
)

export interface LinspaceOptions extends DTypeOptions {
  /** Whether the last number is the stop; default true. */
  readonly endpoint?: boolean
}
const linspaceOptions: Schema<LinspaceOptions> = { ...dtypeOptions, endpoint: flag }
/**
 * `num` numbers evenly from start to stop, both included: float32 [num]; integer dtypes round down. As `jnp.linspace`.
 *
 * @throws ShapeError when num isn't a whole number of at least 0; DTypeError when an integer dtype can't hold the numbers
 * @example np.linspace(0, 1, 5) // [0, 0.25, 0.5, 0.75, 1]
 */
export const linspace = /* @__PURE__ */ takesOptions(
  'linspace',
  4,
  linspaceOptions,
  (start: number, stop: number, num: number = 50, options: LinspaceOptions = {}): NdArray => {
    const [from, to] = [numberOf('linspace', start), numberOf('linspace', stop)]
    const n = wholeOf('linspace', num, 0)
    const { endpoint = true, dtype = 'float32' } = options
    const steps = endpoint ? n - 1 : n
    // float32 would round below a whole number, and past 2^24 to another one.
    if (isInt(dtype)) {
      const given = [from, to, n, dtype]
      if (n > 2 ** 28) refuse(ShapeError, 'linspace', given, 'integers are at most 2^28: use arange')
      const whole = (i: number): number => fitting('linspace', given, Math.floor(from + (i * (to - from)) / Math.max(1, steps)), dtype)
      return array(
        new (typedArrayOf(dtype))(n).map((_, i) => whole(i)),
        { dtype },
      )
    }
    const place = c.iota([n], dtype === 'float64' ? dtype : 'float32', 0)
    const lit = (x: number): NdArray => c.lit(place, x)
    const cast = (x: NdArray): NdArray => c.convertElementType(x, dtype)
    if (steps < 1) return cast(c.add(place, lit(from)))
    const t = c.div(place, lit(steps))
    const line = c.add(c.mul(c.sub(lit(1), t), lit(from)), c.mul(t, lit(to)))
    return cast(endpoint ? c.select(c.eq(place, lit(steps)), lit(to), line) : line)
  },
)

export interface EyeOptions extends DTypeOptions {
  /** Columns; default n. */
  readonly m?: number
  /** Which diagonal: above the main one where positive; default 0. */
  readonly k?: number
}
const eyeOptions: Schema<EyeOptions> = { ...dtypeOptions, m: atLeast(0), k: whole }
const byPlace = (what: string, holds: (row: NdArray, column: NdArray) => NdArray) =>
  takesOptions(what, 2, eyeOptions, (n: number, options: EyeOptions = {}): NdArray => {
    const { m = n, k = 0 } = options
    const shape = [wholeOf(what, n, 0), wholeOf(what, m, 0)]
    const row = c.add(c.iota(shape, 'int32', 0), c.full([], Math.min(Math.max(wholeOf(what, k), -shape[0]!), shape[1]!), 'int32'))
    return c.convertElementType(holds(row, c.iota(shape, 'int32', 1)), options.dtype ?? 'float32')
  })
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

/** What was called so, as `astype`. */
export const casting = (what: string) =>
  takes(what, 2, (x: Operand, dtype: DType): NdArray => {
    const to = dtypeOf(what, dtype)
    return typeof x === 'object' ? c.convertElementType(asArray(what, x), to) : scalarOf(what, [asArray(what, x), to], x, to)
  })
/**
 * The array at another dtype: floats to integers truncate and saturate, NaN to 0; a JavaScript number must fit. As `jnp.astype`.
 *
 * @throws DTypeError when the dtype isn't one or can't hold the number, or x is a key
 * @example np.astype(np.array([1.7, -1.7]), 'int32') // [1, -1]
 */
export const astype = casting('astype')

export interface MeshgridOptions {
  /** 'xy' (the default): the first array runs along axis 1. 'ij': along axis 0. */
  readonly indexing?: 'xy' | 'ij'
}
const meshgridOptions: Schema<MeshgridOptions> = { indexing: oneOf('xy', 'ij') }
/**
 * Coordinates of a grid from arrays [n], [m], …: each as an array of the whole grid. As `jnp.meshgrid`.
 *
 * @throws ShapeError when an array hasn't one axis
 * @example np.meshgrid([np.array([1, 2]), np.array([5, 6])])[0] // [[1, 2], [1, 2]]
 */
export const meshgrid = /* @__PURE__ */ takesOptions(
  'meshgrid',
  2,
  meshgridOptions,
  (xs: readonly NdArray[], options: MeshgridOptions = {}): NdArray[] => {
    const { indexing = 'xy' } = options
    const arrays = someOf('meshgrid', xs).map((x) => anyArray('meshgrid', x))
    if (arrays.some((x) => x.ndim !== 1)) refuse(ShapeError, 'meshgrid', arrays, 'arrays of one axis are needed')
    const axes = c.range(arrays.length)
    if (indexing === 'xy' && axes.length > 1) axes.splice(0, 2, 1, 0)
    const shape = axes.map((a) => arrays[a]!.size)
    return arrays.map((x, i) => c.broadcastInDim(x, shape, [axes.indexOf(i)]))
  },
)
/** A list of at least one. */
export const someOf = (what: string, xs: readonly Operand[]): readonly Operand[] =>
  isDense(xs) && xs.length > 0 ? xs : refuse(ShapeError, what, [xs], 'a list of at least one array is needed')
