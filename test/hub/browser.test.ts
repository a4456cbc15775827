/** In a page, what a load downloads is kept in the page's own file system. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { load } from '../../src/hub/node.ts'
import { bundle } from '../webgpu/bundle.ts'
import { describeInBrowser, openPage, type Page } from '../webgpu/chromium.ts'
import { digestOf } from './digest.ts'
import { type FakeHub, fakeHub, ID } from './server.ts'

describeInBrowser('a model in a page', () => {
  let page: Page
  let hub: FakeHub
  let wanted: unknown
  let opened = 0
  beforeAll(async () => {
    wanted = await digestOf((await load('test/golden/models/llama')).params)
    hub = await fakeHub()
    const main = await bundle(`
      import { load } from '../../src/hub/index.ts'
      import { digestOf } from '../hub/digest.ts'
      const [ask, wait, warn] = [fetch, setTimeout, console.warn]
      globalThis.fetch = (url, init) => ask(String(url).replace('https://huggingface.co', '${hub.origin}'), init)
      globalThis.setTimeout = (f, ms) => wait(f, Math.min(ms, 5))
      const warnings = []
      console.warn = (text) => warnings.push(text)
      export const run = async (source, options) => {
        const stages = new Set()
        const { params } = await load(source, { ...options, onProgress: ({ stage, file }) => stages.add(stage + ' ' + file) })
        return { params: await digestOf(params), stages: [...stages], warnings: warnings.splice(0) }
      }`)
    page = await openPage({ '/main.js': main })
  })
  afterAll(async () => {
    await page.close()
    await hub.close()
  })
  beforeEach(async () => {
    Object.assign(hub, { down: false, bytesUntilDown: Infinity })
    hub.asked.length = 0
    await page.evaluate(`const root = await navigator.storage.getDirectory()
      await root.removeEntry('cotangent-hub', { recursive: true }).catch(() => {})`)
  })
  /** By modules that were loaded anew, as a later page's are. */
  const run = (source: string, options: object = {}): Promise<Record<'params' | 'stages' | 'warnings', unknown>> =>
    page.evaluate(`return (await import('/main.js?${opened++}')).run('${source}', ${JSON.stringify(options)})`)
  const ranges = (): readonly string[] => hub.asked.filter((line) => line.startsWith('GET /cdn/model.safetensors')).map((line) => line.split(' ')[2]!) // prettier-ignore
  const sources = { 'of the Hub': () => ID, 'at a URL': () => `${hub.origin}/${ID}/resolve/main` }

  test.each(Object.keys(sources) as (keyof typeof sources)[])(
    '%s is downloaded once, and read without a network afterwards',
    async (of) => {
      const first = await run(sources[of]())
      expect(first).toEqual({ params: wanted, stages: ['download config.json', 'download model.safetensors', 'read model.safetensors'], warnings: [] }) // prettier-ignore
      hub.asked.length = 0
      expect(await run(sources[of]())).toEqual({ params: wanted, stages: ['read model.safetensors'], warnings: [] })
      expect(ranges()).toEqual(['bytes=0-0'])
      hub.down = true
      expect(await run(sources[of]())).toEqual({ params: wanted, stages: ['read model.safetensors'], warnings: [] })
    },
  )
  test('whose download broke off goes on where it did', async () => {
    hub.bytesUntilDown = 70_000
    await expect(run(ID)).rejects.toThrow(/model.safetensors can't be read/)
    Object.assign(hub, { down: false, bytesUntilDown: Infinity })
    hub.asked.length = 0
    expect((await run(ID)).params).toEqual(wanted)
    expect(ranges()).toEqual(['bytes=0-0', 'bytes=70000-80559'])
  })
  test('that changed is downloaded again, and its older version let go', async () => {
    await run(ID)
    const { hash } = hub.files['model.safetensors']!
    hub.files['model.safetensors']!.hash = 'f'.repeat(64)
    expect((await run(ID)).params).toEqual(wanted)
    hub.files['model.safetensors']!.hash = hash
    const folders = `let n = 0
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('cotangent-hub')
      for await (const { kind } of folder.values()) n += kind === 'directory'
      return n`
    expect(await page.evaluate(folders)).toBe(2)
  })
  test.each([
    ['little room', `navigator.storage.estimate = async () => ({ quota: 10, usage: 10 })`],
    ['a full disk', `FileSystemWritableFileStream.prototype.write = async () => { throw new DOMException('full', 'QuotaExceededError') }`],
    ['no such place', `navigator.storage.getDirectory = async () => { throw new DOMException('no', 'SecurityError') }`],
  ])('with %s is read from the server, and the console says so once', async (_, spoil) => {
    const { params, warnings } = await page.evaluate<Record<'params' | 'warnings', unknown>>(`
      const own = [navigator.storage.estimate, FileSystemWritableFileStream.prototype.write, navigator.storage.getDirectory]
      ${spoil}
      try { return await (await import('/main.js?${opened++}')).run('${ID}', {}) }
      finally {
        FileSystemWritableFileStream.prototype.write = own[1]
        delete navigator.storage.estimate
        delete navigator.storage.getDirectory
      }`)
    expect(params).toEqual(wanted)
    expect(warnings).toEqual([expect.stringMatching(/^load: someone\/a-llama is read from the server without being kept: /)])
  })
  test('with cache: false is not kept', async () => {
    expect((await run(ID, { cache: false })).params).toEqual(wanted)
    hub.down = true
    await expect(run(ID)).rejects.toThrow(/config.json can't be read/)
  })
})
