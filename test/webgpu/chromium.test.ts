/** A page has what the library needs of a browser. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundle } from './bundle.ts'
import { describeInBrowser, openPage, type Page } from './chromium.ts'

describeInBrowser('a page in Chromium', () => {
  let page: Page
  beforeAll(async () => {
    const main = await bundle(`
      import { doubled } from './doubled.ts'
      export const run = async (values: number[]) => {
        const adapter = await navigator.gpu.requestAdapter()
        const device = await adapter!.requestDevice()
        return { vendor: adapter!.info.vendor, architecture: adapter!.info.architecture, values: await doubled(device, values) }
      }`)
    page = await openPage({ '/main.js': main, '/data/one.json': '1' }, 'test/golden')
  })
  afterAll(() => page.close())

  test('is cross-origin isolated: memory can be shared', async () => {
    expect(await page.evaluate('return [crossOriginIsolated, new SharedArrayBuffer(8).byteLength]')).toEqual([true, 8])
  })
  test('doubles four numbers on SwiftShader, by a bundled module', async () => {
    const code = `const { run } = await import('/main.js'); return run([1, -2, 0.5, 3e38])`
    expect(await page.evaluate(code)).toEqual({ vendor: 'google', architecture: 'swiftshader', values: [2, -4, 1, Infinity] })
  })
  test('reads what is served beside it, from memory and from the folder, and nothing above that', async () => {
    const status = (path: string): string => `(await fetch('${path}')).status`
    const code = `return [await (await fetch('/data/one.json')).json(), typeof (await (await fetch('/random.json')).json()),
      ${status('/none')}, ${status('/..%2f..%2fpackage.json')}]`
    expect(await page.evaluate(code)).toEqual([1, 'object', 404, 404])
  })
  test('rejects with what the code throws, and with what the page throws by itself', async () => {
    await expect(page.evaluate(`throw new RangeError('thrown')`)).rejects.toThrow('RangeError: thrown')
    await expect(page.evaluate(`await import('/none.js')`)).rejects.toThrow('/none.js')
    const later = `setTimeout(() => { throw new Error('by itself') }); await new Promise((done) => setTimeout(done, 50))`
    await expect(page.evaluate(later)).rejects.toThrow('by itself')
    expect(await page.evaluate('return 1')).toBe(1)
  })
  test('pages keep apart: another origin, other modules', async () => {
    const other = await openPage({ '/main.js': 'export const name = 2' })
    const code = `return [location.origin, (await import('/main.js')).name]`
    const [[here, none], [there, two]] = await Promise.all([page.evaluate<unknown[]>(code), other.evaluate<unknown[]>(code)])
    expect([none, two]).toEqual([undefined, 2])
    expect(here).not.toBe(there)
    await other.close()
  })
})
