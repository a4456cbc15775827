/** The WebGPU backend: programs as compute passes. Calls are synchronous and their results pending; reading is asynchronous. */
import { refuseBeyondReach } from '../../src/core/reach.ts'
import type { Backend, KernelTime } from '../../src/core/backend.ts'
import { Cache } from '../../src/core/cache.ts'
import { byteWidth, type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import { CotangentError, DeviceError, DeviceLostError } from '../../src/core/errors.ts'
import { adapterInfo, type DeviceOptions, openDevice } from './device.ts'
import { executable, type Runtime } from './executable.ts'
import { featuresOf } from './features.ts'
import { KEPT, Pipelines } from './pipelines.ts'
import { Profiler } from './profiler.ts'
import { Reader } from './read.ts'
import { type Block, Slabs } from './slabs.ts'
import { Storages, type WebgpuStorage } from './storage.ts'
import { Stream } from './stream.ts'
import { Tuner } from './tune.ts'
import type { Features } from './wgsl/shader.ts'

export interface WebgpuOptions extends DeviceOptions {
  /** Bytes that arrays may hold on the device. Default 4 GiB. */
  readonly memoryLimit?: number
  /** Chooses how contractions are computed by measurement, when one is first called or compiled, not by a cost model. Default false. */
  readonly tune?: boolean
}

export { adapterInfo }

export const openWebgpu = async (options: WebgpuOptions = {}): Promise<Backend<WebgpuStorage>> =>
  createWebgpu(await openDevice(options), options)

/** A backend on a device that is there. */
export const createWebgpu = (
  device: GPUDevice,
  { memoryLimit = 2 ** 32, tune = false }: WebgpuOptions = {},
  choose?: Features['choose'],
): Backend<WebgpuStorage> => {
  const { limits } = device
  let failure: CotangentError | null = null
  void device.lost.then(({ message }) => {
    failure = new DeviceLostError(
      `the WebGPU device was lost, and the arrays on it with it: call init again, and load what was saved (${message})`,
    )
  })
  const fail = (reason: unknown): void => {
    failure ??= reason instanceof CotangentError ? reason : new DeviceError(`a program failed on the WebGPU device: ${String(reason)}`)
  }
  device.addEventListener('uncapturederror', (event) => {
    fail(new DeviceError(`WebGPU refused a command: ${(event as GPUUncapturedErrorEvent).error.message}`))
  })
  const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize)
  const pipelines = new Pipelines(device)
  const slabs = new Slabs(device, {
    buffer: largest,
    total: memoryLimit,
    refused: (error) => {
      if (!(failure instanceof DeviceLostError)) failure = error
    },
    gone: (slab) => pipelines.forget(slab),
  })
  const storages = new Storages(slabs)
  const stream = new Stream(device, slabs, pipelines.table)
  const reader = new Reader(device, stream)
  const tuner = tune ? new Tuner() : null
  const arena: (Block | undefined)[] = []
  const check = (): void => {
    const wrong = pipelines.failure ?? (failure instanceof DeviceLostError || pipelines.pending + slabs.pending === 0 ? failure : null)
    if (wrong === null) return
    // Told once: what comes after may be sound again, but on a lost device.
    pipelines.failure = null
    if (!(failure instanceof DeviceLostError)) failure = null
    throw wrong
  }
  const runtime: Runtime = {
    storages,
    pipelines,
    stream,
    features: { ...featuresOf(device), choose: choose ?? ((kernel, plans) => tuner?.choose(kernel, plans) ?? plans[0]!) },
    shaders: new Cache(KEPT),
    largest,
    arena: (pages) =>
      pages.map((bytes, i) => {
        const known = arena[i]
        if (known !== undefined && known.bytes >= bytes) return known
        arena[i] = undefined
        if (known !== undefined) slabs.release(known)
        return (arena[i] = slabs.allocate(bytes))
      }),
    bytes: (slab, offset, bytes) => reader.now(slab, offset, bytes),
    write: (slab, offset, data) => write(device, slab.buffer, offset, data),
    word: async (slab, offset) => new Uint32Array(await reader.now(slab, offset, 4))[0]!,
    finished: () => device.queue.onSubmittedWorkDone(),
    tune: tuner === null ? null : (program) => tuner.tune(program, runtime),
    check,
    fail,
  }
  return {
    name: 'webgpu',
    launchesAreDear: true,
    dtypes: ['float16', 'bfloat16', 'float32', 'int32', 'uint32', 'bool', 'key'],
    readSync: () => {
      throw new DeviceError('an array on webgpu was read synchronously: use `await x.data()`, or choose the wasm device')
    },
    read: async (storage, dtype, size) => {
      const bytes = size * byteWidth[dtype]
      const buffer = await reader.read(storage.block.slab, storage.block.offset, bytes).catch((reason: unknown) => {
        check()
        throw new DeviceError(`reading from the WebGPU device failed: ${String(reason)}`)
      })
      check()
      return new (typedArrayOf(dtype))(buffer)
    },
    bytesInUse: () => storages.bytes,
    lost: () => failure instanceof DeviceLostError,
    upload: (_dtype: DType, data: TypedArray) => {
      check()
      const storage = storages.create(data.byteLength)
      const { slab, offset } = storage.block
      write(device, slab.buffer, offset, data)
      return storage
    },
    compile: (program) => {
      refuseBeyondReach(program, { device: 'webgpu', innerAsOne: true })
      return executable(program, runtime)
    },
    ...(device.features.has('timestamp-query') ? { profile: () => profiling(device, stream, check) } : {}),
  }
}

const write = (device: GPUDevice, buffer: GPUBuffer, offset: number, data: TypedArray): void => {
  const words = data.byteLength % 4 === 0 ? data : padded(data)
  if (data.byteLength > 0) device.queue.writeBuffer(buffer, offset, words as Float32Array<ArrayBuffer>)
}

/** An odd number of 16-bit floats, and one more: WebGPU writes whole words, and blocks are of more. */
const padded = (data: TypedArray): Uint16Array => {
  const out = new Uint16Array(data.length + 1)
  out.set(data)
  return out
}

const profiling = (device: GPUDevice, stream: Stream, check: () => void): { stop(): Promise<readonly KernelTime[]> } => {
  if (stream.profiler !== null) throw new DeviceError('profile: another profile is running on this device: wait for its end')
  stream.flush()
  const profiler = new Profiler(device)
  stream.profiler = profiler
  return {
    stop: async () => {
      await stream.inOrder(() => stream.flush())
      stream.profiler = null
      return profiler.stop().catch((reason: unknown) => {
        check()
        throw new DeviceError(`reading kernel times from the WebGPU device failed: ${String(reason)}`)
      })
    },
  }
}
