/** Choosing a device, in the open. A module of its own, so that a page that doesn't choose holds no trace of the other devices. */
import type { AdapterInfo } from '../backends/webgpu/device.ts'
import type { WebgpuOptions } from '../backends/webgpu/index.ts'
import { wasm } from '../backends/wasm/index.ts'
import type { Backend } from './core/backend.ts'
import { DeviceError } from './core/errors.ts'
import { runtime } from './core/runtime.ts'
import { atLeast, flag, needed, oneOf, option, type Schema } from './core/options.ts'
import { promised, takes, takesOptions } from './core/takes.ts'

/** Only the default comes with the entry; the others are loaded when they are chosen. */
const makers: Readonly<Record<string, (options: InitOptions) => Backend | Promise<Backend>>> = {
  wasm: () => wasm() as Backend,
  reference: async () => (await import('../backends/reference/index.ts')).reference() as Backend,
  webgpu: async (options) => (await import('../backends/webgpu/index.ts')).openWebgpu(options) as Promise<Backend>,
}

/** A device of this name, whatever was chosen. */
export type DeviceName = 'wasm' | 'reference' | 'webgpu'
export const deviceNamed = async (device: DeviceName): Promise<Backend> => makers[device]!({ device })

export interface InitOptions extends WebgpuOptions {
  /** 'wasm' (the default without init), 'webgpu' or 'reference'. */
  readonly device: string
}
const initOptions: Schema<InitOptions> = {
  device: needed(option(DeviceError, `one of ${Object.keys(makers).join(', ')}`, (x) => typeof x === 'string' && Object.hasOwn(makers, x))),
  powerPreference: oneOf('high-performance', 'low-power'),
  memoryLimit: atLeast(0),
  tune: flag,
}
/**
 * Chooses the device, once, before the first array; again only after it was lost. Resolves to its name.
 *
 * @example await init({ device: 'wasm' }) // 'wasm'
 * @throws DeviceError (a rejection) when it can't be had, or arrays live on another one
 */
export const init = /* @__PURE__ */ promised(
  takesOptions('init', 1, initOptions, async (options: InitOptions): Promise<string> => {
    const { device: name } = options
    const made = runtime.device.inUse() ?? (await makers[name]!(options))
    const device = runtime.device.inUse() ?? made // another one may have been chosen meanwhile
    runtime.device.choose(device)
    if (device.name !== name) throw new DeviceError(`init: arrays already live on ${device.name}: call init before anything else`)
    return device.name
  }),
)

export interface DeviceInfo {
  readonly device: string
  /** Of webgpu, where there is one: what it would run on. */
  readonly adapter?: AdapterInfo
  /** Why it can't be had here. */
  readonly reason?: string
}
/**
 * The devices that `init` knows, with what webgpu would run on, or why there is none.
 *
 * @example (await devices()).map((d) => d.device) // ['wasm', 'reference', 'webgpu']
 */
export const devices = /* @__PURE__ */ promised(
  takes('devices', 0, async (): Promise<readonly DeviceInfo[]> =>
    Promise.all(
      Object.keys(makers).map(async (name): Promise<DeviceInfo> => {
        if (name !== 'webgpu') return { device: name }
        const { adapterInfo } = await import('../backends/webgpu/index.ts')
        return adapterInfo().then(
          (adapter) => ({ device: name, adapter }),
          (reason: unknown) => ({ device: name, reason: (reason as Error).message }),
        )
      }),
    ),
  ),
)
