/** Training in Chromium, whose Dawn is Node's: the same kernels, compiled for as long again, and another device to run them. */
import { test } from 'vitest'
import { bundle } from '../webgpu/bundle.ts'
import { describeInBrowser, openPage } from '../webgpu/chromium.ts'
import { expectedLosses, follow, STEPS } from '../webgpu/expected.ts'

describeInBrowser('training on WebGPU in a page', () => {
  test('losses follow those on wasm in Node within 1e-3', async () => {
    const main = await bundle(`
      import { init } from '../../src/index.ts'
      import { losses } from './losses.ts'
      export const run = async () => {
        await init({ device: 'webgpu' })
        return losses(${STEPS})
      }`)
    const page = await openPage({ '/main.js': main })
    follow(await page.evaluate(`return (await import('/main.js')).run()`), await expectedLosses())
    await page.close()
  })
})
