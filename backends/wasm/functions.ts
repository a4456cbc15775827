/** float32 functions on four lanes, by operation; `special.ts` brings more. */
import { hyperbolic } from './hyperbolic.ts'
import { exp, expm1, type Inline2, log, log1p } from './math.ts'
import { powers } from './power.ts'
import { trigonometric } from './trigonometric.ts'

export const inlined: Record<string, Inline2> = { exp, expm1, log, log1p, ...trigonometric, ...hyperbolic, ...powers }
