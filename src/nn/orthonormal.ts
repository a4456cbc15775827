/** Random matrices whose columns are at right angles. */
import type { NdArray } from '../core/array.ts'
import { rsqrt } from '../core/constructors.ts'
import { scan } from '../lax/loops.ts'
import * as np from '../numpy/index.ts'
import { normal } from '../random/index.ts'

/**
 * Normal draws made orthonormal one after another (Gram and Schmidt): [rows,columns], where rows are orthonormal if they are fewer. That is Q of the
 * decomposition QR whose R has a positive diagonal, so that all such matrices are as likely (Mezzadri 2007), and JAX's from the same key.
 */
export const orthonormal = (key: NdArray, rows: number, columns: number): NdArray => {
  const [n, m] = [Math.max(rows, columns), Math.min(rows, columns)]
  const draws = np.transpose(normal(key, [n, m])) // [m,n]
  const at = np.arange(m)
  const [q] = scan(
    (done: NdArray, [v, i]: readonly [NdArray, NdArray]) => {
      const without = (y: NdArray): NdArray => np.sub(y, np.matmul(np.matmul(done, y), done))
      const left = without(without(v)) // twice, since once loses digits
      const unit = np.mul(left, rsqrt(np.sum(np.square(left))))
      return [np.where(np.expandDims(np.equal(at, i), 1), unit, done), null] as const
    },
    np.zeros([m, n]),
    [draws, at] as const,
  )
  return rows < columns ? q : np.transpose(q)
}
