/** safetensors, bytes in and bytes out: the format of Hugging Face's library of that name, which PyTorch, JAX and NumPy read. */
import { isLeft } from '#fp-ts/Either.js'
import { NdArray } from '../core/array.ts'
import { aval, sizeOf } from '../core/aval.ts'
import type { DType, TypedArray } from '../core/dtype.ts'
import { DTypeError } from '../core/errors.ts'
import { upload } from '../core/trace.ts'
import { FileError } from './errors.ts'
import { type Entry, type FileDType, fileWidth, METADATA, parseHeader } from './header.ts'

export type Tensors = Readonly<Record<string, NdArray>>
export type Metadata = Readonly<Record<string, string>>
export interface Safetensors {
  readonly tensors: Tensors
  readonly metadata: Metadata
}

const dtypeOf: Readonly<Record<FileDType, DType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I32: 'int32',
  U32: 'uint32',
  BOOL: 'bool',
}
const fileDType: Readonly<Record<Exclude<DType, 'key'>, FileDType>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int32: 'I32',
  uint32: 'U32',
  bool: 'BOOL',
}

/**
 * The arrays and texts in the bytes of a safetensors file. `source` is what errors call it. The bytes are copied.
 *
 * @example decodeSafetensors(new Uint8Array(await (await fetch(url)).arrayBuffer()), url).tensors
 * @throws FileError where the bytes are truncated, contradict themselves, or hold a dtype other than F64, F32, F16, BF16, I32, U32 and BOOL
 */
export const decodeSafetensors = (bytes: Uint8Array, source = 'these bytes'): Safetensors => {
  const header = parseHeader(bytes)
  if (isLeft(header)) throw new FileError(`${source} can't be read: ${header.left}`)
  const { entries, metadata, start } = header.right
  const tensors = entries.map((e) => {
    const body = new Uint8Array(bytes.subarray(start + e.begin, start + e.end)) // a copy, which starts aligned; a Buffer's slice is none
    return [e.name, upload(aval(e.shape, dtypeOf[e.dtype]), hostData(e, body.buffer))] as const
  })
  return { tensors: Object.fromEntries(tensors), metadata }
}

/** Bytes as numbers. Both the file and every engine's typed arrays are little-endian. */
const hostData = ({ dtype }: Entry, buffer: ArrayBufferLike): TypedArray => {
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer)
    case 'F32':
      return new Float32Array(buffer)
    case 'F16':
    case 'BF16':
      return new Uint16Array(buffer)
    case 'I32':
      return new Int32Array(buffer)
    case 'U32':
      return new Uint32Array(buffer)
    case 'BOOL':
      return Uint32Array.from(new Uint8Array(buffer), (b) => (b === 0 ? 0 : 1))
  }
}

/**
 * The bytes of a safetensors file with these arrays and texts. Wide elements come first, then by name, so that every tensor starts
 * at a multiple of its element's size and equal contents give equal bytes.
 *
 * @example await encodeSafetensors({ w: np.eye(2) }, { step: '100' })
 * @throws DTypeError for PRNG keys, which the format doesn't know
 */
export const encodeSafetensors = async (tensors: Tensors, metadata: Metadata = {}): Promise<Uint8Array<ArrayBuffer>> => {
  const entries = layOut(tensors)
  const described = entries.map((e) => [e.name, { dtype: e.dtype, shape: e.shape, data_offsets: [e.begin, e.end] }] as const)
  const texts = Object.keys(metadata).length === 0 ? [] : [[METADATA, metadata] as const]
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries<unknown>([...texts, ...described])))
  const headerLength = Math.ceil(json.length / 8) * 8 // padded with spaces, so that the tensors start aligned
  const bytes = new Uint8Array(8 + headerLength + (entries.at(-1)?.end ?? 0))
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true)
  bytes.fill(0x20, 8 + json.length, 8 + headerLength).set(json, 8)
  await Promise.all(
    entries.map(async (e) => {
      const x = tensors[e.name]!.concrete('encodeSafetensors')
      const data = await x.backend.read(x.storage(), x.dtype, x.size)
      const body = e.dtype === 'BOOL' ? Uint8Array.from(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      bytes.set(body, 8 + headerLength + e.begin)
    }),
  )
  return bytes
}

const layOut = (tensors: Tensors): readonly Entry[] => {
  const chosen = Object.entries(tensors).map(([name, x]) => {
    if (!((x as unknown) instanceof NdArray))
      throw new DTypeError(`encodeSafetensors: ${JSON.stringify(name)} is no array: make one with np.array`)
    if (x.dtype === 'key' || name === METADATA)
      throw new DTypeError(
        `encodeSafetensors: ${JSON.stringify(name)} is ${x.dtype === 'key' ? 'a PRNG key: save the seed instead' : 'a reserved name'}`,
      )
    return { name, dtype: fileDType[x.dtype], shape: x.shape }
  })
  chosen.sort((a, b) => fileWidth[b.dtype] - fileWidth[a.dtype] || (a.name < b.name ? -1 : 1))
  let end = 0
  return chosen.map((e) => {
    const begin = end
    end += sizeOf(e.shape) * fileWidth[e.dtype]
    return { ...e, begin, end }
  })
}
