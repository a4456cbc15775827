/** The primitive that carries a jaxpr everywhere: it is its equations, whatever is done with it. */
import { some, tangentsAt, there } from './carrying.ts'
import { place } from '../src/core/flags.ts'
import type { Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { callAvals, isLinear, valueOf } from './families.ts'

export const jit: Rules<'jit'> = {
  abstractEval: (avals, { jaxpr }) => callAvals(jaxpr, avals),
  jvp: (xs, ts, { jaxpr, name }, transforms) => {
    const pushed = transforms.jvp(jaxpr, ts.map(some))
    const outs = bind('jit', { jaxpr: pushed.jaxpr, name: `jvp(${name})` }, [...pushed.captures, ...xs, ...there(ts)])
    const count = jaxpr.outs.length
    return { outs: outs.slice(0, count), tangents: tangentsAt(pushed.nonzero, outs.slice(count)) }
  },
  transpose: (cts, xs, { jaxpr, name }, transforms) => {
    const back = transforms.transpose(jaxpr, xs.map(isLinear), cts.map(some))
    const args = [...back.captures, ...xs.filter((x) => !isLinear(x)).map(valueOf), ...there(cts)]
    const outs = bind('jit', { jaxpr: back.jaxpr, name: `transpose(${name})` }, args)
    return tangentsAt(
      place(xs.map(isLinear), back.present, () => false),
      outs,
    )
  },
  batch: (xs, dims, size, { jaxpr, name }, transforms) => {
    const wide = transforms.batch(jaxpr, size, dims)
    return { outs: bind('jit', { jaxpr: wide.jaxpr, name: `vmap(${name})` }, [...wide.captures, ...xs]), dims: wide.dims }
  },
  lower: (xs, { jaxpr }, lowering) => lowering.lower(jaxpr, xs),
}
