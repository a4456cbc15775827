/** What a page meets whose content security policy doesn't let WebAssembly compile. */
import { afterEach, expect, test, vi } from 'vitest'
import { wasm } from '../../backends/wasm/index.ts'
import { DeviceError } from '../../src/index.ts'

afterEach(() => void vi.restoreAllMocks())

test('a page that forbids WebAssembly is told what to allow', () => {
  vi.spyOn(WebAssembly, 'Module').mockImplementation(() => {
    throw new WebAssembly.CompileError('Refused to compile or instantiate WebAssembly module')
  })
  expect(() => wasm()).toThrow(DeviceError)
  expect(() => wasm()).toThrow(/add 'wasm-unsafe-eval' to script-src/)
})
