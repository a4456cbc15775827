/** Sums over, and exchange along, an axis that a vmap (or shardMap) around has named. */
import { flattenArrays } from '../../transforms/leaves.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ShapeError, TracerError } from '../core/errors.ts'
import type { OpName, OpParams } from '../core/ops.ts'
import { runtime } from '../core/runtime.ts'
import { bind } from '../core/trace.ts'
import { flag, type Schema, whole } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { axisOf, refuse } from '../numpy/check.ts'
import { anyArray, asFloat } from '../numpy/promote.ts'
import { unflatten } from '../tree.ts'
import type { Arrays } from './body.ts'

/** The name of an axis, or several: all of them together. */
export type AxisNames = string | readonly string[]

const sizeOf = (what: string, axisName: unknown): number =>
  typeof axisName === 'string'
    ? runtime.axes.sizeOf(axisName, what)
    : refuse(TracerError, what, [axisName], 'the name of an axis is needed')
const namesOf = (axisName: AxisNames): readonly string[] =>
  Array.isArray(axisName) ? (axisName as readonly string[]) : [axisName as string]

const over = <K extends OpName>(name: K, params: OpParams[K], x: NdArray): NdArray => bind(name, params, [x])[0]!
/** f of each array in a tree. */
const each = <T>(what: string, tree: T, f: (x: NdArray) => NdArray): Arrays<T> => {
  const { leaves, def } = flattenArrays(tree, what)
  return unflatten(
    def,
    leaves.map((x) => f(anyArray(what, x))),
  ) as Arrays<T>
}
const overAll = (name: 'psum' | 'pmax' | 'pmin', axisName: AxisNames, x: NdArray): NdArray =>
  namesOf(axisName).reduce((y, one) => over(name, { axisName: one }, y), x)
const reduction = (name: 'psum' | 'pmax' | 'pmin') =>
  takes(name, 2, <T>(x: T, axisName: AxisNames): Arrays<T> => {
    for (const one of namesOf(axisName)) sizeOf(name, one)
    return each(name, x, (y) => overAll(name, axisName, y))
  })

/**
 * The sum over all examples of the named axis, the same for each; of each array in a tree. As `jax.lax.psum`.
 *
 * @example vmap((x: NdArray) => lax.psum(x, 'i'), { axisName: 'i' })(np.array([1, 2, 3])) // [6, 6, 6]
 * @throws TracerError where no vmap has that axisName
 */
export const psum: <T>(x: T, axisName: AxisNames) => Arrays<T> = reduction('psum')
/**
 * The largest over all examples of the named axis. As `jax.lax.pmax`, and it has a derivative.
 *
 * @example vmap((x: NdArray) => lax.pmax(x, 'i'), { axisName: 'i' })(np.array([1, 3, 2])) // [3, 3, 3]
 * @throws TracerError where no vmap has that axisName
 */
export const pmax: <T>(x: T, axisName: AxisNames) => Arrays<T> = reduction('pmax')
/**
 * The least over all examples of the named axis. As `jax.lax.pmin`, and it has a derivative.
 *
 * @example vmap((x: NdArray) => lax.pmin(x, 'i'), { axisName: 'i' })(np.array([1, 3, 2])) // [1, 1, 1]
 * @throws TracerError where no vmap has that axisName
 */
export const pmin: <T>(x: T, axisName: AxisNames) => Arrays<T> = reduction('pmin')
/**
 * The mean over all examples of the named axis: a float. As `jax.lax.pmean`.
 *
 * @example vmap((x: NdArray) => lax.pmean(x, 'i'), { axisName: 'i' })(np.array([1, 2, 3])) // [2, 2, 2]
 * @throws TracerError where no vmap has that axisName
 */
export const pmean = /* @__PURE__ */ takes('pmean', 2, <T>(x: T, axisName: AxisNames): Arrays<T> => {
  const size = namesOf(axisName).reduce((n, one) => n * sizeOf('pmean', one), 1)
  const mean = c.roundedOnce((y) => c.div(overAll('psum', axisName, y), c.lit(y, size)))
  return each('pmean', x, (y) => mean(asFloat('pmean', y)))
})
export interface TiledOptions {
  /** Parts of an axis that is there, and no axis of the examples; default false. */
  readonly tiled?: boolean
}
const tiledOptions: Schema<TiledOptions> = { tiled: flag }
export interface AllGatherOptions extends TiledOptions {
  /** Where the examples stand in the result; default 0. */
  readonly axis?: number
}
const allGatherOptions: Schema<AllGatherOptions> = { ...tiledOptions, axis: whole }
/**
 * The arrays of all examples, along a new axis; or, `tiled`, one after another along one that is there. As `jax.lax.all_gather`.
 *
 * @example vmap((x: NdArray) => lax.allGather(x, 'i'), { axisName: 'i' })(np.array([1, 2])) // [[1, 2], [1, 2]]
 * @throws TracerError where no vmap has that axisName, ShapeError where there is no such axis
 */
export const allGather = /* @__PURE__ */ takesOptions(
  'allGather',
  3,
  allGatherOptions,
  <T>(x: T, axisName: string, options: AllGatherOptions = {}): Arrays<T> => {
    const { axis = 0, tiled = false } = options
    const size = sizeOf('allGather', axisName)
    return each('allGather', x, (y) => {
      const at = axisOf('allGather', y, axis, y.ndim + (tiled ? 0 : 1))
      const all = over('allGather', { axisName, axis: at, size }, y)
      return tiled ? merged(all, at) : all
    })
  },
)
export interface PsumScatterOptions extends TiledOptions {
  /** The axis that is dealt out; default 0. */
  readonly scatterDimension?: number
}
const psumScatterOptions: Schema<PsumScatterOptions> = { ...tiledOptions, scatterDimension: whole }
/**
 * The sum over all examples, of which each gets its own element along an axis; or, `tiled`, its own part of one. As `jax.lax.psum_scatter`.
 *
 * @example vmap((x: NdArray) => lax.psumScatter(x, 'i'), { axisName: 'i' })(np.array([[1, 2], [3, 4]])) // [4, 6]
 * @throws TracerError where no vmap has that axisName, ShapeError where the axis can't be dealt out to the examples
 */
export const psumScatter = /* @__PURE__ */ takesOptions(
  'psumScatter',
  3,
  psumScatterOptions,
  <T>(x: T, axisName: string, options: PsumScatterOptions = {}): Arrays<T> => {
    const { scatterDimension = 0, tiled = false } = options
    const size = sizeOf('psumScatter', axisName)
    return each('psumScatter', x, (y) => {
      const axis = axisOf('psumScatter', y, scatterDimension)
      return over('psumScatter', { axisName, axis, size }, parted('psumScatter', y, axis, size, tiled))
    })
  },
)
/**
 * Deals the elements along `splitAxis` out to the examples; what each gets from all stands along `concatAxis`, a new axis. `tiled` deals out parts of
 * the one and puts them one after another along the other, so that the rank stays. As `jax.lax.all_to_all`.
 *
 * @example vmap((x: NdArray) => lax.allToAll(x, 'i', 0, 0), { axisName: 'i' })(np.array([[1, 2], [3, 4]])) // [[1, 3], [2, 4]]
 * @throws TracerError where no vmap has that axisName, ShapeError where splitAxis can't be dealt out to the examples
 */
export const allToAll = /* @__PURE__ */ takesOptions(
  'allToAll',
  5,
  tiledOptions,
  <T>(x: T, axisName: string, splitAxis: number, concatAxis: number, options: TiledOptions = {}): Arrays<T> => {
    const { tiled = false } = options
    const size = sizeOf('allToAll', axisName)
    return each('allToAll', x, (y) => {
      const [split, concat] = [axisOf('allToAll', y, splitAxis), axisOf('allToAll', y, concatAxis)]
      const all = over('allToAll', { axisName, split, concat, size }, parted('allToAll', y, split, size, tiled))
      return tiled ? merged(all, concat) : all
    })
  },
)
/**
 * Sends each example's array from place to place along the named axis, for each pair [from, to]; zeros come to a place that no pair names. As
 * `jax.lax.ppermute`.
 *
 * @example vmap((x: NdArray) => lax.ppermute(x, 'i', [[0, 1], [1, 2]]), { axisName: 'i' })(np.array([1, 2, 3])) // [0, 1, 2]
 * @throws TracerError where no vmap has that axisName, ShapeError where a place gives or takes twice, or isn't there
 */
export const ppermute = /* @__PURE__ */ takes(
  'ppermute',
  3,
  <T>(x: T, axisName: string, perm: readonly (readonly [from: number, to: number])[]): Arrays<T> => {
    const size = sizeOf('ppermute', axisName)
    const isPlace = (place: unknown): boolean => Number.isInteger(place) && (place as number) >= 0 && (place as number) < size
    if (!Array.isArray(perm) || !perm.every((pair: unknown) => Array.isArray(pair) && pair.length === 2 && pair.every(isPlace)))
      refuse(ShapeError, 'ppermute', [perm], `a list of pairs [from, to] is needed, of places below ${size}`)
    return each('ppermute', x, (y) => over('ppermute', { axisName, perm, size }, y))
  },
)
/**
 * The example's place along the named axis -> int32 []. As `jax.lax.axis_index`.
 *
 * @example vmap((x: NdArray) => np.add(x, lax.axisIndex('i')), { axisName: 'i' })(np.array([10, 10])) // [10, 11]
 * @throws TracerError where no vmap has that axisName
 */
export const axisIndex = /* @__PURE__ */ takes('axisIndex', 1, (axisName: string): NdArray => {
  sizeOf('axisIndex', axisName)
  return bind('axisIndex', { axisName }, [])[0]!
})
/**
 * How many examples there are along the named axis, as a number. As `jax.lax.axis_size`.
 *
 * @example vmap((x: NdArray) => np.mul(x, lax.axisSize('i')), { axisName: 'i' })(np.array([1, 10])) // [2, 20]
 * @throws TracerError where no vmap has that axisName
 */
export const axisSize = /* @__PURE__ */ takes('axisSize', 1, (axisName: string): number => sizeOf('axisSize', axisName))

/** An axis and the one behind it as one. */
const merged = (x: NdArray, axis: number): NdArray =>
  c.reshape(x, [...x.shape.slice(0, axis), x.shape[axis]! * x.shape[axis + 1]!, ...x.shape.slice(axis + 2)])
/** With an axis of the examples' number: the axis itself, or in front of parts of it. */
const parted = (what: string, x: NdArray, axis: number, size: number, tiled: boolean): NdArray => {
  const n = x.shape[axis]!
  if (tiled ? size === 0 || n % size !== 0 : n !== size)
    refuse(
      ShapeError,
      what,
      [x],
      `axis ${axis} can't be dealt out to ${size} examples${tiled ? '' : ' one by one: let it be as long, or give tiled'}`,
    )
  return tiled ? c.reshape(x, [...x.shape.slice(0, axis), size, n / size, ...x.shape.slice(axis + 1)]) : x
}
