/** What is asked of a server: again after growing pauses where it fails for a moment, and from the byte where it broke off. */
import { FileError } from '../io/errors.ts'

export interface Asking {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal | undefined
}
/** What is at a URL: how long it is, and what tells it from other contents, where the server has something that does. */
export interface Remote {
  readonly url: string
  readonly size: number
  readonly version: string | null
}

/** No answer, or one that may be another in a moment. */
export class Unreachable extends FileError {}
/** Fetch's own message is "fetch failed", and its cause says why. */
const why = (cause: unknown): string =>
  cause instanceof Error ? (cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message) : String(cause)
const broken =
  (url: string, signal: AbortSignal | undefined) =>
  (cause: unknown): never => {
    signal?.throwIfAborted()
    throw new Unreachable(`${url} can't be read: ${why(cause)}`, { cause })
  }

/** An answer that will be the same in a moment. */
export const answered = async (url: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> => {
  const [place] = url.split('?')
  const response = await fetch(url, signal === undefined ? init : { ...init, signal }).catch(broken(place!, signal))
  if (response.status < 500 && response.status !== 429) return response
  await response.body?.cancel()
  throw new Unreachable(`${place} can't be read: the server says ${response.status} ${response.statusText}`)
}

/** Milliseconds before each try but the first. */
const PAUSES: readonly number[] = [250, 500, 1000, 2000, 4000]
const paused = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const stopped = (): void => {
      clearTimeout(timer)
      reject(signal!.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stopped)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stopped, { once: true })
  })
/** Tries again what is unreachable, and from the first pause on once `reached` has grown. */
export const persistently = async <T>(
  attempt: () => Promise<T>,
  signal: AbortSignal | undefined,
  { pauses = PAUSES, reached = () => 0 }: { readonly pauses?: readonly number[]; readonly reached?: () => number } = {},
): Promise<T> => {
  for (let [failed, best] = [0, reached()]; ; failed++) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (reached() > best) [failed, best] = [0, reached()]
      const pause = pauses[failed]
      if (!(error instanceof Unreachable) || pause === undefined) throw error
      await paused(pause, signal)
    }
  }
}

/** Part of a file; null where there is none. */
const ask = async (url: string, range: string, { headers, signal }: Asking): Promise<Response | null> => {
  const response = await answered(url, { headers: { ...headers, range } }, signal)
  if (response.ok) return response
  await response.body?.cancel()
  if (response.status === 404) return null
  const secret = response.status === 401 || response.status === 403
  throw new FileError(`${url} can't be read: the server says ${response.status} ${response.statusText}${secret ? ': give a { token } that may read it' : ''}`) // prettier-ignore
}
/** By what a server tells contents apart. */
const versionOf = ({ headers }: Response): string | null =>
  headers.get('x-linked-etag') ?? headers.get('etag') ?? headers.get('last-modified')
const rangeOf = ({ headers }: Response): readonly number[] =>
  (/^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? []).slice(1).map(Number)

/** Where an answer begins, and how long the file is: from 0 on where the server knows no ranges, as long as it says, if it does. */
const partOf = (response: Response, size: number): readonly number[] => {
  if (response.status === 206) return rangeOf(response)
  const length = response.headers.has('content-encoding') ? null : response.headers.get('content-length')
  return [0, length === null ? size : Number(length)]
}

/** A file and its first bytes: all of them, where the server knows no ranges. */
export type Headed = Remote & { readonly head: Uint8Array<ArrayBuffer> }
/** How a file is looked for: how many of its bytes are asked for to begin with, and the pauses between tries. */
export interface Looking {
  readonly head: number
  readonly pauses: readonly number[]
}
/** Most configurations, and most headers of tensors. */
const FIRST: Looking = { head: 1 << 16, pauses: PAUSES }
export const found = (url: string, asking: Asking, { head: length, pauses } = FIRST): Promise<Headed | null> =>
  persistently(
    async () => {
      const response = await ask(url, `bytes=0-${length - 1}`, asking)
      if (response === null) return null
      const head = new Uint8Array(await response.arrayBuffer().catch(broken(url, asking.signal)))
      if (response.status !== 206) return { url, size: head.length, version: versionOf(response), head }
      const [from, size] = rangeOf(response)
      if (size !== undefined && from !== 0) throw new FileError(`${url} can't be read: the server sent another part than was asked for`)
      if (size === undefined) throw new FileError(`${url} can't be read: the server doesn't say how long it is`)
      return { url, size, version: versionOf(response), head }
    },
    asking.signal,
    { pauses },
  )

/**
 * Gives the bytes [begin, end) to `take`, in order. Pieces of another version are refused by what their answers say; If-Range would have browsers
 * ask first whether they may send it, which not all servers answer.
 */
export const receive = (
  { url, size, version }: Remote,
  begin: number,
  end: number,
  take: (part: Uint8Array) => unknown,
  asking: Asking,
): Promise<void> => {
  let at = begin
  const attempt = async (): Promise<void> => {
    const response = await ask(url, `bytes=${at}-${end - 1}`, asking)
    const [from, length] = response === null ? [] : partOf(response, size)
    const now = response === null ? null : versionOf(response)
    if (response === null || from === undefined || from > at || length !== size || (version !== null && now !== null && now !== version)) {
      await response?.body?.cancel()
      throw new FileError(`${url} can't be read: it changed meanwhile, load it again`)
    }
    const reader = response.body!.getReader()
    let place = from
    try {
      while (at < end) {
        const { done, value } = await reader.read().catch(broken(url, asking.signal))
        if (done) throw new Unreachable(`${url} can't be read: it broke off at byte ${place}, and ${end} were promised`)
        // Of a whole file what is there already, and what wasn't asked for, isn't taken.
        const wanted = value.subarray(Math.max(0, at - place), end - place)
        place += value.length
        if (wanted.length === 0) continue
        if (response.status === 206 && place > end) throw new FileError(`${url} can't be read: the server sent more than was asked for`)
        await take(wanted)
        at += wanted.length
      }
    } finally {
      await reader.cancel().catch(() => {})
    }
  }
  return at === end ? Promise.resolve() : persistently(attempt, asking.signal, { reached: () => at })
}
