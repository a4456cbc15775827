/**
 * A program as one wasm module: its kernels, each once, and a function `run` that calls them straight through with
 * addresses from a table of arguments and an arena.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Cumulative, HostCall, Kernel, Sort } from '../../src/core/kernel.ts'
import type { FixedPlace, Program, Step } from '../../src/core/program.ts'
import { type FunctionHandle, type Local, ModuleBuilder, type ModuleOptions } from './assembler.ts'
import { attentionUnits, emitAttention } from './attention.ts'
import { attentionGradUnits, emitAttentionGrad } from './attentionGrad.ts'
import { emitControl } from './loops.ts'
import { emitCumulative } from './cumulative.ts'
import { listings } from './disassemble.ts'
import { dotUnits, emitDot } from './dot.ts'
import { type CallHost, hostKernel } from './hostKernel.ts'
import { emitNest, nestUnits } from './nest.ts'
import { emitScatter } from './scatter.ts'
import { emitSort } from './sort.ts'
import { structure } from '../../src/core/structure.ts'

type Emitted = Exclude<Kernel, HostCall>

/** How a kind of kernel becomes a function (pointer of each arg…, start, end), and how many units of work that range is over. */
interface Emitter<K extends Kernel> {
  readonly emit: (module: ModuleBuilder, kernel: K) => FunctionHandle
  /** `extent`: the launch's, of a nest's first dim. */
  readonly units: (kernel: K, extent: number) => number
}

export type Emitters = { readonly [K in Emitted as K['kind']]: Emitter<K> }

/** Of those along the middle of [outer, n, inner]. */
const lines = ({ outer, n, inner }: Cumulative | Sort): number => (n === 0 ? 0 : outer * inner)

const emitters: Emitters = {
  nest: { emit: emitNest, units: nestUnits },
  dot: { emit: emitDot, units: dotUnits },
  attention: { emit: emitAttention, units: attentionUnits },
  attentionGrad: { emit: emitAttentionGrad, units: attentionGradUnits },
  cumulative: { emit: emitCumulative, units: lines },
  sort: { emit: emitSort, units: lines },
  scatter: { emit: emitScatter, units: ({ rows, rest }) => (rest === 0 ? 0 : rows) },
}

const emitterOf = <K extends Emitted>(kernel: K): Emitter<K> => emitters[kernel.kind] as unknown as Emitter<K>

export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** What it imports beside the memory and functions of numbers. */
  readonly imports: Readonly<Record<string, (...addresses: number[]) => void>>
  /** What follows the addresses in the table: places, which the caller turns into addresses, and numbers of units. */
  readonly records: readonly (FixedPlace | number)[]
  /** Bytes of arena it needs, kernels' scratch memory included. */
  readonly arenaBytes: number
  readonly text: () => readonly string[]
}

/** A launch over so many sets of buffers loops over records of them, so that code doesn't grow with a tree's leaves. */
const RECORDS_FROM = 4

/** `run(table, arena)`: the table holds the address of each input, of each output placed as one, and then the records. */
export const compileModule = (program: Program, memory: WebAssembly.Memory, callHost: CallHost, options: ModuleOptions): CompiledModule => {
  const module = new ModuleBuilder(options)
  const imports: Record<string, (...addresses: number[]) => void> = {}
  const handles = new Map<Kernel, FunctionHandle>()
  const make = (kernel: Kernel): FunctionHandle => {
    if (kernel.kind !== 'hostCall') return emitterOf(kernel).emit(module, kernel)
    const name = `${kernel.kind} ${handles.size}`
    imports[name] = hostKernel(kernel, memory, callHost)
    return module.importFunction(name, Array(kernel.args.length).fill('i32'))
  }
  const compiled = (kernel: Kernel): FunctionHandle => {
    const known = handles.get(kernel)
    if (known !== undefined) return known
    const handle = module.once(structure(kernel), () => make(kernel))
    handles.set(kernel, handle)
    return handle
  }

  const run = module.func('run', ['i32', 'i32'])
  module.export('run', run)
  const [table, arena] = [run.param(0), run.param(1)]
  const trips = new Map<number, Local>()
  const pushAddress = (buffer: number): void => {
    const { place, dtype } = program.buffers[buffer]!
    if (place.kind === 'arena') return run.push(run.i32.add(arena, place.offset))
    if (place.kind === 'slice') {
      const trip = run.i32.mul(trips.get(place.counter)!, place.step * byteWidth[dtype])
      return run.push(
        run.i32.add(
          run.i32.add(() => pushAddress(place.of), place.start * byteWidth[dtype]),
          trip,
        ),
      )
    }
    run.push(run.i32.load(table, 4 * (place.kind === 'input' ? place.index : program.inputs.length + place.index)))
  }
  const records: (FixedPlace | number)[] = []
  const launch = ({ kernel, segments }: Step & { readonly kind: 'launch' }): void => {
    const handle = compiled(kernel)
    const units = (extent: number): number => (kernel.kind === 'hostCall' ? 1 : emitterOf(kernel).units(kernel, extent))
    const runs = segments.filter(({ extent }) => units(extent) > 0)
    if (kernel.kind === 'hostCall' || runs.length < RECORDS_FROM || trips.size > 0)
      for (const { buffers, extent } of runs) {
        buffers.forEach(pushAddress)
        if (kernel.kind !== 'hostCall') run.push(0, units(extent))
        run.call(handle)
      }
    else {
      const args = kernel.args.length
      const width = 4 * (args + 1)
      const start = run.i32.add(table, 4 * (program.inputs.length + program.outputs.length + records.length))
      for (const { buffers, extent } of runs) records.push(...buffers.map((id) => program.buffers[id]!.place as FixedPlace), units(extent))
      run.for('i32', start, run.hold('i32', run.i32.add(start, width * runs.length)), width, (record) => {
        for (let i = 0; i < args; i++) run.push(run.i32.load(record, 4 * i))
        run.push(0, run.i32.load(record, 4 * args))
        run.call(handle)
      })
    }
  }
  const emitSteps = (steps: readonly Step[]): void => {
    for (const step of steps)
      if (step.kind === 'launch') launch(step)
      else emitControl(step, { run, trips, emitSteps, pushAddress })
  }
  emitSteps(program.steps)

  // kernels' scratch memory lies above the program's own arena
  const base = Math.ceil(program.arenaBytes / 64) * 64
  if (module.scratchSize > 0)
    run.prologue(() => {
      run.push(run.i32.add(arena, base))
      run.setGlobal(module.scratch(0))
    })
  return {
    bytes: module.finish(),
    imports,
    records,
    arenaBytes: base + module.scratchSize,
    text: () => listings(module.functions),
  }
}
