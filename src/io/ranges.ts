/** safetensors by ranges of bytes, tensor by tensor: from a file, a URL, or what a user dropped. */
import type { NdArray } from '../core/array.ts'
import { FileError } from './errors.ts'
import { type Entry, headerEnd, LENGTH_BYTES, parseHeader } from './header.ts'
import { type Metadata, type ReadOptions, refusing, tensorOf } from './safetensors.ts'

export type { Entry }
/** Bytes that are somewhere else. */
export interface Ranges {
  readonly size: number
  /** The bytes [begin, end), in a buffer of their own. */
  readonly read: (begin: number, end: number) => Promise<Uint8Array<ArrayBuffer>>
}
export interface OpenSafetensors {
  readonly entries: readonly Entry[]
  readonly metadata: Metadata
  readonly tensor: (entry: Entry, options: ReadOptions) => Promise<NdArray>
}
/** Memory for so many bytes of a source. */
export const room = (n: number, source: string): Uint8Array<ArrayBuffer> => {
  try {
    return new Uint8Array(n)
  } catch (cause) {
    throw new FileError(`${source} can't be read: there is no memory for ${n} bytes of it`, { cause })
  }
}
/** Reads the header. `source` is what errors call it. @throws FileError where the header isn't one, or contradicts the size */
export const openSafetensors = async ({ size, read }: Ranges, source: string): Promise<OpenSafetensors> => {
  const refuse = refusing(source)
  const start = headerEnd(await read(0, Math.min(LENGTH_BYTES, size)), size, refuse)
  const { entries, metadata } = parseHeader(await read(LENGTH_BYTES, start), size - start, refuse)
  return {
    entries,
    metadata,
    tensor: async (entry, options) => tensorOf(entry, (await read(start + entry.begin, start + entry.end)).buffer, options, refuse),
  }
}
