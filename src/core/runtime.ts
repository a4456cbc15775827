/**
 * The run time: one object by which tracing, transforms and the public functions find what stands on other floors. `src/runtime.ts` makes it when an
 * entry of the package loads.
 */
import type { ConcreteArray } from './array.ts'
import type { AxisEnvironment } from './axes.ts'
import type { Backend, Executable } from './backend.ts'
import type { Jaxpr } from './jaxpr.ts'
import type { Program } from './program.ts'
import type { RuleTable, Transforms } from './rules.ts'

export interface Compiled {
  readonly jaxpr: Jaxpr
  readonly program: Program
  readonly executable: Executable
  readonly donated: ReadonlySet<number>
  /** The donated inputs whose memory became a result's; that of the others is free after the run. */
  readonly taken: ReadonlySet<number>
  readonly backend: Backend
}

/** Who runs a program, as errors name it, and the path of each of its arguments. */
export interface Caller {
  readonly what: string
  readonly pathOf: (i: number) => string
}

/** Sees what every run took and gave. */
export type Observer = (compiled: Compiled, args: readonly ConcreteArray[], outs: readonly ConcreteArray[], caller: Caller) => void

/** Jaxprs to results. */
export interface Engine {
  /** Optimised, and planned for a device. Not `fused`, every operation has a kernel of its own. */
  lower(jaxpr: Jaxpr, donated?: ReadonlySet<number>, fused?: boolean): { readonly jaxpr: Jaxpr; readonly program: Program }
  compile(jaxpr: Jaxpr, donated?: ReadonlySet<number>): Compiled
  run(compiled: Compiled, args: readonly ConcreteArray[], caller?: Caller): ConcreteArray[]
  execute(jaxpr: Jaxpr, args: readonly ConcreteArray[]): ConcreteArray[]
  observer: Observer | null
  /** How often something was traced, compiled and divided by what is known, since the start; tests pin what isn't done again. */
  readonly counters: { traced: number; compiled: number; divided: number }
}

/** The device of this process. */
export interface Device {
  /** Where new arrays live: the default one, if none was chosen before. */
  current(): Backend
  /** The one in use, if there is one that isn't lost. */
  inUse(): Backend | null
  choose(backend: Backend): void
}

export interface Runtime {
  readonly rules: RuleTable
  readonly transforms: Transforms
  readonly engine: Engine
  readonly device: Device
  readonly axes: AxisEnvironment
}

export let runtime: Runtime
export const start = (made: Runtime): void => void (runtime = made)
