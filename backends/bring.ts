/** What each backend has for some programs only, brought by the functions that make or look at those programs: a page without them doesn't download it. */
import { control } from './wasm/control.ts'
import { listings } from './wasm/disassemble.ts'
import { flash } from './wasm/flash.ts'
import { bringControl as bringWasmControl, bringEmitters, bringListings as bringWasmListings } from './wasm/module.ts'
import { bringFunctions } from './wasm/ops.ts'
import { callHost } from './wasm/hostCall.ts'
import { bringCallHost } from './wasm/hostKernel.ts'
import { special } from './wasm/special.ts'

/** Special functions and random bits. */
export const bringSpecial = (): void => bringFunctions(special)
/** Flash attention, and what its dropout draws with. */
export const bringFlash = (): void => {
  bringSpecial()
  bringEmitters(flash)
}
/** Loops and branches. */
export const bringControl = (): void => bringWasmControl(control)
/** Functions of the user's in the middle of a program. */
export const bringHostCalls = (): void => bringCallHost(callHost)
/** All that a program may hold. */
export const bringAll = (): void => {
  bringFlash()
  bringControl()
  bringHostCalls()
}
/** Generated code as text. */
export const bringListings = (): void => bringWasmListings(listings)
