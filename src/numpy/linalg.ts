/** `np.linalg`: norms. */
import type { NdArray } from '../core/array.ts'
import { roundedOnce } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand, ReduceOptions } from '../core/methods.ts'
import { optionsOf, refuse } from './check.ts'
import { abs, sqrt, square } from './elementwise.ts'
import { asFloat } from './promote.ts'
import { max, sum } from './reduce.ts'

export interface NormOptions extends ReduceOptions {
  /** 2 (the default): √Σx², over two axes Frobenius's; 1: Σ|x|; Infinity: the greatest |x|. */
  readonly ord?: 1 | 2 | typeof Infinity
}
/**
 * The length of a vector, or of all elements: float. As `jnp.linalg.norm` of vectors; over several axes the elements count as one vector.
 *
 * @throws ShapeError when an axis is out of range, or the order isn't 1, 2 or Infinity
 * @example np.linalg.norm(np.array([3, 4])) // 5
 */
export const norm = (x: Operand, options: NormOptions = {}): NdArray => {
  const y = asFloat('norm', x)
  const { ord = 2, ...rest } = optionsOf('norm', options)
  if (ord === 2) return roundedOnce((z) => sqrt(sum(square(z), rest)))(y)
  if (ord === 1) return sum(abs(y), rest)
  return ord === Infinity ? max(abs(y), rest) : refuse(ShapeError, 'norm', [y, ord], 'the order is 1, 2 or Infinity')
}
