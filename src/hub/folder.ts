/** Files of a folder, in Node. */
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FileError } from '../io/errors.ts'
import { rangesOf } from '../io/fileRanges.ts'
import type { Files } from './files.ts'

const absent = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
/** What is read at a path; null where nothing is. */
const reading = async <T>(path: string, read: () => Promise<T>): Promise<T | null> => {
  try {
    return await read()
  } catch (cause) {
    if (absent(cause)) return null
    if (cause instanceof FileError) throw cause
    throw new FileError(`${path} can't be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

export const folderFiles = (folder: string, what = folder): Files => ({
  what,
  text: (name) => textAt(join(folder, name)),
  open: (name) => {
    const path = join(folder, name)
    return reading(path, async () => {
      const file = await open(path, 'r')
      const { size } = await file.stat()
      return { ...rangesOf(file, size, path), close: () => file.close() }
    })
  },
})
export const textAt = (path: string): Promise<string | null> => reading(path, () => readFile(path, 'utf8'))
/** A file's length; null where there is none. */
export const sizeOf = async (path: string): Promise<number | null> => {
  const found = await reading(path, () => stat(path))
  return found?.isFile() === true ? found.size : null
}
export const isFolder = async (path: string): Promise<boolean> => (await reading(path, () => stat(path)))?.isDirectory() === true
