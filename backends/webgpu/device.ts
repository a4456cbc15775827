/** A WebGPU device: the browser's or Deno's own, or in Node that of the package `webgpu`, with all that its adapter can give. */
import { DeviceError } from '../../src/core/errors.ts'

export const MATRICES = 'chromium-experimental-subgroup-matrix'
/** What the profiler, the reductions and the contractions use where an adapter has it. */
const WANTED: readonly string[] = ['timestamp-query', 'subgroups', 'shader-f16', MATRICES]

/** Kept: devices of Dawn's end with the object that they came from. */
let gpu: GPU | undefined

const findGpu = async (): Promise<GPU> => {
  const own = (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu
  if (own !== undefined) return own
  if (typeof process === 'undefined' || process.versions?.node === undefined)
    throw new DeviceError('init: this browser has no WebGPU, or the page is no secure context (https or localhost): choose the wasm device')
  const name = 'webgpu' // an optional package: a bundler needn't find it
  const dawn = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name).catch((reason: unknown) => {
    throw new DeviceError(`init: WebGPU in Node needs the package webgpu (npm install webgpu): ${String(reason)}`)
  })) as { readonly create: (options: readonly string[]) => GPU }
  return dawn.create([])
}

const findAdapter = async (powerPreference: GPUPowerPreference): Promise<GPUAdapter> => {
  gpu ??= await findGpu()
  const adapter = await gpu.requestAdapter({ powerPreference })
  if (adapter === null)
    throw new DeviceError(
      'init: WebGPU has no adapter here: a GPU with its driver is needed, or a software one (SwiftShader, llvmpipe); or choose the wasm device',
    )
  return adapter
}

export interface AdapterInfo {
  readonly vendor: string
  readonly architecture: string
  readonly description: string
  readonly features: readonly string[]
}
/** What WebGPU would run on here; a DeviceError says why it can't. */
export const adapterInfo = async (): Promise<AdapterInfo> => {
  const { info, features } = await findAdapter('high-performance')
  return { vendor: info.vendor, architecture: info.architecture, description: info.description, features: [...features] }
}

export interface DeviceOptions {
  /** Which adapter is preferred where there are several. Default 'high-performance'. */
  readonly powerPreference?: 'high-performance' | 'low-power'
}

export const openDevice = async ({ powerPreference = 'high-performance' }: DeviceOptions = {}): Promise<GPUDevice> => {
  const adapter = await findAdapter(powerPreference)
  const limits: Record<string, number> = {}
  for (const name in adapter.limits) {
    const limit = adapter.limits[name as keyof GPUSupportedLimits]
    if (typeof limit === 'number') limits[name] = limit
  }
  const requiredFeatures = WANTED.filter((name) => adapter.features.has(name)) as GPUFeatureName[]
  try {
    return await adapter.requestDevice({ requiredLimits: limits, requiredFeatures })
  } catch (reason) {
    throw new DeviceError(`init: the WebGPU adapter ${adapter.info.vendor} ${adapter.info.architecture} gives no device: ${String(reason)}`)
  }
}
