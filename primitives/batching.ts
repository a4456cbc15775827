/** What vmap makes of each primitive: the same op with one more axis, at the front where the op would mind another place. It comes with vmap. */
import type { NdArray } from '../src/core/array.ts'
import * as c from '../src/core/constructors.ts'
import * as O from '../src/core/option.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { BatchDim, Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { elementwiseRules } from './elementwise.ts'
import { batched, elementwiseBatch, inFront } from './families.ts'
import { type Common, commonRules } from './table.ts'

type Batch<K extends OpName> = Rules<K>['batch']

const at = (d: BatchDim | undefined): number => (d as O.Some<number>).value
/** An axis of the unbatched operand, in the batched one whose batch axis is `dim`. */
const shifted = (axis: number, dim: number): number => (axis >= dim ? axis + 1 : axis)
const up = (axes: readonly number[]): number[] => axes.map((a) => a + 1)
/** A list of numbers, one an axis, with one more for the batch axis. */
const insert = (xs: readonly number[], dim: number, value: number): number[] => [...xs.slice(0, dim), value, ...xs.slice(dim)]
const allInFront = (xs: readonly NdArray[], dims: readonly BatchDim[], size: number): NdArray[] =>
  xs.map((x, i) => inFront(x, dims[i]!, size))

/** Operands batched in front, under params for an axis more. */
const lifted =
  <K extends OpName>(name: K, wide: (params: OpParams[K], size: number) => OpParams[K]): Batch<K> =>
  (xs, dims, size, params) =>
    batched(bind(name, wide(params, size), allInFront(xs, dims, size)))
/** One operand, whose batch axis stays where it is. */
const still =
  <K extends OpName>(name: K, wide: (params: OpParams[K], dim: number, size: number) => OpParams[K]): Batch<K> =>
  (xs, [d], size, params) => ({ outs: bind(name, wide(params, at(d), size), xs), dims: [d!] })

const elementwise = Object.fromEntries(
  Object.keys(elementwiseRules).map((name) => [name, elementwiseBatch(name as OpName)]),
) as unknown as { readonly [K in keyof typeof elementwiseRules]: Batch<K> }

type AxesOp = 'reduceSum' | 'reduceProd' | 'reduceMax' | 'reduceMin' | 'reduceAnd' | 'reduceOr'
const reduction =
  <K extends AxesOp>(name: K): Batch<K> =>
  (xs, [d], _size, { axes }) => {
    const moved = axes.map((a) => shifted(a, at(d)))
    return batched(bind(name, { axes: moved } as OpParams[K], xs), at(d) - moved.filter((a) => a < at(d)).length)
  }
const place =
  <K extends 'argmax' | 'argmin'>(name: K): Batch<K> =>
  (xs, [d], _size, { axis }) => {
    const moved = shifted(axis, at(d))
    return batched(bind(name, { axis: moved } as OpParams[K], xs), moved < at(d) ? at(d) - 1 : at(d))
  }
const prefix = <K extends 'cumsum' | 'cumprod' | 'cummax' | 'cummin'>(name: K): Batch<K> =>
  still(name, (p, dim) => ({ ...p, axis: shifted(p.axis, dim) }))

const pad: Batch<'pad'> = ([x, v], [d, dv], size, p) => {
  const wide = { lo: [0, ...p.lo], hi: [0, ...p.hi], interior: [0, ...p.interior] }
  const widely = (y: NdArray, value: NdArray): NdArray => bind('pad', wide, [y, value])[0]!
  const moved = inFront(x!, d!, size)
  if (O.isNone(dv!)) return batched([widely(moved, v!)])
  const inside = widely(moved, c.lit(moved, 0))
  const mask = widely(c.full(moved.shape, 1, 'int32'), c.full([], 0, 'int32'))
  return batched([c.select(c.ne(mask, c.lit(mask, 0)), inside, c.broadcastInDim(v!, inside.shape, [0]))])
}

/** The places of a window in each axis, batched: its first place, as lowering has it (from the end if negative, then moved to fit), + offset. */
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
const dynamicSlice: Batch<'dynamicSlice'> = ([x, ...starts], [d, ...ds], size, { sliceSizes }) => {
  const moved = inFront(x!, d!, size)
  return batched([c.gather(moved, windows(starts, ds, size, moved.shape.slice(1), sliceSizes), c.range(moved.ndim), 'clip')])
}
const dynamicUpdateSlice: Batch<'dynamicUpdateSlice'> = ([x, u, ...starts], [d, du, ...ds], size) => {
  const moved = inFront(x!, d!, size)
  const update = inFront(u!, du!, size)
  const places = windows(starts, ds, size, moved.shape.slice(1), update.shape.slice(1))
  return batched([c.scatter(moved, update, places, c.range(moved.ndim), 'set')])
}
/** Each example's own places, and before them its number. */
const numbered = (indices: readonly NdArray[], dims: readonly BatchDim[], size: number): NdArray[] => {
  const wide = allInFront(indices, dims, size)
  return [c.iota(wide[0]!.shape, 'int32', 0), ...wide]
}
const gather: Batch<'gather'> = ([x, ...indices], [d, ...ds], size, { axes, mode }) => {
  if (O.isNone(d!)) return batched([c.gather(x!, allInFront(indices, ds, size), axes, mode)])
  const moved = inFront(x!, d!, size)
  if (ds.every(O.isNone)) return batched([c.gather(moved, indices, up(axes), mode)], indices[0]!.ndim)
  return batched([c.gather(moved, numbered(indices, ds, size), [0, ...up(axes)], mode)])
}
const scatter: Batch<'scatter'> = ([x, u, ...indices], [d, du, ...ds], size, { axes, combine }) =>
  batched([c.scatter(inFront(x!, d!, size), inFront(u!, du!, size), numbered(indices, ds, size), [0, ...up(axes)], combine)])

const dotGeneral: Batch<'dotGeneral'> = ([x, y], [dx, dy], size, { contract, batch, preferred }) => {
  const dot = (lhs: NdArray, rhs: NdArray, axes: typeof contract, along: typeof batch): NdArray =>
    c.dotGeneral(lhs, rhs, axes, along, preferred)
  if (O.isNone(dy!))
    return batched([dot(inFront(x!, dx!, size), y!, [up(contract[0]), contract[1]], [up(batch[0]), batch[1]])], batch[0].length)
  const moved = inFront(y!, dy!, size)
  if (O.isNone(dx!))
    return batched([dot(x!, moved, [contract[0], up(contract[1])], [batch[0], up(batch[1])])], x!.ndim - contract[0].length)
  const along = [[0, ...up(batch[0])], [0, ...up(batch[1])]] as const // prettier-ignore
  return batched([dot(inFront(x!, dx!, size), moved, [up(contract[0]), up(contract[1])], along)])
}

const jit: Batch<'jit'> = (xs, dims, size, { jaxpr, name }, transforms) => {
  const wide = transforms.batch(jaxpr, size, dims)
  return { outs: bind('jit', { jaxpr: wide.jaxpr, name: `vmap(${name})` }, [...wide.captures, ...xs]), dims: wide.dims }
}

const batching: { readonly [K in Common]: Batch<K> } = {
  ...elementwise,
  reduceSum: reduction('reduceSum'),
  reduceProd: reduction('reduceProd'),
  reduceMax: reduction('reduceMax'),
  reduceMin: reduction('reduceMin'),
  reduceAnd: reduction('reduceAnd'),
  reduceOr: reduction('reduceOr'),
  argmax: place('argmax'),
  argmin: place('argmin'),
  cumsum: prefix('cumsum'),
  cumprod: prefix('cumprod'),
  cummax: prefix('cummax'),
  cummin: prefix('cummin'),
  broadcastInDim: lifted('broadcastInDim', ({ shape, broadcastDimensions }, size) => ({
    shape: [size, ...shape],
    broadcastDimensions: [0, ...up(broadcastDimensions)],
  })),
  reshape: lifted('reshape', ({ shape }, size) => ({ shape: [size, ...shape] })),
  transpose: lifted('transpose', ({ permutation }) => ({ permutation: [0, ...up(permutation)] })),
  rev: still('rev', ({ dimensions }, dim) => ({ dimensions: dimensions.map((a) => shifted(a, dim)) })),
  slice: still('slice', ({ startIndices, limitIndices, strides }, dim, size) => ({
    startIndices: insert(startIndices, dim, 0),
    limitIndices: insert(limitIndices, dim, size),
    strides: insert(strides, dim, 1),
  })),
  pad,
  concatenate: lifted('concatenate', ({ dimension }) => ({ dimension: dimension + 1 })),
  iota: (_xs, _dims, _size, p) => ({ outs: bind('iota', p, []), dims: [O.none] }),
  dynamicSlice,
  dynamicUpdateSlice,
  gather,
  scatter,
  dotGeneral,
  sort: lifted('sort', (p) => ({ ...p, axis: p.axis + 1 })),
  jit,
}

/** The common rules, whole. */
export const batchedRules = Object.fromEntries(
  Object.entries(commonRules).map(([name, rules]) => [name, { ...rules, batch: batching[name as Common] }]),
) as { readonly [K in Common]: Rules<K> }
