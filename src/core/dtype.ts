/** Element types: what an array holds, how wide it is, and how two of them promote. */

/** `key` is a PRNG key: two uint32 words, opaque to arithmetic. */
export type DType = 'float16' | 'bfloat16' | 'float32' | 'float64' | 'int32' | 'uint32' | 'bool' | 'key'

export type WideFloat = 'float32' | 'float64'
export type HalfFloat = 'float16' | 'bfloat16'
export type FloatDType = HalfFloat | WideFloat
export type IntDType = 'int32' | 'uint32'

/** What users give and get. */
export type HostArray = Float32Array | Float64Array | Int32Array | Uint32Array
/** An array's elements as a device holds them: 16-bit floats as their bits. */
export type TypedArray = HostArray | Uint16Array

/** Bytes of one element in device memory. A bool is stored as a 32-bit 0 or 1, a key as two words. */
export const byteWidth: Readonly<Record<DType, number>> = {
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  int32: 4,
  uint32: 4,
  bool: 4,
  key: 8,
}

/** JAX's short names, as printed in a jaxpr. */
export const shortName: Readonly<Record<DType, string>> = {
  float16: 'f16',
  bfloat16: 'bf16',
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  uint32: 'u32',
  bool: 'bool',
  key: 'key<fry>',
}

/** The least and the greatest whole number of an integer dtype. */
export const isFloat = (dtype: DType): dtype is FloatDType => dtype.includes('float')
export const isInt = (dtype: DType): dtype is IntDType => dtype === 'int32' || dtype === 'uint32'
export const isNumeric = (dtype: DType): boolean => isFloat(dtype) || isInt(dtype)

/** The least and the greatest of what an integer dtype holds. */
export const rangeOf: Readonly<Record<IntDType, readonly [least: number, most: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
}

/** Floats of 16 bits are for memory: they are computed with in float32. */
export const isHalf = (dtype: DType): dtype is HalfFloat => dtype.endsWith('16')
/** What a dtype is computed in. */
export const computedIn = (dtype: DType): DType => (isHalf(dtype) ? 'float32' : dtype)

const arrays = {
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint32Array,
  key: Uint32Array,
} as const
/** The typed array of a dtype's words. */
export const typedArrayOf = <D extends DType>(dtype: D): (typeof arrays)[D] => arrays[dtype]
