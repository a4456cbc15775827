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
