/** safetensors, bytes out. What readers of the format refuse isn't written. */
import { NdArray } from '../core/array.ts'
import { sizeOf } from '../core/aval.ts'
import type { DType } from '../core/dtype.ts'
import { DTypeError } from '../core/errors.ts'
import { bitsOf, type FileDType } from './dtypes.ts'
import { FileError } from './errors.ts'
import { type Entry, isPlain, MAX_RANK, METADATA, type Refuse, writeHeader } from './header.ts'
import { isWellFormed, quoted } from './scan.ts'
import type { Metadata, Tensors } from './safetensors.ts'
import { promised, takes } from '../core/takes.ts'
import { reading } from '../core/show.ts'

const fileDType: Readonly<Record<Exclude<DType, 'key'>, FileDType>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int32: 'I32',
  uint32: 'U32',
  bool: 'BOOL',
}
const refuse: Refuse = (why) => new FileError(`encodeSafetensors: ${why}`)

/**
 * The bytes of a safetensors file with these arrays and texts. Wide elements come first, then by name, so that every tensor starts
 * at a multiple of its element's size and equal contents give equal bytes.
 *
 * @example await encodeSafetensors({ w: np.eye(2) }, { step: '100' })
 * @throws DTypeError for PRNG keys, which the format doesn't know, and for what is no array
 * @throws FileError for names, metadata and shapes that readers of the format refuse, and for more bytes than one buffer holds
 */
export const encodeSafetensors = /* @__PURE__ */ promised(
  takes('encodeSafetensors', 2, async (tensors: Tensors, metadata: Metadata = {}): Promise<Uint8Array<ArrayBuffer>> => {
    const parts = await encodeParts(tensors, metadata)
    const length = parts.reduce((n, part) => n + part.length, 0)
    const bytes = allocate(length)
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }),
)

/** The same bytes piece by piece. All arrays are read before it is awaited, so that they may be disposed of then. */
export const encodeParts = async (tensors: Tensors, metadata: Metadata): Promise<readonly Uint8Array[]> => {
  const entries = layOut(tensors)
  const header = writeHeader(entries, metadata, refuse)
  const bodies = entries.map(async ({ name, dtype }) => {
    const x = tensors[name]!.concrete('encodeSafetensors')
    const data = await x.backend.read(x.storage(), x.dtype, x.size)
    return dtype === 'BOOL' ? Uint8Array.from(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  })
  return [header, ...(await Promise.all(bodies))]
}

const allocate = (length: number): Uint8Array<ArrayBuffer> => {
  try {
    return new Uint8Array(length)
  } catch (cause) {
    throw new FileError(
      `encodeSafetensors: ${length} bytes are more than one buffer holds here: divide the tensors among several files, or use writeSafetensors`,
      { cause },
    )
  }
}

const layOut = (tensors: Tensors): readonly Entry[] => {
  if (!isPlain(tensors)) throw refuse('the tensors are no plain object of arrays by name: make one of a tree with toNamed')
  const described = reading(FileError, 'encodeSafetensors: what holds the tensors', () => Object.entries(tensors)).map(([name, x]) => {
    checkTensor(name, x)
    return { name, dtype: fileDType[x.dtype as Exclude<DType, 'key'>], shape: x.shape }
  })
  described.sort((a, b) => bitsOf(b.dtype) - bitsOf(a.dtype) || (a.name < b.name ? -1 : 1))
  let end = 0
  return described.map((e) => {
    const begin = end
    end += (sizeOf(e.shape) * bitsOf(e.dtype)) / 8
    return { ...e, begin, end }
  })
}

const checkTensor = (name: string, x: unknown): void => {
  const at = quoted(name)
  if (!(x instanceof NdArray)) throw new DTypeError(`encodeSafetensors: ${at} is no array: make one with np.array`)
  if (x.dtype === 'key') throw new DTypeError(`encodeSafetensors: ${at} is a PRNG key: save the seed instead`)
  if (name === METADATA) throw refuse(`${at} is a reserved name, of the metadata: choose another`)
  if (!isWellFormed(name)) throw refuse(`the name ${at} has half a surrogate pair, which is no Unicode text: mend it with toWellFormed()`)
  if (x.ndim > MAX_RANK) throw refuse(`${at} has ${x.ndim} axes, and readers take ${MAX_RANK}: reshape it first`)
}
