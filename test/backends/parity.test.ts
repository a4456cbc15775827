/** wasm gives what the reference gives. */
import { describe } from 'vitest'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { parity } from './parity.ts'

describe('wasm equals reference', () => parity(wasm() as Backend, 1))
