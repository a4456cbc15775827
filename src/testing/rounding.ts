/** Units in the last place by which a device's float32 result may differ from the reference's; 0 for exact operations, whose results are the same bits. */
import type { OpName } from '../core/ops.ts'

const bounds: { readonly [K in OpName]?: number } = {
  exp: 2,
  expm1: 2,
  log: 2,
  log1p: 2,
  rsqrt: 2,
  sin: 2,
  cos: 2,
  asin: 2,
  acos: 2,
  atan: 2,
  tanh: 2,
  erf: 2,
  erfc: 8,
  logistic: 2,
  cbrt: 2,
  tan: 4,
  sinh: 4,
  cosh: 4,
  asinh: 4,
  acosh: 4,
  atanh: 4,
  integerPow: 4,
  pow: 4,
  atan2: 4,
  // float32's own formula, as XLA's: 1 - x² is rounded, which near ±1 moves it by up to 2^-13 of itself.
  erfInv: 128,
  // Terms in another order: of the sum of their magnitudes.
  reduceSum: 16,
  reduceProd: 16,
  cumsum: 16,
  cumprod: 16,
  dotGeneral: 32,
  dotProductAttention: 64,
  dotProductAttentionJvp: 256,
  dotProductAttentionGrad: 256,
}
export const ulpsOf = (name: OpName): number => bounds[name] ?? 0

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
export const tailUlps = (name: string): readonly [Ulps, Ulps] => tails[name] ?? [{ ulps: bounds[name as OpName] ?? 0.5 }, { ulps: 4 }]
