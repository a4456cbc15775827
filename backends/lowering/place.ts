/** Where a kernel's iteration index stands in a node: affine in each dim where it can be, and in the row-major element number. */
import { rowMajor, sizeOf } from '../../src/core/aval.ts'
import type { View } from '../../src/core/graph.ts'
import type { Affine, Guard } from '../../src/core/kernel.ts'

export interface Position {
  /** Null where the place along a dim isn't affine in the index (a reshape split it). */
  readonly dims: readonly (Affine | null)[]
  readonly linear: Affine | null
  /** Bounds under which the place exists at all. */
  readonly guards: readonly Guard[]
}

export const combine = (terms: readonly (readonly [number, Affine])[], rank: number, offset = 0): Affine => {
  const strides = new Array<number>(rank).fill(0)
  let at = offset
  for (const [scale, affine] of terms) {
    if (scale === 0) continue
    affine.strides.forEach((s, d) => (strides[d]! += scale * s))
    at += scale * affine.offset
  }
  return { strides, offset: at }
}

const linearOf = (dims: readonly (Affine | null)[], shape: readonly number[], rank: number): Affine | null => {
  const strides = rowMajor(shape)
  const terms: (readonly [number, Affine])[] = []
  for (let d = 0; d < shape.length; d++) {
    const affine = dims[d]!
    if (affine === null) {
      if (shape[d] !== 1) return null
    } else terms.push([strides[d]!, affine])
  }
  return combine(terms, rank)
}

/** Splits an affine element number into places along the dims of `shape`, each null where carries could cross. */
const split = (linear: Affine, shape: readonly number[], extents: readonly number[]): (Affine | null)[] => {
  const rank = extents.length
  const out = new Array<Affine | null>(shape.length).fill(null)
  let rest: Affine = linear
  for (let d = shape.length - 1; d >= 0; d--) {
    const n = shape[d]!
    if (n <= 1) {
      out[d] = { strides: new Array<number>(rank).fill(0), offset: 0 }
      continue
    }
    if (sizeOf(shape.slice(0, d)) === 1) {
      out[d] = rest
      rest = { strides: new Array<number>(rank).fill(0), offset: 0 }
      continue
    }
    const low = rest.strides.map((s, k) => (extents[k] === 1 ? 0 : s % n))
    const offset = ((rest.offset % n) + n) % n
    let min = offset
    let max = offset
    low.forEach((s, k) => {
      if (s < 0) min += s * (extents[k]! - 1)
      else max += s * (extents[k]! - 1)
    })
    if (min < 0 || max >= n) return out // dims before this one stay unknown too
    out[d] = { strides: low, offset }
    rest = { strides: rest.strides.map((s, k) => (extents[k] === 1 ? 0 : (s - low[k]!) / n)), offset: (rest.offset - offset) / n }
  }
  return out
}

export const unitAffine = (rank: number, dim: number): Affine => ({
  strides: Array.from({ length: rank }, (_, d) => (d === dim ? 1 : 0)),
  offset: 0,
})

/** The kernel's own index, as a position in a node of `shape` with as many elements. */
export const start = (extents: readonly number[], shape: readonly number[]): Position => {
  const linear = linearOf(
    extents.map((_, d) => unitAffine(extents.length, d)),
    extents,
    extents.length,
  )!
  return { dims: split(linear, shape, extents), linear, guards: [] }
}

export const fromDims = (dims: readonly Affine[], shape: readonly number[], rank: number): Position => ({
  dims,
  linear: linearOf(dims, shape, rank),
  guards: [],
})

/** Through a view of `shape`, to its source; null where it isn't known whether the place is inside the source. */
export const throughView = (
  p: Position,
  view: View,
  shape: readonly number[],
  source: readonly number[],
  extents: readonly number[],
): Position | null => {
  const rank = extents.length
  const dims = view.dims.map(({ strides, offset }) => {
    const terms: (readonly [number, Affine])[] = []
    for (let d = 0; d < strides.length; d++) {
      if (strides[d] === 0) continue
      const affine = p.dims[d]!
      if (affine === null) return null
      terms.push([strides[d]!, affine])
    }
    return combine(terms, rank, offset)
  })
  if (view.guarded && dims.some((a, d) => a === null && !always(view.dims[d]!, source[d]!, shape))) return null
  const guards = view.guarded
    ? dims.flatMap((a, d): Guard[] => (a === null || always(a, source[d]!, extents) ? [] : [{ ...a, extent: source[d]! }]))
    : []
  return {
    dims,
    linear: linearOf(dims, source, rank) ?? (keepsOrder(view, shape, source) ? p.linear : null),
    guards: [...p.guards, ...guards],
  }
}
/** Whether a view has all of its source in the same order: a transpose of axes of one. */
const keepsOrder = ({ dims }: View, shape: readonly number[], source: readonly number[]): boolean => {
  const long = (extents: readonly number[]): number[] => extents.flatMap((n, d) => (n === 1 ? [] : [d]))
  const [to, from] = [long(shape), long(source)]
  return (
    to.length === from.length &&
    from.every(
      (s, i) => source[s] === shape[to[i]!] && dims[s]!.offset === 0 && dims[s]!.strides.every((n, d) => n === Number(d === to[i])),
    )
  )
}

const always = (a: Affine, extent: number, extents: readonly number[]): boolean => {
  let min = a.offset
  let max = a.offset
  a.strides.forEach((s, k) => {
    if (s < 0) min += s * (extents[k]! - 1)
    else max += s * (extents[k]! - 1)
  })
  return min >= 0 && max < extent
}

/** Through a reshape: the element number stays. */
export const throughReshape = (p: Position, source: readonly number[], extents: readonly number[]): Position => ({
  dims:
    p.linear === null
      ? source.map((n) => (n === 1 ? { strides: extents.map(() => 0), offset: 0 } : null))
      : split(p.linear, source, extents),
  linear: p.linear,
  guards: p.guards,
})

export const sameAffine = (a: Affine | null, b: Affine, extents: readonly number[]): boolean =>
  a !== null && a.offset === b.offset && a.strides.every((s, k) => s === b.strides[k] || extents[k] === 1)
