/** A training run on WebGPU, in Node and in Chromium, beside the same one on wasm. */
import { beforeAll, test } from 'vitest'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { bundle } from './bundle.ts'
import { describeInBrowser, openPage } from './chromium.ts'
import { expectedLosses, follow, STEPS } from './expected.ts'
import { describeOnDevice } from './gpu.ts'
import { losses } from './losses.ts'

let expected: readonly number[]
beforeAll(async () => {
  expected = await expectedLosses()
})

describeOnDevice('training on WebGPU', () => {
  test('losses follow those on wasm within 1e-3', async () => {
    runtime.device.choose((await openWebgpu()) as Backend)
    follow(await losses(STEPS), expected)
  })
})

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
    follow(await page.evaluate(`return (await import('/main.js')).run()`), expected)
    await page.close()
  })
})
