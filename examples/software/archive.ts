/**
 * What @sparticuz/chromium carries (a browser, SwiftShader, the browser's libraries; all brotli, for Linux x64), unpacked into a folder. The
 * package's own `executablePath()` isn't used: it unpacks to fixed names in /tmp, where a second process takes a half-written browser for a
 * whole one and an old version for a new one.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

export type Archive = 'swiftshader' | 'al2023' | 'chromium'

/** The package's folder: its main module is build/cjs/index.cjs. */
const carrier = (): string => join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../..')

/** The archives' files in node_modules/.cache, in a folder for each version of the package. Made when it isn't there; returns the folder. */
export const cached = (name: string, archives: readonly Archive[]): string => {
  const { version } = JSON.parse(readFileSync(join(carrier(), 'package.json'), 'utf8')) as { readonly version: string }
  const folder = join(carrier(), `../../.cache/cotangent/${name}-${version}`)
  unpack(archives, folder)
  return folder
}

/** Unpacked apart and renamed, so that a folder that is there is whole and two processes don't meet in it. */
export const unpack = (archives: readonly Archive[], folder: string): void => {
  if (existsSync(folder)) return
  mkdirSync(dirname(folder), { recursive: true })
  const apart = mkdtempSync(`${folder}-`)
  try {
    for (const archive of archives) for (const [path, data, mode] of filesOf(archive)) write(join(apart, path), data, mode)
    renameSync(apart, folder)
  } catch (reason) {
    rmSync(apart, { recursive: true, force: true })
    if (!existsSync(folder)) throw reason // else another process was first: a folder isn't renamed onto one with files in it
  }
}

type File = readonly [path: string, data: Uint8Array, mode: number]

const write = (path: string, data: Uint8Array, mode: number): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, data, { mode })
}

/** The browser is one executable, the others are tar archives. */
const filesOf = (archive: Archive): readonly File[] => {
  const inflated = (name: string): Uint8Array => brotliDecompressSync(readFileSync(join(carrier(), 'bin', name)))
  return archive === 'chromium' ? [['chromium', inflated('chromium.br'), 0o755]] : untar(inflated(`${archive}.tar.br`))
}

/** A tar archive is headers of 512 bytes (name at 0, octal size at 124, type at 156), each before its data, which fills whole blocks. */
export const untar = (tar: Uint8Array): readonly File[] => {
  const files: File[] = []
  const field = (at: number, length: number): string => Buffer.from(tar.subarray(at, at + length)).toString('latin1').replace(/\0.*/s, '') // prettier-ignore
  for (let at = 0; at < tar.length && tar[at] !== 0;) {
    const path = field(at, 100)
    const size = Number.parseInt(field(at + 124, 12), 8)
    const type = field(at + 156, 1)
    if (!(at + 512 + size <= tar.length)) throw new Error(`${path}: the archive ends within it`)
    if (type === '' || type === '0') files.push([path, tar.subarray(at + 512, at + 512 + size), 0o644])
    else if (type !== '5') throw new Error(`${path}: an entry of type ${type}, which this reader has no need of`)
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}
