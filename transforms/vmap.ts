/** vmap: a function of examples becomes one of batches, with no loop. */
import * as O from '#fp-ts/Option.js'
import { NdArray } from '../src/core/array.ts'
import { showAval } from '../src/core/aval.ts'
import { broadcastInDim, moveAxis, range } from '../src/core/constructors.ts'
import { ShapeError } from '../src/core/errors.ts'
import type { BatchDim, Traced } from '../src/core/rules.ts'
import { applyJaxpr, evalJaxpr, trace } from '../src/core/trace.ts'
import { paths, unflatten } from '../src/tree.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'
import { spread } from './prefix.ts'
import { runtime } from '../src/core/runtime.ts'
import { atLeast, option, type Schema, text } from '../src/core/options.ts'
import { takesOptions } from '../src/core/takes.ts'

/** An axis, null for none, or a tree prefix of these. */
export type Axes = number | null | readonly Axes[] | { readonly [key: string]: Axes }

export const isAxis = (x: unknown): x is number | null => x === null || typeof x === 'number'

export interface VmapOptions {
  /** For each argument the mapped axis; one for all when it isn't a list. Default 0. */
  readonly inAxes?: Axes
  /** Where the mapped axis stands in the results. Default 0. */
  readonly outAxes?: Axes
  /** A name for the mapped axis, by which `lax.psum`, `lax.axisIndex` and the other collectives inside f speak of it. */
  readonly axisName?: string
  /** How long the mapped axis is: needed only where no argument is mapped. */
  readonly axisSize?: number
}
/** Which are prefixes, only a call's trees tell. */
export const axesKind = option<Axes>(
  ShapeError,
  'an axis, null, or a tree of these',
  (x) => isAxis(x) || (typeof x === 'object' && !(x instanceof NdArray)),
)
const vmapOptions: Schema<VmapOptions> = { inAxes: axesKind, outAxes: axesKind, axisName: text, axisSize: atLeast(0) }

/** A traced function over a batch: its arguments batched at `dims`, and its results put where `outAxes` says, inside the same program. */
export const overBatch = (
  { jaxpr, captures }: Traced,
  dims: readonly BatchDim[],
  outAxes: readonly (number | null)[],
  axis: { readonly name: string | null; readonly size: number },
  what: string,
  varies = (_result: number): string => `${what}: outAxes is null for a result that depends on a mapped argument`,
): Traced => {
  const wide = runtime.transforms.overAxis(axis.name).batch(jaxpr, axis.size, [...captures.map((): BatchDim => O.none), ...dims])
  const placed = trace(
    wide.jaxpr.inputs.map((v) => v.aval),
    (xs) =>
      evalJaxpr(wide.jaxpr, xs).map((y, i) => {
        if (outAxes[i] === null && O.isSome(wide.dims[i]!)) throw new ShapeError(varies(i))
        return outAxes[i] === null ? y : place(y, wide.dims[i]!, outAxes[i]!, axis.size, what)
      }),
    what,
  )
  return { jaxpr: placed.jaxpr, captures: [...placed.captures, ...wide.captures, ...captures] }
}

/**
 * Maps f over an axis of its arguments.
 *
 * @example vmap((x: NdArray) => x.sum())(np.ones([3, 4])) // [4, 4, 4]
 */
export const vmap = /* @__PURE__ */ takesOptions(
  'vmap',
  2,
  vmapOptions,
  <A extends readonly unknown[], R>(f: (...args: A) => R, options: VmapOptions = {}): ((...args: A) => R) => {
    const what = called('vmap', f)
    return (...args) => {
      const { leaves, def } = flattenArrays(args, what)
      const inAxes = options.inAxes === undefined ? 0 : options.inAxes
      const axes = spread(inAxes, def, isAxis, `${what}: inAxes`)
      const { axisName = null, axisSize = null } = options
      let size = axisSize
      let from = 'axisSize'
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
      if (size === null) throw new ShapeError(`${what}: no argument is mapped: give inAxes at least one axis, or axisSize`)
      const axis = { name: axisName, size: size as number }
      const flat = flatFunction(f as (...args: never[]) => unknown, def, what)
      const avals = leaves.map((x, i) => {
        const dim = dims[i]!
        return O.isNone(dim) ? x.aval : { ...x.aval, shape: x.shape.filter((_, d) => d !== dim.value) }
      })
      const traced = runtime.axes.within(axisName, axis.size, () => trace(avals, flat.call, what))
      const outAxes = spread(options.outAxes === undefined ? 0 : options.outAxes, flat.out(), isAxis, `${what}: outAxes`)
      const { jaxpr, captures } = overBatch(traced, dims, outAxes, axis, what)
      return unflatten(flat.out(), applyJaxpr(jaxpr, [...captures, ...leaves], what)) as R
    }
  },
)

const place = (y: NdArray, dim: BatchDim, to: number, size: number, what: string): NdArray => {
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
