/**
 * A page in a headless Chromium with WebGPU on SwiftShader, from npm alone: the browser and the libraries that a bare system lacks (NSS, expat)
 * as @sparticuz/chromium ships them, driven by playwright-core. Import this where a browser is needed: that starts one for the file of tests,
 * and it ends with the file. Were the process killed, the browser would see its pipe close and end as well.
 */
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { afterAll } from 'vitest'
import { cached } from '../../examples/software/archive.ts'
import { describeUnless } from './needs.ts'
import { serve } from './server.ts'
import { supported } from '../../examples/software/swiftshader.ts'

/** Chromium's own: WebGPU isn't on by itself on Linux, and its choice of adapter is by flag. */
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan']

/** No sandbox: it needs user namespaces or a setuid helper, which containers lack. SwiftShader lies beside the executable, where it looks. */
const launch = async (): Promise<Browser> => {
  const folder = cached('chromium', ['chromium', 'swiftshader', 'al2023'])
  const env = { ...process.env, LD_LIBRARY_PATH: `${join(folder, 'lib')}:${folder}` }
  return chromium.launch({ executablePath: join(folder, 'chromium'), env, args: ['--no-sandbox', ...WEBGPU], timeout: 0 })
}

const started: Browser | string = supported
  ? await launch().catch((reason: unknown) => `Chromium doesn't start: ${String(reason)}`)
  : `npm has no Chromium for ${process.platform} ${process.arch}`
afterAll(async () => {
  if (typeof started !== 'string') await started.close()
})

/** A suite with pages. */
export const describeInBrowser = (name: string, suite: () => void | Promise<void>): void =>
  describeUnless(typeof started === 'string' ? started : null, name, suite)

export interface Page {
  /**
   * The value of an async function's body, which may `await import('/name.js')` what was given to `openPage`. A string, since vitest rewrites
   * imports in functions. Rejects with what the code throws, or with what the page threw by itself until then.
   */
  evaluate<T>(code: string): Promise<T>
  close(): Promise<void>
}

/** `modules`: JavaScript by path ('/name.js'). `folder`: what else is served. */
export const openPage = async (modules: Readonly<Record<string, string>>, folder?: string): Promise<Page> => {
  if (typeof started === 'string') throw new Error(started)
  const page = await started.newPage()
  page.setDefaultTimeout(0)
  const server = await serve({ ...modules, '/': '<!doctype html><title>cotangent</title>' }, folder)
  const close = async (): Promise<void> => {
    await page.close()
    await server.close()
  }
  const uncaught: Error[] = []
  page.on('pageerror', (error) => uncaught.push(error))
  try {
    await page.goto(server.origin)
  } catch (reason) {
    await close()
    throw reason
  }
  const evaluate = async <T>(code: string): Promise<T> => {
    const value = (await page.evaluate(`(async () => {\n${code}\n})()`)) as T
    const error = uncaught.shift()
    if (error !== undefined) throw error
    return value
  }
  return { evaluate, close }
}
