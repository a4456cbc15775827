/** The primitive that carries a jaxpr everywhere: it is its equations, whatever is done with it. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import type { Rules, Tangent } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { carried, isLinear, known } from './families.ts'

const some = (t: Tangent): t is O.Some<NdArray> => O.isSome(t)

export const jit: Rules<'jit'> = {
  abstractEval: (avals, { jaxpr }) => carried(jaxpr, avals),
  jvp: (xs, ts, { jaxpr, name }, transforms) => {
    const pushed = transforms.jvp(jaxpr, ts.map(some))
    const outs = bind('jit', { jaxpr: pushed.jaxpr, name: `jvp(${name})` }, [
      ...pushed.captures,
      ...xs,
      ...ts.filter(some).map((t) => t.value),
    ])
    let next = jaxpr.outs.length
    return { outs: outs.slice(0, next), tangents: pushed.nonzero.map((there) => (there ? O.some(outs[next++]!) : O.none)) }
  },
  transpose: (cts, xs, { jaxpr, name }, transforms) => {
    const back = transforms.transpose(jaxpr, xs.map(isLinear), cts.map(some))
    const args = [...back.captures, ...xs.filter((x) => !isLinear(x)).map(known), ...cts.filter(some).map((t) => t.value)]
    const outs = bind('jit', { jaxpr: back.jaxpr, name: `transpose(${name})` }, args)
    let out = 0
    let linear = 0
    return xs.map((x) => (isLinear(x) && back.present[linear++] ? O.some(outs[out++]!) : O.none))
  },
  batch: (xs, dims, size, { jaxpr, name }, transforms) => {
    const wide = transforms.batch(jaxpr, size, dims)
    return { outs: bind('jit', { jaxpr: wide.jaxpr, name: `vmap(${name})` }, [...wide.captures, ...xs]), dims: wide.dims }
  },
  lower: (xs, { jaxpr }, lowering) => lowering.lower(jaxpr, xs),
}
