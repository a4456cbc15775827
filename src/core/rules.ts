/** A primitive's rules: one record each, all fields required by type. The table over all names is `primitives/index.ts`. */
import type { Either } from '#fp-ts/Either.js'
import type { Option } from '#fp-ts/Option.js'
import type { NdArray } from './array.ts'
import type { Aval } from './aval.ts'
import type { Node } from './graph.ts'
import type { Eqn, Jaxpr, Var } from './jaxpr.ts'
import type { OpName, OpParams } from './ops.ts'
import type { Program } from './program.ts'

/** Why a rule refuses its operands: `shape` or `dtype`, and one clause that says what and how to mend it. */
export interface Refusal {
  readonly kind: 'shape' | 'dtype'
  readonly reason: string
}

/** A traced function: its jaxpr's inputs are [...captures, ...arguments]. */
export interface Traced {
  readonly jaxpr: Jaxpr
  readonly captures: readonly NdArray[]
}

/** In a transpose rule: an operand that the function is linear in, known by its aval only. */
export class Linear {
  readonly aval: Aval
  constructor(aval: Aval) {
    this.aval = aval
  }
}

export type Tangent = Option<NdArray>
export type BatchDim = Option<number>

export interface JvpResult {
  readonly outs: readonly NdArray[]
  readonly tangents: readonly Tangent[]
}
export interface BatchResult {
  readonly outs: readonly NdArray[]
  readonly dims: readonly BatchDim[]
}

/**
 * The transforms of inner jaxprs, for primitives that carry them. What rules of the user's closed over while they ran are `captures`: leading
 * inputs of the new jaxpr, before those named here.
 */
export interface Transforms {
  /** Inputs [...primals, ...non-zero tangents] to [...outs, ...non-zero tangents of outs]. */
  jvp(jaxpr: Jaxpr, nonzero: readonly boolean[]): Traced & { readonly nonzero: readonly boolean[] }
  /** Inputs [...non-linear inputs, ...cotangents that are there] to cotangents of the linear inputs, absent where none. */
  transpose(jaxpr: Jaxpr, linear: readonly boolean[], cts: readonly boolean[]): Traced & { readonly present: readonly boolean[] }
  /** The equations in two: what depends on the `known` inputs alone, and the rest, which gives the outs; nothing is done twice where they stay `together`, as one program. */
  split(jaxpr: Jaxpr, known: readonly boolean[], together?: boolean): Split
  batch(jaxpr: Jaxpr, size: number, dims: readonly BatchDim[]): Traced & { readonly dims: readonly BatchDim[] }
  /** The name of the axis that `batch` batches over, if it has one; and the same transforms for another. */
  readonly axisName: string | null
  overAxis(axisName: string | null): Transforms
}
/** What lowering rules add to: the graph of the program that is being made. */
export interface Lowering {
  readonly transforms: Transforms
  /** What has to be computed, in order, though nobody may read it. */
  readonly effects: Node[]
  /** An inner jaxpr, as part of this graph. */
  lower(jaxpr: Jaxpr, inputs: readonly Node[]): readonly Node[]
  /** The jaxpr as a program of its own. `lent`: for each result the inputs whose memory it may take over. */
  program(jaxpr: Jaxpr, inputs: readonly Node[], lent: (result: number) => Iterable<number>): Program
}
export type Halves = readonly [before: readonly Eqn[], after: readonly Eqn[]]
export interface Split {
  readonly before: readonly Eqn[]
  /** Some of `before` among them, done again where that is cheaper than keeping their results. */
  readonly after: readonly Eqn[]
  /** Results of `before` that `after` and the outs read, and the known inputs that they read. */
  readonly saved: readonly Var[]
  readonly kept: readonly Var[]
}
export type TransposeRule<K extends OpName> =
  | 'notLinear'
  | ((cts: readonly Tangent[], inputs: readonly (NdArray | Linear)[], params: OpParams[K], transforms: Transforms) => readonly Tangent[])

export interface Rules<K extends OpName> {
  readonly abstractEval: (avals: readonly Aval[], params: OpParams[K]) => Either<Refusal, readonly Aval[]>
  readonly jvp: (primals: readonly NdArray[], tangents: readonly Tangent[], params: OpParams[K], transforms: Transforms) => JvpResult
  readonly transpose: TransposeRule<K>
  readonly batch: (
    inputs: readonly NdArray[],
    dims: readonly BatchDim[],
    size: number,
    params: OpParams[K],
    transforms: Transforms,
  ) => BatchResult
  readonly lower: (inputs: readonly Node[], params: OpParams[K], lowering: Lowering) => readonly Node[]
  /** Where it moves keys: its params for the words of keys, which lie along one more last axis. Absent where they are the same. */
  readonly overWords?: (params: OpParams[K]) => OpParams[K]
  /** Of carriers of jaxprs whose work can be divided, where some operands are known and some aren't: each result is one of an equation in either half. */
  readonly split?: (
    eqn: Eqn & { readonly op: { readonly params: OpParams[K] } },
    known: readonly boolean[],
    transforms: Transforms,
  ) => Halves
  /** Of carriers of jaxprs: the equation without the results that aren't `live`, and without what only they need. */
  readonly prune?: (
    eqn: Eqn & { readonly op: { readonly params: OpParams[K] } },
    live: readonly boolean[],
    isKept: (eqn: Eqn) => boolean,
  ) => Eqn
}

export type RuleTable = { readonly [K in OpName]: Rules<K> }
