/** An open file by ranges of bytes, in Node. */
import type { FileHandle } from 'node:fs/promises'
import { FileError } from './errors.ts'
import { type Ranges, room } from './ranges.ts'
import { refusing } from './safetensors.ts'

/** A long range is read in this many pieces side by side, by as many threads. */
const PIECES = 4
/** Bytes of which a piece is worth a thread. */
const PIECE = 1 << 22
/** Bytes that one read may ask for: more than 2 GiB fail. */
const MAX_READ = 1 << 30

/** A file's bytes. */
export const rangesOf = (file: FileHandle, size: number, path: string): Ranges => ({
  size,
  read: async (begin, end) => {
    const bytes = room(end - begin, path)
    const piece = Math.min(MAX_READ, Math.max(PIECE, Math.ceil(bytes.length / PIECES)))
    const fill = async (from: number): Promise<void> => {
      const until = Math.min(bytes.length, from + piece)
      for (let at = from; at < until;) {
        const { bytesRead } = await file.read(bytes, at, until - at, begin + at).catch((cause: Error) => {
          throw new FileError(`${path} can't be read: ${cause.message}`, { cause })
        })
        if (bytesRead === 0) throw refusing(path)(`it was truncated to ${begin + at} bytes while it was read`)
        at += bytesRead
      }
    }
    await Promise.all(Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) => fill(i * piece)))
    return bytes
  },
})
