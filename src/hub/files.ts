/** Where a model's files are: a folder, a URL, the Hub, or what a user dropped. */
import { FileError } from '../io/errors.ts'
import type { Ranges } from '../io/ranges.ts'

/** Files by name. */
export interface Files {
  /** As errors call the place. */
  readonly what: string
  /** A small file, whole; null where there is none. */
  readonly text: (name: string) => Promise<string | null>
  /** A large one, by ranges; null where there is none. */
  readonly open: (name: string) => Promise<(Ranges & { readonly close: () => Promise<void> }) | null>
}
const nothing = async (): Promise<void> => {}
const why = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

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

/** How often a range that broke off is asked for again, from the byte where it did. */
const TRIES = 5
/** Files below a URL. A server that doesn't know ranges sends a file whole. */
export const urlFiles = (base: string, headers: Readonly<Record<string, string>> = {}): Files => {
  const folder = base.endsWith('/') ? base : `${base}/`
  const ask = async (name: string, range: string | null): Promise<Response | null> => {
    const url = folder + name
    let response
    try {
      response = await fetch(url, { headers: range === null ? headers : { ...headers, range } })
    } catch (cause) {
      throw new FileError(`${url} can't be read: ${why(cause)}`, { cause })
    }
    if (response.status === 404) return null
    if (!response.ok) throw new FileError(`${url} can't be read: the server says ${response.status} ${response.statusText}`)
    return response
  }
  return {
    what: base,
    text: async (name) => (await ask(name, null))?.text() ?? null,
    open: async (name) => {
      const url = folder + name
      const first = await ask(name, 'bytes=0-7')
      if (first === null) return null
      if (first.status !== 206) {
        const whole = new Uint8Array(await first.arrayBuffer())
        return { size: whole.length, read: async (begin, end) => whole.slice(begin, end), close: nothing }
      }
      await first.arrayBuffer()
      const size = Number(/\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1])
      if (!Number.isSafeInteger(size)) throw new FileError(`${url} can't be read: the server doesn't say how long it is`)
      const read = async (begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
        const bytes = new Uint8Array(end - begin)
        let at = 0
        for (let tries = 0; at < bytes.length; tries++) {
          try {
            const response = await ask(name, `bytes=${begin + at}-${end - 1}`)
            if (response?.status !== 206 || response.body === null) throw new FileError(`${url} can't be read: it isn't what it was`)
            for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
              if (at + part.length > bytes.length) throw new FileError(`${url} can't be read: the server sent more than was asked for`)
              bytes.set(part, at)
              at += part.length
            }
          } catch (cause) {
            if (cause instanceof FileError && tries === 0 && at === 0) throw cause
            if (tries >= TRIES)
              throw new FileError(`${url} can't be read: it broke off at byte ${begin + at}, ${TRIES} times: ${why(cause)}`, { cause })
          }
          if (tries > TRIES) throw new FileError(`${url} can't be read: it ends at byte ${begin + at}, and ${end} were promised`)
        }
        return bytes
      }
      return { size, read, close: nothing }
    },
  }
}

/** `owner/name`, or one of the old names without an owner. */
const HUB_ID = /^[\w.-]+(\/[\w.-]+)?$/
export const isHubId = (source: string): boolean => HUB_ID.test(source) && !source.startsWith('.')
export const hubFiles = (id: string, revision: string, token: string | undefined): Files => {
  const files = urlFiles(`https://huggingface.co/${id}/resolve/${encodeURIComponent(revision)}`, token === undefined ? {} : { authorization: `Bearer ${token}` }) // prettier-ignore
  return { ...files, what: id }
}
/** A folder within. */
export const within = (files: Files, folder: string | undefined): Files => {
  if (folder === undefined || folder === '') return files
  const at = (name: string): string => `${folder.replace(/\/+$/, '')}/${name}`
  return { what: `${files.what}/${folder}`, text: (name) => files.text(at(name)), open: (name) => files.open(at(name)) }
}
