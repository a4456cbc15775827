/** An open file by ranges of bytes, in Node. */
import type { FileHandle } from 'node:fs/promises'
import type { Ranges } from './ranges.ts'
import { refusing } from './safetensors.ts'

/** Bytes that one read may ask for: more than 2 GiB fail. */
const MAX_READ = 1 << 30

/** A file's bytes. */
export const rangesOf = (file: FileHandle, size: number, path: string): Ranges => ({
  size,
  read: async (begin, end) => {
    const bytes = new Uint8Array(end - begin)
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, MAX_READ), begin + at)
      if (bytesRead === 0) throw refusing(path)(`it was truncated to ${begin + at} bytes while it was read`)
      at += bytesRead
    }
    return bytes
  },
})
