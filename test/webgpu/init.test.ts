/** `init` where WebGPU isn't all that it should be: each time one typed error with the way out. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { NdArray } from '../../src/index.ts'
import { bundle } from './bundle.ts'
import { describeInBrowser, openPage } from './chromium.ts'
import { describeOnDevice, nodeGpu } from './gpu.ts'
import { wrapped } from './instrument.ts'

type Library = typeof import('../../src/index.ts')

/** The library as a process has it that just began, with this for `navigator.gpu`. */
const fresh = async (gpu: unknown): Promise<Library> => {
  vi.resetModules()
  vi.stubGlobal('navigator', { gpu })
  return import('../../src/index.ts')
}
afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

describeOnDevice('init on WebGPU', () => {
  let adapter: GPUAdapter
  beforeEach(async () => {
    adapter = (await (await nodeGpu()).requestAdapter())!
  })
  const offering = (own: Readonly<Record<string, unknown>>): unknown => ({ requestAdapter: () => Promise.resolve(wrapped(adapter, own)) })

  test('without an adapter', async () => {
    const { init, devices } = await fresh({ requestAdapter: () => Promise.resolve(null) })
    await expect(init({ device: 'webgpu' })).rejects.toMatchObject({
      name: 'DeviceError',
      message: expect.stringMatching(/no adapter here: .*; or choose the wasm device/),
    })
    expect(await devices()).toContainEqual({ device: 'webgpu', reason: expect.stringContaining('no adapter') })
  })
  test('with an adapter that gives no device', async () => {
    const { init } = await fresh(offering({ requestDevice: () => Promise.reject(new Error('driver')) }))
    await expect(init({ device: 'webgpu' })).rejects.toMatchObject({
      name: 'DeviceError',
      message: expect.stringMatching(/google swiftshader gives no device: .*driver/),
    })
  })
  test('a kernel that the device refuses is named, with its source', async () => {
    const requestDevice = async (descriptor: GPUDeviceDescriptor): Promise<GPUDevice> => {
      const device = await adapter.requestDevice(descriptor)
      return wrapped(device, {
        createShaderModule: ({ code }: GPUShaderModuleDescriptor) => device.createShaderModule({ code: `${code} oops` }),
      })
    }
    const { init, np, jit } = await fresh(offering({ requestDevice }))
    await init({ device: 'webgpu' })
    const refused = { name: 'DeviceError', message: expect.stringMatching(/the WebGPU kernel nest 3 doesn't compile: [^]*fn main/) }
    await expect(np.add(np.ones([3]), 1).data()).rejects.toMatchObject(refused)
    expect(() => np.add(np.ones([3]), 1)).toThrow(expect.objectContaining(refused)) // known by now
    await expect(
      jit((x: NdArray) => np.sin(x))
        .lower({ shape: [3], dtype: 'float32' })
        .compile(),
    ).rejects.toMatchObject(refused)
  })
  test('a lost device: what is read rejects, what is called throws, and a new init begins again', async () => {
    const opened: GPUDevice[] = []
    const requestDevice = async (descriptor: GPUDeviceDescriptor): Promise<GPUDevice> => {
      opened.push(await adapter.requestDevice(descriptor))
      return opened.at(-1)!
    }
    const { init, np } = await fresh({
      requestAdapter: async () => wrapped((adapter = (await (await nodeGpu()).requestAdapter())!), { requestDevice }),
    })
    await init({ device: 'webgpu' })
    const x = np.add(np.arange(3), 1)
    expect([...(await x.data())]).toEqual([1, 2, 3])
    opened[0]!.destroy()
    await opened[0]!.lost
    const lost = { name: 'DeviceLostError', message: expect.stringMatching(/call init again/) }
    await expect(x.data()).rejects.toMatchObject(lost)
    expect(() => np.add(x, 1)).toThrow(expect.objectContaining(lost))
    expect(await init({ device: 'webgpu' })).toBe('webgpu')
    expect(opened.length).toBe(2)
    expect([...(await np.add(np.arange(3), 2).data())]).toEqual([2, 3, 4])
    expect(() => np.add(x, np.ones([3]))).toThrow(expect.objectContaining({ name: 'DeviceError' }))
  })
  test('a synchronous read says what to do instead', async () => {
    const { init, np } = await fresh(await nodeGpu())
    await init({ device: 'webgpu' })
    expect(() => np.ones([3]).toTyped()).toThrow(
      expect.objectContaining({ name: 'DeviceError', message: expect.stringContaining('await x.data()') }),
    )
    expect(() => np.sum(np.ones([3])).item()).toThrow(expect.objectContaining({ name: 'DeviceError' }))
  })
})

describeInBrowser('init in a page', () => {
  test('in a worker', async () => {
    const worker = await bundle(`
      import { init, np } from '../../src/index.ts'
      await init({ device: 'webgpu' })
      postMessage([...(await np.add(np.arange(3), 1).data())])`)
    const page = await openPage({ '/worker.js': worker })
    const code = `const worker = new Worker('/worker.js', { type: 'module' })
      return new Promise((resolve, reject) => Object.assign(worker, { onmessage: (e) => resolve(e.data), onerror: (e) => reject(e.message) }))`
    expect(await page.evaluate(code)).toEqual([1, 2, 3])
    await page.close()
  })
  test('without WebGPU', async () => {
    const main = await bundle(`
      import { init } from '../../src/index.ts'
      Object.defineProperty(navigator, 'gpu', { value: undefined })
      export const run = () => init({ device: 'webgpu' }).catch(({ name, message }) => [name, message])`)
    const page = await openPage({ '/main.js': main })
    expect(await page.evaluate(`return (await import('/main.js')).run()`)).toEqual(['DeviceError', expect.stringMatching(/this browser has no WebGPU.*choose the wasm device/)]) // prettier-ignore
    await page.close()
  })
})
