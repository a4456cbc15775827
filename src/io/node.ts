/**
 * `cotangent/io/node`: safetensors files. Writing is atomic: after a crash there is the old file or the new one, whole.
 *
 * @example
 * import { readSafetensors, writeAtomically } from 'cotangent/io/node'
 * const header = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
 * const bytes = new Uint8Array([header.length, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(header), 0, 0, 128, 63])
 * await writeAtomically('one.safetensors', bytes)
 * (await readSafetensors('one.safetensors')).tensors['w']!.toArray() // [1]
 */
import '../runtime.ts'
import { type FileHandle, open } from 'node:fs/promises'
import type { NdArray } from '../core/array.ts'
import { type Contents, refused, writeTogether } from './atomic.ts'
import { encodeParts } from './encode.ts'
import { rangesOf } from './fileRanges.ts'
import { openSafetensors } from './ranges.ts'
import {
  chosen,
  decodeSafetensors,
  type Metadata,
  readOptions,
  type ReadOptions,
  refusing,
  type Safetensors,
  type Tensors,
} from './safetensors.ts'
import { promised, takes, takesOptions } from '../core/takes.ts'
import { ArgumentError } from '../core/errors.ts'
import { show } from '../core/show.ts'

/** A name of a file, as the functions here take it. */
const named = (what: string, path: unknown): void => {
  if (typeof path !== 'string') throw new ArgumentError(`${what}: a path is needed, a text, and got ${show(path)}`)
}

/**
 * The arrays and texts of a safetensors file. Only what is asked for is read, so that a file may be larger than memory.
 *
 * @example const { tensors, metadata } = await readSafetensors('model.safetensors', { names: ['wte.weight'] })
 * @throws FileError (the promise rejects) as `decodeSafetensors`, and where the file can't be read
 */
export const readSafetensors = /* @__PURE__ */ promised(
  takesOptions('readSafetensors', 2, readOptions, async (path: string, options: ReadOptions = {}): Promise<Safetensors> => {
    named('readSafetensors', path)
    try {
      const file = await open(path, 'r')
      try {
        const about = await file.stat()
        return about.isFile() ? await readRanges(file, about.size, path, options) : decodeSafetensors(await file.readFile(), path, options)
      } finally {
        await file.close()
      }
    } catch (cause) {
      // what the system refuses, or has no memory for
      if (cause instanceof RangeError || (cause instanceof Error && 'code' in cause)) throw refused('read', path, cause)
      throw cause
    }
  }),
)

const readRanges = async (file: FileHandle, length: number, path: string, options: ReadOptions): Promise<Safetensors> => {
  const { entries, metadata, tensor } = await openSafetensors(rangesOf(file, length, path), path)
  const tensors: [string, NdArray][] = []
  for (const e of chosen(entries, options, refusing(path))) tensors.push([e.name, await tensor(e, options)])
  return { tensors: Object.fromEntries(tensors), metadata }
}

/** Writes arrays and texts to a safetensors file, atomically. `await writeSafetensors('w.safetensors', { w })` */
export const writeSafetensors = /* @__PURE__ */ promised(
  takes('writeSafetensors', 3, async (path: string, tensors: Tensors, metadata: Metadata = {}): Promise<void> =>
    writeAtomically(path, await encodeParts(tensors, metadata)),
  ),
)

/**
 * Writes a file so that at every moment its name leads to the old contents or the new: to a file beside it, flushed to the disk, renamed over it.
 * What a crash may leave beside it ends in `.tmp`.
 */
export const writeAtomically = /* @__PURE__ */ promised(
  takes('writeAtomically', 2, async (path: string, contents: Contents): Promise<void> => {
    named('writeAtomically', path)
    await writeTogether([[path, contents]])
  }),
)
