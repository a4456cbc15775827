/** `cotangent/io/node`: safetensors files. Writing is atomic: after a crash there is the old file or the new one, whole. */
import '../runtime.ts'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, basename } from 'node:path'
import { FileError } from './errors.ts'
import { decodeSafetensors, encodeSafetensors, type Metadata, type Safetensors, type Tensors } from './safetensors.ts'

const refused = (verb: string, path: string, cause: unknown): FileError =>
  new FileError(`${path} can't be ${verb}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })

/**
 * The arrays and texts of a safetensors file.
 *
 * @example const { tensors, metadata } = await readSafetensors('model.safetensors')
 * @throws FileError (the promise rejects) as `decodeSafetensors`, and where the file can't be read
 */
export const readSafetensors = async (path: string): Promise<Safetensors> => {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw refused('read', path, cause)
  })
  return decodeSafetensors(bytes, path)
}

/** Writes arrays and texts to a safetensors file, atomically. `await writeSafetensors('w.safetensors', { w })` */
export const writeSafetensors = async (path: string, tensors: Tensors, metadata: Metadata = {}): Promise<void> =>
  writeAtomically(path, await encodeSafetensors(tensors, metadata))

/**
 * Writes a file so that at every moment its name leads to the old contents or the new: to a file beside it, flushed to the disk, renamed over it.
 * What a crash may leave beside it ends in `.tmp`.
 */
export const writeAtomically = async (path: string, contents: Uint8Array | string): Promise<void> => {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(contents)
      await file.sync()
      await rename(temporary, path)
    } catch (cause) {
      await rm(temporary, { force: true })
      throw cause
    } finally {
      await file.close()
    }
    await syncFolder(dirname(path))
  } catch (cause) {
    throw refused('written', path, cause)
  }
}

/** A rename is durable once its folder is. Windows can't open folders, and doesn't need it. */
const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
