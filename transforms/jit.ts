/** jit: traced once for each structure and avals of its arguments, compiled once, then called. */
import { type ConcreteArray, NdArray, retain } from '../src/core/array.ts'
import { showAval } from '../src/core/aval.ts'
import { ShapeError, TracerError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { bind, trace, Tracer, tracing } from '../src/core/trace.ts'
import { leaves as treeLeaves, paths, type TreeDef, rebuild } from '../src/tree.ts'
import type { Caller, Compiled } from '../src/core/runtime.ts'
import { TraceCache, type Signature } from './traceCache.ts'
import { type PrintableJaxpr, printable } from './jaxprs.ts'
import { avalOf, called, flatFunction, flattenLeaves, placeholders, type ShapeDType, toArrays } from './leaves.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { warn } from './retraced.ts'
import { listed, positions } from './positions.ts'
import { runtime } from '../src/core/runtime.ts'
import { type Schema, wholes } from '../src/core/options.ts'
import { takesOptions } from '../src/core/takes.ts'

export interface JitOptions {
  /**
   * Arguments that are no arrays, by position, from the call's end if negative: a new value (by identity for objects) traces again. A call may leave
   * them out, so that the function's defaults hold.
   */
  readonly staticArgnums?: number | readonly number[]
  /** Arguments whose memory the call may reuse for its results, by position, from the call's end if negative; reading them afterwards is an error. */
  readonly donateArgnums?: number | readonly number[]
}
const jitOptions: Schema<JitOptions> = { staticArgnums: wholes, donateArgnums: wholes }
/** What the options say of a call's arguments. */
interface Marks {
  readonly statics: readonly number[]
  readonly donated: readonly number[]
}
const marked = (options: JitOptions, count: number, what: string): Marks => {
  const named = listed(options.staticArgnums)
  const absent = named.filter((n) => Number.isInteger(n) && n >= count)
  const statics = positions(named.filter((n) => !absent.includes(n)), count, what, 'staticArgnums') // prettier-ignore
  const donated = positions(listed(options.donateArgnums), count, what, 'donateArgnums')
  const both = donated.find((n) => statics.includes(n))
  if (both !== undefined) throw new ShapeError(`${what}: argument ${both} is static and donated, and only arrays can be donated`)
  return { statics, donated }
}

/** What `explain` asks of a jitted function: the entry for a call, and what was traced so far, in order. */
export interface Inspection {
  readonly entry: (args: readonly unknown[]) => Entry
  readonly traced: readonly Signature[]
}
export const inspections = new WeakMap<object, Inspection>()
/** How often a function is traced before a warning says why. */
export const warnings = { after: 8 }
export const pathsOf = ({ def, avals }: Pick<Signature, 'def' | 'avals'>): readonly string[] => paths(rebuild(def, avals.map(() => 0))) // prettier-ignore
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
  /** For arguments like these, arrays or `{ shape, dtype }` in their place; static ones as they are. As `jax.jit(f).lower`. */
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
 * @example (await jit((x: NdArray) => np.sin(x)).lower({ shape: [3], dtype: 'float32' }).compile())(np.zeros([3])) // [0, 0, 0]
 * @throws TracerError when f reads the value of an argument that isn't static, or returns a promise
 */
export const jit = /* @__PURE__ */ takesOptions(
  'jit',
  2,
  jitOptions,
  <A extends readonly unknown[], R>(f: (...args: A) => R, options: JitOptions = {}): Jitted<A, R> => {
    const entries = new TraceCache<Entry>()
    const what = called('jit', f)
    const name = f.name || 'the function'
    const traced: Signature[] = []
    /** By the number of arguments. */
    const byCount: (Marks | undefined)[] = []
    const marksOf = ({ length }: readonly unknown[]): Marks => (byCount[length] ??= marked(options, length, what))

    /** The arguments with nothing in the place of static ones, so that paths count all. */
    const dynamicOf = (args: readonly unknown[]): readonly unknown[] => {
      const { statics } = marksOf(args)
      return statics.length === 0 ? args : args.map((a, i) => (statics.includes(i) ? null : a))
    }

    /** What a call is told apart by beside its arrays: static arguments, and the named axes around it. */
    const staticsOf = (args: readonly unknown[]): readonly unknown[] => {
      const axes = runtime.axes.toString()
      const at = marksOf(args).statics
      const statics = at.length === 0 ? NONE : at.map((i) => args[i])
      return axes === '' ? statics : [...statics, axes]
    }

    const jitted = (...args: A): R => {
      const dynamic = dynamicOf(args)
      const statics = staticsOf(args)
      const leaves: unknown[] = []
      const again = entries.again(dynamic, statics, leaves)
      if (again !== null) return call(again, leaves)
      const [other, flat] = flattenLeaves(dynamic, what)
      return call(entryOf(args, other, flat, statics), other)
    }

    /** That of an earlier call, or traced now. An entry that captured a tracer of an outer trace isn't kept. */
    const entryOf = (args: A, leaves: readonly unknown[], def: TreeDef, statics: readonly unknown[]): Entry => {
      const found = entries.find(dynamicOf(args), leaves, statics)
      if (found !== null) return found
      const made = make(args, leaves, def, statics)
      if (traced.push(made) > MOST_TRACED) traced.shift()
      if (traced.length === warnings.after) warn(what, traced, pathsOf)
      if (!made.captures.some((x) => x instanceof Tracer)) entries.add(made, leaves)
      return made
    }

    const make = (args: A, leaves: readonly unknown[], def: TreeDef, statics: readonly unknown[]): Entry => {
      runtime.engine.counters.traced++
      const marks = marksOf(args)
      for (const i of marks.statics)
        if (args[i] instanceof NdArray)
          throw new TracerError(
            `${what}: argument ${i} is static and ${showAval(args[i].aval)}: only what isn't an array can be, so leave it out of staticArgnums`,
          )
      const whole = (...dynamic: unknown[]): R => f(...(dynamic.map((a, i) => (marks.statics.includes(i) ? args[i] : a)) as unknown as A))
      const flat = flatFunction(whole as (...args: never[]) => unknown, def, what)
      const avals = leaves.map(avalOf)
      const { jaxpr, captures } = trace(avals, flat.call, what, { kind: 'jit' })
      retain(captures)
      const donated = new Set<number>()
      let at = captures.length
      args.forEach((arg, i) => {
        if (marks.statics.includes(i)) return
        const count = treeLeaves(arg).length
        if (marks.donated.includes(i)) for (let k = 0; k < count; k++) donated.add(at + k)
        at += count
      })
      const pathOf = (i: number): string => {
        const own = i - captures.length
        return own < 0 ? 'what it closed over' : pathsOf({ def, avals })[own]!
      }
      const optimised = deadCode(commonSubexpressions(jaxpr))
      return { def, avals, statics, jaxpr: optimised, captures, out: flat.out(), donated, caller: { what, pathOf }, compiled: null }
    }

    const compiledOf = (entry: Entry): Compiled => {
      if (entry.compiled?.backend.lost?.() === true) entry.compiled = null
      return (entry.compiled ??= runtime.engine.compile(entry.jaxpr, entry.donated))
    }

    const call = (entry: Entry, leaves: unknown[]): R => {
      const numbers = toArrays(leaves)
      const args = (entry.captures.length === 0 ? leaves : [...entry.captures, ...leaves]) as readonly NdArray[]
      if (tracing()) return rebuild(entry.out, bind('jit', { jaxpr: entry.jaxpr, name }, args)) as R
      const outs = runtime.engine.run(compiledOf(entry), args as readonly ConcreteArray[], entry.caller)
      for (const x of numbers) x.dispose() // made for this call, and nobody else's
      return rebuild(entry.out, outs) as R
    }
    inspections.set(jitted, {
      traced,
      entry: (args) => {
        const dynamic = dynamicOf(args)
        const [leaves, def] = flattenLeaves(dynamic, what)
        const statics = staticsOf(args)
        return entries.find(dynamic, leaves, statics) ?? make(args as A, leaves, def, statics)
      },
    })
    const lower = (...given: Given<A>): Lowered<A, R> => {
      const args = given.map((arg, i) => (marksOf(given).statics.includes(i) ? arg : placeholders(arg))) as unknown as A
      const entry = entryOf(args, ...flattenLeaves(dynamicOf(args), what), staticsOf(args))
      const compile = async (): Promise<Jitted<A, R>> => {
        await compiledOf(entry).executable.ready?.()
        return whole
      }
      return { jaxpr: printable(entry.jaxpr), compile }
    }
    const whole = Object.defineProperty(Object.assign(jitted, { lower }), 'name', { value: name })
    return whole
  },
)
