/** Families on WebGPU, against Transformers: by day a decoder's text, all of all at night. */
import { afterAll, beforeAll, test } from 'vitest'
import { wasm } from '../../backends/wasm/index.ts'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { nightly } from '../effort.ts'
import { decoderChecks, decoders, encoderChecks, encoderDecoderChecks, encoderDecoders, encoders, readers } from '../models/parity.ts'
import { describeOnDevice } from './gpu.ts'

describeOnDevice('models on WebGPU', () => {
  beforeAll(async () => runtime.device.choose((await openWebgpu()) as Backend))
  afterAll(() => runtime.device.choose(wasm() as Backend))
  test.each(nightly ? decoders : (['gpt2'] as const))('%s', async (name) => {
    const checks = decoderChecks(name)
    for (const [, check] of nightly ? checks : [checks.at(-1)!]) await check()
  })
  test.runIf(nightly).each(encoders)('%s', async (name) => {
    for (const [, check] of encoderChecks(name)) await check()
  })
  test.runIf(nightly).each(readers)('%s', async (name) => {
    for (const [, check] of encoderChecks(name, 'reader')) await check()
  })
  test.runIf(nightly).each(encoderDecoders)('%s', async (name) => {
    for (const [, check] of encoderDecoderChecks(name)) await check()
  })
})
