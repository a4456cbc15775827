/** The primitive that carries a jaxpr everywhere, and the one that reorders. */
import * as E from '../src/core/either.ts'
import * as O from '../src/core/option.ts'
import type { NdArray } from '../src/core/array.ts'
import { eqShape, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import * as g from '../src/core/graph.ts'
import type { Sort } from '../src/core/kernel.ts'
import type { Unbatched, Tangent } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { badAxes, carried, dtypes, isLinear, known, shapes } from './families.ts'

const some = (t: Tangent): t is O.Some<NdArray> => O.isSome(t)

export const jit: Unbatched<'jit'> = {
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
  lower: (xs, { jaxpr }, transforms) => transforms.lower(jaxpr, xs),
}

export const sort: Unbatched<'sort'> = {
  abstractEval: (avals, { axis, numKeys }) => {
    const first = avals[0]
    if (first === undefined || !(numKeys >= 1 && numKeys <= avals.length))
      return shapes('needs at least one operand and 1 to all of them as keys')
    const bad = badAxes([axis], first.shape.length)
    if (bad !== null) return shapes(bad)
    if (avals.some((a) => a.dtype === 'key')) return dtypes("keys can't be sorted")
    return avals.every((a) => eqShape(a.shape, first.shape)) ? E.right(avals) : shapes('operands must have one shape')
  },
  jvp: (xs, ts, { axis, numKeys }) => {
    if (ts.every(O.isNone)) return { outs: c.sort(xs, axis, numKeys), tangents: ts }
    const shape = xs[0]!.shape
    const sorted = c.sort([...xs, c.iota(shape, 'int32', axis)], axis, numKeys)
    const places = c.range(shape.length).map((d) => (d === axis ? sorted.at(-1)! : c.iota(shape, 'int32', d)))
    return { outs: sorted.slice(0, -1), tangents: ts.map(O.map((t: NdArray) => c.gather(t, places, c.range(shape.length), 'clip'))) }
  },
  transpose: 'notLinear',
  lower: (xs, { axis, numKeys }) => {
    const { shape } = xs[0]!
    const args = xs.map((x) => x.dtype)
    const kernel: Sort = {
      kind: 'sort',
      outer: sizeOf(shape.slice(0, axis)),
      n: shape[axis]!,
      inner: sizeOf(shape.slice(axis + 1)),
      keys: numKeys,
      args: [...args, ...args],
    }
    return g.special(
      kernel,
      xs,
      xs.map((x) => ({ shape: x.shape, dtype: x.dtype })),
    )
  },
}
