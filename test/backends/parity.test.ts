/** wasm gives what the reference gives. */
import { describe } from 'vitest'
import { bringControl, bringFlash } from '../../backends/bring.ts'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { parity } from './parity.ts'

bringControl()
bringFlash()
describe('wasm equals reference', () => parity(wasm() as Backend, 1))
