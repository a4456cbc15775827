/** Scratch memory for kernels that a test compiles outside of a program. */
import type { ModuleBuilder } from '../../backends/wasm/assembler.ts'

/** Exports a function that says where scratch memory lies, as `run` does in a compiled program. */
export const exportPlace = (module: ModuleBuilder): void => {
  const f = module.func('place', ['i32'])
  f.get(f.param(0))
  f.setGlobal(module.scratch(0))
  module.export('place', f)
}
