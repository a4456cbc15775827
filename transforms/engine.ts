/** Jaxprs to results: lowered, compiled and kept, keyed on the exact text of the program. */
import { ConcreteArray } from '../src/core/array.ts'
import type { Backend, Executable } from '../src/core/backend.ts'
import { DTypeError } from '../src/core/errors.ts'
import type { Node } from '../src/core/graph.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { printJaxpr } from '../src/core/print.ts'
import type { Program } from '../src/core/program.ts'
import type { RuleTable, Transforms } from '../src/core/rules.ts'
import { showAval } from '../src/core/aval.ts'
import { inline } from './algebra.ts'
import { lowerJaxpr, physical } from './lower.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { planProgram } from './plan.ts'

export interface Compiled {
  readonly jaxpr: Jaxpr
  readonly program: Program
  readonly executable: Executable
  readonly donated: ReadonlySet<number>
  readonly backend: Backend
}

const CACHED_PROGRAMS = 4096
/** How often something was compiled since the start; tests pin that second calls don't. */
export const counters = { compiled: 0, traced: 0 }

export class Engine {
  readonly #table: RuleTable
  readonly #transforms: Transforms
  readonly #backend: () => Backend
  readonly #cache = new Map<string, Compiled>()
  constructor(table: RuleTable, transforms: Transforms, backend: () => Backend) {
    this.#table = table
    this.#transforms = transforms
    this.#backend = backend
  }

  lower(
    jaxpr: Jaxpr,
    donated: ReadonlySet<number> = new Set(),
    options = { fuse: true },
  ): { readonly jaxpr: Jaxpr; readonly program: Program } {
    const optimised = deadCode(commonSubexpressions(inline(jaxpr)))
    const inputs: Node[] = optimised.inputs.map((v, index) => ({ kind: 'input', index, ...pick(physical(v.aval)) }))
    const outs = lowerJaxpr(this.#table, this.#transforms, optimised, inputs)
    return { jaxpr: optimised, program: planProgram(inputs, outs, donated, options) }
  }

  compile(jaxpr: Jaxpr, donated: ReadonlySet<number> = new Set()): Compiled {
    const backend = this.#backend()
    const key = `${backend.name} ${[...donated].join(',')} ${printJaxpr(jaxpr)}`
    const hit = this.#cache.get(key)
    if (hit !== undefined) return hit
    for (const v of [...jaxpr.inputs, ...jaxpr.eqns.flatMap((eqn) => eqn.outs)])
      if (!backend.dtypes.includes(v.aval.dtype) && v.aval.dtype !== 'key')
        throw new DTypeError(`the device ${backend.name} can't hold ${showAval(v.aval)}: it holds ${backend.dtypes.join(', ')}`)
    counters.compiled++
    const lowered = this.lower(jaxpr, donated)
    const compiled: Compiled = { ...lowered, donated, backend, executable: backend.compile(lowered.program) }
    if (this.#cache.size >= CACHED_PROGRAMS) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(key, compiled)
    return compiled
  }

  run(compiled: Compiled, args: readonly ConcreteArray[]): ConcreteArray[] {
    const storages = args.map((x) => x.storage())
    const results = compiled.executable.run(storages)
    for (const i of compiled.donated) {
      args[i]!.donate()
      if (!results.includes(storages[i]!)) storages[i]!.free()
    }
    return results.map((storage, i) => new ConcreteArray(compiled.jaxpr.outs[i]!.aval, storage, compiled.backend))
  }

  execute(jaxpr: Jaxpr, args: readonly ConcreteArray[]): ConcreteArray[] {
    return this.run(this.compile(jaxpr), args)
  }
}

const pick = ({ shape, dtype }: { readonly shape: readonly number[]; readonly dtype: Node['dtype'] }): Pick<Node, 'shape' | 'dtype'> => ({
  shape,
  dtype,
})
