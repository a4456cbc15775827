/** Sums over, and places along, an axis that a vmap around has named. */
import { placeAlongAxis, sumOverAxis } from '../../primitives/axes.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { axisSize } from '../core/trace.ts'

/**
 * The sum over all examples of the named axis, the same for each. As `jax.lax.psum`.
 *
 * @example vmap((x: NdArray) => lax.psum(x, 'i'), { axisName: 'i' })(np.array([1, 2, 3])) // [6, 6, 6]
 * @throws TracerError where no vmap has that axisName
 */
export const psum = (x: NdArray, axisName: string): NdArray => {
  axisSize(axisName, 'psum')
  return sumOverAxis(x, axisName)
}
/**
 * The mean over all examples of the named axis. As `jax.lax.pmean`.
 *
 * @example vmap((x: NdArray) => lax.pmean(x, 'i'), { axisName: 'i' })(np.array([1, 2, 3])) // [2, 2, 2]
 * @throws TracerError where no vmap has that axisName
 */
export const pmean = (x: NdArray, axisName: string): NdArray => {
  const sum = psum(x, axisName)
  return c.div(sum, c.lit(sum, axisSize(axisName, 'pmean')))
}
/**
 * The example's place along the named axis -> int32 []. As `jax.lax.axis_index`.
 *
 * @example vmap((x: NdArray) => np.add(x, lax.axisIndex('i')), { axisName: 'i' })(np.array([10, 10])) // [10, 11]
 * @throws TracerError where no vmap has that axisName
 */
export const axisIndex = (axisName: string): NdArray => {
  axisSize(axisName, 'axisIndex')
  return placeAlongAxis(axisName)
}
