/**
 * What the train step asks of a device, counted: on Dawn's null backend, which runs nothing, and validates every text and command as a device with
 * WebGPU's default limits does.
 */
import { expect, test } from 'vitest'
import { createWebgpu } from '../../backends/webgpu/index.ts'
import { defaults, type Recipe } from '../../examples/train/options.ts'
import { initialState, makeTrainStep } from '../../examples/train/model.ts'
import type { Backend } from '../../src/core/backend.ts'
import { choose } from '../../src/device.ts'
import { np, random } from '../../src/index.ts'
import { describeOnDevice, nullGpu } from './gpu.ts'
import { type Counts, instrument } from './instrument.ts'

describeOnDevice('the train step on WebGPU', () => {
  /** Counts of a step after the first, on a device of its own. */
  const steady = async (recipe: Recipe): Promise<Counts> => {
    const adapter = (await (await nullGpu()).requestAdapter())!
    const { device, counts } = instrument(await adapter.requestDevice())
    choose(createWebgpu(device) as Backend)
    let state = initialState(random.key(0), recipe, 65)
    const step = makeTrainStep(recipe)
    const shape = [recipe.batch, recipe.context]
    const [tokens, targets] = [np.zeros(shape, 'int32'), np.zeros(shape, 'int32')]
    const [lr, key] = [np.array(1e-3), random.key(1)]
    const once = async (): Promise<void> => {
      const [loss, norm, params, optimizer] = step(state.params, state.optimizer, tokens, targets, lr, key)
      state = { step: state.step + 1, params, optimizer }
      await loss.data()
      for (const x of [loss, norm]) x.dispose()
    }
    await once()
    await once()
    counts()
    await once()
    return counts()
  }
  for (const [layers, dispatches, pipelines] of [
    [4, 104, 39],
    [12, 270, 40],
  ] as const)
    test(`of ${layers} layers: one encoder, one read, few dispatches`, async () => {
      const seen = await steady({ ...defaults, layers })
      expect(seen.created).toEqual({ createCommandEncoder: seen.submits })
      expect(seen.submits).toBeLessThanOrEqual(3)
      expect(seen.passes).toBeLessThanOrEqual(2)
      expect(seen.reads).toBe(1)
      expect(seen.storageBuffers).toBeLessThanOrEqual(8)
      expect(seen.dispatches).toBeLessThanOrEqual(dispatches)
      expect(seen.pipelines.size).toBeLessThanOrEqual(pipelines)
    })
})
