/** Where a model's files are: a folder, a URL, the Hub, or what a user dropped. */
import { ArgumentError } from '../core/errors.ts'
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import { type Ranges, room } from '../io/ranges.ts'
import { type Asking, found, type Headed, receive } from './fetching.ts'

/** A large file, by ranges. */
export type OpenFile = Ranges & { readonly close: () => Promise<void> }
/** Files by name. */
export interface Files {
  /** As errors call the place. */
  readonly what: string
  /** A small file, whole; null where there is none. */
  readonly text: (name: string) => Promise<string | null>
  /** null where there is none. */
  readonly open: (name: string) => Promise<OpenFile | null>
  /** All that a model has was read: what is kept for the next time may count on it. */
  readonly done?: () => Promise<void>
}
export const nothing = async (): Promise<void> => {}

/** With the folders that it was chosen with, where the browser says them. */
const pathOf = (file: File): string => file.webkitRelativePath || file.name
/** A file that was chosen may be moved, or changed, before it is read. */
const gone =
  (name: string) =>
  (cause: unknown): never => {
    throw new FileError(`${name} of the given files can't be read: ${String(cause)}: choose it again`, { cause })
  }
/** Files that a user chose or dropped, by their names, whatever folders they came with. */
export const droppedFiles = (list: readonly File[]): Files => {
  const find = (name: string): File | null => {
    const [file = null, ...more] = list.filter((file) => `/${pathOf(file)}`.endsWith(`/${name}`))
    if (file === null || more.length === 0) return file
    const paths = [file, ...more].map(pathOf)
    const folders = paths.every((path) => path.includes('/')) ? ', or say which folder with { subfolder }' : ''
    throw new FileError(`the given files hold ${name} more than once, as ${paths.join(' and ')}: give the files of one model${folders}`)
  }
  return {
    what: 'the given files',
    text: async (name) => (await find(name)?.text().catch(gone(name))) ?? null,
    open: async (name) => {
      const file = find(name)
      if (file === null) return null
      return {
        size: file.size,
        read: async (begin, end) => new Uint8Array(await file.slice(begin, end).arrayBuffer().catch(gone(name))),
        close: nothing,
      }
    },
  }
}

/** Bytes of a text, that is all in memory: the longest tokenizers have a tenth. */
const MAX_TEXT = 1 << 28
/** Files of which large and small are opened alike. */
export const filesBy = (what: string, open: Files['open']): Files => ({
  what,
  open,
  text: async (name) => {
    const file = await open(name)
    if (file === null) return null
    try {
      if (file.size > MAX_TEXT) throw new FileError(`${what}/${name} can't be read: it is ${file.size} bytes long, and ${MAX_TEXT} are the most of such a file`) // prettier-ignore
      return new TextDecoder().decode(await file.read(0, file.size))
    } finally {
      await file.close()
    }
  },
})
/** A path as part of a URL: a folder may be called v1 #2. */
export const inUrl = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
/** Files below a URL, by ranges. A server that doesn't know ranges sends a file whole. */
export const urlFiles = (what: string, base: string, asking: Asking): Files =>
  filesBy(what, async (name) => {
    const file = await found(base + inUrl(name), asking)
    return file === null ? null : remoteFile(file, asking)
  })
export const remoteFile = (file: Headed, asking: Asking): OpenFile => ({
  size: file.size,
  read: async (begin, end) => {
    if (end <= file.head.length) return file.head.slice(begin, end)
    const bytes = room(end - begin, file.url)
    let at = 0
    const take = (part: Uint8Array): void => {
      bytes.set(part, at)
      at += part.length
    }
    await receive(file, begin, end, take, asking)
    return bytes
  },
  close: nothing,
})

/** `owner/name`, or one of the old names without an owner. */
const HUB_ID = /^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)?$/
export const isHubId = (source: unknown): source is string => typeof source === 'string' && HUB_ID.test(source)
export const isUrl = (source: unknown): source is string => typeof source === 'string' && /^https?:/.test(source)
/** Where files of the Hub are, with a slash behind. */
export const hubUrl = (id: string, revision: string, endpoint = 'https://huggingface.co'): string =>
  `${endpoint}/${id}/resolve/${encodeURIComponent(revision)}/`

/** Whether a path stays where it begins, on every system. */
const isWithin = (path: string): boolean => path.split('/').every((part) => !/^\.*$|[\\:\0]/.test(part))
/** What of a source is meant: a revision of the Hub's alone, and a folder that is within it. `elsewhere`: what a source that isn't the Hub's is. */
export const checkPlace = (
  { revision, subfolder = '' }: { readonly revision?: string; readonly subfolder?: string },
  elsewhere: string | null,
): void => {
  if (revision !== undefined && elsewhere !== null)
    throw new ArgumentError(`load: revision is a branch, tag or commit of the Hub's models, and ${elsewhere} has none: leave it out`)
  if (revision !== undefined && !isWithin(revision))
    throw new ArgumentError(`load: revision is a branch, tag or commit, and got ${show(revision)}`)
  if (subfolder !== '' && !isWithin(subfolder.replace(/\/+$/, '')))
    throw new ArgumentError(`load: subfolder is a folder of the model, and got ${show(subfolder)}`)
}
/** A folder within. */
export const within = (files: Files, folder: string | undefined): Files => {
  if (folder === undefined || folder === '') return files
  const at = (name: string): string => `${folder.replace(/\/+$/, '')}/${name}`
  return { ...files, what: `${files.what}/${folder}`, text: (name) => files.text(at(name)), open: (name) => files.open(at(name)) }
}
