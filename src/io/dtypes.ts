/** The format's element types, and what they become: the same dtype, the next one that holds all their values, or one that was asked for. */
import { byteWidth, type DType, type HostArray, isFloat, typedArrayOf } from '../core/dtype.ts'
import { fromBits } from '../core/half.ts'
import type { FileError } from './errors.ts'

interface Kind {
  readonly bits: number
  /** What it is read as; null: nothing here holds its numbers. */
  readonly dtype: DType | null
}
const kinds = {
  F64: { bits: 64, dtype: 'float64' },
  F32: { bits: 32, dtype: 'float32' },
  F16: { bits: 16, dtype: 'float16' },
  BF16: { bits: 16, dtype: 'bfloat16' },
  F8_E4M3: { bits: 8, dtype: 'float32' },
  F8_E5M2: { bits: 8, dtype: 'float32' },
  I64: { bits: 64, dtype: 'int32' },
  I32: { bits: 32, dtype: 'int32' },
  I16: { bits: 16, dtype: 'int32' },
  I8: { bits: 8, dtype: 'int32' },
  U64: { bits: 64, dtype: 'uint32' },
  U32: { bits: 32, dtype: 'uint32' },
  U16: { bits: 16, dtype: 'uint32' },
  U8: { bits: 8, dtype: 'uint32' },
  BOOL: { bits: 8, dtype: 'bool' },
  C64: { bits: 64, dtype: null },
  F8_E4M3FNUZ: { bits: 8, dtype: null },
  F8_E5M2FNUZ: { bits: 8, dtype: null },
  F8_E8M0: { bits: 8, dtype: null },
  F6_E2M3: { bits: 6, dtype: null },
  F6_E3M2: { bits: 6, dtype: null },
  F4: { bits: 4, dtype: null },
} as const satisfies Readonly<Record<string, Kind>>

/** An element type as safetensors files name it. */
export type FileDType = keyof typeof kinds

export const isFileDType = (name: string): name is FileDType => Object.hasOwn(kinds, name)
/** Those whose numbers can be read. */
export const readable = (Object.keys(kinds) as FileDType[]).filter((name) => kinds[name].dtype !== null)
export const bitsOf = (dtype: FileDType): number => kinds[dtype].bits

/** What file dtypes are read as, where that isn't the dtype of their name: `{ F64: 'float32' }`. */
export type Cast = { readonly [K in FileDType]?: Exclude<DType, 'key' | 'bool'> }

/** The dtype that a file's becomes, or null where there is none. */
export const readAs = (dtype: FileDType, cast: Cast): DType | null => cast[dtype] ?? kinds[dtype].dtype

/** Why a cast can't be done, or null. Floats stay floats; an element type that nothing here holds is no number to be cast. */
export const castFault = (cast: Cast): string | null => {
  for (const [from, to] of Object.entries(cast) as [string, DType | undefined][]) {
    if (!isFileDType(from)) return `the format has no dtype ${JSON.stringify(from)}: ${readable.join(', ')} can be read`
    const { dtype } = kinds[from]
    if (dtype === null) return `${from} can't be read: leave its tensors out with names`
    const numbers: readonly (DType | undefined)[] = [
      'float64',
      'float32',
      'float16',
      'bfloat16',
      ...(isFloat(dtype) ? [] : (['int32', 'uint32'] as const)),
    ]
    if (to !== undefined && !numbers.includes(to)) return `${from} can't be read as ${JSON.stringify(to)}: choose ${numbers.join(', ')}`
  }
  return null
}

/**
 * A tensor's bytes, which start aligned, as numbers of a dtype (of 16-bit floats their bits, where the file has the same). Both the file and
 * every engine's typed arrays are little-endian. Integers never wrap: `refuse` is told of the first that doesn't fit.
 */
export const hostData = (from: FileDType, to: DType, bytes: ArrayBuffer, refuse: (why: string) => FileError): ArrayLike<number> => {
  if (kinds[from].dtype === to && bitsOf(from) === 8 * byteWidth[to]) return new (typedArrayOf(to))(bytes)
  const numbers = numbersOf(from, bytes)
  if (to !== 'int32' && to !== 'uint32') return numbers
  const [least, most] = to === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1]
  const at = numbers.findIndex((x: number) => x < least || x > most)
  if (at < 0) return numbers
  throw refuse(
    `element ${at} is ${exact(from, bytes, at)}, which ${to} doesn't hold: read it with cast: { ${from}: 'float64' }, or without it by names`,
  )
}

const numbersOf = (from: FileDType, bytes: ArrayBuffer): HostArray => {
  switch (from) {
    case 'F64':
      return new Float64Array(bytes)
    case 'F32':
      return new Float32Array(bytes)
    case 'F16':
      return fromBits(new Uint16Array(bytes), 'float16')
    case 'BF16':
      return fromBits(new Uint16Array(bytes), 'bfloat16')
    case 'F8_E5M2': // the upper half of a float16
      return fromBits(
        Uint16Array.from(new Uint8Array(bytes), (b) => b << 8),
        'float16',
      )
    case 'F8_E4M3':
      return Float32Array.from(new Uint8Array(bytes), e4m3)
    case 'I64':
      return Float64Array.from(new BigInt64Array(bytes), Number)
    case 'U64':
      return Float64Array.from(new BigUint64Array(bytes), Number)
    case 'I32':
      return new Int32Array(bytes)
    case 'I16':
      return Int32Array.from(new Int16Array(bytes))
    case 'I8':
      return Int32Array.from(new Int8Array(bytes))
    case 'U32':
      return new Uint32Array(bytes)
    case 'U16':
      return Uint32Array.from(new Uint16Array(bytes))
    case 'U8':
      return Uint32Array.from(new Uint8Array(bytes))
    case 'BOOL':
      return Uint32Array.from(new Uint8Array(bytes), (b) => (b === 0 ? 0 : 1))
    default:
      throw new Error(`internal: ${from} has no numbers`)
  }
}

/** Four bits of exponent, three of fraction; no infinities, and one NaN a sign (OCP 8-bit floating point, 2023). */
const e4m3 = (bits: number): number => {
  const [exponent, fraction] = [(bits >> 3) & 15, bits & 7]
  const size = exponent === 0 ? fraction * 2 ** -9 : exponent === 15 && fraction === 7 ? NaN : (8 + fraction) * 2 ** (exponent - 10)
  return bits < 0x80 ? size : -size
}

const exact = (from: FileDType, bytes: ArrayBuffer, at: number): number | bigint =>
  from === 'I64' ? new BigInt64Array(bytes)[at]! : from === 'U64' ? new BigUint64Array(bytes)[at]! : numbersOf(from, bytes)[at]!
