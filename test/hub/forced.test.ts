/** Forced decoding: the oracle's own tokens in chunks through the cache, whose greatest logit is the next of them, in every dtype and on both devices. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { load } from '../../src/hub/node.ts'
import { runtime } from '../../src/core/runtime.ts'
import { jit, type NdArray, np } from '../../src/index.ts'
import { deviceNamed } from '../../src/init.ts'
import { sharedData } from '../shared.ts'

interface Prompt {
  readonly ids: readonly number[]
  readonly greedy: readonly number[]
}
const folder = sharedData('stories260K')

describe.skipIf(folder === null)('stories260K', () => {
  if (folder === null) return
  const { prompts } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { readonly prompts: readonly Prompt[] }
  const before = runtime.device.current()
  afterAll(() => runtime.device.choose(before))

  /** The greatest logit's id behind every token, where they come so many at a time. */
  const topsOf = async (chunk: number, dtype: 'float32' | 'float16' | 'bfloat16', of: readonly Prompt[]) => {
    const { model, params } = await load(folder)
    const read = jit(
      (p: typeof params, cache: ReturnType<typeof model.cache>, inputIds: NdArray, attentionMask: NdArray) => {
        const out = model.apply(p, { inputIds, attentionMask }, { cache })
        return [np.argmax(out.logits, { axis: -1 }), out.cache!] as const
      },
      { donateArgnums: [1] },
    )
    const tops: number[][] = []
    for (const { ids, greedy } of of) {
      const fed = [...ids, ...greedy.slice(0, -1)]
      const own: number[] = []
      let cache = model.cache(1, 128, { dtype })
      for (let at = 0; at < fed.length; at += chunk) {
        const part = fed.slice(at, at + chunk)
        const row = (value: (i: number) => number) => np.array([Array.from({ length: chunk }, (_, i) => value(i))], { dtype: 'int32' })
        const [top, next] = read(
          params,
          cache,
          row((i) => part[i] ?? 0),
          row((i) => Number(i < part.length)),
        )
        cache = next
        own.push(...[...((await top.data()) as Int32Array)].slice(0, part.length))
      }
      tops.push(own)
    }
    return tops
  }
  /** Of so many as they had to be. */
  const agreement = (tops: readonly (readonly number[])[], of: readonly Prompt[]): number => {
    const right = of.map(({ ids, greedy }, i) => greedy.filter((id, j) => tops[i]![ids.length - 1 + j] === id).length)
    return right.reduce((a, b) => a + b, 0) / of.reduce((n, { greedy }) => n + greedy.length, 0)
  }

  test.each([
    ['float32', 1, 1],
    ['float32', 5, 1],
    ['float32', 16, 1],
    ['float16', 1, 0.99],
    ['float16', 7, 0.99],
    ['bfloat16', 1, 0.99],
    ['bfloat16', 7, 0.99],
  ] as const)('a cache of %s, %i at a time: at least %f of the next ids', async (dtype, chunk, least) => {
    expect(agreement(await topsOf(chunk, dtype, prompts), prompts)).toBeGreaterThanOrEqual(least)
  })
  test.each(['float32', 'bfloat16'] as const)('on the reference device with a cache of %s: what wasm says', async (dtype) => {
    const on = async (device: 'wasm' | 'reference') => {
      runtime.device.choose(await deviceNamed(device))
      return topsOf(25, dtype, prompts)
    }
    const [ours, theirs] = [await on('wasm'), await on('reference')]
    expect(agreement(theirs, prompts)).toBeGreaterThanOrEqual(0.99)
    const [all, same] = [ours.flat(), theirs.flat()]
    expect(all.filter((id, i) => id === same[i]).length / all.length).toBeGreaterThanOrEqual(0.99)
  })
})
