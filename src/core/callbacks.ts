/** Rules of the user's, by number: ops name them and stay plain data. */
import type { NdArray } from './array.ts'
import type { Aval } from './aval.ts'
import { JaxprError } from './errors.ts'

/** What isn't there: a tangent or a cotangent of zeros. */
type Absent = NdArray | null

/** (primals, a tangent each, or null) to [outs, tangents]. */
export type CustomJvpRule = (
  primals: readonly NdArray[],
  tangents: readonly Absent[],
) => readonly [outs: readonly NdArray[], tangents: readonly Absent[]]

export interface CustomVjpRule {
  /** `moving` says which operands have a tangent. */
  readonly fwd: (
    primals: readonly NdArray[],
    moving: readonly boolean[],
  ) => readonly [outs: readonly NdArray[], residuals: readonly NdArray[]]
  /** A cotangent for each operand, or null for none, from those of the outs, whose avals these are. */
  readonly bwd: (residuals: readonly NdArray[], cts: readonly Absent[], outs: readonly Aval[]) => readonly Absent[]
}

/** Results of operands of which some have a batch axis in front, of this size; and which of them have one. */
export type CustomVmapRule = (
  size: number,
  batched: readonly boolean[],
  operands: readonly NdArray[],
) => readonly [outs: readonly NdArray[], batched: readonly boolean[]]

type Rule = CustomJvpRule | CustomVjpRule | CustomVmapRule
const table: Rule[] = []
export const registerRule = (rule: Rule): number => table.push(rule) - 1
export const ruleOf = <R extends Rule>(id: number, name: string): R => {
  const rule = table[id]
  if (rule === undefined) throw new JaxprError(`${name}: its rule ${id} isn't here: a jaxpr that was parsed has only its function`)
  return rule as R
}
