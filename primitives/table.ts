/**
 * The rules at hand. Families that only some programs use come with the function that makes their ops, so that a page without attention, say, doesn't
 * download it; and since nothing else makes them, no op is ever without its rules. `index.ts` has all rules, total by type.
 */
import type { RuleTable } from '../src/core/rules.ts'
import { jit, randomUnwrap, randomWrap, sort } from './carriers.ts'
import { dotGeneral } from './contraction.ts'
import { elementwiseRules, integerPowRule } from './elementwise.ts'
import { indexingRules } from './indexing.ts'
import { layoutRules } from './layout.ts'
import { reductionRules } from './reductions.ts'

export const commonRules = {
  ...elementwiseRules,
  integerPow: integerPowRule,
  ...reductionRules,
  ...layoutRules,
  ...indexingRules,
  dotGeneral,
  sort,
  randomWrap,
  randomUnwrap,
  jit,
}

export const table = { ...commonRules } as RuleTable
export const bring = (family: Partial<RuleTable>): RuleTable => Object.assign(table, family)
