/** Files over http on 127.0.0.1, under headers that make a page cross-origin isolated: it may share memory and measure finely. */
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
}

/** `files` by path ('/a.js'); what isn't among them is looked for in `folder`. */
export const serve = async (
  files: Readonly<Record<string, string>>,
  folder?: string,
): Promise<{ origin: string; close: () => Promise<void> }> => {
  const content = async (path: string): Promise<string | Buffer | null> => {
    if (Object.hasOwn(files, path)) return files[path]!
    return folder === undefined ? null : readFile(join(folder, path)).catch(() => null)
  }
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    void content(path).then((body) => {
      const type = TYPES[path.endsWith('/') ? '.html' : extname(path)] ?? 'application/octet-stream'
      response.writeHead(body === null ? 404 : 200, { 'content-type': type, ...ISOLATED }).end(body ?? '')
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => closed(server) }
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections() // a browser keeps its connections open
  })
