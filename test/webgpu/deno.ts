/** A program in Deno, whose WebGPU is wgpu's: another implementation than Dawn, with a compiler of WGSL of its own. From npm, on SwiftShader. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { adapter } from './adapter.ts'
import { bundle } from './bundle.ts'
import { describeUnless } from './needs.ts'

const executable = join(dirname(createRequire(import.meta.url).resolve('deno/package.json')), 'bin.cjs')

const ran = async (path: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [executable, 'run', '--quiet', '--no-config', '--allow-all', path])
  return stdout
}

/** What an async function's body returns, as JSON; it may import from this folder on. */
export const inDeno = async <T>(imports: string, body: string): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'cotangent-deno-'))
  try {
    const path = join(folder, 'main.js')
    await writeFile(path, await bundle(`${imports}\nconsole.log(JSON.stringify(await (async () => {\n${body}\n})()))`))
    return JSON.parse(await ran(path)) as T
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Why there is no device in Deno; null when there is one. */
const missing = async (): Promise<string | null> => {
  const found = adapter()
  if ('missing' in found) return found.missing
  try {
    const has = await inDeno<boolean>('', 'return (await navigator.gpu?.requestAdapter()) !== null')
    return has ? null : 'Deno finds no adapter'
  } catch (reason) {
    return `Deno doesn't start: ${String(reason)}`
  }
}

/** A suite in Deno. */
export const describeInDeno = async (name: string, suite: () => void): Promise<void> => describeUnless(await missing(), name, suite)
