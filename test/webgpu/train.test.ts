/** A training run on WebGPU, beside the same one on wasm. */
import { test } from 'vitest'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { expectedLosses, follow, STEPS } from './expected.ts'
import { describeOnDevice } from './gpu.ts'
import { losses } from './losses.ts'

describeOnDevice('training on WebGPU', () => {
  test('losses follow those on wasm within 1e-3', async () => {
    const expected = await expectedLosses()
    runtime.device.choose((await openWebgpu()) as Backend)
    follow(await losses(STEPS), expected)
  })
})
