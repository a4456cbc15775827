/**
 * Models of the Hub on disk, in the layout that Hugging Face's libraries share: `models--owner--name` with `refs` (the commit of a revision),
 * `blobs` (contents, by their hashes) and `snapshots` (a commit's files, links to blobs). The package `@huggingface/hub` says what the Hub has.
 */
import { link, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import { cacheFolder } from './cacheFolder.ts'
import { answered, persistently, Unreachable } from './fetching.ts'
import { fetched, placed } from './contents.ts'
import { type Files, hubUrl, inUrl } from './files.ts'
import { folderFiles, isFolder, sizeOf, textAt } from './folder.ts'
import { askingOf, type LoadOptions } from './load.ts'
import { downloading } from './progress.ts'

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

/** The Hub that the environment names. */
export const endpoint = (): string | undefined => process.env['HF_ENDPOINT']?.replace(/\/+$/, '') || undefined

/** Whether the environment says that no server may be asked. */
export const isOffline = (): boolean => /^(1|on|yes|true)$/i.test(process.env['HF_HUB_OFFLINE'] ?? '')

/** The files of a model, downloaded when they are asked for. Without a network: those of the last load. */
export const cachedFiles = async (id: string, options: LoadOptions & CacheOptions): Promise<Files> => {
  const { revision = 'main', subfolder = '', cacheDir = cacheFolder() } = options
  const folder = join(cacheDir, `models--${id.replace('/', '--')}`)
  const ref = join(folder, 'refs', revision)
  const last = COMMIT.test(revision) ? revision : ((await textAt(ref))?.trim() ?? '')
  const snapshot = join(folder, 'snapshots', last)
  const isKept = COMMIT.test(last) && (await isFolder(snapshot))
  const kept = (why: string): Files => folderFiles(snapshot, `${id} as it is in ${cacheDir} (${why})`)
  if (isOffline()) {
    if (isKept) return kept('HF_HUB_OFFLINE is set')
    throw new FileError(`${id} at ${revision} isn't in ${cacheDir}, and HF_HUB_OFFLINE is set: load it once without`)
  }
  try {
    const listing = await listed(id, revision, subfolder, options, isKept)
    const files = snapshotFiles(id, folder, listing, options)
    if (listing.commit === last) return files
    // Until all of it is there, the last load's files are those to take without a network.
    return { ...files, done: () => placed(ref, (path) => writeFile(path, listing.commit)) }
  } catch (error) {
    if (error instanceof Unreachable && isKept) return kept(error.message)
    throw error
  }
}

const snapshotFiles = (id: string, folder: string, { commit, files }: Listing, options: LoadOptions): Files => {
  const snapshot = join(folder, 'snapshots', commit)
  const asking = askingOf(options)
  /** Whether there is such a file; then it is on the disk. */
  const ensured = async (name: string): Promise<boolean> => {
    const file = files.get(name)
    if (file === undefined) return false
    const path = join(snapshot, name)
    if ((await sizeOf(path)) === file.size) return true
    if (!HASH.test(file.hash)) throw new FileError(`${id}: the Hub's hash of ${name} is ${show(file.hash)}, which is none`)
    const blob = join(folder, 'blobs', file.hash)
    const remote = { url: hubUrl(id, commit, endpoint()) + inUrl(name), size: file.size, version: null }
    if ((await sizeOf(blob)) !== file.size) await fetched(remote, blob, file.hash, downloading(options.onProgress, name, file.size), asking)
    // Without the right to make symbolic links, as on Windows, a hard one.
    if ((await sizeOf(path)) !== file.size) await placed(path, (at) => symlink(relative(dirname(at), blob), at).catch(() => link(blob, at)))
    return true
  }
  const there = folderFiles(snapshot, id)
  return {
    what: id,
    text: async (name) => ((await ensured(name)) ? there.text(name) : null),
    open: async (name) => ((await ensured(name)) ? there.open(name) : null),
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
    const path = inUrl(subfolder.replace(/\/+$/, '')) // The package takes it as it is.
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
