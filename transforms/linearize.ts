/** Reverse mode, of jvp, split and transpose. */
import { place } from '../src/core/flags.ts'
import { zerosLike } from '../src/core/constructors.ts'
import type { NdArray } from '../src/core/array.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import type { Traced, Transforms } from '../src/core/rules.ts'
import { constant, evalJaxpr, trace } from '../src/core/trace.ts'
import { deadCode } from './passes.ts'

/** jvp, whose outs from `count` on have no tangents. */
export const withTangents = (
  transforms: Transforms,
  jaxpr: Jaxpr,
  moving: readonly boolean[],
  count: number,
): ReturnType<Transforms['jvp']> => {
  const pushed = transforms.jvp(jaxpr, moving)
  if (count === jaxpr.outs.length) return pushed
  const wanted = jaxpr.outs.length + pushed.nonzero.slice(0, count).filter(Boolean).length
  return {
    ...pushed,
    jaxpr: deadCode({ ...pushed.jaxpr, outs: pushed.jaxpr.outs.slice(0, wanted) }),
    nonzero: pushed.nonzero.map((flag, i) => flag && i < count),
  }
}

/** A linearized function: what it computes, and the linear map from its tangents, which needs `residuals`. */
export interface Linearized {
  /** [...captures, ...inputs] to [...outs, ...saved]. */
  readonly forward: Jaxpr
  readonly captures: readonly NdArray[]
  /** Which of the forward's inputs the linear part reads too. */
  readonly inputs: readonly number[]
  /** [...those inputs, ...saved, ...non-zero tangents] to the non-zero tangents of the outs. */
  readonly linear: Jaxpr
  readonly nonzero: readonly boolean[]
}

/**
 * jvp, split into what depends on the inputs alone and what is linear in the tangents; where these stay `together`, as one program, nothing is done twice.
 * Only the first `count` outs have tangents.
 */
export const linearizeJaxpr = (
  transforms: Transforms,
  jaxpr: Jaxpr,
  moving: readonly boolean[],
  together = false,
  count = jaxpr.outs.length,
): Linearized => {
  const { jaxpr: both, captures, nonzero } = withTangents(transforms, jaxpr, moving, count)
  const primals = captures.length + jaxpr.inputs.length
  const [inputs, dxs] = [both.inputs.slice(0, primals), both.inputs.slice(primals)]
  const [outs, dys] = [both.outs.slice(0, jaxpr.outs.length), both.outs.slice(jaxpr.outs.length)]
  const known = both.inputs.map((_, i) => i < primals)
  const { before, after, saved, kept } = transforms.split({ ...both, outs: dys }, known, together)
  return {
    forward: { inputs, eqns: before, outs: [...outs, ...saved] },
    captures,
    inputs: kept.map((v) => inputs.indexOf(v)),
    linear: { inputs: [...kept, ...saved, ...dxs], eqns: after, outs: dys },
    nonzero,
  }
}

/**
 * [...inputs, ct per out that is asked] to [...outs, ...cotangents of the moving inputs]: forward and backward in one jaxpr. A cotangent that is
 * known to be `one` is no input.
 */
export const vjpJaxpr = (transforms: Transforms, jaxpr: Jaxpr, moving: readonly boolean[], seeds: readonly (boolean | 'one')[]): Traced => {
  const { forward, captures, inputs: kept, linear, nonzero } = linearizeJaxpr(transforms, jaxpr, moving, true)
  const count = jaxpr.outs.length
  const seeded = jaxpr.outs.filter((_, i) => seeds[i] === true)
  const inputs = jaxpr.inputs.map((v) => v.aval)
  const movingAvals = inputs.filter((_, i) => moving[i])
  return trace(
    [...inputs, ...seeded.map((a) => a.aval)],
    (args) => {
      const xs = [...captures, ...args.slice(0, inputs.length)]
      const ys = evalJaxpr(forward, xs)
      const cts = place(
        seeds.map((seed) => seed === true),
        args.slice(inputs.length),
        (i) => (seeds[i] === 'one' ? constant(1, jaxpr.outs[i]!.aval) : null),
      )
      const used = jaxpr.outs.map((_, i) => i).filter((i) => nonzero[i])
      const isLinear = linear.inputs.map((_, i) => i >= linear.inputs.length - movingAvals.length)
      const back = transforms.transpose(
        linear,
        isLinear,
        used.map((i) => cts[i] !== null),
      )
      const given = used.map((i) => cts[i]!).filter((ct) => ct !== null)
      const grads = evalJaxpr(back.jaxpr, [...back.captures, ...kept.map((i) => xs[i]!), ...ys.slice(count), ...given])
      return [...ys.slice(0, count), ...place(back.present, grads, (i) => zerosLike(movingAvals[i]!))]
    },
    'vjp',
  )
}
