/**
 * Indexing, NumPy's way, in one list of indices an axis each:
 *   2, -1                a whole number: the axis goes; negative from the end
 *   [1, 3], [1], [null, null, -1], []   a slice [start, stop, step], every part open when null or missing: x[1:3], x[1:], x[::-1], x[:]
 *   null                 a new axis of 1
 *   '...'                as many whole axes as are left
 *   an integer array     picks along the axis; several broadcast together
 * Outside an axis a read takes the nearest element and an update is dropped, as in JAX.
 */
import { NdArray } from '../core/array.ts'
import { aval, eqShape, rowMajor, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import type { Index, Operand, Place } from '../core/methods.ts'
import { constant } from '../core/trace.ts'
import { axisOf, clampedOf, refuse } from './check.ts'
import { wrapped } from './layout.ts'
import { anyArray, asArray, asIndex, broadcastLists, likened, modular, toShape } from './promote.ts'
import { oneOf, type Schema, whole } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

/** Negative places count from the end, once. */
const fromEnd = (i: NdArray, n: number): NdArray => c.select(c.lt(i, c.lit(i, 0)), c.add(i, c.lit(i, n)), i)

/** What indices mean for an array: a window of it, of which some axes go, some are picked from by arrays, and some are new. */
interface Plan {
  readonly start: readonly number[]
  readonly limit: readonly number[]
  /** Never 0; negative runs backwards over the same window. */
  readonly step: readonly number[]
  /** A whole number beyond its axis: a read takes the nearest, an update does nothing. */
  readonly outside: boolean
  /** Axes that arrays index, with the arrays: int32, at one shape, counted from the front. */
  readonly axes: readonly number[]
  readonly indices: readonly NdArray[]
  /** Axes of the window that stay, in order. */
  readonly kept: readonly number[]
  /** Where the arrays' axes stand among the kept. */
  readonly position: number
  /** The shape of the result. */
  readonly shape: readonly number[]
}

/** A list that isn't meant as a slice. */
const listHint = (index: unknown): string =>
  Array.isArray(index) ? ': a list is one slice, and indices are separate arguments, such as at(0, 2), or an integer array' : ''

const plan = (what: string, x: NdArray, given: readonly Index[]): Plan => {
  const shown = [x, ...given]
  const used = given.filter((i) => i !== null && i !== '...').length
  if (used > x.ndim)
    refuse(
      ShapeError,
      what,
      shown,
      `${used} indices are too many for rank ${x.ndim}${given.map(listHint).find((hint) => hint !== '') ?? ''}`,
    )
  const dots = given.indexOf('...')
  if (dots !== given.lastIndexOf('...')) refuse(ShapeError, what, shown, "'...' can stand once")
  const open = c.range(x.ndim - used).map((): Index => [])
  const all = dots < 0 ? [...given, ...open] : [...given.slice(0, dots), ...open, ...given.slice(dots + 1)]
  const arrays = all.some((i) => i instanceof NdArray)
  const [start, limit, step] = [[] as number[], [] as number[], [] as number[]]
  const [axes, raw, kept] = [[] as number[], [] as NdArray[], [] as number[]]
  const items: ('new' | 'kept' | 'picked')[] = []
  let outside = false
  for (const index of all) {
    const axis = start.length
    const n = x.shape[axis]!
    const window = (from: number, to: number, by: number): void => {
      start.push(from)
      limit.push(to)
      step.push(by)
    }
    if (index === null) items.push('new')
    else if (index instanceof NdArray || (arrays && typeof index === 'number')) {
      if (index instanceof NdArray && index.dtype === 'bool')
        refuse(DTypeError, what, shown, 'a mask as an index would make a shape that depends on values: use np.where')
      const i = asIndex(what, typeof index === 'number' ? clampedOf(what, index) : index)
      window(0, n, 1)
      axes.push(axis)
      raw.push(fromEnd(i, n))
      items.push('picked')
    } else if (typeof index === 'number') {
      if (!Number.isInteger(index)) refuse(ShapeError, what, shown, `the index ${index} isn't a whole number`)
      if (n === 0) refuse(ShapeError, what, shown, `axis ${axis} is empty: it has no element`)
      const i = index < 0 ? index + n : index
      outside ||= i < 0 || i >= n
      const near = Math.min(Math.max(i, 0), n - 1)
      window(near, near + 1, 1)
    } else if (Array.isArray(index) && index.length <= 3 && index.every((i) => i === null || i === undefined || Number.isInteger(i))) {
      const [from, to, by] = index as readonly (number | null | undefined)[]
      const stride = by ?? 1
      if (stride === 0) refuse(ShapeError, what, shown, 'the step of a slice is never 0')
      const within = (i: number, lo: number, hi: number): number => Math.min(Math.max(i < 0 ? i + n : i, lo), hi)
      if (stride > 0) {
        const first = within(from ?? 0, 0, n)
        window(first, Math.max(first, within(to ?? n, 0, n)), stride)
      } else {
        // Backwards over [last, first]: the same elements as forwards from the one that the steps end at.
        const first = from === null || from === undefined ? n - 1 : within(from, -1, n - 1)
        const last = to === null || to === undefined ? -1 : within(to, -1, n - 1)
        const count = Math.max(0, Math.ceil((first - last) / -stride))
        window(count === 0 ? 0 : first + (count - 1) * stride, count === 0 ? 0 : first + 1, stride)
      }
      kept.push(axis)
      items.push('kept')
    } else
      refuse(
        ShapeError,
        what,
        shown,
        `an index is a whole number, a slice [start, stop, step], null, "..." or an integer array${listHint(index)}`,
      )
  }
  const shape = broadcastLists(
    what,
    raw.map((i) => i.shape),
    shown,
  )
  const first = items.indexOf('picked')
  const together = first >= 0 && items.slice(first, items.lastIndexOf('picked') + 1).every((k) => k === 'picked')
  const position = together ? items.slice(0, first).filter((k) => k === 'kept').length : 0
  const extents = kept.map((d) => Math.ceil((limit[d]! - start[d]!) / Math.abs(step[d]!)))
  const out: number[] = arrays && !together ? [...shape] : []
  let next = 0
  items.forEach((item, at) => {
    if (item === 'new') out.push(1)
    else if (item === 'kept') out.push(extents[next++]!)
    else if (together && at === first) out.push(...shape)
  })
  return { start, limit, step, outside, axes, indices: raw.map((i) => toShape(i, shape)), kept, position, shape: out }
}

const backwards = ({ step }: Plan): number[] => c.range(step.length).filter((d) => step[d]! < 0)
/** The window: [extents of all axes of x]. */
const read = (x: NdArray, p: Plan): NdArray => {
  const whole = x.shape.every((n, d) => p.start[d] === 0 && p.limit[d] === n && Math.abs(p.step[d]!) === 1)
  const window = whole ? x : c.slice(x, p.start, p.limit, p.step.map(Math.abs))
  const turned = backwards(p)
  return turned.length > 0 ? c.rev(window, turned) : window
}
/** Of the gathered [...I, ...kept], I to its position. */
const toFront = (p: Plan): number[] => {
  const rank = p.indices[0]!.ndim
  const others = c.range(p.kept.length).map((d) => d + rank)
  return [...others.slice(0, p.position), ...c.range(rank), ...others.slice(p.position)]
}
const within = (i: NdArray, n: number): NdArray => c.and(c.ge(i, c.lit(i, 0)), c.lt(i, c.lit(i, n)))
const get = (x: NdArray, p: Plan): NdArray => {
  const window = read(x, p)
  if (p.axes.length === 0) return c.reshape(window, p.shape)
  const near = c.gather(window, p.indices, p.axes, 'clip')
  const inside = p.indices.map((i, k) => within(i, window.shape[p.axes[k]!]!)).reduce(c.and)
  // What lies outside reads the nearest element and gives it no gradient.
  const picked = c.select(c.broadcastInDim(inside, near.shape, c.range(inside.ndim)), near, c.stopGradient(near))
  return c.reshape(c.transpose(picked, toFront(p)), p.shape)
}

type Combine = 'set' | 'add' | 'mul' | 'min' | 'max'
const ops = { add: c.add, mul: c.mul, min: c.min, max: c.max } as const
const combined = (x: NdArray, v: NdArray, how: Combine): NdArray => (how === 'set' ? v : ops[how](x, v))

/** x with the window put back: what is around it stays. */
const write = (x: NdArray, window: NdArray, p: Plan): NdArray => {
  const turned = backwards(p)
  const straight = turned.length > 0 ? c.rev(window, turned) : window
  const step = p.step.map(Math.abs)
  const hi = x.shape.map((n, d) => n - p.start[d]! - (straight.shape[d] === 0 ? 0 : (straight.shape[d]! - 1) * step[d]! + 1))
  if (eqShape(straight.shape, x.shape) && hi.every((h) => h === 0)) return straight
  const around = (y: NdArray): NdArray =>
    c.pad(
      y,
      c.lit(y, 0),
      p.start,
      hi,
      step.map((s) => s - 1),
    )
  return c.select(around(c.full(straight.shape, 1, 'bool')), around(straight), x)
}

/** Values, and of how many equal ones each is the extreme. */
interface Counted {
  readonly values: NdArray
  readonly count: NdArray
}
const both =
  (f: typeof c.mul) =>
  (a: Counted, b: Counted): Counted => ({ values: f(a.values, b.values), count: a.count })
/** The extreme of both. Equals share its gradient in proportion to what each stands for: a + (b - a) share is a, since b - a is 0. */
const sharing =
  (f: typeof c.max) =>
  (a: Counted, b: Counted): Counted => {
    const [x, y] = [a.values, b.values]
    const count = c.add(a.count, b.count)
    const share = c.convertElementType(c.div(b.count, count), x.dtype, x.aval.weak)
    const extreme = f(x, y)
    const tie = c.eq(x, y)
    return {
      values: c.select(c.and(tie, c.isFinite(x)), c.add(x, c.mul(c.sub(y, x), share)), extreme),
      count: c.select(tie, count, c.select(c.eq(x, extreme), a.count, b.count)),
    }
  }

/**
 * Updates at the indices, of which several may be one place. `set` and `add` are scatters. For the others the updates of one place stand
 * together after a stable sort; log n steps of doubling combine them, and the last of each place is set.
 */
const scattered = (x: NdArray, v: NdArray, { axes, indices }: Plan, how: Combine): NdArray => {
  if (how === 'set' || how === 'add') return c.scatter(x, v, indices, axes, how)
  const f = ops[how]
  const lead = [...axes, ...c.range(x.ndim).filter((d) => !axes.includes(d))]
  const extents = axes.map((a) => x.shape[a]!)
  const [rows, rest] = [sizeOf(extents), x.size / Math.max(1, sizeOf(extents))]
  const n = sizeOf(indices[0]!.shape)
  if (rows * rest * n === 0) return x
  const flat = c.reshape(c.transpose(x, lead), [rows, rest])
  const strides = rowMajor(extents)
  const i32 = (value: number): NdArray => constant(value, aval([], 'int32'))
  const inside = indices.map((i, k) => within(i, extents[k]!)).reduce(c.and)
  const number = indices.map((i, k) => c.mul(i, i32(strides[k]!))).reduce(c.add)
  const [places, order] = c.sort([c.reshape(c.select(inside, number, i32(rows)), [n]), c.iota([n], 'int32', 0)], 0)
  const later = (y: NdArray, by: number, fill: NdArray): NdArray =>
    c.pad(y, fill, [by, ...c.range(y.ndim - 1).map(() => 0)], [-by, ...c.range(y.ndim - 1).map(() => 0)])
  const combine = how === 'mul' || !isFloat(x.dtype) ? both(f) : sharing(f)
  let all: Counted = { values: c.gather(c.reshape(v, [n, rest]), [order!], [0], 'clip'), count: c.full([n, rest], 1, 'float32') }
  for (let by = 1; by < n; by *= 2) {
    const same = c.broadcastInDim(c.eq(later(places!, by, i32(-1)), places!), [n, rest], [0])
    const { values, count } = all
    const next = combine(all, { values: later(values, by, c.lit(values, 0)), count: later(count, by, c.lit(count, 1)) })
    all = { values: c.select(same, next.values, values), count: c.select(same, next.count, count) }
  }
  const last = c.ne(later(places!, -1, i32(-1)), places!)
  const target = c.select(last, places!, i32(rows))
  const before = { values: c.gather(flat, [places!], [0], 'clip'), count: c.full([n, rest], 1, 'float32') }
  const updated = c.scatter(flat, combine(before, all).values, [target], [0], 'set')
  const back = c.reshape(
    updated,
    lead.map((d) => x.shape[d]!),
  )
  return c.transpose(
    back,
    c.range(x.ndim).map((d) => lead.indexOf(d)),
  )
}

const update = (what: string, x: NdArray, p: Plan, value: Operand, how: Combine): NdArray => {
  const v = likened(what, x, how === 'add' || how === 'mul' ? modular(value, x) : value)
  if (!eqShape(broadcastLists(what, [p.shape, v.shape], [p.shape, v]), p.shape))
    refuse(ShapeError, what, [x, v], `the values don't broadcast to the indexed [${p.shape.join(',')}]`)
  if (p.outside) return x
  const wide = toShape(v, p.shape)
  const window = read(x, p)
  if (p.axes.length === 0) return write(x, combined(window, c.reshape(wide, window.shape), how), p)
  const order = toFront(p)
  const kept = p.kept.map((d) => window.shape[d]!)
  const placed = [...kept.slice(0, p.position), ...p.indices[0]!.shape, ...kept.slice(p.position)]
  const updates = c.transpose(
    c.reshape(wide, placed),
    order.map((_, d) => order.indexOf(d)),
  )
  // Axes of 1 that a whole number left stand in the window still.
  const together = c.roundedOnce((z, u) => scattered(z, u, p, how))
  return write(x, how === 'mul' ? together(window, updates) : scattered(window, updates, p, how), p)
}

/**
 * A place in x, to read or to update: `np.at(x, 0, [1, 3]).set(v)` is x with x[0, 1:3] replaced; x stays as it is. As `x.at[…]` in JAX.
 * Updates at one place several times: `set` takes the last.
 *
 * @throws ShapeError when an index or a value doesn't fit; DTypeError when an index array isn't of integers
 * @example np.at(np.array([1, 2, 3]), 1).set(7) // [1, 7, 3]
 */
export const at = (x: Operand, ...indices: readonly Index[]): Place => {
  const y = anyArray('at', x)
  const p = plan('at', y, indices)
  const method =
    (how: Combine) =>
    (value: Operand): NdArray =>
      update(`at.${how}`, how === 'set' ? y : asArray(`at.${how}`, y), p, value, how)
  return { get: () => get(y, p), set: method('set'), add: method('add'), mul: method('mul'), min: method('min'), max: method('max') }
}

/**
 * Elements by indices, one an axis: whole numbers, slices [start, stop, step], null, '...' and integer arrays. As `x[…]` in JAX.
 *
 * @throws ShapeError when an index doesn't fit; DTypeError when an index array isn't of integers
 * @example np.slice(np.array([[1, 2, 3], [4, 5, 6]]), 1, [1]) // [5, 6]
 */
export const slice = (x: Operand, ...indices: readonly Index[]): NdArray => {
  const y = anyArray('slice', x)
  return get(y, plan('slice', y, indices))
}

export interface TakeOptions {
  /** Default: all of them, as one. */
  readonly axis?: number
  /** Outside the axis: 'fill' (the default) gives NaN, or the least int; 'clip' the nearest element; 'wrap' counts round. */
  readonly mode?: 'fill' | 'clip' | 'wrap'
}
const takeOptions: Schema<TakeOptions> = { axis: whole, mode: oneOf('fill', 'clip', 'wrap') }
const placed = (what: string, i: NdArray, n: number, mode: unknown): NdArray =>
  mode === 'wrap'
    ? wrapped(i, n)
    : mode === 'clip'
      ? i
      : mode === 'fill'
        ? fromEnd(i, n)
        : refuse(ShapeError, what, [mode], "the mode is 'fill', 'clip' or 'wrap'")
/**
 * Elements along an axis by integers of any shape, which takes the axis's place; negative ones count from the end. As `jnp.take`.
 *
 * @throws ShapeError when the axis is out of range; DTypeError when the indices aren't integers
 * @example np.take(np.array([10, 20, 30]), np.array([2, 0], { dtype: 'int32' })) // [30, 10]
 */
export const take = /* @__PURE__ */ takesOptions(
  'take',
  3,
  takeOptions,
  (x: Operand, indices: Operand, options: TakeOptions = {}): NdArray => {
    const whole = anyArray('take', x)
    const { axis, mode = 'fill' } = options
    const y = axis === undefined ? c.reshape(whole, [whole.size]) : whole
    const a = axis === undefined ? 0 : axisOf('take', y, axis)
    const n = y.shape[a]!
    const i = asIndex('take', typeof indices === 'number' && mode === 'wrap' && n > 0 ? indices % n : indices)
    const out = c.gather(y, [placed('take', i, n, mode)], [a], mode === 'fill' ? 'fill' : 'clip') // [...indices, ...others]
    const others = c.range(y.ndim - 1).map((d) => d + i.ndim)
    return c.transpose(out, [...others.slice(0, a), ...c.range(i.ndim), ...others.slice(a)])
  },
)
/**
 * Along one axis, an element for each index, the other axes matched: as argsort's result is used. As `jnp.take_along_axis`.
 *
 * @throws ShapeError when the other axes don't broadcast; DTypeError when the indices aren't integers
 * @example np.takeAlongAxis(np.array([[3, 1, 2]]), np.array([[1, 2, 0]], { dtype: 'int32' }), 1) // [[1, 2, 3]]
 */
export const takeAlongAxis = /* @__PURE__ */ takes('takeAlongAxis', 3, (x: Operand, indices: Operand, axis: number): NdArray => {
  const y = anyArray('takeAlongAxis', x)
  const a = axisOf('takeAlongAxis', y, axis)
  const i = asIndex('takeAlongAxis', indices)
  if (i.ndim !== y.ndim) refuse(ShapeError, 'takeAlongAxis', [y, i], 'array and indices have one rank')
  const one = (s: readonly number[]): number[] => s.map((n, d) => (d === a ? 1 : n))
  const others = broadcastLists('takeAlongAxis', [one(y.shape), one(i.shape)], [y, i])
  const at = (n: number): number[] => others.map((m, d) => (d === a ? n : m))
  const wide = toShape(i, at(i.shape[a]!))
  const own = placed('takeAlongAxis', wide, y.shape[a]!, 'fill')
  const places = others.map((_, d) => (d === a ? own : c.iota(wide.shape, 'int32', d)))
  return c.gather(toShape(y, at(y.shape[a]!)), places, c.range(y.ndim), 'fill')
})
