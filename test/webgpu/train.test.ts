/** A training run on WebGPU, in Node and in Chromium, beside the same one on wasm. */
import { beforeAll, expect, test } from 'vitest'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { choose } from '../../src/device.ts'
import { bundle } from './bundle.ts'
import { describeInBrowser, openPage } from './chromium.ts'
import { describeOnDevice } from './gpu.ts'
import { losses } from './losses.ts'

let expected: readonly number[]
beforeAll(async () => {
  choose(wasm() as Backend)
  expected = await losses()
  expect(expected[49]!).toBeLessThan(expected[0]! - 0.5) // it learns
})

const follow = (actual: readonly number[]): void => {
  expect(actual.length).toBe(50)
  const off = actual.map((x, i) => Math.abs(x - expected[i]!))
  expect(Math.max(...off), `step ${off.indexOf(Math.max(...off)) + 1}`).toBeLessThanOrEqual(1e-3)
}

describeOnDevice('training on WebGPU', () => {
  test('fifty losses follow those on wasm within 1e-3', { timeout: 300_000 }, async () => {
    choose((await openWebgpu()) as Backend)
    follow(await losses())
  })
})

describeInBrowser('training on WebGPU in a page', () => {
  test('fifty losses follow those on wasm in Node within 1e-3', { timeout: 300_000 }, async () => {
    const main = await bundle(`
      import { init } from '../../src/index.ts'
      import { losses } from './losses.ts'
      export const run = async () => {
        await init({ device: 'webgpu' })
        return losses()
      }`)
    const page = await openPage({ '/main.js': main })
    follow(await page.evaluate(`return (await import('/main.js')).run()`))
    await page.close()
  })
})
