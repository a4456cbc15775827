/** jit: traced once for each structure and avals of its arguments, compiled once, then called. */
import { type ConcreteArray, type NdArray, retain } from '../src/core/array.ts'
import { ShapeError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { axisEnvironment, bind, trace, Tracer, tracing } from '../src/core/trace.ts'
import { leaves as treeLeaves, paths, type TreeDef, unflatten } from '../src/tree.ts'
import { type Caller, type Compiled, counters } from './engine.ts'
import { Entries, type Signature } from './entries.ts'
import { type PrintableJaxpr, printable } from './jaxprs.ts'
import { avalOf, called, flatFunction, flattenLeaves, placeholders, type ShapeDType, toArrays } from './leaves.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { system } from './system.ts'

export interface JitOptions {
  /** Arguments that are no arrays, by position: a new value (by identity for objects) traces again. */
  readonly staticArgnums?: number | readonly number[]
  /** Arguments whose memory the call may reuse for its results, by position; reading them afterwards is an error. */
  readonly donateArgnums?: number | readonly number[]
}
const listed = (argnums: number | readonly number[] = []): readonly number[] => (typeof argnums === 'number' ? [argnums] : argnums)

/** What `explain` asks of a jitted function: the entry for a call, and what was traced so far, in order. */
export interface Inspection {
  readonly entry: (args: readonly unknown[]) => Entry
  readonly traced: readonly Signature[]
}
export const inspections = new WeakMap<object, Inspection>()
/** So many are remembered. */
const MOST_TRACED = 32

export interface Entry extends Signature {
  readonly jaxpr: Jaxpr
  readonly captures: readonly NdArray[]
  readonly out: TreeDef
  readonly donated: ReadonlySet<number>
  readonly caller: Caller
  compiled: Compiled | null
}

/** A function for certain shapes and dtypes, traced and not yet compiled. */
export interface Lowered<A extends readonly unknown[], R> {
  readonly jaxpr: PrintableJaxpr
  /** Resolves to the jitted function once its code for these shapes is compiled, all kernels at once: calling it waits for nothing then. */
  compile(): Promise<Jitted<A, R>>
}
export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): R
  /**
   * For arguments like these, arrays or `{ shape, dtype }` in their place. As `jax.jit(f).lower`.
   *
   * @example (await jit((x: NdArray) => np.sin(x)).lower({ shape: [3], dtype: 'float32' }).compile())(np.zeros([3])) // [0, 0, 0]
   */
  lower(...args: Given<A>): Lowered<A, R>
}
/** Arguments, each array of which may be its shape and dtype alone. */
export type Given<T> = T extends NdArray ? T | ShapeDType : T extends object ? { readonly [K in keyof T]: Given<T[K]> } : T

const NONE: readonly unknown[] = []

/**
 * A function that runs as one compiled program: traced and compiled once for each structure and avals of its arguments. Pure functions of
 * arrays only: side effects happen when it is traced. As `jax.jit`.
 *
 * @example jit((x: NdArray) => np.add(np.mul(x, 2), 1))(np.array([1, 2])) // [3, 5]
 * @throws TracerError when f reads the value of an argument that isn't static, or returns a promise
 */
export const jit = <A extends readonly unknown[], R>(f: (...args: A) => R, options: JitOptions = {}): Jitted<A, R> => {
  const entries = new Entries<Entry>()
  const what = called('jit', f, options)
  const name = f.name || 'the function'
  const [staticArgnums, donateArgnums] = [listed(options.staticArgnums), listed(options.donateArgnums)]
  const marked = [...staticArgnums, ...donateArgnums]
  const traced: Signature[] = []
  const isStatic = (i: number): boolean => staticArgnums.includes(i)

  /** The arguments with nothing in the place of static ones, so that paths count all. */
  const dynamicOf = (args: readonly unknown[]): readonly unknown[] =>
    staticArgnums.length === 0 ? args : args.map((a, i) => (isStatic(i) ? null : a))

  /** What a call is told apart by beside its arrays: static arguments, and the named axes around it. */
  const staticsOf = (args: readonly unknown[]): readonly unknown[] => {
    const axes = axisEnvironment()
    const statics = staticArgnums.length === 0 ? NONE : staticArgnums.map((i) => args[i])
    return axes === '' ? statics : [...statics, axes]
  }

  const jitted = (...args: A): R => {
    for (let i = 0; i < marked.length; i++)
      if (!(marked[i]! >= 0 && marked[i]! < args.length))
        throw new ShapeError(`${what}: argument ${marked[i]} is static or donated, but the call has ${args.length} arguments`)
    const dynamic = dynamicOf(args)
    const statics = staticsOf(args)
    const leaves: unknown[] = []
    const again = entries.again(dynamic, statics, leaves)
    return again === null ? callOther(args, dynamic, statics) : call(again, leaves)
  }

  /** A call unlike the last: like an earlier one, or traced now. An entry that captured a tracer of an outer trace isn't kept. */
  const callOther = (args: A, dynamic: readonly unknown[], statics: readonly unknown[]): R => {
    const [leaves, def] = flattenLeaves(dynamic, what)
    const found = entries.find(dynamic, leaves, statics)
    if (found !== null) return call(found, leaves)
    const made = make(args, leaves, def, statics)
    if (traced.push(made) > MOST_TRACED) traced.shift()
    if (!made.captures.some((x) => x instanceof Tracer)) entries.add(made, leaves)
    return call(made, leaves)
  }

  const make = (args: A, leaves: readonly unknown[], def: TreeDef, statics: readonly unknown[]): Entry => {
    counters.traced++
    const whole = (...dynamic: unknown[]): R => f(...(dynamic.map((a, i) => (isStatic(i) ? args[i] : a)) as unknown as A))
    const flat = flatFunction(whole as (...args: never[]) => unknown, def, what)
    const avals = leaves.map(avalOf)
    const { jaxpr, captures } = trace(avals, flat.call, what, { kind: 'jit' })
    retain(captures)
    const donated = new Set<number>()
    let at = captures.length
    args.forEach((arg, i) => {
      if (isStatic(i)) return
      const count = treeLeaves(arg).length
      if (donateArgnums.includes(i)) for (let k = 0; k < count; k++) donated.add(at + k)
      at += count
    })
    const pathOf = (i: number): string => {
      const own = i - captures.length
      return own < 0 ? 'what it closed over' : paths(unflatten(def, avals.map(() => 0)))[own]! // prettier-ignore
    }
    const optimised = deadCode(commonSubexpressions(jaxpr))
    return { def, avals, statics, jaxpr: optimised, captures, out: flat.out(), donated, caller: { what, pathOf }, compiled: null }
  }

  const call = (entry: Entry, leaves: unknown[]): R => {
    const numbers = toArrays(leaves)
    const args = (entry.captures.length === 0 ? leaves : [...entry.captures, ...leaves]) as readonly NdArray[]
    if (tracing()) return unflatten(entry.out, bind('jit', { jaxpr: entry.jaxpr, name }, args)) as R
    const { engine } = system()
    if (entry.compiled?.backend.lost?.() === true) entry.compiled = null
    entry.compiled ??= engine.compile(entry.jaxpr, entry.donated)
    const outs = engine.run(entry.compiled, args as readonly ConcreteArray[], entry.caller)
    for (const x of numbers) x.dispose() // made for this call, and nobody else's
    return unflatten(entry.out, outs) as R
  }
  /** The entry for arguments like these, kept if it is new. */
  const entryFor = (args: A): Entry => {
    const dynamic = dynamicOf(args)
    const [leaves, def] = flattenLeaves(dynamic, what)
    const statics = staticsOf(args)
    const found = entries.find(dynamic, leaves, statics)
    if (found !== null) return found
    const made = make(args, leaves, def, statics)
    entries.add(made, leaves)
    return made
  }
  inspections.set(jitted, { traced, entry: (args) => entryFor(args as A) })
  const lower = (...args: Given<A>): Lowered<A, R> => {
    const entry = entryFor(placeholders(args) as A)
    const compile = async (): Promise<Jitted<A, R>> => {
      entry.compiled ??= system().engine.compile(entry.jaxpr, entry.donated)
      await entry.compiled.executable.ready?.()
      return whole
    }
    return { jaxpr: printable(entry.jaxpr), compile }
  }
  const whole = Object.defineProperty(Object.assign(jitted, { lower }), 'name', { value: name })
  return whole
}
