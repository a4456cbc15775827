/**
 * Models of the Hub on disk, in the layout that Hugging Face's libraries share: `models--owner--name` with `refs` (the commit of a revision),
 * `blobs` (contents, by their hashes) and `snapshots` (a commit's files, links to blobs). The package `@huggingface/hub` says where the cache is
 * and what the Hub has; it can't go on with a download that broke off, so contents are fetched here, into `<hash>.incomplete`.
 */
import { createHash, randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { link, mkdir, open, rename, rm, statfs, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { ArgumentError } from '../core/errors.ts'
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import { answered, type Asking, persistently, receive, type Remote, Unreachable } from './fetching.ts'
import { type Files, hubUrl } from './files.ts'
import { folderFiles, isFolder, sizeOf, textAt } from './folder.ts'
import { askingOf, type LoadOptions } from './load.ts'
import { downloading, type OnProgress } from './progress.ts'

export interface CacheOptions {
  /** The cache's folder; default: as for Hugging Face's libraries, by `HF_HUB_CACHE` or `HF_HOME`, else ~/.cache/huggingface/hub. */
  readonly cacheDir?: string
}
/** What the Hub has in a folder at a commit. */
interface Listing {
  readonly commit: string
  readonly files: ReadonlyMap<string, { readonly size: number; readonly hash: string }>
}
const COMMIT = /^[0-9a-f]{40}$/
/** Git's of a file, or SHA-256 of a large one. */
const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/
/** Whether a path stays where it begins, on every system. */
const isWithin = (path: string): boolean => path.split('/').every((part) => !/^\.*$|[\\:\0]/.test(part))

/** The Hub that the environment names. */
export const endpoint = (): string | undefined => process.env['HF_ENDPOINT']?.replace(/\/+$/, '') || undefined

/** The files of a model, downloaded when they are asked for. Without a network: those of the last load. */
export const cachedFiles = async (id: string, options: LoadOptions & CacheOptions): Promise<Files> => {
  const { getHFHubCachePath } = await import('@huggingface/hub')
  const { revision = 'main', subfolder = '', cacheDir = getHFHubCachePath(), onProgress } = options
  if (!isWithin(revision)) throw new ArgumentError(`load: revision is a branch, tag or commit, and got ${show(revision)}`)
  if (subfolder !== '' && !isWithin(subfolder.replace(/\/+$/, '')))
    throw new ArgumentError(`load: subfolder is a folder of the model, and got ${show(subfolder)}`)
  const folder = join(cacheDir, `models--${id.replace('/', '--')}`)
  const ref = join(folder, 'refs', revision)
  const before = COMMIT.test(revision) ? revision : ((await textAt(ref))?.trim() ?? '')
  const snapshot = (commit: string): string => join(folder, 'snapshots', commit)
  const isKept = COMMIT.test(before) && (await isFolder(snapshot(before)))
  const kept = (why: string): Files => folderFiles(snapshot(before), `${id} as it is in ${cacheDir} (${why})`)
  if (/^(1|on|yes|true)$/i.test(process.env['HF_HUB_OFFLINE'] ?? '')) {
    if (isKept) return kept('HF_HUB_OFFLINE is set')
    throw new FileError(`${id} at ${revision} isn't in ${cacheDir}, and HF_HUB_OFFLINE is set: load it once without`)
  }
  let listing: Listing
  try {
    listing = await listed(id, revision, subfolder, options, isKept)
  } catch (error) {
    if (error instanceof Unreachable && isKept) return kept(error.message)
    throw error
  }
  const { commit, files } = listing
  if (commit !== revision && commit !== before) await placed(ref, (path) => writeFile(path, commit))
  const asking = askingOf(options)
  const ensured = async (name: string): Promise<boolean> => {
    const file = files.get(name)
    if (file === undefined) return false
    const path = join(snapshot(commit), name)
    if ((await sizeOf(path)) === file.size) return true
    if (!HASH.test(file.hash)) throw new FileError(`${id}: the Hub's hash of ${name} is ${show(file.hash)}, which is none`)
    const blob = join(folder, 'blobs', file.hash)
    const remote = { url: hubUrl(id, commit, endpoint()) + name, size: file.size, version: null }
    if ((await sizeOf(blob)) !== file.size) await fetched(remote, blob, file.hash, name, asking, onProgress)
    // Without the right to make symbolic links, as on Windows, a hard one.
    if ((await sizeOf(path)) !== file.size) await placed(path, (at) => symlink(relative(dirname(at), blob), at).catch(() => link(blob, at)))
    return true
  }
  const there = folderFiles(snapshot(commit), id)
  return {
    what: id,
    text: async (name) => ((await ensured(name)) ? there.text(name) : null),
    open: async (name) => ((await ensured(name)) ? there.open(name) : null),
  }
}

/** A file that is made beside its place and then moved there: two loads at a time don't see each other's halves. */
const placed = async (path: string, make: (path: string) => Promise<void>): Promise<void> => {
  const temporary = `${path}.${randomUUID()}.tmp`
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true })
    await make(temporary)
    await rename(temporary, path)
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

/** What the Hub has now. Where something is kept, the Hub is asked once. */
const listed = async (
  id: string,
  revision: string,
  subfolder: string,
  { token, signal }: LoadOptions,
  isKept: boolean,
): Promise<Listing> => {
  // prettier-ignore
  const { HubApiError, listFiles, modelInfo } = await import('@huggingface/hub')
  const hub = {
    ...(token === undefined ? {} : { accessToken: token }),
    ...(endpoint() === undefined ? {} : { hubUrl: endpoint()! }),
    fetch: (url: string | URL | Request, init: RequestInit = {}) =>
      persistently(() => answered(String(url), init, signal), signal, isKept ? { pauses: [] } : {}),
  }
  try {
    const commit = COMMIT.test(revision) ? revision : (await modelInfo({ ...hub, name: id, revision, additionalFields: ['sha'] })).sha
    if (!COMMIT.test(commit)) throw new FileError(`${id}: the Hub's commit of ${revision} is ${show(commit)}, which is none`)
    const files = new Map<string, { size: number; hash: string }>()
    const path = subfolder.replace(/\/+$/, '')
    for await (const { type, path: name, size, oid = '', lfs } of listFiles({
      ...hub,
      repo: { type: 'model', name: id },
      revision: commit,
      path,
    }))
      if (type === 'file') files.set(name, { size: lfs?.size ?? size, hash: lfs?.oid ?? oid })
    return { commit, files }
  } catch (cause) {
    if (cause instanceof FileError) throw cause
    signal?.throwIfAborted()
    const status = cause instanceof HubApiError ? cause.statusCode : null
    const place = `${id} at ${revision}${subfolder === '' ? '' : ` with a folder ${subfolder}`}`
    if (status === 404) throw new FileError(`the Hub has no ${place}`, { cause })
    if (status === 401 || status === 403)
      throw new FileError(`the Hub has no ${place}, or none for everybody: give a { token } that may read it, and ask for access on its page where it is gated`, { cause }) // prettier-ignore
    throw new FileError(`the Hub's list of ${place} can't be read: ${(cause as Error).message}`, { cause })
  }
}

/** Contents at their place, whole: under a name of no hash until they are, and have it. */
const fetched = async (
  remote: Remote,
  blob: string,
  hash: string,
  name: string,
  asking: Asking,
  onProgress: OnProgress | undefined,
): Promise<void> => {
  // prettier-ignore
  // Twice, since what somebody left half-written may be nonsense.
  for (let tries = 0; tries < 2; tries++) {
    await download(remote, `${blob}.incomplete`, downloading(onProgress, name, remote.size), asking)
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
      const { bavail, bsize } = await statfs(dirname(path))
      if (remote.size - at > bavail * bsize)
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
