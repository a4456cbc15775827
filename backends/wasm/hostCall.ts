/** Functions of the user's in the middle of a program. */
import { callHost as call } from '../../src/core/callbacks.ts'
import type { TypedArray } from '../../src/core/dtype.ts'
import { DeviceError } from '../../src/core/errors.ts'
import type { HostCall } from '../../src/core/kernel.ts'
import { Residency } from './storage.ts'

const refuse = (): never => {
  throw new DeviceError(
    'the wasm device waits for this callback, and can run nothing meanwhile: compute with JavaScript on x.toTyped() or x.toArray(), or in the program itself',
  )
}

const { begin } = Residency.prototype
/** Every use of the device begins so; while it waits, each is refused, since what runs relies on where its memory is. */
export const callHost = (kernel: HostCall, views: readonly TypedArray[]): void => {
  Residency.prototype.begin = refuse
  try {
    call(kernel, views)
  } finally {
    Residency.prototype.begin = begin
  }
}
