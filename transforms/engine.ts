/** Jaxprs to results: lowered, compiled and kept, keyed on the exact text of the program. */
import { ConcreteArray } from '../src/core/array.ts'
import type { Backend, Executable, Storage } from '../src/core/backend.ts'
import { type Bounds, Cache } from '../src/core/cache.ts'
import { DeletedArrayError, DeviceError, DTypeError } from '../src/core/errors.ts'
import type { Node } from '../src/core/graph.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { printJaxpr } from '../src/core/print.ts'
import type { Program } from '../src/core/program.ts'
import { Ref } from '../src/core/ref.ts'
import type { RuleTable, Transforms } from '../src/core/rules.ts'
import type { Caller, Compiled, Engine, Observer } from '../src/core/runtime.ts'
import { showAval, physical } from '../src/core/aval.ts'
import { lowerProgram } from '../backends/lowering/lower.ts'
import { optimise } from './inline.ts'

const ANONYMOUS: Caller = { what: 'a program', pathOf: () => '' }
const placeOf = ({ what, pathOf }: Caller, i: number): string => {
  const path = pathOf(i)
  return path === '' ? what : `${what} at ${path}`
}

export interface EngineOptions {
  readonly rules: RuleTable
  readonly transforms: Transforms
  readonly backend: () => Backend
  /** How many programs are kept, and how many bytes of them. */
  readonly kept?: Bounds
}
const KEPT: Bounds = { count: 4096, bytes: 2 ** 29 }
/** What a program holds, measured in Node: an instance, objects in proportion to its text (3 kB an equation), and code, which engines hold more than once. */
const bytesOf = (text: string, { bytes = 0 }: Executable): number => 2 ** 16 + 64 * text.length + 4 * bytes

export class ProgramEngine implements Engine {
  readonly #options: EngineOptions
  readonly #bounds: Bounds
  readonly #cache: Cache<Compiled>
  /** Programs with functions of the user's, which live as long as those. */
  readonly #ofFunctions = new WeakMap<object, Cache<Compiled>>()
  readonly counters = { traced: 0, compiled: 0, divided: 0 }
  observer: Observer | null = null
  constructor(options: EngineOptions) {
    this.#options = options
    this.#bounds = options.kept ?? KEPT
    this.#cache = new Cache(this.#bounds)
  }

  /** Where the programs of a jaxpr are kept: those with functions of the user's by the one that was made last. */
  #cacheOf(jaxpr: Jaxpr): Cache<Compiled> {
    const last = newestRef(jaxpr)
    if (last === null) return this.#cache
    const own = this.#ofFunctions.get(last.to) ?? new Cache(this.#bounds)
    this.#ofFunctions.set(last.to, own)
    return own
  }

  lower(jaxpr: Jaxpr, donated: ReadonlySet<number> = new Set(), fused = true): { readonly jaxpr: Jaxpr; readonly program: Program } {
    const optimised = optimise(jaxpr)
    const inputs: Node[] = optimised.inputs.map((v, index) => ({ kind: 'input', index, ...physical(v.aval) }))
    const fusion = !fused ? 'none' : this.#options.backend().launchesAreDear === true ? 'most' : 'usual'
    const program = lowerProgram({ ...this.#options, optimise, fusion }, optimised, inputs, () => donated)
    return { jaxpr: optimised, program }
  }

  compile(jaxpr: Jaxpr, donated: ReadonlySet<number> = new Set()): Compiled {
    const backend = this.#options.backend()
    const key = `${backend.name} ${[...donated].join(',')} ${printJaxpr(jaxpr)}`
    const cache = this.#cacheOf(jaxpr)
    const hit = cache.get(key)
    if (hit?.backend === backend) return hit
    for (const v of [...jaxpr.inputs, ...jaxpr.eqns.flatMap((eqn) => eqn.outs)])
      if (!backend.dtypes.includes(v.aval.dtype) && v.aval.dtype !== 'key')
        throw new DTypeError(`the device ${backend.name} can't hold ${showAval(v.aval)}: it holds ${backend.dtypes.join(', ')}`)
    this.counters.compiled++
    const lowered = this.lower(jaxpr, donated)
    const compiled: Compiled = {
      ...lowered,
      donated,
      taken: takenInputs(lowered.program),
      backend,
      executable: backend.compile(lowered.program),
    }
    cache.set(key, compiled, bytesOf(key, compiled.executable))
    return compiled
  }

  run(compiled: Compiled, args: readonly ConcreteArray[], caller: Caller = ANONYMOUS): ConcreteArray[] {
    const { jaxpr, donated, taken, executable, backend } = compiled
    if (donated.size > 0) refuseAliases(args, donated, caller)
    const storages = new Array<Storage>(args.length)
    for (let i = 0; i < args.length; i++) {
      const x = args[i]!
      storages[i] = x.deleted ? x.concrete(placeOf(caller, i)).storage() : x.storage()
      if (x.backend !== backend) throw elsewhere(x, backend, placeOf(caller, i))
    }
    const results = executable.run(storages)
    for (const i of donated) {
      args[i]!.donate(caller.what)
      if (!taken.has(i)) storages[i]!.free()
    }
    const outs = new Array<ConcreteArray>(results.length)
    for (let i = 0; i < results.length; i++) outs[i] = new ConcreteArray(jaxpr.outs[i]!.aval, results[i]!, backend)
    this.observer?.(compiled, args, outs, caller)
    return outs
  }

  execute(jaxpr: Jaxpr, args: readonly ConcreteArray[]): ConcreteArray[] {
    return this.run(this.compile(jaxpr), args)
  }
}

/** Of the functions of the user's in a jaxpr, at any depth, the one that was made last. */
const newestRef = ({ eqns }: Jaxpr): Ref | null => {
  let newest: Ref | null = null
  const see = (value: unknown): void => {
    const ref = value instanceof Ref ? value : isJaxpr(value) ? newestRef(value) : null
    if (ref !== null && ref.id > (newest?.id ?? -1)) newest = ref
  }
  for (const { op } of eqns) for (const value of Object.values(op.params).flat() as unknown[]) see(value)
  return newest
}
const isJaxpr = (x: unknown): x is Jaxpr => typeof x === 'object' && x !== null && 'eqns' in x

const elsewhere = (x: ConcreteArray, backend: Backend, what: string): DeviceError => {
  const { name, lost } = x.backend
  const where = lost?.() === true ? `a lost ${name} device` : name === backend.name ? `another ${name} device` : name
  return new DeviceError(`${what}: ${showAval(x.aval)} is on ${where}, and ${backend.name} runs this: make it anew with np.array`)
}

const takenInputs = ({ buffers, outputs }: Program): ReadonlySet<number> =>
  new Set(outputs.map((id) => buffers[id]!.place).flatMap((place) => (place.kind === 'input' ? [place.index] : [])))

/** An array whose memory a call may overwrite can't be another argument of it as well. */
const refuseAliases = (args: readonly ConcreteArray[], donated: ReadonlySet<number>, caller: Caller): void => {
  const refuse = (i: number): never => {
    throw new DeletedArrayError(
      `${placeOf(caller, i)}: ${showAval(args[i]!.aval)} is donated and is another argument of the same call too: pass a copy, or drop donateArgnums`,
    )
  }
  const given = new Set<ConcreteArray>()
  for (const i of donated) if (given.size === given.add(args[i]!).size) refuse(i)
  for (let i = 0; i < args.length; i++) if (!donated.has(i) && given.has(args[i]!)) refuse(i)
}
