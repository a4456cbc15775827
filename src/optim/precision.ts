/** The dtypes of updates and state: computed in float32 at least, where an eps of 1e-8 isn't 0, and kept at the dtypes that came in. */
import { NdArray } from '../core/array.ts'
import { computedIn, isFloat, type WideFloat } from '../core/dtype.ts'
import type { Operand } from '../core/methods.ts'
import * as np from '../numpy/index.ts'
import { asArray, promoteTypes } from '../numpy/promote.ts'
import * as tree from '../tree.ts'

/** x at the dtype that it is computed in. */
export const wide = (x: Operand): NdArray => {
  const y = asArray('leaf', x)
  return np.astype(y, computedIn(y.dtype))
}
/** x at the float dtype that the others promote to, as Optax's arithmetic leaves it. */
export const narrow = (x: NdArray, ...like: readonly Operand[]): NdArray => {
  const dtype = like.map((y) => asArray('leaf', y).dtype).reduce((a, b) => promoteTypes(a, b).dtype)
  return isFloat(dtype) ? np.astype(x, dtype) : x
}
/** Leaf by leaf. */
export const narrowAll = <T>(xs: T, like: T): T => tree.map((x, y) => narrow(x, y!), xs, like)

/** float64 where a leaf is. */
export const widest = (xs: unknown): WideFloat =>
  (tree.leaves(xs) as unknown[]).some((x) => x instanceof NdArray && x.dtype === 'float64') ? 'float64' : 'float32'

/** A step more; int32's largest stays, since adding wraps around. As `optax.safe_increment`. */
export const increment = (count: NdArray): NdArray => np.maximum(count, np.add(count, 1))
