/** A contraction as the nest that says the same: Σ_k lhs · rhs at every (batch, m, n). */
import { mapAffines } from './expressions.ts'
import type { Affine, Dot, Expr, Nest } from './kernel.ts'

export const dotNest = ({ batch, m, n, k, dtype, lhs, rhs, args, outputs }: Dot): Nest => {
  const rank = batch.length
  // From an index over [...batch, row, column] to one over [...batch, m, n, k].
  const spread =
    (row: number, column: number) =>
    ({ strides, offset }: Affine): Affine => {
      const wide = [...strides.slice(0, rank), 0, 0, 0]
      wide[rank + row] = strides[rank] ?? 0
      wide[rank + column] = strides[rank + 1] ?? 0
      return { strides: wide, offset }
    }
  const product: Expr = { kind: 'apply', op: 'mul', dtype, args: [mapAffines(spread(0, 2))(lhs), mapAffines(spread(2, 1))(rhs)] }
  const sum: Expr = { kind: 'reduce', op: 'sum', dtype, arg: product }
  const place = mapAffines(spread(0, 1), sum)
  const placed = outputs.map(({ arg, expr, access }) => ({
    arg,
    expr: place(expr),
    access: spread(0, 1)(access),
    rowwise: true,
  }))
  return { kind: 'nest', dims: [...batch, m, n, k], inner: 1, args, outputs: placed }
}
