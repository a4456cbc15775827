/** dotGeneral: contraction over any axes with any batch axes. Its result has the batch axes, then lhs's free ones, then rhs's. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { aval, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isNumeric } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { BatchDim, Linear, Rules, Tangent } from '../src/core/rules.ts'
import { atDim, badAxes, batched, dtypes, isLinear, known, one, shapes, sumTangents } from './families.ts'

type Params = OpParams['dotGeneral']
const free = (rank: number, contract: readonly number[], batch: readonly number[]): number[] =>
  c.range(rank).filter((d) => !contract.includes(d) && !batch.includes(d))

/** The cotangent of lhs; that of rhs is the same with sides exchanged. */
const transposeLhs = (ct: NdArray, x: Linear, y: NdArray, { contract: [xc, yc], batch: [xb, yb] }: Params, swapped: boolean): NdArray => {
  const xf = free(x.aval.shape.length, xc, xb)
  const yf = free(y.ndim, yc, yb)
  const nb = xb.length
  // In ct, y's free axes stand after x's, or before them when x is the right operand.
  const ctYf = yf.map((_, i) => nb + i + (swapped ? 0 : xf.length))
  const inBatch = c.range(nb)
  const out = c.dotGeneral(ct, y, [ctYf, yf], [inBatch, yb], ct.dtype) // [batch, x free, x's contracted in y's order]
  const ycSorted = [...yc].sort((a, b) => a - b)
  const order = [...xb, ...xf, ...ycSorted.map((a) => xc[yc.indexOf(a)]!)]
  return c.convertElementType(
    c.transpose(
      out,
      c.range(order.length).map((d) => order.indexOf(d)),
    ),
    x.aval.dtype,
    x.aval.weak,
  )
}
const swap = (p: Params): Params => ({ ...p, contract: [p.contract[1], p.contract[0]], batch: [p.batch[1], p.batch[0]] })

const batch = ([x, y]: readonly NdArray[], [dx, dy]: readonly BatchDim[], size: number, p: Params) => {
  const up = (axes: readonly number[]): number[] => axes.map((a) => a + 1)
  const { contract, batch: b, preferred } = p
  if (O.isSome(dx!) && O.isSome(dy!))
    return batched([
      c.dotGeneral(
        atDim(x!, dx, size),
        atDim(y!, dy, size),
        [up(contract[0]), up(contract[1])],
        [
          [0, ...up(b[0])],
          [0, ...up(b[1])],
        ],
        preferred,
      ),
    ])
  if (O.isSome(dx!)) {
    const out = c.dotGeneral(atDim(x!, dx, size), y!, [up(contract[0]), contract[1]], [up(b[0]), b[1]], preferred)
    return batched([out], b[0].length)
  }
  const out = c.dotGeneral(x!, atDim(y!, dy!, size), [contract[0], up(contract[1])], [b[0], up(b[1])], preferred)
  return batched([out], x!.ndim - contract[0].length)
}

export const dotGeneral: Rules<'dotGeneral'> = {
  abstractEval: ([x, y], { contract, batch: b, preferred }) => {
    const bad = badAxes([...contract[0], ...b[0]], x!.shape.length) ?? badAxes([...contract[1], ...b[1]], y!.shape.length)
    if (bad !== null) return shapes(bad)
    if (x!.dtype !== y!.dtype || !isNumeric(x!.dtype))
      return dtypes(`dtypes ${x!.dtype} and ${y!.dtype} must be one number dtype: convert with astype`)
    if (contract[0].length !== contract[1].length || b[0].length !== b[1].length)
      return shapes('as many axes of each operand must be contracted and batched')
    const pairs = [...contract[0].map((a, i) => [a, contract[1][i]!] as const), ...b[0].map((a, i) => [a, b[1][i]!] as const)]
    const off = pairs.find(([i, j]) => x!.shape[i] !== y!.shape[j])
    if (off !== undefined) return shapes(`axis ${off[0]} against axis ${off[1]}: ${x!.shape[off[0]]} against ${y!.shape[off[1]]}`)
    const shape = [
      ...b[0].map((d) => x!.shape[d]!),
      ...free(x!.shape.length, contract[0], b[0]).map((d) => x!.shape[d]!),
      ...free(y!.shape.length, contract[1], b[1]).map((d) => y!.shape[d]!),
    ]
    return one(aval(shape, preferred ?? x!.dtype, x!.weak && y!.weak && preferred === null))
  },
  jvp: ([x, y], [dx, dy], p) => {
    const f = (a: NdArray, b: NdArray): NdArray => c.dotGeneral(a, b, p.contract, p.batch, p.preferred)
    return { outs: [f(x!, y!)], tangents: [sumTangents([O.map((d: NdArray) => f(d, y!))(dx!), O.map((d: NdArray) => f(x!, d))(dy!)])] }
  },
  transpose: (cts, [x, y], p): readonly Tangent[] => {
    const ct = cts[0]!
    if (O.isNone(ct)) return [O.none, O.none]
    return [
      isLinear(x!) ? O.some(transposeLhs(ct.value, x, known(y!), p, false)) : O.none,
      isLinear(y!) ? O.some(transposeLhs(ct.value, y, known(x!), swap(p), true)) : O.none,
    ]
  },
  batch,
  lower: ([x, y], { contract, batch: b, preferred }) => {
    const xf = free(x!.shape.length, contract[0], b[0])
    const yf = free(y!.shape.length, contract[1], b[1])
    const dims = (n: g.Node, axes: readonly number[]): number[] => axes.map((a) => n.shape[a]!)
    const size = (n: g.Node, axes: readonly number[]): number => sizeOf(dims(n, axes))
    const cast = (n: g.Node): g.Node => (preferred === null || preferred === n.dtype ? n : g.map('cast', preferred, n))
    const bs = dims(x!, b[0])
    const lhs = g.reshape(g.transpose(cast(x!), [...b[0], ...xf, ...contract[0]]), [...bs, size(x!, xf), size(x!, contract[0])])
    const rhs = g.reshape(g.transpose(cast(y!), [...b[1], ...contract[1], ...yf]), [...bs, size(y!, contract[1]), size(y!, yf)])
    return [g.reshape(g.dot(lhs, rhs), [...bs, ...dims(x!, xf), ...dims(y!, yf)])]
  },
  ulp: 32,
}
