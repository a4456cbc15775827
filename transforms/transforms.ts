/** The transforms of jaxprs, over a table of rules. */
import type { RuleTable, Transforms } from '../src/core/rules.ts'
import { makeBatch } from './batch.ts'
import { makeJvp } from './jvp.ts'
import { makeSplit } from './split.ts'
import { makeTranspose } from './transpose.ts'

export const makeTransforms = (rules: RuleTable): Transforms => {
  const overAxis = (axisName: string | null): Transforms => ({
    ...transforms,
    axisName,
    batch: (jaxpr, size, dims) => batch(jaxpr, size, dims, axisName),
  })
  const transforms: Transforms = {
    jvp: (...args) => jvp(...args),
    transpose: (...args) => transpose(...args),
    split: (...args) => split(...args),
    batch: (jaxpr, size, dims) => batch(jaxpr, size, dims, null),
    axisName: null,
    overAxis,
  }
  const jvp = makeJvp(rules, transforms)
  const transpose = makeTranspose(rules, transforms)
  const split = makeSplit(rules, transforms)
  const batch = makeBatch(rules, overAxis)
  return transforms
}
