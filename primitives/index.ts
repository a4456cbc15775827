/** The rules of every primitive: total by type, so that one without a rule doesn't compile. */
import type { RuleTable } from '../src/core/rules.ts'
import { attentionRules } from './attention.ts'
import { axisRules } from './axes.ts'
import { batchedRules } from './batching.ts'
import { callbackRules } from './callback.ts'
import { checkpointRules } from './checkpoint.ts'
import { controlRules } from './control.ts'
import { customRules } from './custom.ts'
import { solveRules } from './linearSolve.ts'
import { specialRules } from './special.ts'

export const rules: RuleTable = {
  ...batchedRules,
  ...attentionRules,
  ...customRules,
  ...controlRules,
  ...checkpointRules,
  ...axisRules,
  ...callbackRules,
  ...solveRules,
  ...specialRules,
}
