/** Forced decoding of a trained Llama on WebGPU, token by token and in chunks, with caches of every dtype: by day of one text. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { nightly } from '../effort.ts'
import { agreement, promptsOf, topsOf } from '../hub/forcing.ts'
import { sharedData } from '../shared.ts'
import { describeOnDevice } from './gpu.ts'

const folder = sharedData('stories260K')
const before = runtime.device.current()

describeOnDevice('stories260K on WebGPU', () => {
  beforeAll(async () => runtime.device.choose((await openWebgpu()) as Backend))
  afterAll(() => runtime.device.choose(before))
  test.skipIf(folder === null).each([
    ['float32', 1, 1],
    ['float16', 1, 0.99],
    ['bfloat16', 1, 0.99],
    ['float32', 16, 1],
    ['bfloat16', 7, 0.99],
  ] as const)('a cache of %s, %i at a time: at least %f of the next ids', async (dtype, chunk, least) => {
    const all = promptsOf(folder!)
    const prompts = nightly ? all : all.slice(0, 1)
    expect(agreement(await topsOf(folder!, chunk, dtype, prompts), prompts)).toBeGreaterThanOrEqual(least)
  })
})
