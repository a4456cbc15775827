/** float32 functions on four lanes, by operation. */
import { hyperbolic } from './hyperbolic.ts'
import { exp, expm1, log, log1p } from './math.ts'
import { powers } from './power.ts'
import { special } from './special.ts'
import { trigonometric } from './trigonometric.ts'

export const inlined = {
  ...{ exp, expm1, log, log1p },
  ...trigonometric,
  ...hyperbolic,
  ...powers,
  ...special,
}
