/** Where a model's files are: a folder, a URL, the Hub, or what a user dropped. */
import type { Ranges } from '../io/ranges.ts'
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

/** Files that a user chose or dropped, by their names without folders. */
export const droppedFiles = (list: readonly File[]): Files => {
  const find = (name: string): File | null => list.find((file) => file.name === name) ?? null
  return {
    what: 'the given files',
    text: async (name) => (await find(name)?.text()) ?? null,
    open: async (name) => {
      const file = find(name)
      if (file === null) return null
      return { size: file.size, read: async (begin, end) => new Uint8Array(await file.slice(begin, end).arrayBuffer()), close: nothing }
    },
  }
}

/** Files of which large and small are opened alike. */
export const filesBy = (what: string, open: Files['open']): Files => ({
  what,
  open,
  text: async (name) => {
    const file = await open(name)
    return file === null ? null : new TextDecoder().decode(await file.read(0, file.size).finally(file.close))
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
    const bytes = new Uint8Array(end - begin)
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
const HUB_ID = /^[\w.-]+(\/[\w.-]+)?$/
export const isHubId = (source: unknown): source is string => typeof source === 'string' && HUB_ID.test(source) && !source.startsWith('.')
export const isUrl = (source: unknown): source is string => typeof source === 'string' && /^https?:/.test(source)
/** Where files of the Hub are, with a slash behind. */
export const hubUrl = (id: string, revision: string, endpoint = 'https://huggingface.co'): string =>
  `${endpoint}/${id}/resolve/${encodeURIComponent(revision)}/`

/** A folder within. */
export const within = (files: Files, folder: string | undefined): Files => {
  if (folder === undefined || folder === '') return files
  const at = (name: string): string => `${folder.replace(/\/+$/, '')}/${name}`
  return { ...files, what: `${files.what}/${folder}`, text: (name) => files.text(at(name)), open: (name) => files.open(at(name)) }
}
