/** Computed places: dynamic slices, gather and scatter. The indices are int32, an array for each indexed axis. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, aval, eqShape, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { type DType, isFloat } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { Scatter } from '../src/core/kernel.ts'
import type { OpName } from '../src/core/ops.ts'
import type { BatchDim, Linear, Rules, Tangent } from '../src/core/rules.ts'
import { allInFront, badAxes, batched, dtypes, inFront, isLinear, valueOf, linearJvp, linearOp, one, shapes, up } from './families.ts'

const scalars = (starts: readonly Aval[]): boolean => starts.every((s) => s.dtype === 'int32' && s.shape.length === 0)
const none = (n: number): Tangent[] => Array.from({ length: n }, () => O.none)

/** A window's first place on an axis of n: a negative start counts from the end, once, and then the window is moved to fit. */
const startNode = (start: g.Node, n: number, window: number): g.Node => {
  const negative = g.map('lt', 'bool', start, g.constNode(0, 'int32'))
  const wrapped = g.map('select', 'int32', negative, g.map('add', 'int32', start, g.constNode(n, 'int32')), start)
  return g.clampIndex(wrapped, n - window)
}

/** The places of a window in each axis, batched: its first place, as `startNode` has it, + offset. */
const windows = (
  starts: readonly NdArray[],
  dims: readonly BatchDim[],
  size: number,
  extents: readonly number[],
  window: readonly number[],
): NdArray[] => {
  const shape = [size, ...window]
  const places = starts.map((s, d) => {
    const all = c.broadcastInDim(inFront(s, dims[d]!, size), shape, [0])
    const wrapped = c.select(c.lt(all, c.lit(all, 0)), c.add(all, c.lit(all, extents[d]!)), all)
    const fit = c.clamp(c.lit(all, 0), wrapped, c.lit(all, extents[d]! - window[d]!))
    return c.add(fit, c.iota(shape, 'int32', d + 1))
  })
  return [c.iota(shape, 'int32', 0), ...places]
}
/** Each example's own places, and before them its number. */
const numbered = (indices: readonly NdArray[], dims: readonly BatchDim[], size: number): NdArray[] => {
  const wide = allInFront(indices, dims, size)
  return [c.iota(wide[0]!.shape, 'int32', 0), ...wide]
}

const dynamicSlice: Rules<'dynamicSlice'> = {
  abstractEval: ([x, ...starts], { sliceSizes }) => {
    if (starts.length !== x!.shape.length || sliceSizes.length !== starts.length)
      return shapes(`needs a start and a size for each of ${x!.shape.length} axes`)
    if (!scalars(starts)) return dtypes('starts must be int32 scalars: convert with astype')
    const bad = sliceSizes.findIndex((n, d) => !(n >= 0 && n <= x!.shape[d]!))
    return bad < 0
      ? one(aval(sliceSizes, x!.dtype, x!.weak))
      : shapes(`axis ${bad}: a size of ${sliceSizes[bad]} isn't within ${x!.shape[bad]}`)
  },
  jvp: linearOp('dynamicSlice', (i) => i === 0),
  transpose: (cts, [x, ...starts]) => [
    O.map((ct: NdArray) => c.dynamicUpdateSlice(c.zerosLike((x as Linear).aval), ct, starts.map(valueOf)))(cts[0]!),
    ...none(starts.length),
  ],
  batch: ([x, ...starts], [d, ...ds], size, { sliceSizes }) => {
    const moved = inFront(x!, d!, size)
    return batched([c.gather(moved, windows(starts, ds, size, moved.shape.slice(1), sliceSizes), c.range(moved.ndim), 'clip')])
  },
  lower: ([x, ...starts], { sliceSizes }) => {
    const physical = [...sliceSizes, ...x!.shape.slice(sliceSizes.length)]
    if (sizeOf(physical) === 0) return [g.constNode(0, x!.dtype, physical)]
    const places = physical.map((n, d) => {
      if (d >= starts.length) return g.iota(physical, d)
      return g.map('add', 'int32', g.broadcast(startNode(starts[d]!, x!.shape[d]!, n), physical, []), g.iota(physical, d))
    })
    return [g.gather(x!, g.linear(places, x!.shape))]
  },
}

const dynamicUpdateSlice: Rules<'dynamicUpdateSlice'> = {
  abstractEval: ([x, update, ...starts]) => {
    if (starts.length !== x!.shape.length || update!.shape.length !== starts.length)
      return shapes(`needs a start and an extent of the update for each of ${x!.shape.length} axes`)
    if (!scalars(starts) || update!.dtype !== x!.dtype)
      return dtypes('starts must be int32 scalars and the update of the same dtype: convert with astype')
    const bad = update!.shape.findIndex((n, d) => n > x!.shape[d]!)
    return bad < 0 ? one(x!) : shapes(`axis ${bad}: the update's ${update!.shape[bad]} isn't within ${x!.shape[bad]}`)
  },
  jvp: linearOp('dynamicUpdateSlice', (i) => i < 2),
  transpose: (cts, [x, u, ...starts]) => {
    const ct = cts[0]!
    if (O.isNone(ct)) return none(starts.length + 2)
    const at = starts.map(valueOf)
    return [
      isLinear(x!) ? O.some(c.dynamicUpdateSlice(ct.value, c.zerosLike(u!.aval), at)) : O.none,
      isLinear(u!) ? O.some(c.dynamicSlice(ct.value, at, u!.aval.shape)) : O.none,
      ...none(starts.length),
    ]
  },
  batch: ([x, u, ...starts], [d, du, ...ds], size) => {
    const moved = inFront(x!, d!, size)
    const update = inFront(u!, du!, size)
    const places = windows(starts, ds, size, moved.shape.slice(1), update.shape.slice(1))
    return batched([c.scatter(moved, update, places, c.range(moved.ndim), 'set')])
  },
  lower: ([x, u, ...starts]) => {
    if (sizeOf(u!.shape) === 0) return [x!]
    const shape = x!.shape
    let inside: g.Node = g.constNode(1, 'bool', shape)
    const places = shape.map((n, d) => {
      if (d >= starts.length) return g.iota(shape, d)
      const extent = u!.shape[d]!
      const start = g.broadcast(startNode(starts[d]!, n, extent), shape, [])
      const q = g.map('sub', 'int32', g.iota(shape, d), start)
      inside = g.map('and', 'bool', inside, g.within(q, extent))
      return g.clampIndex(q, extent - 1)
    })
    return [g.map('select', x!.dtype, inside, g.gather(u!, g.linear(places, u!.shape)), x!)]
  },
}

const badIndices = (x: Aval, indices: readonly Aval[], axes: readonly number[]): string | null =>
  badAxes(axes, x.shape.length) ??
  (indices.length !== axes.length || indices.length === 0
    ? `needs an index for each of the ${axes.length} axes`
    : indices.some((i) => i.dtype !== 'int32' || !eqShape(i.shape, indices[0]!.shape))
      ? 'indices must be int32 and of one shape'
      : null)
const others = (shape: readonly number[], axes: readonly number[]): number[] => shape.filter((_, d) => !axes.includes(d))
const fillOf = (dtype: DType): number => (isFloat(dtype) ? NaN : dtype === 'int32' ? -(2 ** 31) : dtype === 'uint32' ? 2 ** 32 - 1 : 1)
/** Where all indices are within their axes. */
const within = (indices: readonly g.Node[], extents: readonly number[]): g.Node =>
  indices.map((i, d) => g.within(i, extents[d]!)).reduce((a, b) => g.map('and', 'bool', a, b))
/** The same on arrays, for rules. */
const valid = (indices: readonly NdArray[], extents: readonly number[]): NdArray =>
  indices.map((i, d) => c.and(c.ge(i, c.lit(i, 0)), c.lt(i, c.lit(i, extents[d]!)))).reduce((a, b) => c.and(a, b))

const gather: Rules<'gather'> = {
  abstractEval: ([x, ...indices], { axes }) => {
    const bad = badIndices(x!, indices, axes)
    return bad === null ? one(aval([...indices[0]!.shape, ...others(x!.shape, axes)], x!.dtype, x!.weak)) : shapes(bad)
  },
  jvp: ([x, ...indices], [t], { axes, mode }) =>
    linearJvp(c.gather(x!, indices, axes, mode), t!, (dx) => {
      const picked = c.gather(dx, indices, axes, 'clip')
      if (mode === 'clip') return picked
      // What is filled in depends on nothing.
      const there = valid(
        indices,
        axes.map((a) => x!.shape[a]!),
      )
      return c.select(c.broadcastInDim(there, picked.shape, c.range(there.ndim)), picked, c.zerosLike(picked.aval))
    }),
  transpose: (cts, [x, ...indices], { axes, mode }) => {
    const to = (x as Linear).aval
    const at = indices.map((i, d) => {
      const index = valueOf(i)
      return mode === 'clip' ? c.clamp(c.lit(index, 0), index, c.lit(index, to.shape[axes[d]!]! - 1)) : index
    })
    return [O.map((ct: NdArray) => c.scatter(c.zerosLike(to), ct, at, axes, 'add'))(cts[0]!), ...none(indices.length)]
  },
  batch: ([x, ...indices], [d, ...ds], size, { axes, mode }) => {
    if (O.isNone(d!)) return batched([c.gather(x!, allInFront(indices, ds, size), axes, mode)])
    const moved = inFront(x!, d!, size)
    if (ds.every(O.isNone)) return batched([c.gather(moved, indices, up(axes), mode)], indices[0]!.ndim)
    return batched([c.gather(moved, numbered(indices, ds, size), [0, ...up(axes)], mode)])
  },
  lower: ([x, ...indices], { axes, mode }) => {
    const I = indices[0]!.shape
    const rest = others(x!.shape, axes)
    const shape = [...I, ...rest]
    const extents = axes.map((a) => x!.shape[a]!)
    const fill = g.constNode(fillOf(x!.dtype), x!.dtype, shape)
    if (sizeOf(x!.shape) === 0) return [fill]
    const wide = (n: g.Node): g.Node => g.broadcast(n, shape, c.range(I.length))
    let next = I.length
    const places = x!.shape.map((n, d) => {
      const k = axes.indexOf(d)
      return k < 0 ? g.iota(shape, next++) : wide(g.clampIndex(indices[k]!, n - 1))
    })
    const picked = g.gather(x!, g.linear(places, x!.shape))
    return [mode === 'clip' ? picked : g.map('select', x!.dtype, wide(within(indices, extents)), picked, fill)]
  },
}

const scatter: Rules<'scatter'> = {
  abstractEval: ([x, updates, ...indices], { axes, combine }) => {
    const bad = badIndices(x!, indices, axes)
    if (bad !== null) return shapes(bad)
    if (updates!.dtype !== x!.dtype || (combine === 'add' && x!.dtype === 'bool'))
      return dtypes("updates must have the array's dtype, a number for 'add'")
    const want = [...indices[0]!.shape, ...others(x!.shape, axes)]
    return eqShape(updates!.shape, want) ? one(x!) : shapes(`updates must have the shape [${want.join(',')}]`)
  },
  jvp: linearOp('scatter', (i) => i < 2),
  transpose: (cts, [x, u, ...indices], { axes, combine }) => {
    const ct = cts[0]!
    if (O.isNone(ct)) return none(indices.length + 2)
    const at = indices.map(valueOf)
    const I = at[0]!.shape
    const extents = axes.map((a) => x!.aval.shape[a]!)
    let kept = valid(at, extents)
    if (combine === 'set') {
      // Of several updates to one place the last wins: it alone passes its cotangent.
      const n = sizeOf(I)
      const id = c.reshape(c.iota([n], 'int32', 0), I)
      const winner = c.scatter(c.full(extents, -1, 'int32'), id, at, c.range(axes.length), 'set')
      kept = c.and(kept, c.eq(c.gather(winner, at, c.range(axes.length), 'clip'), id))
    }
    const uShape = u!.aval.shape
    const picked = c.gather(ct.value, at, axes, 'clip')
    return [
      isLinear(x!) ? O.some(combine === 'add' ? ct.value : c.scatter(ct.value, c.zerosLike(u!.aval), at, axes, 'set')) : O.none,
      isLinear(u!) ? O.some(c.select(c.broadcastInDim(kept, uShape, c.range(I.length)), picked, c.zerosLike(picked.aval))) : O.none,
      ...none(indices.length),
    ]
  },
  batch: ([x, u, ...indices], [d, du, ...ds], size, { axes, combine }) =>
    batched([c.scatter(inFront(x!, d!, size), inFront(u!, du!, size), numbered(indices, ds, size), [0, ...up(axes)], combine)]),
  lower: ([x, u, ...indices], { axes, combine }) => {
    const rank = x!.shape.length
    const extents = axes.map((a) => x!.shape[a]!)
    const rest = others(x!.shape, axes)
    const lead = [...axes, ...c.range(rank).filter((d) => !axes.includes(d))]
    const count = sizeOf(indices[0]!.shape)
    const kernel: Scatter = {
      kind: 'scatter',
      combine,
      dtype: x!.dtype,
      rows: sizeOf(extents),
      rest: sizeOf(rest),
      count,
      args: [x!.dtype, 'int32', x!.dtype, x!.dtype],
    }
    const index = g.map('select', 'int32', within(indices, extents), g.linear(indices, extents), g.constNode(-1, 'int32'))
    const [out] = g.special(kernel, [g.transpose(x!, lead), index, u!], [{ shape: lead.map((d) => x!.shape[d]!), dtype: x!.dtype }])
    return [
      g.transpose(
        out!,
        c.range(rank).map((d) => lead.indexOf(d)),
      ),
    ]
  },
}

export const indexingRules = { dynamicSlice, dynamicUpdateSlice, gather, scatter } satisfies { readonly [K in OpName]?: Rules<K> }
