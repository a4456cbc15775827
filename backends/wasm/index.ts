/**
 * The WebAssembly backend: programs compiled to SIMD kernels over one memory. Synchronous, one thread.
 */
import { refuseBeyondReach } from '../../src/core/reach.ts'
import type { Backend } from '../../src/core/backend.ts'
import { callHost } from '../../src/core/callbacks.ts'
import { byteWidth, type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import { DeviceError } from '../../src/core/errors.ts'
import { relaxedSimd } from './assembler.ts'
import { Heap } from './heap.ts'
import { hostFunctions } from './host.ts'
import { compileModule } from './module.ts'
import type { CallHost } from './hostKernel.ts'
import { Residency, type WasmStorage } from './storage.ts'

export type { WasmStorage } from './storage.ts'

export interface WasmOptions {
  /** Use relaxed SIMD (fused multiply-add in contractions); what the engine has, unless said. */
  readonly relaxed?: boolean
}

type Run = (table: number, arena: number) => void

/** A page whose content security policy doesn't allow it can't compile: not even a module with nothing in it. */
const refuseWhereForbidden = (): void => {
  try {
    void new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))
  } catch (cause) {
    throw new DeviceError(
      `wasm: WebAssembly isn't allowed to compile here: add 'wasm-unsafe-eval' to script-src in the page's content security policy, or init({ device: 'reference' })`,
      { cause },
    )
  }
}

/**
 * A device with a memory of its own.
 *
 * @throws DeviceError where WebAssembly isn't allowed to compile
 */
export const wasm = ({ relaxed = relaxedSimd() }: WasmOptions = {}): Backend<WasmStorage> => {
  refuseWhereForbidden()
  const heap = new Heap()
  const { memory } = heap
  const residency = new Residency(heap)
  /** A block for all programs, which run one after another: another where one needs more. */
  const growing = () => {
    let [at, size] = [0, 0]
    return (bytes: number): number => {
      if (bytes > size) {
        if (at !== 0) heap.release(at, Heap.blockSize(size))
        size = bytes
        at = residency.block(size)
      }
      return at
    }
  }
  const [tableOf, arenaOf] = [growing(), growing()]

  const callFunction: CallHost = (kernel, views) => residency.hold(() => callHost(kernel, views))

  const readSync = (storage: WasmStorage, dtype: DType, size: number): TypedArray =>
    new (typedArrayOf(dtype))(residency.view(storage).slice(0, size * byteWidth[dtype]).buffer as ArrayBuffer)

  return {
    name: 'wasm',
    dtypes: ['float16', 'bfloat16', 'float32', 'float64', 'int32', 'uint32', 'bool', 'key'],
    readSync,
    read: async (storage, dtype, size) => readSync(storage, dtype, size),
    bytesInUse: () => residency.bytes + residency.away,
    upload: (_, data) => {
      residency.begin()
      const storage = residency.create(data.byteLength)
      heap.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), storage.cell.at)
      return storage
    },
    adopt: (_, data) => residency.keep(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    compile: (program) => {
      refuseBeyondReach(program, { device: 'wasm', innerAsOne: false })
      const { bytes, imports, records, arenaBytes, text } = compileModule(program, memory, callFunction, { relaxed })
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { memory, ...hostFunctions, ...imports } })
      const run = instance.exports.run as Run
      const outputs = program.outputs.map((id) => program.buffers[id]!)
      const inputs = program.inputs.length
      return {
        run: (args) => {
          residency.begin()
          const [table, arena] = [tableOf(4 * (inputs + outputs.length + records.length)), arenaOf(arenaBytes)]
          // what is used by this run stays while the rest of it comes in
          for (const arg of args) residency.address(arg)
          const results = outputs.map(({ size, dtype, place }) =>
            place.kind === 'input' ? args[place.index]! : residency.create(size * byteWidth[dtype]),
          )
          const { i32 } = heap
          const at = table >> 2
          const firstOutput = at + inputs
          const firstRecord = firstOutput + outputs.length
          args.forEach(({ cell }, i) => (i32[at + i] = cell.at))
          outputs.forEach(({ place }, i) => {
            if (place.kind === 'output') i32[firstOutput + place.index] = results[i]!.cell.at
          })
          records.forEach((record, i) => {
            if (typeof record === 'number') i32[firstRecord + i] = record
            else if (record.kind === 'arena') i32[firstRecord + i] = arena + record.offset
            else i32[firstRecord + i] = i32[(record.kind === 'input' ? at : firstOutput) + record.index]!
          })
          run(table, arena)
          return results
        },
        bytes: bytes.byteLength,
        source: text,
      }
    },
  }
}
