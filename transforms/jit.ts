/** jit: traced once for each structure and avals of its arguments, compiled once, then called. */
import type { ConcreteArray, NdArray } from '../src/core/array.ts'
import { type Aval, showAval } from '../src/core/aval.ts'
import { ShapeError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { printJaxpr } from '../src/core/print.ts'
import { bind, trace, Tracer, tracing } from '../src/core/trace.ts'
import { showDef, type TreeDef, unflatten } from '../src/tree.ts'
import { type Compiled, counters } from './engine.ts'
import { flatFunction, flattenArrays, nameOf } from './leaves.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { system } from './system.ts'

export interface JitOptions {
  /** Arguments that are no arrays: a new value (by identity for objects) traces again. */
  readonly staticArgnums?: readonly number[]
  /** Arguments whose memory the call may reuse for its results; reading them afterwards is an error. */
  readonly donateArgnums?: readonly number[]
}

interface Entry {
  readonly jaxpr: Jaxpr
  readonly captures: readonly NdArray[]
  readonly out: TreeDef
  readonly donated: ReadonlySet<number>
  compiled: Compiled | null
}

const MAX_ENTRIES = 1024
const identities = new WeakMap<object, number>()
let identity = 0
const staticKey = (x: unknown): string => {
  if ((typeof x !== 'object' && typeof x !== 'function') || x === null) return `${typeof x}:${String(x)}`
  let id = identities.get(x)
  if (id === undefined) identities.set(x, (id = identity++))
  return `#${id}`
}

const keyOf = (a: Aval): string => showAval(a) + (a.weak ? '*' : '')

/** A function that runs as one compiled program. Pure functions of arrays only: side effects happen when it is traced. */
export const jit = <A extends readonly unknown[], R>(f: (...args: A) => R, options: JitOptions = {}): ((...args: A) => R) => {
  const entries = new Map<string, Entry>()
  const name = nameOf(f)
  const what = `jit(${name})`
  const isStatic = (i: number): boolean => options.staticArgnums?.includes(i) === true
  const jitted = (...args: A): R => {
    for (const n of [...(options.staticArgnums ?? []), ...(options.donateArgnums ?? [])])
      if (!(n >= 0 && n < args.length))
        throw new ShapeError(`${what}: argument ${n} is static or donated, but the call has ${args.length} arguments`)
    const dynamic = options.staticArgnums === undefined ? args : args.filter((_, i) => !isStatic(i))
    const { leaves, def } = flattenArrays(dynamic, what)
    const statics = options.staticArgnums?.map((i) => staticKey(args[i])).join() ?? ''
    let key = `${showDef(def)}|${statics}`
    for (const x of leaves) key += `|${keyOf(x.aval)}`
    let entry = entries.get(key)
    if (entry === undefined) {
      entry = make(args, leaves, def)
      if (!entry.captures.some((x) => x instanceof Tracer)) {
        if (entries.size >= MAX_ENTRIES) entries.delete(entries.keys().next().value!)
        entries.set(key, entry)
      }
    }
    return call(entry, leaves)
  }

  const make = (args: A, leaves: readonly NdArray[], def: TreeDef): Entry => {
    counters.traced++
    const whole = (...dynamic: unknown[]): R => {
      let next = 0
      return f(...(args.map((a, i) => (isStatic(i) ? a : dynamic[next++])) as unknown as A))
    }
    const flat = flatFunction(whole as (...args: never[]) => unknown, def, what)
    const { jaxpr, captures } = trace(
      leaves.map((x) => x.aval),
      flat.call,
      what,
      { kind: 'jit' },
    )
    const donated = new Set<number>()
    let at = captures.length
    args.forEach((arg, i) => {
      if (isStatic(i)) return
      const count = flattenArrays(arg, what).leaves.length
      if (options.donateArgnums?.includes(i) === true) for (let k = 0; k < count; k++) donated.add(at + k)
      at += count
    })
    return { jaxpr: deadCode(commonSubexpressions(jaxpr)), captures, out: flat.out(), donated, compiled: null }
  }

  const call = (entry: Entry, leaves: readonly NdArray[]): R => {
    const args = entry.captures.length === 0 ? leaves : [...entry.captures, ...leaves]
    if (tracing()) return unflatten(entry.out, bind('jit', { jaxpr: entry.jaxpr, name }, args)) as R
    const { engine } = system()
    entry.compiled ??= engine.compile(entry.jaxpr, entry.donated)
    return unflatten(entry.out, engine.run(entry.compiled, args as readonly ConcreteArray[])) as R
  }
  return Object.defineProperty(jitted, 'name', { value: name })
}

/** The jaxpr of f at these arguments, as a thing that prints in JAX's notation. Captured arrays are its leading inputs. */
export const makeJaxpr =
  <A extends readonly unknown[]>(f: (...args: A) => unknown): ((...args: A) => Jaxpr & { toString(): string }) =>
  (...args) => {
    const { leaves, def } = flattenArrays(args, 'makeJaxpr')
    const flat = flatFunction(f as (...args: never[]) => unknown, def, `makeJaxpr(${nameOf(f)})`)
    const { jaxpr } = trace(
      leaves.map((x) => x.aval),
      flat.call,
      `makeJaxpr(${nameOf(f)})`,
      { kind: 'jit' },
    )
    return Object.defineProperty({ ...jaxpr }, 'toString', { value: () => printJaxpr(jaxpr) })
  }

/** Shapes and dtypes of what f would return, with nothing computed. */
export const evalShape =
  <A extends readonly unknown[]>(f: (...args: A) => unknown): ((...args: A) => unknown) =>
  (...args) => {
    const { leaves, def } = flattenArrays(args, 'evalShape')
    const flat = flatFunction(f as (...args: never[]) => unknown, def, `evalShape(${nameOf(f)})`)
    const { jaxpr } = trace(
      leaves.map((x) => x.aval),
      flat.call,
      `evalShape(${nameOf(f)})`,
      { kind: 'jit' },
    )
    return unflatten(
      flat.out(),
      jaxpr.outs.map((v) => ({ shape: v.aval.shape, dtype: v.aval.dtype })),
    )
  }
