/** The device of this process: wasm, unless `init` chose before the first array. */
import { wasm } from '../backends/wasm/index.ts'
import type { Backend } from './core/backend.ts'

let chosen: Backend | null = null
export const backend = (): Backend => (chosen ??= wasm() as Backend)
/** The device, if there is one that isn't lost. */
export const known = (): Backend | null => (chosen?.lost?.() === true ? null : chosen)
export const choose = (backend: Backend): void => void (chosen = backend)
