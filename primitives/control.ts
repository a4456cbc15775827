/** Loops and branches: their rules. */
import type { OpName } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { cond } from './cond.ts'
import { scan } from './scan.ts'
import { whileRule } from './while.ts'

export const controlRules = { scan, while: whileRule, cond } satisfies { readonly [K in OpName]?: Rules<K> }
