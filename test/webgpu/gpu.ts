/** WebGPU in Node: Dawn (the package `webgpu`) on the device that adapter.ts found for this process, and its null backend. */
import { describeUnless } from './needs.ts'
import { adapter } from './adapter.ts'

const dawn = async (options: readonly string[]): Promise<GPU> => {
  const { create, globals } = await import('webgpu') // loads a native library, which a platform may lack
  Object.assign(globalThis, globals)
  return create([...options])
}

let real: Promise<GPU> | undefined
/** One object a process: its devices are lost when it is collected. */
export const nodeGpu = (): Promise<GPU> => (real ??= dawn([]))

let none: Promise<GPU> | undefined
/** Dawn's null backend: it has nearly every feature, runs nothing, and validates as a device with WebGPU's default limits does. */
export const nullGpu = (): Promise<GPU> => (none ??= dawn(['backend=null', 'enable-dawn-features=allow_unsafe_apis']))

/** Why this process has no device; null when it has one. */
const missing = async (): Promise<string | null> => {
  const found = adapter()
  if ('missing' in found) return found.missing
  try {
    const gpu = await nodeGpu()
    return (await gpu.requestAdapter()) === null ? 'Dawn finds no adapter' : null
  } catch (reason) {
    return `Dawn doesn't load: ${String(reason)}`
  }
}
export const skipReason: string | null = await missing()

/** A suite on a device. */
export const describeOnDevice = (name: string, suite: () => void | Promise<void>): void => describeUnless(skipReason, name, suite)

let validator: Promise<GPUDevice> | undefined
const openValidator = async (): Promise<GPUDevice> => {
  const found = await (await nullGpu()).requestAdapter()
  if (found === null) throw new Error("Dawn's null backend has no adapter")
  return found.requestDevice({ requiredFeatures: [...found.features] as GPUFeatureName[] })
}
/** Devices that run nothing, with every feature and with none: what is emitted for each can be validated, whatever the adapter here has. */
export const nullDevices = async (): Promise<readonly GPUDevice[]> => [
  await openValidator(),
  await (await (await nullGpu()).requestAdapter())!.requestDevice(),
]

/**
 * The first error of a WGSL module and of a compute pipeline from its entry `main`, or null. The limits are WebGPU's defaults (8 storage
 * buffers, 16 KiB of workgroup memory, 256 invocations), which the null backend has no more than.
 */
export const validate = async (code: string): Promise<string | null> => {
  const device = await (validator ??= openValidator())
  device.pushErrorScope('validation')
  const module = device.createShaderModule({ code })
  device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } })
  const [error, { messages }] = await Promise.all([device.popErrorScope(), module.getCompilationInfo()])
  const compiling = messages.find(({ type }) => type === 'error')
  return error?.message ?? (compiling === undefined ? null : `${compiling.lineNum}:${compiling.linePos} ${compiling.message}`)
}
