/** Sums over, and places along, an axis that a vmap around has named. */
import { placeAlongAxis, sumOverAxis } from '../../primitives/axes.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { TracerError } from '../core/errors.ts'
import { axisSize } from '../core/trace.ts'
import { refuse } from '../numpy/check.ts'
import { anyArray } from '../numpy/promote.ts'

const sizeOf = (what: string, axisName: unknown): number =>
  typeof axisName === 'string' ? axisSize(axisName, what) : refuse(TracerError, what, [axisName], 'the name of an axis is needed')

/**
 * The sum over all examples of the named axis, the same for each. As `jax.lax.psum`.
 *
 * @example vmap((x: NdArray) => lax.psum(x, 'i'), { axisName: 'i' })(np.array([1, 2, 3])) // [6, 6, 6]
 * @throws TracerError where no vmap has that axisName
 */
export const psum = (x: NdArray, axisName: string): NdArray => {
  sizeOf('psum', axisName)
  return sumOverAxis(anyArray('psum', x), axisName)
}
/**
 * The mean over all examples of the named axis. As `jax.lax.pmean`.
 *
 * @example vmap((x: NdArray) => lax.pmean(x, 'i'), { axisName: 'i' })(np.array([1, 2, 3])) // [2, 2, 2]
 * @throws TracerError where no vmap has that axisName
 */
export const pmean = (x: NdArray, axisName: string): NdArray => {
  const size = sizeOf('pmean', axisName)
  const sum = sumOverAxis(anyArray('pmean', x), axisName)
  return c.div(sum, c.lit(sum, size))
}
/**
 * The example's place along the named axis -> int32 []. As `jax.lax.axis_index`.
 *
 * @example vmap((x: NdArray) => np.add(x, lax.axisIndex('i')), { axisName: 'i' })(np.array([10, 10])) // [10, 11]
 * @throws TracerError where no vmap has that axisName
 */
export const axisIndex = (axisName: string): NdArray => {
  sizeOf('axisIndex', axisName)
  return placeAlongAxis(axisName)
}
