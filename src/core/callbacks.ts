/** Derivative rules of the user's, by number: ops name them and stay plain data. */
import type { NdArray } from './array.ts'
import { JaxprError } from './errors.ts'

/** (primals, a tangent each) to [outs, tangents]; tangents of outs that have none may be null. */
export type CustomJvpRule = (
  primals: readonly NdArray[],
  tangents: readonly NdArray[],
) => readonly [outs: readonly NdArray[], tangents: readonly (NdArray | null)[]]

export interface CustomVjpRule {
  readonly fwd: (primals: readonly NdArray[]) => readonly [outs: readonly NdArray[], residuals: readonly NdArray[]]
  /** A cotangent for each operand, or null for none. */
  readonly bwd: (residuals: readonly NdArray[], cts: readonly NdArray[]) => readonly (NdArray | null)[]
}

type Rule = CustomJvpRule | CustomVjpRule
const table: Rule[] = []
export const registerRule = (rule: Rule): number => table.push(rule) - 1
export const ruleOf = <R extends Rule>(id: number, name: string): R => {
  const rule = table[id]
  if (rule === undefined)
    throw new JaxprError(`${name}: its derivative rule ${id} isn't here: a jaxpr that was parsed has only its function`)
  return rule as R
}
