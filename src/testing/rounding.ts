/** How far float32 functions and their derivatives may be from what is right over all their arguments, where they aren't a primitive's own. */
import { isOpName, ulpsOf } from '../core/ops.ts'

/** How far a result may be from what is right: ulps of it, and by how many half ulps its argument may have been moved, where one is rounded on the way. */
export interface Ulps {
  readonly ulps: number
  readonly argument?: number
  /** Of operands that aren't subnormal. */
  readonly normal?: boolean
}
/** Functions and derivatives over all float32s, where they aren't a primitive's own: [value, derivative]. */
const tails: Readonly<Record<string, readonly [Ulps, Ulps]>> = {
  log2: [{ ulps: 4 }, { ulps: 4 }],
  log10: [{ ulps: 4 }, { ulps: 4 }],
  erf: [{ ulps: 2 }, { ulps: 4, argument: 1 }],
  erfc: [{ ulps: 8 }, { ulps: 4, argument: 1 }],
  erfInv: [
    { ulps: 4, argument: 16 },
    { ulps: 16, argument: 64 },
  ],
  hypot: [{ ulps: 2 }, { ulps: 4, normal: true }],
  logaddexp: [
    { ulps: 4, argument: 1 },
    { ulps: 8, argument: 1 },
  ],
  'nn.softplus': [{ ulps: 4 }, { ulps: 4 }],
  'nn.logSigmoid': [{ ulps: 4 }, { ulps: 4 }],
  'nn.mish': [{ ulps: 8 }, { ulps: 8, argument: 8 }],
  'nn.elu': [{ ulps: 2 }, { ulps: 2 }],
  'nn.softSign': [{ ulps: 2 }, { ulps: 4 }],
  'nn.gelu': [
    { ulps: 8, argument: 2 },
    { ulps: 8, argument: 4 },
  ],
  'nn.gelu, exact': [
    { ulps: 8, argument: 2 },
    { ulps: 8, argument: 4 },
  ],
}
export const tailUlps = (name: string): readonly [Ulps, Ulps] =>
  tails[name] ?? [{ ulps: Math.max(0.5, isOpName(name) ? ulpsOf(name) : 0) }, { ulps: 4 }]
