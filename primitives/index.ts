/** The rules of every primitive: total by type, so that one without a rule doesn't compile. */
import type { RuleTable } from '../src/core/rules.ts'
import { attentionRules } from './attention.ts'
import { axisRules } from './axes.ts'
import { jit, randomUnwrap, randomWrap, sort } from './carriers.ts'
import { dotGeneral } from './contraction.ts'
import { customRules } from './custom.ts'
import { elementwiseRules, integerPowRule } from './elementwise.ts'
import { indexingRules } from './indexing.ts'
import { layoutRules } from './layout.ts'
import { reductionRules } from './reductions.ts'

export const rules: RuleTable = {
  ...elementwiseRules,
  integerPow: integerPowRule,
  ...reductionRules,
  ...layoutRules,
  ...indexingRules,
  dotGeneral,
  ...attentionRules,
  sort,
  randomWrap,
  randomUnwrap,
  jit,
  ...customRules,
  ...axisRules,
}
