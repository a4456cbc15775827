/**
 * The rules at hand. Families that only some programs use come with the function that makes their ops, and how ops batch with vmap, so that a page
 * without attention, say, doesn't download it; and since nothing else makes or needs them, no op is ever without its rules. `index.ts` has all
 * rules, total by type.
 */
import type { OpName } from '../src/core/ops.ts'
import type { RuleTable, Unbatched } from '../src/core/rules.ts'
import { jit, sort } from './carriers.ts'
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
  jit,
} satisfies { readonly [K in OpName]?: Unbatched<K> }
export type Common = keyof typeof commonRules

export const table = { ...commonRules } as unknown as RuleTable
export const bring = (family: Partial<RuleTable>): RuleTable => Object.assign(table, family)
