/**
 * A program as one wasm module: its kernels, each once, and a function `run` that calls them straight through with
 * addresses from a table of arguments and an arena.
 */
import type { Kernel } from '../../src/core/kernel.ts'
import type { Program, Step } from '../../src/core/program.ts'
import { type FunctionBuilder, type FunctionHandle, type Local, ModuleBuilder, type ModuleOptions } from './assembler.ts'
import { emitCumulative } from './cumulative.ts'
import { dotUnits, emitDot } from './dot.ts'
import { emitNest, nestUnits } from './nest.ts'
import { opcodes } from './opcodes.ts'
import { emitScatter } from './scatter.ts'
import { emitSort } from './sort.ts'
import { structure } from '../../src/core/structure.ts'

/** How a kind of kernel becomes a function (pointer of each arg…, start, end), and how many units of work that range is over. */
interface Emitter<K extends Kernel> {
  readonly emit: (module: ModuleBuilder, kernel: K) => FunctionHandle
  /** `extent`: the launch's, of a nest's first dim. */
  readonly units: (kernel: K, extent: number) => number
}

export type Emitters = { readonly [K in Kernel as K['kind']]: Emitter<K> }

/** Those of every program; the others are brought by what makes their kernels. */
const emitters: Partial<Emitters> = {
  nest: { emit: emitNest, units: nestUnits },
  dot: { emit: emitDot, units: dotUnits },
  cumulative: { emit: emitCumulative, units: ({ outer, inner }) => outer * inner },
  sort: { emit: emitSort, units: ({ outer, inner }) => outer * inner },
  scatter: { emit: emitScatter, units: () => 1 },
}

export const bringEmitters = (more: Partial<Emitters>): void => void Object.assign(emitters, more)

const emitterOf = <K extends Kernel>(kernel: K): Emitter<K> => emitters[kernel.kind] as unknown as Emitter<K>

export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Bytes of arena it needs, kernels' scratch memory included. */
  readonly arenaBytes: number
  readonly text: () => Promise<readonly string[]>
}

/** `run(table, arena)`: the table holds the address of each input, then of each output placed as one. */
export const compileModule = (program: Program, options: ModuleOptions): CompiledModule => {
  const module = new ModuleBuilder(options)
  const kernels = new Map<string, FunctionHandle>()
  const byIdentity = new Map<Kernel, FunctionHandle>()
  const compiled = (kernel: Kernel): FunctionHandle => {
    const same = byIdentity.get(kernel)
    if (same !== undefined) return same
    const key = structure(kernel)
    const handle = kernels.get(key) ?? emitterOf(kernel).emit(module, kernel)
    kernels.set(key, handle)
    byIdentity.set(kernel, handle)
    return handle
  }

  const run = module.func('run', ['i32', 'i32'])
  module.export('run', run)
  const [table, arena] = [run.param(0), run.param(1)]
  const pushAddress = (buffer: number): void => address(run, program, buffer, table, arena)
  const emitSteps = (steps: readonly Step[]): void => steps.forEach(emitStep)
  const emitStep = (step: Step): void => {
    switch (step.kind) {
      case 'launch': {
        const { kernel } = step
        const handle = compiled(kernel)
        for (const { buffers, extent } of step.segments) {
          const units = emitterOf(kernel).units(kernel, extent)
          if (units === 0) continue
          buffers.forEach(pushAddress)
          run.const('i32', 0)
          run.const('i32', units)
          run.call(handle)
        }
        return
      }
      case 'loop':
        return run.while(
          () => {
            emitSteps(step.cond)
            pushAddress(step.test)
            run.i32.load()
          },
          () => emitSteps(step.body),
        )
      case 'branch': {
        pushAddress(step.index)
        run.i32.load()
        const index = run.local('i32')
        run.set(index)
        const from = (i: number): void => {
          const steps = step.branches[i]
          if (steps === undefined) return
          if (i === step.branches.length - 1) return emitSteps(steps)
          run.get(index)
          run.const('i32', i)
          run.i32.eq()
          run.if(
            () => emitSteps(steps),
            () => from(i + 1),
          )
        }
        return from(0)
      }
    }
  }
  emitSteps(program.steps)

  // kernels' scratch memory lies above the program's own arena
  const base = Math.ceil(program.arenaBytes / 64) * 64
  if (module.scratchSize > 0)
    run.prologue(() => {
      run.get(arena)
      run.const('i32', base)
      run.i32.add()
      run.setGlobal(module.scratch(0))
    })
  return {
    bytes: module.finish(),
    arenaBytes: base + module.scratchSize,
    text: async () => {
      const { listings } = await import('./disassemble.ts')
      return listings(module.functions, opcodes)
    },
  }
}

const address = (run: FunctionBuilder, program: Program, buffer: number, table: Local, arena: Local): void => {
  const place = program.buffers[buffer]?.place
  if (place === undefined) throw new Error(`internal: no buffer ${buffer}`)
  if (place.kind === 'arena') {
    run.get(arena)
    if (place.offset === 0) return
    run.const('i32', place.offset)
    return run.i32.add()
  }
  run.get(table)
  run.i32.load(4 * (place.kind === 'input' ? place.index : program.inputs.length + place.index), 2)
}
