/** What rules of one family share: refusals, tangents that may be absent, and the common batching. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, eqAval, eqShape, showAval } from '../src/core/aval.ts'
import { add, broadcastInDim, moveAxis, range, reduceSum, zerosLike } from '../src/core/constructors.ts'
import { CotangentError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import { Linear, type BatchDim, type BatchResult, type JvpResult, type Rules, type Tangent, type Refusal } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'

export const shapes = (reason: string): E.Either<Refusal, never> => E.left({ kind: 'shape', reason })
export const dtypes = (reason: string): E.Either<Refusal, never> => E.left({ kind: 'dtype', reason })
export const one = (a: Aval): E.Either<Refusal, readonly Aval[]> => E.right([a])

export const isLinear = (x: NdArray | Linear): x is Linear => x instanceof Linear
/** The other operand of a product: where it is linear as well, the product isn't. */
export const valueOf = (x: NdArray | Linear): NdArray => {
  if (isLinear(x))
    throw new CotangentError(
      `a product with ${showAval(x.aval)} isn't linear, since both operands move, so it has no transpose: use vjp or grad for functions that aren't linear`,
    )
  return x
}

/** An inner jaxpr takes operands of its inputs' shapes and dtypes (weak types may differ), and gives its outs. */
export const callAvals = (jaxpr: Jaxpr, avals: readonly Aval[]): E.Either<Refusal, readonly Aval[]> => {
  if (avals.length !== jaxpr.inputs.length) return shapes(`${jaxpr.inputs.length} operands are needed, and ${avals.length} are there`)
  const off = avals.findIndex((a, i) => !eqAval({ ...a, weak: false }, { ...jaxpr.inputs[i]!.aval, weak: false }))
  return off < 0
    ? E.right(jaxpr.outs.map((v) => v.aval))
    : shapes(`operand ${off} is ${showAval(avals[off]!)}, and ${showAval(jaxpr.inputs[off]!.aval)} is taken`)
}

/** Axes are distinct and within the rank. */
export const badAxes = (axes: readonly number[], rank: number): string | null => {
  const bad = axes.find((a, i) => !(a >= 0 && a < rank) || axes.indexOf(a) !== i)
  return bad === undefined ? null : `axis ${bad} is out of range or repeated for rank ${rank}`
}

export const sumTangents = (ts: readonly Tangent[]): Tangent =>
  ts.reduce<Tangent>((acc, t) => (O.isNone(t) ? acc : O.isNone(acc) ? t : O.some(add(acc.value, t.value))), O.none)

/** The jvp of a function that is linear in its one operand. */
export const linearJvp = (out: NdArray, t: Tangent, f: (dx: NdArray) => NdArray): JvpResult => ({
  outs: [out],
  tangents: [O.isNone(t) ? O.none : O.some(f(t.value))],
})
/** The jvp of an op that is linear in some operands taken together (all, unless said): absent tangents among them are zeros. */
export const linearOp =
  <K extends OpName>(name: K, moves: (operand: number) => boolean = () => true): Rules<K>['jvp'] =>
  (xs, ts, params): JvpResult => {
    const outs = bind(name, params, xs)
    if (!ts.some((t, i) => moves(i) && O.isSome(t))) return { outs, tangents: [O.none] }
    const moved = xs.map((x, i) => (moves(i) ? orZero(ts[i]!, x.aval) : x))
    return { outs, tangents: bind(name, params, moved).map(O.some) }
  }
const orZero = (t: Tangent, of: Aval): NdArray => (O.isSome(t) ? t.value : zerosLike(of))
export const noTangent = (out: NdArray): JvpResult => ({ outs: [out], tangents: [O.none] })

/** A cotangent summed back to a scalar operand that was broadcast. */
export const unbroadcast = (ct: NdArray, to: Aval): NdArray => (eqShape(ct.shape, to.shape) ? ct : reduceSum(ct, range(ct.ndim)))

/** The operand with its batch axis in front, or repeated along a new one. */
export const inFront = (x: NdArray, dim: BatchDim, size: number): NdArray =>
  O.isSome(dim)
    ? moveAxis(x, dim.value, 0)
    : broadcastInDim(
        x,
        [size, ...x.shape],
        x.shape.map((_, d) => d + 1),
      )

/** An axis of the unbatched operand, in the batched one whose batch axis is `dim`. */
export const shifted = (axis: number, dim: number): number => (axis >= dim ? axis + 1 : axis)
/** Axes, behind a batch axis in front. */
export const up = (axes: readonly number[]): number[] => axes.map((a) => a + 1)
export const allInFront = (xs: readonly NdArray[], dims: readonly BatchDim[], size: number): NdArray[] =>
  xs.map((x, i) => inFront(x, dims[i]!, size))

export const batched = (outs: readonly NdArray[], dim = 0): BatchResult => ({ outs, dims: outs.map(() => O.some(dim)) })

/** Element-wise: one operand as it lies; else all batch axes to the front, where operands that were scalars get axes of one to meet the rest. */
export const elementwiseBatch =
  <K extends OpName>(name: K): Rules<K>['batch'] =>
  (inputs, dims, size, params) => {
    if (inputs.length === 1) return { outs: bind(name, params, inputs), dims }
    const rank = Math.max(...inputs.map((x, i) => x.ndim - (O.isSome(dims[i]!) ? 1 : 0)))
    const shape = inputs
      .map((x, i) => (O.isSome(dims[i]!) ? moveAxis(x, dims[i]!.value, 0).shape.slice(1) : x.shape))
      .find((s) => s.length === rank)!
    const full = [size, ...shape]
    const xs = inputs.map((x, i) => {
      const dim = dims[i]!
      if (O.isNone(dim)) return x.ndim === 0 && x.dtype !== 'key' ? x : inFront(x, dim, size)
      if (x.ndim === rank + 1) return moveAxis(x, dim.value, 0)
      return broadcastInDim(x, full, [0])
    })
    return batched(bind(name, params, xs))
  }

/** Operands batched in front, under params for an axis more. */
export const batchInFront =
  <K extends OpName>(name: K, wide: (params: OpParams[K], size: number) => OpParams[K]): Rules<K>['batch'] =>
  (xs, dims, size, params) =>
    batched(bind(name, wide(params, size), allInFront(xs, dims, size)))
/** One operand, whose batch axis stays where it is. */
export const batchInPlace =
  <K extends OpName>(name: K, wide: (params: OpParams[K], dim: number, size: number) => OpParams[K]): Rules<K>['batch'] =>
  (xs, [d], size, params) => ({ outs: bind(name, wide(params, dimOf(d), size), xs), dims: [d!] })
/** Where the batch axis of an operand is that has one. */
export const dimOf = (d: BatchDim | undefined): number => (d as O.Some<number>).value
