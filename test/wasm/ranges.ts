/** Runs a kernel of the wasm backend alone, over its units range by range. */
import { expect } from 'vitest'
import { type FunctionHandle, ModuleBuilder, relaxedSimd } from '../../backends/wasm/assembler.ts'
import type { TypedArray } from '../../src/core/dtype.ts'
import { exportPlace } from './scratch.ts'

const UNTOUCHED = 0x5a

/** The args' words afterwards. `at`: which arg's memory each arg has. Nothing else may be written, and nothing of the host's is called. */
export const inRanges = (
  emit: (module: ModuleBuilder) => FunctionHandle,
  units: number,
  cuts: readonly number[],
  args: readonly TypedArray[],
  at: readonly number[] = args.map((_, i) => i),
): Uint32Array<ArrayBuffer>[] => {
  const module = new ModuleBuilder({ relaxed: relaxedSimd() })
  module.export('run', emit(module))
  exportPlace(module)
  const compiled = new WebAssembly.Module(module.finish())
  expect(WebAssembly.Module.imports(compiled).map(({ name }) => name)).toEqual(['memory'])
  let end = 1024
  const starts = args.map(({ byteLength }) => {
    const start = end
    end = (end + byteLength + 31) & ~15
    return start
  })
  const memory = new WebAssembly.Memory({ initial: Math.ceil((end + module.scratchSize + 16) / 65536) })
  const bytes = new Uint8Array(memory.buffer)
  bytes.fill(UNTOUCHED)
  args.forEach((arg, i) => {
    if (at[i] === i) bytes.set(new Uint8Array(arg.buffer), starts[i])
  })
  const { run, place } = new WebAssembly.Instance(compiled, { m: { memory } }).exports as unknown as Record<
    'run' | 'place',
    (...args: number[]) => void
  >
  place(end)
  const borders = [0, ...cuts.map((cut) => cut % (units + 1)).sort((a, b) => a - b), units]
  borders.slice(1).forEach((to, i) => {
    if (borders[i]! < to) run(...at.map((arg) => starts[arg]!), borders[i]!, to)
  })
  args.forEach((arg, i) => {
    const gap = bytes.subarray(starts[i]! + arg.byteLength, starts[i + 1] ?? end)
    expect(gap.every((byte) => byte === UNTOUCHED)).toBe(true)
  })
  expect(bytes.subarray(end + module.scratchSize).every((byte) => byte === UNTOUCHED)).toBe(true)
  return args.map((arg, i) => new Uint32Array(memory.buffer.slice(starts[at[i]!]!, starts[at[i]!]! + arg.byteLength)))
}
