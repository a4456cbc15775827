/**
 * Files of servers, kept in the browser's own file system (OPFS). A file is a folder there, named by its address and version, of parts that are
 * written whole: what came before a page was closed is there for the next one, but for the last part's share.
 */
import { FileError } from '../io/errors.ts'
import { room } from '../io/ranges.ts'
import { type Asking, found, type Headed, type Looking, receive, type Remote, Unreachable } from './fetching.ts'
import { type Files, filesBy, inUrl, nothing, type OpenFile, remoteFile, urlFiles } from './files.ts'
import { downloading, type OnProgress } from './progress.ts'

/** Bytes of a part, all but the last. */
const PART = 1 << 25
type Folder = FileSystemDirectoryHandle

/** Where files are kept; null where the browser has no such place, or doesn't let this page have it. */
const openFolder = async (): Promise<Folder | null> => {
  // Older Safaris write there from workers only.
  if (typeof FileSystemFileHandle === 'undefined' || !('createWritable' in FileSystemFileHandle.prototype)) return null
  return navigator.storage.getDirectory().then(
    (root) => root.getDirectoryHandle('cotangent-hub', { create: true }),
    () => null,
  )
}
const digest = async (text: string): Promise<string> =>
  [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))].map((b) => b.toString(16).padStart(2, '0')).join('') // prettier-ignore
const fileOf = (folder: Folder, name: string): Promise<File | null> =>
  folder.getFileHandle(name).then(
    (handle) => handle.getFile(),
    () => null,
  )

/** What is known of the file at a URL since it was last asked for; null: there is none. */
type Known = Pick<Remote, 'size' | 'version'> | null
const recall = async (folder: Folder, url: string): Promise<Known | undefined> => {
  const file = await fileOf(folder, `${await digest(url)}.json`)
  // A file of no bytes is one whose writing broke off.
  return file === null || file.size === 0 ? undefined : (JSON.parse(await file.text()) as Known)
}
const remember = async (folder: Folder, url: string, known: Known): Promise<void> => {
  const writable = await (await folder.getFileHandle(`${await digest(url)}.json`, { create: true })).createWritable()
  await writable.write(JSON.stringify(known))
  await writable.close()
}
const partsName = ({ url, size, version }: Remote): Promise<string> => digest(`${url}\n${version}\n${size}`)

/** The parts of a file that are there, in order. */
const partsOf = async (folder: Folder): Promise<readonly File[]> => {
  const parts: File[] = []
  for (let part = await fileOf(folder, '0'); part !== null; part = await fileOf(folder, String(parts.length))) {
    parts.push(part)
    if (part.size < PART) break
  }
  return parts
}
/** The rest of a file, after what is there; its first bytes came with the question whether there is one. */
const download = async (file: Headed, folder: Folder, begin: number, told: (at: number) => void, asking: Asking): Promise<void> => {
  for (let at = begin; at < file.size;) {
    const part = Math.floor(at / PART)
    const writable = await (await folder.getFileHandle(String(part), { create: true })).createWritable({ keepExistingData: true })
    const take = async (bytes: Uint8Array): Promise<void> => {
      await writable.write({ type: 'write', position: at - part * PART, data: bytes as Uint8Array<ArrayBuffer> })
      told((at += bytes.length))
    }
    const end = Math.min(file.size, (part + 1) * PART)
    try {
      if (at < file.head.length) await take(file.head.subarray(at, end))
      await receive(file, at, end, take, asking)
    } catch (error) {
      await writable.close().catch(() => {}) // What came is kept.
      throw error
    }
    await writable.close()
  }
}
const kept = (parts: readonly File[], { url, size }: Remote): OpenFile => ({
  size,
  read: async (begin, end) => {
    const bytes = room(end - begin, url)
    for (let at = begin; at < end;) {
      const part = Math.floor(at / PART)
      const until = Math.min(end, (part + 1) * PART)
      const piece = await parts[part]!.slice(at - part * PART, until - part * PART)
        .arrayBuffer()
        .catch((cause: unknown) => {
          throw new FileError(`${url} can't be read as it was kept: ${String(cause)}: load it again`, { cause })
        })
      bytes.set(new Uint8Array(piece), at - begin)
      at = until
    }
    return bytes
  },
  close: nothing,
})

/** Of a file that was seen before, only whether it is the same. */
const AGAIN: Looking = { head: 1, pauses: [] }
/** Files below a URL, kept. Where there is no room, or no such place, they are read from the server, and the console says so once. */
export const keptFiles = async (what: string, base: string, asking: Asking, onProgress: OnProgress | undefined): Promise<Files> => {
  const folder = await openFolder()
  let silent = false
  const warn = (why: string): void => {
    if (!silent) console.warn(`load: ${what} is read from the server without being kept: ${why}`)
    silent = true
  }
  const full = (error: unknown): void => {
    if (!(error instanceof DOMException && error.name === 'QuotaExceededError')) throw error
    warn(`there is no room: ${error.message}`)
  }
  if (folder === null) {
    warn('this page has no file system of its own')
    return urlFiles(what, base, asking)
  }
  /** The server isn't there, as far as is known: what was kept is taken as it is. */
  let away = false
  const find = async (url: string): Promise<Headed | null> => {
    const known = await recall(folder, url)
    const recalled = known ? { url, ...known, head: new Uint8Array() } : null
    if (away && known !== undefined) return recalled
    try {
      const now = await found(url, asking, known === undefined ? undefined : AGAIN)
      // An older version gives its room back.
      if (known && now?.version !== known.version) await folder.removeEntry(await partsName({ url, ...known }), { recursive: true }).catch(() => {}) // prettier-ignore
      await remember(folder, url, now && { size: now.size, version: now.version }).catch(full)
      return now
    } catch (error) {
      if (!(error instanceof Unreachable) || known === undefined) throw error
      away = true
      return recalled
    }
  }
  const keep = async (file: Headed, name: string): Promise<OpenFile> => {
    const own = await folder.getDirectoryHandle(await partsName(file), { create: true })
    const told = downloading(onProgress, name, file.size)
    // Again where another page, which broke off, wrote less over it.
    for (;;) {
      const parts = await partsOf(own)
      const begin = parts.reduce((n, { size }) => n + size, 0)
      if (begin >= file.size) return kept(parts, file)
      const { quota = Infinity, usage = 0 } = await navigator.storage.estimate()
      if (file.size - begin > quota - usage) throw new DOMException(`${file.size - begin} bytes are needed, and ${quota - usage} are left`, 'QuotaExceededError') // prettier-ignore
      await download(file, own, begin, told, asking)
    }
  }
  return filesBy(what, async (name) => {
    const file = await find(base + inUrl(name))
    if (file === null) return null
    if (file.version === null) warn(`the server doesn't say which version of ${name} it has`)
    else
      try {
        return await keep(file, name)
      } catch (error) {
        full(error)
        await folder.removeEntry(await partsName(file), { recursive: true }).catch(() => {})
      }
    return remoteFile(file, asking)
  })
}
