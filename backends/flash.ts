/** The flash attention kernels of each backend, for programs that attend. */
import { flash } from './wasm/flash.ts'
import { bringEmitters } from './wasm/module.ts'

export const bringFlash = (): void => bringEmitters(flash)
