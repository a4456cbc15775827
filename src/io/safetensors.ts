/** safetensors, bytes in: the format of Hugging Face's library of that name, which PyTorch, JAX and NumPy read. */
import type { NdArray } from '../core/array.ts'
import { aval } from '../core/aval.ts'
import { ArgumentError, DTypeError } from '../core/errors.ts'
import { runtime } from '../core/runtime.ts'
import { adopt } from '../core/trace.ts'
import { type Cast, castFault, hostData, readAs } from './dtypes.ts'
import { FileError } from './errors.ts'
import { type Entry, headerEnd, LENGTH_BYTES, parseHeader, type Refuse, type TensorInfo } from './header.ts'
import { quoted } from './scan.ts'
import { either, func, list, option, type OptionKind, recordOf, type Schema, text } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { show } from '../core/show.ts'

export type Tensors = Readonly<Record<string, NdArray>>
export type Metadata = Readonly<Record<string, string>>
export interface Safetensors {
  readonly tensors: Tensors
  readonly metadata: Metadata
}
export interface ReadOptions {
  /** Which tensors to read: their names, or whether by name and what the file says. The others' bytes aren't touched. Default: all. */
  readonly names?: readonly string[] | ((name: string, info: TensorInfo) => boolean)
  /**
   * What a dtype of the file is read as: `{ F64: 'float32' }`. Default: the dtype of that name, else int32 for I64, I16 and I8, uint32 for U64,
   * U16 and U8, float32 for F8_E4M3 and F8_E5M2. Floats are rounded; integers that don't fit an integer dtype are refused.
   */
  readonly cast?: Cast
}
export const readOptions: Schema<ReadOptions> = {
  names: either(list(text), func()),
  cast: recordOf(option(DTypeError, 'a dtype', (x) => typeof x === 'string')) as OptionKind<Cast>,
}

/**
 * The arrays and texts in the bytes of a safetensors file. `source` is what errors call it. The bytes are copied.
 *
 * @example decodeSafetensors(await (await fetch(url)).arrayBuffer(), url, { names: ['wte.weight'] }).tensors
 * @throws FileError where the bytes are truncated or contradict themselves, lack a name of `names`, or hold what no dtype here holds
 * @throws DTypeError for a cast that there is none of
 */
export const decodeSafetensors = /* @__PURE__ */ takesOptions(
  'decodeSafetensors',
  3,
  readOptions,
  (bytes: ArrayBufferLike | ArrayBufferView, source: string = 'these bytes', options: ReadOptions = {}): Safetensors => {
    if (typeof source !== 'string')
      throw new ArgumentError(`decodeSafetensors: what errors call the bytes is a text, and got ${show(source)}`)
    const refuse = refusing(source)
    const all = viewOf(bytes, refuse)
    const start = headerEnd(all, all.length, refuse)
    const { entries, metadata } = parseHeader(all.subarray(LENGTH_BYTES, start), all.length - start, refuse)
    const tensors = chosen(entries, options, refuse).map((e) => {
      const own = new Uint8Array(all.subarray(start + e.begin, start + e.end)) // a copy, which starts aligned; a Buffer's slice is none
      return [e.name, tensorOf(e, own.buffer, options, refuse)] as const
    })
    return { tensors: Object.fromEntries(tensors), metadata }
  },
)

export const refusing =
  (source: string): Refuse =>
  (why) =>
    new FileError(`${source} can't be read: ${why}`)

const viewOf = (bytes: ArrayBufferLike | ArrayBufferView, refuse: Refuse): Uint8Array => {
  try {
    const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(bytes) ? bytes : new DataView(bytes)
    return new Uint8Array(buffer, byteOffset, byteLength)
  } catch (cause) {
    throw refuse(`it is no ArrayBuffer, nor a view of one that is still there: ${(cause as Error).message}`)
  }
}

/** The tensors that are asked for, by place. */
export const chosen = (entries: readonly Entry[], { names, cast = {} }: ReadOptions, refuse: Refuse): readonly Entry[] => {
  const fault = castFault(cast)
  if (fault !== null) throw new DTypeError(`cast: ${fault}`)
  if (typeof names === 'function') return entries.filter(({ name, dtype, shape }) => names(name, { dtype, shape }))
  if (names === undefined) return entries
  const wanted = new Set(names)
  const found = entries.filter((e) => wanted.delete(e.name))
  const [missing] = wanted
  if (missing === undefined) return found
  const held = entries.slice(0, 5).map((e) => quoted(e.name))
  throw refuse(`it has no tensor ${quoted(missing)}, but ${held.join(', ') || 'none'}${entries.length > 5 ? ', …' : ''}`)
}

/** A tensor of its bytes, which are its own. */
export const tensorOf = ({ name, dtype, shape }: Entry, bytes: ArrayBuffer, { cast = {} }: ReadOptions, refuse: Refuse): NdArray => {
  const inTensor: Refuse = (why) => refuse(`tensor ${quoted(name)}: ${why}`)
  const to = readAs(dtype, cast)
  if (to === null) throw inTensor(`nothing here holds the numbers of ${dtype}: leave it out with names`)
  const { name: device, dtypes } = runtime.device.current()
  if (!dtypes.includes(to)) throw inTensor(`the device ${device} doesn't hold ${to}: read it with cast: { ${dtype}: 'float32' }`)
  return adopt(aval(shape, to), hostData(dtype, to, bytes, inTensor))
}
