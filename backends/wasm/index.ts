/**
 * The WebAssembly backend: programs compiled to SIMD kernels over one memory. Synchronous, one thread.
 */
import type { Backend, Executable } from '../../src/core/backend.ts'
import { byteWidth, type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Program } from '../../src/core/program.ts'
import { relaxedSimd } from './assembler.ts'
import { Heap } from './heap.ts'
import { hostFunctions } from './host.ts'
import { compileModule } from './module.ts'
import { Residency, type WasmStorage } from './storage.ts'

export type { WasmStorage } from './storage.ts'

export interface WasmOptions {
  /** Use relaxed SIMD (fused multiply-add in contractions); what the engine has, unless said. */
  readonly relaxed?: boolean
  /** Resident bytes before arrays that aren't in use move out of the heap. */
  readonly softLimit?: number
}

type Run = (table: number, arena: number) => void

class WasmBackend implements Backend<WasmStorage> {
  readonly name = 'wasm'
  readonly dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint32', 'bool', 'key']
  readonly residency: Residency
  private readonly relaxed: boolean
  /** One block for all programs, which run one after another. */
  private arena = 0
  private arenaBytes = 0
  private table = 0
  private tableBytes = 0

  constructor({ relaxed = relaxedSimd(), softLimit }: WasmOptions) {
    this.relaxed = relaxed
    this.residency = new Residency(new Heap(), softLimit)
  }

  upload(dtype: DType, data: TypedArray): WasmStorage {
    const { residency } = this
    residency.begin()
    const storage = residency.create(data.byteLength)
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    residency.heap.bytes.set(bytes, storage.cell.at)
    void dtype
    return storage
  }

  readSync(storage: WasmStorage, dtype: DType, size: number): TypedArray {
    const { buffer } = this.residency.view(storage).slice(0, size * byteWidth[dtype])
    return new (typedArrayOf(dtype))(buffer as ArrayBuffer)
  }

  async read(storage: WasmStorage, dtype: DType, size: number): Promise<TypedArray> {
    return this.readSync(storage, dtype, size)
  }

  bytesInUse(): number {
    return this.residency.bytesInUse()
  }

  compile(program: Program): Executable<WasmStorage> {
    const { residency, relaxed } = this
    const { memory } = residency.heap
    const { bytes, imports, records, arenaBytes, text } = compileModule(program, memory, { relaxed })
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { memory, ...hostFunctions, ...imports } })
    const run = instance.exports.run as Run
    const inputs = program.inputs.length
    const outputs = program.outputs.map((id) => {
      const buffer = program.buffers[id]
      if (buffer === undefined || buffer.place.kind === 'arena') throw new Error(`internal: output ${id} has no place outside`)
      return { bytes: buffer.size * byteWidth[buffer.dtype], ...buffer.place }
    })
    return {
      run: (args) => {
        residency.begin()
        if (args.length !== inputs) throw new Error(`internal: ${inputs} inputs expected, ${args.length} given`)
        this.reserve(4 * (inputs + outputs.length + records.length), arenaBytes)
        // what is used by this run stays while the rest of it comes in
        for (let i = 0; i < inputs; i++) residency.address(args[i] as WasmStorage)
        const results: WasmStorage[] = []
        for (const output of outputs)
          results.push(output.kind === 'input' ? (args[output.index] as WasmStorage) : residency.create(output.bytes))
        const { i32 } = residency.heap
        const at = this.table >> 2
        for (let i = 0; i < inputs; i++) i32[at + i] = (args[i] as WasmStorage).cell.at
        for (let i = 0; i < outputs.length; i++) {
          const output = outputs[i] as { kind: string; index: number }
          if (output.kind === 'output') i32[at + inputs + output.index] = (results[i] as WasmStorage).cell.at
        }
        const first = at + inputs + outputs.length
        for (let i = 0; i < records.length; i++) {
          const record = records[i]!
          if (typeof record === 'number') i32[first + i] = record
          else if (record.kind === 'arena') i32[first + i] = this.arena + record.offset
          else i32[first + i] = i32[at + (record.kind === 'input' ? 0 : inputs) + record.index]!
        }
        run(this.table, this.arena)
        return results
      },
      source: text,
    }
  }

  private reserve(tableBytes: number, arenaBytes: number): void {
    const { residency } = this
    if (tableBytes > this.tableBytes) {
      if (this.table !== 0) residency.heap.release(this.table, Heap.blockSize(this.tableBytes))
      this.tableBytes = 2 * tableBytes
      this.table = residency.block(this.tableBytes)
    }
    if (arenaBytes > this.arenaBytes) {
      if (this.arena !== 0) residency.heap.release(this.arena, Heap.blockSize(this.arenaBytes))
      this.arenaBytes = arenaBytes
      this.arena = residency.block(arenaBytes)
    }
  }
}

let known: Backend<WasmStorage> | undefined

/** The backend with default options, made on first use. */
export const wasm = (): Backend<WasmStorage> => {
  known ??= createWasm()
  return known
}

/** A backend with a memory of its own. */
export const createWasm = (options: WasmOptions = {}): Backend<WasmStorage> => new WasmBackend(options)
