/** The IR: a closed, typed, side-effect-marked list of equations in single-assignment form. */
import type { Aval } from './aval.ts'
import type { Op } from './ops.ts'

/** A variable is its own identity; its printed name is the printer's business. */
export interface Var {
  readonly kind: 'var'
  readonly aval: Aval
}
/** A scalar known when the function was traced. */
export interface Lit {
  readonly kind: 'lit'
  readonly aval: Aval
  readonly value: number
}
export type Atom = Var | Lit

/** An equation with an effect keeps its place among those that have one, and is never removed. */
export type Effect = 'debug'
export const isEffect = (name: string): name is Effect => name === 'debug'

export interface Eqn {
  readonly op: Op
  readonly inputs: readonly Atom[]
  readonly outs: readonly Var[]
  readonly effects: readonly Effect[]
  /** Where the user's code was; formatted only when shown. */
  readonly source: Error | null
}

/** Closed: what a traced function captured comes in as leading inputs, beside the arguments. */
export interface Jaxpr {
  readonly inputs: readonly Var[]
  readonly eqns: readonly Eqn[]
  readonly outs: readonly Atom[]
}

export const variable = (aval: Aval): Var => ({ kind: 'var', aval })
export const literal = (value: number, aval: Aval): Lit => ({ kind: 'lit', aval, value })
