/** The rules of every primitive: total by type, so that one without a rule doesn't compile. */
import type { RuleTable } from '../src/core/rules.ts'
import { attentionRules } from './attention.ts'
import { axisRules } from './axes.ts'
import { callbackRules } from './callback.ts'
import { checkpointRules } from './checkpoint.ts'
import { cond } from './cond.ts'
import { dotGeneral } from './contraction.ts'
import { customRules } from './custom.ts'
import { elementwiseRules } from './elementwise.ts'
import { indexingRules } from './indexing.ts'
import { jit } from './jit.ts'
import { keyRules } from './keys.ts'
import { layoutRules } from './layout.ts'
import { linearSolve } from './linearSolve.ts'
import { reductionRules } from './reductions.ts'
import { scan } from './scan.ts'
import { sort } from './sort.ts'
import { whileRule } from './while.ts'
import { convGeneralDilated, overlapAdd, windows } from './windows.ts'

export const rules: RuleTable = {
  ...elementwiseRules,
  ...reductionRules,
  ...layoutRules,
  ...indexingRules,
  ...keyRules,
  ...attentionRules,
  ...axisRules,
  ...customRules,
  ...checkpointRules,
  ...callbackRules,
  dotGeneral,
  convGeneralDilated,
  windows,
  overlapAdd,
  sort,
  scan,
  while: whileRule,
  cond,
  linearSolve,
  jit,
}
