/** Forced decoding: the oracle's own tokens in chunks through the cache, whose greatest logit is the next of them, in every dtype and on both devices. */
import { afterAll, describe, expect, test } from 'vitest'
import { runtime } from '../../src/core/runtime.ts'
import { deviceNamed } from '../../src/init.ts'
import { sharedData } from '../shared.ts'
import { agreement, promptsOf, topsOf } from './forcing.ts'

const folder = sharedData('stories260K')

describe.skipIf(folder === null)('stories260K', () => {
  if (folder === null) return
  const prompts = promptsOf(folder)
  const before = runtime.device.current()
  afterAll(() => runtime.device.choose(before))

  test.each([
    ['float32', 1, 1],
    ['float32', 5, 1],
    ['float32', 16, 1],
    ['float16', 1, 0.99],
    ['float16', 7, 0.99],
    ['bfloat16', 1, 0.99],
    ['bfloat16', 7, 0.99],
  ] as const)('a cache of %s, %i at a time: at least %f of the next ids', async (dtype, chunk, least) => {
    expect(agreement(await topsOf(folder, chunk, dtype, prompts), prompts)).toBeGreaterThanOrEqual(least)
  })
  test.each(['float32', 'bfloat16'] as const)('on the reference device with a cache of %s: what wasm says', async (dtype) => {
    const on = async (device: 'wasm' | 'reference') => {
      runtime.device.choose(await deviceNamed(device))
      return topsOf(folder, 25, dtype, prompts)
    }
    const [ours, theirs] = [await on('wasm'), await on('reference')]
    expect(agreement(theirs, prompts)).toBeGreaterThanOrEqual(0.99)
    const [all, same] = [ours.flat(), theirs.flat()]
    expect(all.filter((id, i) => id === same[i]).length / all.length).toBeGreaterThanOrEqual(0.99)
  })
})
