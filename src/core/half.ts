/** 16-bit floats on the host: JavaScript has no type for them, so numbers come and go, and what is kept are their bits. */
import { type DType, type HostArray, isHalf, type TypedArray } from './dtype.ts'

/** Digits of the fraction, and the exponent's bias. */
const format = (dtype: DType): readonly [digits: number, bias: number] => (dtype === 'float16' ? [10, 15] : [7, 127])

/** The bits of the nearest 16-bit floats, ties to even. */
export const toBits = (data: ArrayLike<number>, dtype: DType): Uint16Array => {
  const [digits, bias] = format(dtype)
  const infinity = (2 * bias + 1) << digits
  return Uint16Array.from(data, (x) => {
    const size = Math.abs(x)
    const exponent = Math.max(1 - bias, Math.floor(Math.log2(size)))
    const fraction = size * 2 ** (digits - exponent) + 2 ** 52 - 2 ** 52 // rounded; with the leading digit, which carries
    const bits = Math.min(((exponent + bias - 1) << digits) + fraction, infinity)
    return (x < 0 || Object.is(x, -0) ? 0x8000 : 0) + (size < 2 ** (bias + 1) ? bits : size > 0 ? infinity : infinity + 2 ** (digits - 1))
  })
}

/** What a device holds, as numbers. */
export const fromBits = (data: TypedArray, dtype: DType): HostArray => {
  if (!(data instanceof Uint16Array)) return data
  const [digits, bias] = format(dtype)
  return Float32Array.from(data, (bits) => {
    const exponent = (bits & 0x7fff) >> digits
    const fraction = bits & (2 ** digits - 1)
    const size =
      exponent > 2 * bias
        ? fraction > 0
          ? NaN
          : Infinity
        : (fraction + (exponent > 0 ? 2 ** digits : 0)) * 2 ** (Math.max(1, exponent) - bias - digits)
    return bits < 0x8000 ? size : -size
  })
}

/** The nearest number that a dtype of 16 bits holds; at others the number itself. */
export const rounded = (x: number, dtype: DType): number => (isHalf(dtype) ? fromBits(toBits([x], dtype), dtype)[0]! : x)
