/** Functions of JavaScript in the middle of programs on a device that is read asynchronously. */
import { afterAll, expect, test } from 'vitest'
import type { Backend } from '../../src/core/backend.ts'
import { createWebgpu } from '../../backends/webgpu/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import { runtime } from '../../src/core/runtime.ts'
import { checkify, debug, jit, lax, type NdArray, np, pureCallback } from '../../src/index.ts'
import { describeOnDevice, nodeGpu } from './gpu.ts'

const onDevice = async (): Promise<void> =>
  runtime.device.choose(createWebgpu(await (await (await nodeGpu()).requestAdapter())!.requestDevice()) as Backend)

describeOnDevice('callbacks on WebGPU', () => {
  afterAll(() => runtime.device.choose(wasm() as Backend))

  test('what is computed in JavaScript goes on in the program, in loops too, and what is called meanwhile waits its turn', async () => {
    await onDevice()
    const seen: unknown[] = []
    const half = (x: NdArray): NdArray =>
      pureCallback((y: NdArray) => y.toTyped().map((v) => v / 2), { shape: x.shape, dtype: x.dtype }, [x])
    const f = jit((x: NdArray) => {
      debug.callback((y: NdArray) => seen.push(y.toArray()), x)
      const y = np.add(half(np.mul(x, 10)), 1)
      debug.callback((flags: NdArray) => seen.push(flags.toArray()), np.greater(y, 10))
      return lax.foriLoop(0, 3, (_i, z) => half(z), y)
    })
    const [a, b] = [f(np.array([1, 2, 3])), f(np.array([10, 20]))]
    const c = np.add(b, 1)
    expect(Array.from(await a.data())).toEqual([0.75, 1.375, 2])
    expect(Array.from(await b.data())).toEqual([6.375, 12.625])
    expect(Array.from(await c.data())).toEqual([7.375, 13.625])
    expect(seen).toEqual([[1, 2, 3], [false, true, true], [10, 20], [true, true]]) // prettier-ignore
  })
  test('one that throws is told where the result is read, and the device goes on', async () => {
    await onDevice()
    const bad = jit((x: NdArray) => {
      debug.callback(() => {
        throw new RangeError('too far')
      }, x)
      return np.add(x, 1)
    })
    await expect((async () => bad(np.array(1)).data())()).rejects.toThrow(/debug\.callback\(the function\) threw: too far/)
    expect(Array.from(await jit((x: NdArray) => np.add(x, 1))(np.array(1)).data())).toEqual([2])
  })
  test('checks are read asynchronously, and debug.nans is refused', async () => {
    await onDevice()
    const [found] = jit(checkify((x: NdArray) => np.log(x)))(np.array(-1))
    expect(await found.read()).toMatch(/^log\(f32\[\]\) gave a NaN, at /)
    expect(() => debug.nans(true)).toThrow(/webgpu can't be read synchronously/)
  })
})
