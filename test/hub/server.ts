/** A server that answers as the Hub does: commits, listings, contents behind redirects, by ranges. It can break off, fail and lie. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { vi } from 'vitest'

export const ID = 'someone/a-llama'
export const COMMIT = 'c'.repeat(40)
const GOLDEN = 'test/golden/models/llama'
/** As the Hub has it: SHA-256 of large files, Git's hash of others. */
const hashOf = (name: string, bytes: Buffer): string =>
  name.endsWith('.safetensors')
    ? createHash('sha256').update(bytes).digest('hex')
    : createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

interface Contents {
  readonly bytes: Buffer
  hash: string
}
export interface FakeHub {
  readonly origin: string
  readonly files: Record<string, Contents>
  /** What was asked for: method, path, range. */
  readonly asked: string[]
  commit: string
  /** Every connection is cut. */
  down: boolean
  /** What every question is answered by, if not 0. */
  status: number
  /** How many bytes of large contents are sent before connections are cut and the server is down; it isn't cut where it is Infinity. */
  bytesUntilDown: number
  /** How many times large contents are cut after 9,000 bytes. */
  cuts: number
  /** Whether ranges are known; contents are sent whole where they aren't. */
  ranges: boolean
  readonly close: () => Promise<void>
}

export const fakeHub = async (): Promise<FakeHub> => {
  const names = readdirSync(GOLDEN).filter((name) => name === 'config.json' || name.endsWith('.safetensors'))
  const files: Record<string, Contents> = {}
  for (const name of names) {
    const bytes = readFileSync(join(GOLDEN, name))
    files[name] = { bytes, hash: hashOf(name, bytes) }
  }
  const answer = ({ method, url, headers }: IncomingMessage, response: ServerResponse): void => {
    const path = decodeURIComponent(new URL(url!, 'http://hub').pathname)
    hub.asked.push(`${method} ${path} ${headers.range ?? ''}`.trim())
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', 'authorization, range')
    response.setHeader('access-control-expose-headers', 'etag, content-range, location')
    if (hub.down) return void response.destroy()
    if (method === 'OPTIONS') return void response.end()
    if (hub.status !== 0) return void response.writeHead(hub.status).end()
    const json = (value: unknown): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (path.startsWith(`/api/models/${ID}/revision/`)) return json({ _id: '1', id: ID, sha: hub.commit, lastModified: '2026-01-01' })
    if (path.startsWith(`/api/models/${ID}/tree/`))
      return json(
        Object.entries(files).map(([path, { bytes: { length: size }, hash }]) => ({
          type: 'file', path, size, oid: hash, ...(hash.length === 64 ? { lfs: { oid: hash, size, pointerSize: 1 } } : {}),
        })), // prettier-ignore
      )
    const name = /^\/someone\/a-llama\/resolve\/[^/]+\/(.+)$/.exec(path)?.[1]
    if (name !== undefined && Object.hasOwn(files, name))
      return void response.writeHead(302, { location: `/cdn/${encodeURI(name).replaceAll('#', '%23').replaceAll('?', '%3F')}` }).end()
    const contents = files[path.replace('/cdn/', '')]
    if (!path.startsWith('/cdn/') || contents === undefined) return void response.writeHead(404).end()
    send(contents, hub.ranges ? /bytes=(\d+)-(\d+)/.exec(headers.range ?? '') : null, response)
  }
  const send = ({ bytes, hash }: Contents, range: RegExpExecArray | null, response: ServerResponse): void => {
    const [begin, end] = range === null ? [0, bytes.length] : [Number(range[1]), Math.min(bytes.length, Number(range[2]) + 1)]
    const part = bytes.subarray(begin, end)
    response.writeHead(range === null ? 200 : 206, {
      etag: `"${hash}"`,
      'content-length': part.length,
      ...(range === null ? {} : { 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}` }),
    })
    const limit = hub.cuts > 0 ? 9000 : hub.bytesUntilDown
    if (bytes.length < 10_000 || part.length <= limit) {
      if (bytes.length >= 10_000) hub.bytesUntilDown -= part.length
      return void response.end(part)
    }
    if (hub.cuts > 0) hub.cuts--
    else hub.down = true
    response.write(part.subarray(0, limit), () => setTimeout(() => response.destroy(), 20))
  }
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const hub: FakeHub = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    asked: [],
    commit: COMMIT,
    down: false,
    status: 0,
    bytesUntilDown: Infinity,
    cuts: 0,
    ranges: true,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
  return hub
}

/** Pauses between tries take no time, and are listed. Timers of others are left alone. */
export const shortPauses = (): number[] => {
  const pauses: number[] = []
  const real = setTimeout
  vi.stubGlobal('setTimeout', (f: () => void, ms: number, ...args: never[]) => {
    const isPause = [250, 500, 1000, 2000, 4000].includes(ms) && /resolve\(\)/.test(String(f))
    if (isPause) pauses.push(ms)
    return real(f, isPause ? 1 : ms, ...args)
  })
  return pauses
}
