/** What the rules of primitives that carry jaxprs share: tangents that are there, and what becomes of flags on the way through a body. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, eqAval, showAval } from '../src/core/aval.ts'
import { type Atom, type Jaxpr, variable } from '../src/core/jaxpr.ts'
import { pick, place } from '../src/core/flags.ts'
import type { Tangent, Traced, Transforms } from '../src/core/rules.ts'
import { evalJaxpr, trace } from '../src/core/trace.ts'
import { inFront } from './families.ts'

export const some = (t: Tangent): t is O.Some<NdArray> => O.isSome(t)
/** Tangents at the flagged places of results. */
export const tangentsAt = (flags: readonly boolean[], tangents: readonly NdArray[]): Tangent[] =>
  place<Tangent, Tangent>(flags, tangents.map(O.some), () => O.none)
export const there = (ts: readonly Tangent[]): NdArray[] => ts.filter(some).map((t) => t.value)

/** What grows with the carry until it stays: flags that the body gives its carry, given those that it takes. */
export const fixpoint = (start: readonly boolean[], gives: (carry: readonly boolean[]) => readonly boolean[]): readonly boolean[] => {
  const given = gives(start)
  const next = start.map((flag, i) => flag || given[i]!)
  return next.every((flag, i) => flag === start[i]) ? start : fixpoint(next, gives)
}

/** Which outs depend on the known inputs alone. */
export const outsKnown = (jaxpr: Jaxpr, known: readonly boolean[], transforms: Transforms): readonly boolean[] => {
  const { before } = transforms.split({ ...jaxpr, outs: [] }, known)
  const atHand = new Set<Atom>([...pick(jaxpr.inputs, known), ...before.flatMap(({ outs }) => outs)])
  return jaxpr.outs.map((a) => a.kind === 'lit' || atHand.has(a))
}

/** What goes out as the carry is what comes in. */
export const badCarry = (taken: readonly Aval[], given: readonly Aval[]): string | null => {
  const off = taken.findIndex((a, i) => given[i] === undefined || !eqAval({ ...a, weak: false }, { ...given[i], weak: false }))
  return off < 0
    ? null
    : `the carry ${off} comes in as ${showAval(taken[off]!)} and goes out as ${given[off] ? showAval(given[off]) : 'nothing'}`
}

/** A batched body with the batch axis of its results in front: of those that are flagged, or of all. */
export const resultsInFront = (wide: ReturnType<Transforms['batch']>, size: number, flags = wide.dims.map(() => true)): Traced => {
  const placed = trace(
    wide.jaxpr.inputs.map((v) => v.aval),
    (args) => evalJaxpr(wide.jaxpr, args).map((y, i) => (flags[i] ? inFront(y, wide.dims[i]!, size) : y)),
    'vmap',
  )
  return { jaxpr: placed.jaxpr, captures: [...placed.captures, ...wide.captures] }
}

/** Jaxprs made anew, each with what it closed over, as jaxprs of all those operands together. */
export const joined = (branches: readonly Traced[]): { readonly jaxprs: readonly Jaxpr[]; readonly captures: readonly NdArray[] } => {
  const captures = branches.flatMap((branch) => branch.captures)
  let at = 0
  const jaxprs = branches.map(({ jaxpr, captures: own }): Jaxpr => {
    const vars = captures.map((x) => variable(x.aval))
    const mine = jaxpr.inputs.slice(0, own.length)
    vars.splice(at, own.length, ...mine)
    at += own.length
    return { ...jaxpr, inputs: [...vars, ...jaxpr.inputs.slice(own.length)] }
  })
  return { jaxprs, captures }
}
