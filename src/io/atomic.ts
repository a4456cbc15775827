/** Files of a folder that change together: written beside their places, flushed to the disk, and renamed once all of them are whole. */
import { randomUUID } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FileError } from './errors.ts'

export type Contents = Uint8Array | string | readonly Uint8Array[]
export const refused = (verb: string, path: string, cause: unknown): FileError =>
  new FileError(`${path} can't be ${verb}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })

/** What no disk takes, as a full one, leaves every file as it was. What a crash may leave beside them ends in `.tmp`. */
export const writeTogether = async (files: readonly (readonly [path: string, contents: Contents])[]): Promise<void> => {
  const staged: (readonly [temporary: string, path: string])[] = []
  const at = async (path: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act()
    } catch (cause) {
      throw refused('written', path, cause)
    }
  }
  try {
    for (const [path, contents] of files) await at(path, async () => void staged.push([await written(path, contents), path]))
    for (const [temporary, path] of staged) await at(path, () => rename(temporary, path))
  } finally {
    for (const [temporary] of staged) await rm(temporary, { force: true })
  }
  for (const folder of new Set(files.map(([path]) => dirname(path)))) await at(folder, () => syncFolder(folder))
}
/** The contents, whole and on the disk, at a name of their own. A folder at their place would be found when others have theirs. */
const written = async (path: string, contents: Contents): Promise<string> => {
  const there = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
  })
  if (there?.isDirectory() === true) throw new Error('a folder is there')
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  const file = await open(temporary, 'w')
  try {
    for (const part of typeof contents === 'string' || contents instanceof Uint8Array ? [contents] : contents) await file.writeFile(part)
    await file.sync()
    return temporary
  } catch (cause) {
    await rm(temporary, { force: true })
    throw cause
  } finally {
    await file.close()
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
