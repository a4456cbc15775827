/**
 * Where elements stand. Arrays of keys go through too. All throw ShapeError when an axis is out of range or a shape doesn't fit.
 */
import type { NdArray } from '../core/array.ts'
import { eqShape, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { axesOf, axisBy, axisOf, refuse, shapeOf, wholeOf } from './check.ts'
import { someOf } from './create.ts'
import { anyArray, asArray, broadcastLists, likened, promoted, toShape } from './promote.ts'
import { atLeast, oneOf, operand, type Schema, whole, wholes } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { isDense, isListOf } from '../core/params.ts'

/** The same elements, row-major, at another shape; one extent may be -1 and takes what is left. As `jnp.reshape`. @example np.reshape(np.arange(6), [2, -1]) // [[0, 1, 2], [3, 4, 5]] */
export const reshape = /* @__PURE__ */ takes('reshape', 2, (x: Operand, shape: readonly number[]): NdArray => {
  const y = anyArray('reshape', x)
  const open = isDense(shape) ? shape.indexOf(-1) : -1
  const given = shapeOf('reshape', open < 0 ? shape : shape.filter((_, d) => d !== open))
  const rest = y.size / sizeOf(given)
  const to = open < 0 ? given : [...given.slice(0, open), rest, ...given.slice(open)]
  return sizeOf(to) === y.size && to.every(Number.isInteger)
    ? c.reshape(y, to)
    : refuse(ShapeError, 'reshape', [y, shape], `${y.size} elements can't take that shape`)
})
/** One axis of all elements, row-major. As `jnp.ravel`. @example np.ravel(np.eye(2)) // [1, 0, 0, 1] */
export const ravel = /* @__PURE__ */ takes('ravel', 1, (x: Operand): NdArray => {
  const y = anyArray('ravel', x)
  return c.reshape(y, [y.size])
})
/** Axes in another order: reversed, unless a permutation is given. As `jnp.transpose`. @example np.transpose(np.array([[1, 2], [3, 4]])) // [[1, 3], [2, 4]] */
export const transpose = /* @__PURE__ */ takes('transpose', 2, (x: Operand, permutation?: readonly number[]): NdArray => {
  const y = anyArray('transpose', x)
  if (permutation === undefined) return c.transpose(y, c.range(y.ndim).reverse())
  const axes = axesOf('transpose', y, permutation)
  return axes.length === y.ndim
    ? c.transpose(y, axes)
    : refuse(ShapeError, 'transpose', [y, permutation], `a permutation of ${y.ndim} axes is needed`)
})
/** Two axes exchanged. As `jnp.swapaxes`. @example np.swapaxes(np.zeros([2, 3, 4]), 0, 2).shape // [4, 3, 2] */
export const swapaxes = /* @__PURE__ */ takes('swapaxes', 3, (x: Operand, i: number, j: number): NdArray => {
  const y = anyArray('swapaxes', x)
  const [a, b] = [axisOf('swapaxes', y, i), axisOf('swapaxes', y, j)]
  return c.transpose(
    y,
    c.range(y.ndim).map((d) => (d === a ? b : d === b ? a : d)),
  )
})
/** An axis moved to another place; the others keep their order. As `jnp.moveaxis`. @example np.moveaxis(np.zeros([2, 3, 4]), 0, -1).shape // [3, 4, 2] */
export const moveaxis = /* @__PURE__ */ takes('moveaxis', 3, (x: Operand, from: number, to: number): NdArray => {
  const y = anyArray('moveaxis', x)
  return c.moveAxis(y, axisOf('moveaxis', y, from), axisOf('moveaxis', y, to))
})
/** Repeated along new axes in front and along axes of 1. As `jnp.broadcast_to`. @example np.broadcastTo(np.array([1, 2]), [2, 2]) // [[1, 2], [1, 2]] */
export const broadcastTo = /* @__PURE__ */ takes('broadcastTo', 2, (x: Operand, shape: readonly number[]): NdArray => {
  const y = anyArray('broadcastTo', x)
  const to = shapeOf('broadcastTo', shape)
  return eqShape(broadcastLists('broadcastTo', [y.shape, to], [y, to]), to)
    ? toShape(y, to)
    : refuse(ShapeError, 'broadcastTo', [y, to], 'the array has extents that the shape lacks')
})
/** Arrays at the one shape that they broadcast to. As `jnp.broadcast_arrays`. @example np.broadcastArrays(np.array([1, 2]), np.array([[3]]))[1] // [[3, 3]] */
export const broadcastArrays = (...xs: readonly Operand[]): NdArray[] => {
  const arrays = xs.map((x) => asArray('broadcastArrays', x))
  const shape = broadcastLists(
    'broadcastArrays',
    arrays.map((x) => x.shape),
    arrays,
  )
  return arrays.map((x) => toShape(x, shape))
}
/** An axis of 1 at a place of the result. As `jnp.expand_dims`. @example np.expandDims(np.array([1, 2]), -1) // [[1], [2]] */
export const expandDims = /* @__PURE__ */ takes('expandDims', 2, (x: Operand, axis: number): NdArray => {
  const y = anyArray('expandDims', x)
  return withAxis(y, axisOf('expandDims', y, axis, y.ndim + 1))
})
const withAxis = (x: NdArray, at: number): NdArray => c.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
/** Without its axes of 1: all of them, or those given. As `jnp.squeeze`. @example np.squeeze(np.array([[1, 2]])) // [1, 2] */
export const squeeze = /* @__PURE__ */ takes('squeeze', 2, (x: Operand, axis?: number | readonly number[]): NdArray => {
  const y = anyArray('squeeze', x)
  const axes = axis === undefined ? c.range(y.ndim).filter((d) => y.shape[d] === 1) : axesOf('squeeze', y, axis)
  const wide = axes.find((d) => y.shape[d] !== 1)
  if (wide !== undefined) refuse(ShapeError, 'squeeze', [y], `axis ${wide} has ${y.shape[wide]} elements: only an axis of 1 can go`)
  return c.reshape(
    y,
    y.shape.filter((_, d) => !axes.includes(d)),
  )
})

const joined = (what: string, xs: readonly Operand[]): NdArray[] => promoted(what, someOf(what, xs), anyArray)
export interface ConcatenateOptions {
  /** Default 0. */
  readonly axis?: number
}
const concatenateOptions: Schema<ConcatenateOptions> = { axis: whole }
/** Arrays one after the other along an axis, promoted to one dtype. As `jnp.concatenate`. @example np.concatenate([np.array([1]), np.array([2, 3])]) // [1, 2, 3] */
export const concatenate = /* @__PURE__ */ takes(
  'concatenate',
  2,
  (xs: readonly NdArray[], axis?: number | ConcatenateOptions): NdArray => {
    const arrays = joined('concatenate', xs)
    const first = arrays[0]!
    const at = axisOf('concatenate', first, axisBy('concatenate', concatenateOptions, axis) ?? 0)
    const rest = (x: NdArray): number[] => x.shape.filter((_, d) => d !== at)
    if (arrays.some((x) => x.ndim !== first.ndim || !eqShape(rest(x), rest(first))))
      refuse(ShapeError, 'concatenate', arrays, `shapes differ beside axis ${at}`)
    return c.concatenate(arrays, at)
  },
)
/** Arrays of one shape along a new axis. As `jnp.stack`. @example np.stack([np.array([1, 2]), np.array([3, 4])]) // [[1, 2], [3, 4]] */
export const stack = /* @__PURE__ */ takes('stack', 2, (xs: readonly Operand[], axis: number = 0): NdArray => {
  const arrays = joined('stack', xs)
  const shape = arrays[0]!.shape
  if (arrays.some((x) => !eqShape(x.shape, shape))) refuse(ShapeError, 'stack', arrays, 'arrays of one shape are needed')
  const at = axisOf('stack', arrays[0]!, axis, shape.length + 1)
  return c.concatenate(
    arrays.map((x) => withAxis(x, at)),
    at,
  )
})
/** Equal parts along an axis, or parts that begin at the places of a list. As `jnp.split`. @example np.split(np.arange(4), 2)[1] // [2, 3] */
export const split = /* @__PURE__ */ takes('split', 3, (x: Operand, parts: number | readonly number[], axis: number = 0): NdArray[] => {
  const y = anyArray('split', x)
  const at = axisOf('split', y, axis)
  const n = y.shape[at]!
  if (typeof parts === 'number' && parts > 2 ** 20)
    refuse(ShapeError, 'split', [y, parts], `${parts} parts are as many arrays: ${2 ** 20} at most`)
  const each = typeof parts === 'number' ? n / wholeOf('split', parts, 1) : 0
  if (!Number.isInteger(each)) refuse(ShapeError, 'split', [y, parts], `${n} elements don't make ${String(parts)} equal parts`)
  const inner = typeof parts === 'number' ? c.range(parts - 1).map((i) => (i + 1) * each) : shapeOf('split', parts)
  const cuts = [0, ...inner.map((i) => Math.min(i, n)), n]
  return cuts.slice(1).map((stop, i) => part(y, at, cuts[i]!, Math.max(stop, cuts[i]!)))
})
/** [start, stop) of one axis, by step. */
export const part = (x: NdArray, axis: number, start: number, stop: number, step = 1): NdArray =>
  c.slice(
    x,
    x.shape.map((_, d) => (d === axis ? start : 0)),
    x.shape.map((n, d) => (d === axis ? stop : n)),
    x.shape.map((_, d) => (d === axis ? step : 1)),
  )
export interface FlipOptions {
  /** Default: all. */
  readonly axis?: number | readonly number[]
}
const flipOptions: Schema<FlipOptions> = { axis: wholes }
/** In the other direction along an axis, or several; all when none is given. As `jnp.flip`. @example np.flip(np.array([1, 2, 3])) // [3, 2, 1] */
export const flip = /* @__PURE__ */ takes('flip', 2, (x: Operand, axis?: number | readonly number[] | FlipOptions): NdArray => {
  const y = anyArray('flip', x)
  return c.rev(y, axesOf('flip', y, axisBy('flip', flipOptions, axis)))
})
export interface FlatOptions {
  /** Default: all elements as one axis. */
  readonly axis?: number
}
const flatOptions: Schema<FlatOptions> = { axis: whole }
/** Elements pushed along an axis; those that leave come in at the other end. Flat when no axis is given. As `jnp.roll`. @example np.roll(np.array([1, 2, 3]), 1) // [3, 1, 2] */
export const roll = /* @__PURE__ */ takesOptions(
  'roll',
  3,
  flatOptions,
  (x: Operand, shift: number, options: FlatOptions = {}): NdArray => {
    const y = anyArray('roll', x)
    const { axis } = options
    const flat = axis === undefined ? c.reshape(y, [y.size]) : y
    const at = axis === undefined ? 0 : axisOf('roll', y, axis)
    const n = flat.shape[at]!
    const by = ((wholeOf('roll', shift) % n) + n) % n
    const out = by > 0 ? c.concatenate([part(flat, at, n - by, n), part(flat, at, 0, n - by)], at) : flat
    return c.reshape(out, y.shape)
  },
)
/** Each element so many times in a row along an axis; flat when none is given. As `jnp.repeat`. @example np.repeat(np.array([1, 2]), 2) // [1, 1, 2, 2] */
export const repeat = /* @__PURE__ */ takesOptions(
  'repeat',
  3,
  flatOptions,
  (x: Operand, times: number, options: FlatOptions = {}): NdArray => {
    const y = anyArray('repeat', x)
    const { axis } = options
    const n = wholeOf('repeat', times, 0)
    const flat = axis === undefined ? c.reshape(y, [y.size]) : y
    const at = axis === undefined ? 0 : axisOf('repeat', y, axis)
    const wide = [...flat.shape.slice(0, at + 1), n, ...flat.shape.slice(at + 1)]
    const spread = c.broadcastInDim(
      flat,
      wide,
      c.range(wide.length).filter((d) => d !== at + 1),
    )
    return c.reshape(spread, flat.shape.map((m, d) => (d === at ? m * n : m))) // prettier-ignore
  },
)
/** The whole array repeated along its axes, the last first. As `jnp.tile`. @example np.tile(np.array([1, 2]), [2]) // [1, 2, 1, 2] */
export const tile = /* @__PURE__ */ takes('tile', 2, (x: Operand, times: readonly number[]): NdArray => {
  const y = anyArray('tile', x)
  const reps = shapeOf('tile', times)
  const rank = Math.max(y.ndim, reps.length)
  const fill = (ns: readonly number[]): number[] => [...c.range(rank - ns.length).map(() => 1), ...ns]
  const [shape, by] = [fill(y.shape), fill(reps)]
  const wide = shape.flatMap((n, d) => [by[d]!, n])
  const spread = c.broadcastInDim(
    c.reshape(y, shape),
    wide,
    shape.map((_, d) => 2 * d + 1),
  )
  return c.reshape(spread, shape.map((n, d) => n * by[d]!)) // prettier-ignore
})

export interface PadOptions {
  /** 'constant' (the default), 'edge': the outermost element; 'reflect': mirrored about it; 'wrap': from the other end. */
  readonly mode?: 'constant' | 'edge' | 'reflect' | 'wrap'
  /** For 'constant'; default 0. */
  readonly value?: Operand
}
const padOptions: Schema<PadOptions> = { mode: oneOf('constant', 'edge', 'reflect', 'wrap'), value: operand }
/** More elements before and after: one width for all sides, or [before, after] for each axis. As `jnp.pad`. @example np.pad(np.array([1, 2]), 1) // [0, 1, 2, 0] */
export const pad = /* @__PURE__ */ takesOptions(
  'pad',
  3,
  padOptions,
  (x: Operand, width: number | readonly (readonly [before: number, after: number])[], options: PadOptions = {}): NdArray => {
    const y = asArray('pad', x)
    const { mode = 'constant', value = 0 } = options
    const widths = typeof width === 'number' ? y.shape.map(() => [width, width] as const) : width
    if (!isListOf(widths, (w) => Array.isArray(w) && w.length === 2) || widths.length !== y.ndim)
      refuse(ShapeError, 'pad', [y, width], `a width, or [before, after] for each of ${y.ndim} axes, is needed`)
    for (const w of widths) shapeOf('pad', w)
    if (mode === 'constant') {
      const fill = likened('pad', y, value)
      if (fill.ndim > 0) refuse(ShapeError, 'pad', [y, fill], 'the value is a scalar')
      const [lo, hi] = [widths.map((w) => w[0]), widths.map((w) => w[1])]
      return c.pad(y, fill, lo, hi)
    }
    return widths.reduce((z, [before, after], axis) => {
      const n = z.shape[axis]!
      if (before + after === 0) return z
      if (n === 0) refuse(ShapeError, 'pad', [y, width], `axis ${axis} is empty: there is nothing to repeat`)
      const line = c.iota([before + n + after], 'int32', 0)
      const place = c.sub(line, c.lit(line, before))
      const from = (): NdArray => {
        if (mode === 'edge') return place // a gather takes the nearest element
        if (mode === 'wrap') return wrapped(place, n)
        const there = Math.max(1, 2 * (n - 1)) // and back
        const away = wrapped(place, there)
        return c.min(away, c.sub(c.lit(line, there), away))
      }
      return c.moveAxis(c.gather(z, [from()], [axis], 'clip'), 0, axis)
    }, y)
  },
)
/** i modulo n, never negative. */
export const wrapped = (i: NdArray, n: number): NdArray => {
  const r = c.rem(i, c.lit(i, Math.max(n, 1)))
  return c.select(c.lt(r, c.lit(r, 0)), c.add(r, c.lit(r, n)), r)
}

const triangle = (what: string, below: boolean) =>
  takes(what, 2, (x: Operand, k: number = 0): NdArray => {
    const y = asArray(what, x)
    if (y.ndim < 2) refuse(ShapeError, what, [y], 'matrices are needed')
    const [rows, columns] = y.shape.slice(-2) as [number, number]
    const edge = c.full([], Math.min(Math.max(wholeOf(what, k), -rows), columns) - (below ? 0 : 1), 'int32')
    const lower = c.ge(c.add(c.iota(y.shape, 'int32', y.ndim - 2), edge), c.iota(y.shape, 'int32', y.ndim - 1))
    const zero = c.lit(y, 0)
    return below ? c.select(lower, y, zero) : c.select(lower, zero, y)
  })
/** Zero above the k-th diagonal of the last two axes. As `jnp.tril`. @example np.tril(np.ones([2, 2])) // [[1, 0], [1, 1]] */
export const tril = triangle('tril', true)
/** Zero below the k-th diagonal of the last two axes. As `jnp.triu`. @example np.triu(np.ones([2, 2])) // [[1, 1], [0, 1]] */
export const triu = triangle('triu', false)

/** The diagonal of two axes, moved to the end: in a row-major matrix it is every (columns + 1)-th element. */
export const diagonalOf = (x: NdArray, i: number, j: number, k: number = 0): NdArray => {
  const rest = c.range(x.ndim).filter((d) => d !== i && d !== j)
  const [n, m] = [x.shape[i]!, x.shape[j]!]
  const length = Math.max(0, Math.min(n + Math.min(k, 0), m - Math.max(k, 0)))
  const start = k >= 0 ? k : -k * m
  const flat = c.reshape(c.transpose(x, [...rest, i, j]), [...rest.map((d) => x.shape[d]!), n * m])
  return length === 0 ? part(flat, rest.length, 0, 0) : part(flat, rest.length, start, start + (length - 1) * (m + 1) + 1, m + 1)
}
/** The k-th diagonal of a matrix, or the matrix with this diagonal. As `jnp.diag`. @example np.diag(np.array([[1, 2], [3, 4]])) // [1, 4] */
export const diag = /* @__PURE__ */ takes('diag', 2, (x: Operand, k: number = 0): NdArray => {
  const y = asArray('diag', x)
  wholeOf('diag', k)
  if (y.ndim === 2) return diagonalOf(y, 0, 1, k)
  if (y.ndim !== 1) return refuse(ShapeError, 'diag', [y], 'a vector or a matrix is needed')
  const n = y.size + Math.abs(k)
  const shape = [n, n]
  const at = c.eq(c.add(c.iota(shape, 'int32', 0), c.full([], k, 'int32')), c.iota(shape, 'int32', 1))
  const rows = c.pad(y, c.lit(y, 0), [Math.max(-k, 0)], [Math.max(k, 0)])
  return c.select(at, c.broadcastInDim(rows, shape, [0]), c.lit(y, 0))
})
/** The sum of the k-th diagonal of the first two axes. As `jnp.trace`. @example np.trace(np.array([[1, 2], [3, 4]])) // 5 */
export const trace = /* @__PURE__ */ takes('trace', 2, (x: Operand, k: number = 0): NdArray => {
  const y = asArray('trace', x)
  if (y.ndim < 2) refuse(ShapeError, 'trace', [y], 'a matrix is needed')
  const line = diagonalOf(y, 0, 1, wholeOf('trace', k))
  return c.reduceSum(line.dtype === 'bool' ? c.convertElementType(line, 'int32') : line, [line.ndim - 1])
})
export interface DiffOptions {
  /** How often; default 1. */
  readonly n?: number
  /** Default: the last. */
  readonly axis?: number
}
const diffOptions: Schema<DiffOptions> = { n: atLeast(0), axis: whole }
/** Differences of neighbours along an axis, n times over. As `jnp.diff`. @example np.diff(np.array([1, 3, 6])) // [2, 3] */
export const diff = /* @__PURE__ */ takesOptions('diff', 2, diffOptions, (x: Operand, options: DiffOptions = {}): NdArray => {
  const y = asArray('diff', x)
  const { n = 1, axis = -1 } = options
  const at = axisOf('diff', y, axis)
  if (n >= y.shape[at]!) return n === 0 ? y : part(y, at, 0, 0)
  const once = (z: NdArray): NdArray => {
    const m = z.shape[at]!
    const [a, b] = [part(z, at, Math.min(1, m), m), part(z, at, 0, Math.max(0, m - 1))]
    return z.dtype === 'bool' ? c.ne(a, b) : c.sub(a, b)
  }
  return c.roundedOnce((z) => c.range(n).reduce(once, z))(y)
})
