/**
 * Contents of files on their way to a disk: under a name that ends in `.incomplete`, which any later load goes on with, until they are whole and
 * have the hash that was promised.
 */
import { createHash, randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FileError } from '../io/errors.ts'
import { type Asking, receive, type Remote } from './fetching.ts'
import { sizeOf } from './folder.ts'

/** Contents at their place, whole: under a name of no hash until they are, and have it. */
export const fetched = async (remote: Remote, blob: string, hash: string, told: (at: number) => void, asking: Asking): Promise<void> => {
  // Twice, since what somebody left half-written may be nonsense.
  for (let tries = 0; tries < 2; tries++) {
    await download(remote, `${blob}.incomplete`, told, asking)
    if (await writing(blob, () => moved(`${blob}.incomplete`, blob, hash, remote.size))) return
  }
  throw new FileError(`${remote.url} can't be used: its contents haven't the hash that the Hub promises, ${hash}`)
}
/** The rest of a file, after what is there. Others may be writing the same bytes to the same places. */
const download = (remote: Remote, path: string, told: (at: number) => void, asking: Asking): Promise<void> =>
  writing(path, async () => {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, constants.O_RDWR | constants.O_CREAT)
    try {
      let at = (await file.stat()).size
      if (at > remote.size) await file.truncate((at = 0))
      const { blocks, bavail, bsize } = await statfs(dirname(path))
      // Some file systems don't tell.
      if (blocks > 0 && remote.size - at > bavail * bsize)
        throw Object.assign(new Error(`${remote.size - at} bytes are needed, and the disk has ${bavail * bsize}`), { code: 'ENOSPC' })
      const take = async (bytes: Uint8Array): Promise<void> => {
        for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
        told((at += bytes.length))
      }
      await receive(remote, at, remote.size, take, asking)
      await file.sync()
    } finally {
      await file.close()
    }
  })
/**
 * Whether the contents are at their place now. What is checked is moved to a name of this load's own first, so that it is what was checked that
 * gets the place. It may be that another load finished before, and that a third one's beginning was moved: that is put back.
 */
const moved = async (incomplete: string, blob: string, hash: string, size: number): Promise<boolean> => {
  const own = `${blob}.${randomUUID()}.incomplete`
  try {
    await rename(incomplete, own)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    return (await sizeOf(blob)) === size
  }
  const length = await sizeOf(own)
  if (length === size && (await hashOf(own, size, hash.length)) === hash) await rename(own, blob)
  else if (length !== null && length < size) await rename(own, incomplete)
  else await rm(own)
  return (await sizeOf(blob)) === size
}
/** As long as the one to be compared with: SHA-256, or Git's, which is SHA-1 with the length before the contents. */
const hashOf = async (path: string, size: number, length: number): Promise<string> => {
  const hash = length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(bytes as Uint8Array)
  return hash.digest('hex')
}

/** A file that is made beside its place and then moved there: two loads at a time don't see each other's halves. */
export const placed = async (path: string, make: (path: string) => Promise<void>): Promise<void> => {
  const temporary = `${path}.${randomUUID()}.tmp`
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true })
    try {
      await make(temporary)
      await rename(temporary, path)
    } finally {
      await rm(temporary, { force: true })
    }
  })
}
/** What a disk refuses, as a FileError. */
const writing = async <T>(path: string, write: () => Promise<T>): Promise<T> => {
  try {
    return await write()
  } catch (cause) {
    // An abort has a code, too: a number.
    if (!(cause instanceof Error && 'code' in cause && typeof cause.code === 'string')) throw cause
    throw new FileError(`${path} can't be written: ${cause.message}: make room, choose another { cacheDir }, or load with { cache: false }`, { cause }) // prettier-ignore
  }
}
