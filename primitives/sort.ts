/** The primitive that reorders. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { eqShape, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import * as g from '../src/core/graph.ts'
import type { Sort } from '../src/core/kernel.ts'
import type { Rules } from '../src/core/rules.ts'
import { badAxes, batchInFront, dtypes, shapes } from './families.ts'

export const sort: Rules<'sort'> = {
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
  batch: batchInFront('sort', (p) => ({ ...p, axis: p.axis + 1 })),
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
