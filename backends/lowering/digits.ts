/** Windows as a contraction's operand: what isn't affine in m, n or k is in their digits. */
import { sizeOf } from '../../src/core/aval.ts'
import { affinesIn, mapAffines } from '../../src/core/expressions.ts'
import type { Affine, Digit, Expr } from '../../src/core/kernel.ts'

/** Of a run of dims that every access walks as one. */
interface Run {
  readonly extent: number
  /** The last of them that isn't one. */
  readonly dim: number
}

/**
 * An expression over [...batch, ...parts of the first dim, ...parts of the second], as an operand's: over [...batch, first, second, ...digits].
 * `known`: digits that are there already.
 */
export const inDigits = (
  expr: Expr,
  shape: readonly number[],
  batch: number,
  names: readonly [Digit['of'], Digit['of']],
  extent: number,
  known: readonly Digit[],
): { readonly expr: Expr; readonly digits: readonly Digit[] } => {
  const affines = affinesIn([expr])
  const runsOf = (from: number, to: number): Run[] => {
    const runs: Run[] = []
    if (shape.includes(0)) return runs // nothing is read
    for (let dim = from; dim < to; dim++) {
      const n = shape[dim]!
      if (n === 1) continue
      const last = runs.at(-1)
      if (last !== undefined && affines.every(({ strides }) => strides[last.dim] === strides[dim]! * n))
        runs[runs.length - 1] = { extent: last.extent * n, dim }
      else runs.push({ extent: n, dim })
    }
    return runs
  }
  let cut = batch
  while (sizeOf(shape.slice(batch, cut)) !== extent) cut++
  const digits = [...known]
  // Where in the operand's index a dim of the expression's goes.
  const to = new Map<number, number>()
  ;[runsOf(batch, cut), runsOf(cut, shape.length)].forEach((runs, i) =>
    runs.forEach(({ dim, extent }, r) => {
      to.set(dim, batch + (runs.length === 1 ? i : 1 + digits.push({ of: names[i]!, by: sizeOf(runs.slice(r + 1).map((run) => run.extent)), extent }))) // prettier-ignore
    }),
  )
  const over = ({ strides, offset }: Affine): Affine => {
    const out = [...strides.slice(0, batch), 0, 0, ...digits.map(() => 0)]
    for (const [dim, at] of to) out[at] = strides[dim]!
    return { strides: out, offset }
  }
  return { expr: mapAffines(over)(expr), digits }
}
