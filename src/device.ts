/** The device of a process: chosen once, in the open, or the default one when the first array is made. */
import type { Backend } from './core/backend.ts'
import type { Device } from './core/runtime.ts'

export const makeDevice = (byDefault: () => Backend): Device => {
  let chosen: Backend | null = null
  return {
    current: () => (chosen ??= byDefault()),
    inUse: () => (chosen?.lost?.() === true ? null : chosen),
    choose: (backend) => void (chosen = backend),
  }
}
