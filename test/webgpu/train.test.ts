/** A training run on WebGPU beside the same one on wasm: smaller than the default, since the device is in software, and of the same kernels. */
import { expect, test } from 'vitest'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import { initialState, keysOf, makeDraw, makeTrainStep, scheduleOf } from '../../examples/train/model.ts'
import { defaults, type Recipe } from '../../examples/train/options.ts'
import type { Backend } from '../../src/core/backend.ts'
import { choose } from '../../src/device.ts'
import { np } from '../../src/index.ts'
import { describeOnDevice } from './gpu.ts'

const STEPS = 50
const recipe: Recipe = { ...defaults, steps: STEPS, layers: 2, heads: 2, width: 32, context: 16, batch: 4 }
const VOCABULARY = 65

const losses = async (backend: Backend): Promise<number[]> => {
  choose(backend)
  const keys = keysOf(recipe.seed)
  const text = np.array(Int32Array.from({ length: 5000 }, (_, i) => (Math.floor(i / 7) * 31 + (i % 7) * 5) % VOCABULARY))
  const [step, draw, rateAt] = [makeTrainStep(recipe), makeDraw(recipe), scheduleOf(recipe)]
  let { params, optimizer } = initialState(keys.weights, recipe, VOCABULARY)
  const out: number[] = []
  for (let s = 0; s < STEPS; s++) {
    const [tokens, targets, dropout] = draw(text, keys.batches, s)
    const [loss, , next, state] = step(params, optimizer, tokens, targets, np.array(rateAt(s)), dropout)
    ;[params, optimizer] = [next, state]
    out.push((await loss.data())[0]!)
  }
  return out
}

describeOnDevice('training on WebGPU', () => {
  test('fifty losses follow those on wasm within 1e-3', { timeout: 300_000 }, async () => {
    const expected = await losses(wasm() as Backend)
    const actual = await losses((await openWebgpu()) as Backend)
    expect(expected[STEPS - 1]!).toBeLessThan(expected[0]! - 0.5) // it learns
    const off = actual.map((x, i) => Math.abs(x - expected[i]!))
    expect(Math.max(...off), `step ${off.indexOf(Math.max(...off)) + 1}`).toBeLessThanOrEqual(1e-3)
  })
})
