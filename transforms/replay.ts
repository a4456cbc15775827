/** What every transform of a jaxpr does with its equations: it replays them into a new trace, through their rules or as they are. */
import { type NdArray, retain } from '../src/core/array.ts'
import type { Atom, Eqn } from '../src/core/jaxpr.ts'
import type { Traced } from '../src/core/rules.ts'
import { bind, constant, Tracer } from '../src/core/trace.ts'

export const literalOf = (atom: Atom & { kind: 'lit' }): NdArray => constant(atom.value, atom.aval)
export const replay = (eqn: Eqn, inputs: readonly NdArray[]): NdArray[] => bind(eqn.op.name, eqn.op.params, inputs, eqn.effects)

/** What a running trace captured is worth keeping only while that trace lives. */
export const lasting = ({ captures }: Traced): boolean => {
  retain(captures)
  return !captures.some((x) => x instanceof Tracer)
}
