/** vmap: a function of examples becomes one of batches, with no loop. */
import { batchedRules } from '../primitives/batching.ts'
import { bring } from '../primitives/table.ts'
import * as O from '../src/core/option.ts'
import type { NdArray } from '../src/core/array.ts'
import { showAval } from '../src/core/aval.ts'
import { broadcastInDim, moveAxis, range } from '../src/core/constructors.ts'
import { ShapeError, TreeError } from '../src/core/errors.ts'
import type { BatchDim, Batching } from '../src/core/rules.ts'
import { applyJaxpr, trace, withAxis } from '../src/core/trace.ts'
import { paths, type TreeDef, unflatten } from '../src/tree.ts'
import { makeBatching } from './batch.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'
import { system } from './system.ts'

/** An axis, null for none, or a tree prefix of these. */
export type Axes = number | null | readonly Axes[] | { readonly [key: string]: Axes }

export interface VmapOptions {
  /** For each argument the mapped axis; one for all when it isn't a list. Default 0. */
  readonly inAxes?: Axes
  /** Where the mapped axis stands in the results. Default 0. */
  readonly outAxes?: Axes
  /** A name for the mapped axis, by which `lax.psum`, `lax.pmean` and `lax.axisIndex` inside f speak of it. */
  readonly axisName?: string
}

/** A prefix spread over the leaves of a structure. */
const spread = (axes: Axes, def: TreeDef, what: string, path = ''): (number | null)[] => {
  if (axes === null || typeof axes === 'number') return count(def).map(() => axes)
  if (def.kind === 'list' && Array.isArray(axes)) {
    if (axes.length !== def.children.length) throw new TreeError(`${what}${path}: ${axes.length} axes for ${def.children.length} values`)
    return def.children.flatMap((child, i) => spread(axes[i] as Axes, child, what, `${path}[${i}]`))
  }
  if (def.kind === 'dict' && !Array.isArray(axes)) {
    return def.keys.flatMap((key, i) => {
      const own = (axes as { readonly [key: string]: Axes })[key]
      if (own === undefined) throw new TreeError(`${what}${path}.${key}: missing in the axes`)
      return spread(own, def.children[i]!, what, `${path}.${key}`)
    })
  }
  throw new TreeError(`${what}${path}: the axes aren't a prefix of the tree`)
}
const count = (def: TreeDef): number[] => (def.kind === 'leaf' ? [0] : def.kind === 'none' ? [] : def.children.flatMap(count))

let batching: Batching | null = null
/**
 * Maps f over an axis of its arguments.
 *
 * @example vmap((x: NdArray) => x.sum())(np.ones([3, 4])) // [4, 4, 4]
 */
export const vmap = <A extends readonly unknown[], R>(f: (...args: A) => R, options: VmapOptions = {}): ((...args: A) => R) => {
  const what = called('vmap', f, options)
  return (...args) => {
    const table = bring(batchedRules)
    batching ??= makeBatching(table, system().transforms)
    const { leaves, def } = flattenArrays(args, what)
    const inAxes = options.inAxes === undefined ? 0 : options.inAxes
    const axes = spread(inAxes, def, `${what}: inAxes`)
    let size: number | null = null
    let from = ''
    const dims = leaves.map((x, i): BatchDim => {
      const axis = axes[i]!
      if (axis === null) return O.none
      const at = axis < 0 ? axis + x.ndim : axis
      if (!(at >= 0 && at < x.ndim))
        throw new ShapeError(`${what}: axis ${axis} is out of range for ${showAval(x.aval)} at ${paths(args)[i]}`)
      const n = x.shape[at]!
      if (size !== null && n !== size) throw new ShapeError(`${what}: mapped axes differ: ${size} at ${from}, ${n} at ${paths(args)[i]}`)
      size = n
      from = paths(args)[i]!
      return O.some(at)
    })
    if (size === null) throw new ShapeError(`${what}: no argument is mapped: give inAxes at least one axis`)
    const batchSize: number = size
    const flat = flatFunction(f as (...args: never[]) => unknown, def, what)
    const avals = leaves.map((x, i) => {
      const dim = dims[i]!
      return O.isNone(dim) ? x.aval : { ...x.aval, shape: x.shape.filter((_, d) => d !== dim.value) }
    })
    const { axisName = null } = options
    const { jaxpr, captures } = withAxis(axisName, batchSize, () => trace(avals, flat.call, what))
    const wide = batching.overAxis(axisName).batch(jaxpr, batchSize, [...captures.map((): BatchDim => O.none), ...dims])
    const outAxes = spread(options.outAxes === undefined ? 0 : options.outAxes, flat.out(), `${what}: outAxes`)
    // Results are put where outAxes says inside the same program.
    const placed = trace(
      wide.jaxpr.inputs.map((v) => v.aval),
      (xs) => applyJaxpr(wide.jaxpr, xs, what).map((y, i) => place(y, wide.dims[i]!, outAxes[i]!, batchSize, what)),
      what,
    )
    return unflatten(flat.out(), applyJaxpr(placed.jaxpr, [...wide.captures, ...captures, ...leaves], what)) as R
  }
}

const place = (y: NdArray, dim: BatchDim, to: number | null, size: number, what: string): NdArray => {
  if (to === null) {
    if (O.isSome(dim)) throw new ShapeError(`${what}: outAxes is null for a result that depends on a mapped argument`)
    return y
  }
  const rank = y.ndim + (O.isSome(dim) ? 0 : 1)
  const at = to < 0 ? to + rank : to
  if (!(at >= 0 && at < rank)) throw new ShapeError(`${what}: outAxes ${to} is out of range for a result of rank ${rank}`)
  if (O.isSome(dim)) return moveAxis(y, dim.value, at)
  const shape = [...y.shape.slice(0, at), size, ...y.shape.slice(at)]
  return broadcastInDim(
    y,
    shape,
    range(rank).filter((d) => d !== at),
  )
}
