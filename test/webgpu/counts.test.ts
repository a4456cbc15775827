/**
 * What programs ask of a device, counted: on Dawn's null backend, which runs nothing, and validates every text and command as a device with
 * WebGPU's default limits does.
 */
import { expect, test } from 'vitest'
import { createWebgpu } from '../../backends/webgpu/index.ts'
import { Pipelines } from '../../backends/webgpu/pipelines.ts'
import { initialState, makeTrainStep, type State } from '../../examples/train/model.ts'
import { defaults, type Recipe } from '../../examples/train/options.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { grad, jit, lax, type NdArray, np, random } from '../../src/index.ts'
import * as nn from '../../src/nn/index.ts'
import { describeOnDevice, nullGpu } from './gpu.ts'
import { type Counts, instrument } from './instrument.ts'

const nullDevice = async (): Promise<GPUDevice> => (await (await nullGpu()).requestAdapter())!.requestDevice()

/** Makes a device of its own the one that is chosen, and gives what counts on it. */
const counting = async (): Promise<() => Counts> => {
  const { device, counts } = instrument(await nullDevice())
  runtime.device.choose(createWebgpu(device) as Backend)
  return counts
}

describeOnDevice('kernels on WebGPU, by count', () => {
  const dispatches = async (f: (...args: readonly NdArray[]) => unknown, ...shapes: readonly (readonly number[])[]): Promise<number> => {
    const counts = await counting()
    const args = shapes.map((shape) => np.zeros(shape))
    await np.sum(args[0]!).data()
    counts()
    jit(f)(...args)
    await Promise.resolve() // the end of the task
    return counts().dispatches
  }
  const causal = (q: NdArray, k: NdArray, v: NdArray): NdArray => nn.dotProductAttention(q, k, v, { causal: true })

  test('pipelines are bounded: what was used longest ago is compiled again, and a program keeps its own', async () => {
    const { device, counts } = instrument(await nullDevice())
    const pipelines = new Pipelines(device, { count: 2, bytes: Infinity })
    const made = (...names: readonly string[]): number => {
      for (const name of names) pipelines.pipeline(name, `@compute @workgroup_size(1) fn main() {} // ${name}`, 0)
      return counts().created['createComputePipeline'] ?? 0
    }
    expect([made('a', 'b', 'a'), made('c', 'a'), made('b'), made('b', 'a'), made('c')]).toEqual([2, 1, 1, 0, 1])
    await pipelines.ready('c', '@compute @workgroup_size(1) fn main() {} // c', 0)
    await pipelines.ready('d', '@compute @workgroup_size(1) fn main() {} // d', 0)
    expect([counts().created['createComputePipelineAsync'], made('d', 'c'), made('a')]).toEqual([1, 0, 1])
  })
  test('softmax, layerNorm and cross-entropy are one, on short rows and long ones, few and many', async () => {
    for (const shape of [
      [64, 128],
      [3, 50_257],
      [4096, 768],
    ]) {
      expect(await dispatches((x) => nn.softmax(x!), shape)).toBe(1)
      expect(await dispatches((x) => nn.layerNorm({}, x!), shape)).toBe(1)
      expect(await dispatches((x, scale) => nn.layerNorm({ scale: scale!, bias: scale! }, x!), shape, [shape[1]!])).toBe(1)
      expect(await dispatches((x) => nn.crossEntropy(x!, np.zeros([shape[0]!], 'int32')), shape)).toBe(1)
    }
  })
  test('a scan is encoded turn by turn and waits for nothing: the second call reads and creates nothing, and 48 blocks are the code of 2', async () => {
    const loss = (p: { up: NdArray; down: NdArray }, x: NdArray): NdArray =>
      np.sum(lax.scan((h: NdArray, b: typeof p) => [h.add(nn.gelu(h.matmul(b.up)).matmul(b.down)), null], x, p)[0])
    const counted = async (n: number): Promise<Counts> => {
      const counts = await counting()
      const step = jit(grad(loss))
      const call = (): unknown => step({ up: np.zeros([n, 8, 16]), down: np.zeros([n, 16, 8]) }, np.zeros([4, 8]))
      call()
      await Promise.resolve()
      counts()
      call()
      await Promise.resolve()
      return counts()
    }
    const [few, many] = [await counted(2), await counted(48)]
    expect(many.pipelines.size).toBe(few.pipelines.size)
    expect([few.reads, many.reads]).toEqual([0, 0])
    expect(Object.keys(many.created)).toEqual(['createCommandEncoder'])
    expect(many.submits).toBe(Math.ceil(many.dispatches / 256))
    expect(many.dispatches - few.dispatches).toBe((48 - 2) * 9) // 6 products, the derivative of gelu, and the carry handed on, twice
  })
  test('causal attention is one; with its gradient at most four', async () => {
    for (const [T, H, D] of [
      [64, 4, 32],
      [512, 12, 64],
    ] as const) {
      const shape = [2, T, H, D]
      expect(await dispatches((q, k, v) => causal(q!, k!, v!), shape, shape, shape)).toBe(1)
      const loss = (qkv: readonly NdArray[]): NdArray => np.sum(np.sin(causal(qkv[0]!, qkv[1]!, qkv[2]!)))
      expect(await dispatches((...qkv) => grad(loss)(qkv), shape, shape, shape)).toBeLessThanOrEqual(4)
    }
  })
  test("a block's MLP is two: matmul, bias and gelu; matmul, bias and residual", async () => {
    const mlp = (x: NdArray, up: NdArray, b: NdArray, down: NdArray, c: NdArray): NdArray =>
      np.add(x, nn.linear({ w: down, b: c }, nn.gelu(nn.linear({ w: up, b }, x))))
    for (const [rows, D] of [
      [768, 128],
      [4096, 768], // fewer rows may have their long sums split, which is a pass more
    ] as const)
      expect(await dispatches((...xs) => mlp(...(xs as Parameters<typeof mlp>)), [rows, D], [D, 4 * D], [4 * D], [4 * D, D], [D])).toBe(2)
  })
})

describeOnDevice('the train step on WebGPU', () => {
  /** A step, its loss read. */
  const stepper = (recipe: Recipe): (() => Promise<void>) => {
    let state: State = initialState(random.key(0), recipe, 65)
    const step = makeTrainStep(recipe)
    const shape = [recipe.batch, recipe.context]
    const [tokens, targets] = [np.zeros(shape, 'int32'), np.zeros(shape, 'int32')]
    const [lr, key] = [np.array(1e-3), random.key(1)]
    return async () => {
      const [loss, norm, params, optimizer] = step(state.params, state.optimizer, tokens, targets, lr, key)
      state = { step: state.step + 1, params, optimizer }
      await loss.data()
      for (const x of [loss, norm]) x.dispose()
    }
  }
  for (const [layers, dispatches, pipelines] of [
    [4, 104, 39],
    [12, 270, 40],
  ] as const)
    test(`of ${layers} layers: one encoder, one read, one write, few dispatches of few pipelines, of few calls each`, async () => {
      const counts = await counting()
      const once = stepper({ ...defaults, layers })
      await once()
      await once()
      counts()
      await once()
      const seen = counts()
      expect(seen.created).toEqual({ createCommandEncoder: seen.submits })
      expect(seen.submits).toBeLessThanOrEqual(3)
      expect(seen.passes).toBeLessThanOrEqual(2)
      expect(seen.reads).toBe(1)
      expect(seen.storageBuffers).toBeLessThanOrEqual(8)
      expect(seen.writes).toBe(seen.submits)
      expect(seen.dispatches).toBeLessThanOrEqual(dispatches)
      expect(seen.calls).toBeLessThanOrEqual(4 * seen.dispatches)
      expect(seen.pipelines.size).toBeLessThanOrEqual(pipelines)
    })
})
