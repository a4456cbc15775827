/** A contraction as the nest that says the same: Σ_k lhs · rhs at every (batch, m, n). */
import { mapAffines } from './expressions.ts'
import type { Affine, Digit, Dot, Expr, Nest } from './kernel.ts'

export const dotNest = ({ batch, m, n, k, digits, dtype, lhs, rhs, args, outputs }: Dot): Nest => {
  const rank = batch.length
  // The nest's dims after the batch: those of m, n and k, or their digits.
  const dimsOf = (of: Digit['of'], extent: number): readonly (Digit & { readonly at: number })[] => {
    const own = digits.map((digit, i) => ({ ...digit, at: rank + 2 + i })).filter((digit) => digit.of === of)
    return own.length > 0 ? own : [{ of, by: 1, extent, at: -1 }]
  }
  const [ms, ns, ks] = [dimsOf('m', m), dimsOf('n', n), dimsOf('k', k)]
  const dims = [...ms, ...ns, ...ks]
  // From an index over [...batch, row, column, ...digits].
  const spread =
    (row: Digit['of'], column: Digit['of']) =>
    ({ strides, offset }: Affine): Affine => {
      const along = { m: 0, n: 0, k: 0, [row]: strides[rank] ?? 0, [column]: strides[rank + 1] ?? 0 }
      return {
        strides: [...batch.map((_, d) => strides[d] ?? 0), ...dims.map(({ of, by, at }) => along[of] * by + (strides[at] ?? 0))],
        offset,
      }
    }
  const product: Expr = { kind: 'apply', op: 'mul', dtype, args: [mapAffines(spread('m', 'k'))(lhs), mapAffines(spread('k', 'n'))(rhs)] }
  const sum: Expr = { kind: 'reduce', op: 'sum', dtype, arg: product }
  const place = mapAffines(spread('m', 'n'), sum)
  const placed = outputs.map(({ arg, expr, access }) => ({
    arg,
    expr: place(expr),
    access: spread('m', 'n')(access),
    rowwise: true,
  }))
  return { kind: 'nest', dims: [...batch, ...dims.map(({ extent }) => extent)], inner: ks.length, args, outputs: placed }
}
