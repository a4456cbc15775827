/** Choosing a device, in the open. A module of its own, so that a page that doesn't choose holds no trace of the other devices. */
import { wasm } from '../backends/wasm/index.ts'
import type { Backend } from './core/backend.ts'
import { DeviceError } from './core/errors.ts'
import { choose, known } from './device.ts'

/** Only the default comes with the entry; the others are loaded when they are chosen. */
const makers: Readonly<Record<string, () => Backend | Promise<Backend>>> = {
  wasm: wasm as () => Backend,
  reference: async () => (await import('../backends/reference/index.ts')).reference() as Backend,
}

export interface InitOptions {
  /** 'wasm' (the default without init) or 'reference'. */
  readonly device: string
}
/**
 * Chooses the device, once, before the first array; again only after it was lost. Resolves to its name.
 *
 * @example await init({ device: 'wasm' }) // 'wasm'
 * @throws DeviceError (a rejection) when it can't be had, or arrays live on another one
 */
export const init = async (options: InitOptions): Promise<string> => {
  const name: unknown = (options as typeof options | undefined)?.device
  const make = typeof name === 'string' && Object.hasOwn(makers, name) ? makers[name] : undefined
  if (make === undefined)
    throw new DeviceError(`init: there is no device ${JSON.stringify(name)}: choose ${Object.keys(makers).join(' or ')}`)
  const made = known() ?? (await make())
  const device = known() ?? made // another one may have been chosen meanwhile
  choose(device)
  if (device.name !== name) throw new DeviceError(`init: arrays already live on ${device.name}: call init before anything else`)
  return device.name
}
