/** Element types: what an array holds, how wide it is, and how two of them promote. */

/** `key` is a PRNG key: two uint32 words, opaque to arithmetic. */
export type DType = 'float32' | 'float64' | 'int32' | 'uint32' | 'bool' | 'key'

export type FloatDType = 'float32' | 'float64'
export type IntDType = 'int32' | 'uint32'

export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array

/** Bytes of one element in device memory. A bool is stored as a 32-bit 0 or 1, a key as two words. */
export const byteWidth: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  uint32: 4,
  bool: 4,
  key: 8,
}

/** JAX's short names, as printed in a jaxpr. */
export const shortName: Readonly<Record<DType, string>> = {
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  uint32: 'u32',
  bool: 'bool',
  key: 'key<fry>',
}

export const fromShortName: ReadonlyMap<string, DType> = new Map(
  (Object.keys(shortName) as DType[]).map((dtype) => [shortName[dtype], dtype]),
)

export const isFloat = (dtype: DType): dtype is FloatDType => dtype === 'float32' || dtype === 'float64'
export const isInt = (dtype: DType): dtype is IntDType => dtype === 'int32' || dtype === 'uint32'
export const isNumeric = (dtype: DType): boolean => isFloat(dtype) || isInt(dtype)

/** An empty typed array's constructor for the words of `dtype` (keys are read as uint32 words). */
export const typedArrayOf = (
  dtype: DType,
): Float32ArrayConstructor | Float64ArrayConstructor | Int32ArrayConstructor | Uint32ArrayConstructor => {
  switch (dtype) {
    case 'float32':
      return Float32Array
    case 'float64':
      return Float64Array
    case 'int32':
      return Int32Array
    case 'uint32':
    case 'bool':
    case 'key':
      return Uint32Array
  }
}
