/** Comparison of arrays in units in the last place. NaN equals NaN; the sign of zero counts only where asked. */
import type { DType } from '../../src/core/dtype.ts'

const view = new DataView(new ArrayBuffer(8))

/** The distance between x's neighbours in the format, at x. */
export const ulpOf = (x: number, dtype: 'float32' | 'float64'): number => {
  const least = dtype === 'float32' ? 2 ** -149 : Number.MIN_VALUE
  if (!Number.isFinite(x)) return NaN
  const bits = dtype === 'float32' ? 23 : 52
  const floor = dtype === 'float32' ? -126 : -1022
  view.setFloat64(0, Math.abs(x))
  const exponent = Math.max(floor, ((view.getUint32(0) >>> 20) & 0x7ff) - 1023)
  return Math.max(least, 2 ** (exponent - bits))
}

/** How far `got` is from `expected`, in the last place of `expected`, or of `scale` where that is greater; Infinity where they differ in kind. */
export const ulps = (got: number, expected: number, dtype: DType, scale = 0): number => {
  if (Object.is(got, expected) || got === expected) return 0
  if (Number.isNaN(got) || Number.isNaN(expected)) return Infinity
  if (dtype !== 'float32' && dtype !== 'float64') return Infinity
  if (!Number.isFinite(got) || !Number.isFinite(expected)) return Infinity
  return Math.abs(got - expected) / ulpOf(Math.max(Math.abs(expected), scale), dtype)
}

/** The first place where two arrays differ by more than `tolerance` ulp, in words; null when there is none. */
export const difference = (
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  dtype: DType,
  tolerance: number,
  scale = 0,
  signedZeros = false,
): string | null => {
  if (got.length !== expected.length) return `${got.length} elements against ${expected.length}`
  for (let i = 0; i < got.length; i++) {
    const a = got[i]!
    const b = expected[i]!
    const off = ulps(a, b, dtype, scale)
    if (!(off <= tolerance)) return `[${i}]: got ${a}, expected ${b}: ${off} ulp, and ${tolerance} are allowed`
    if (signedZeros && a === 0 && b === 0 && !Object.is(a, b))
      return `[${i}]: got ${Object.is(a, -0) ? '-0' : '0'}, the other zero expected`
  }
  return null
}
