/** dotGeneral: contraction over any axes with any batch axes. Its result has the batch axes, then lhs's free ones, then rhs's. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, aval, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { type DType, isFloat, isNumeric } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { JvpResult, Linear, Rules, Tangent } from '../src/core/rules.ts'
import { badAxes, batched, dtypes, inFront, isLinear, valueOf, noTangent, one, shapes, sumTangents, up } from './families.ts'

type Params = OpParams['dotGeneral']
const free = (rank: number, contract: readonly number[], batch: readonly number[]): number[] =>
  c.range(rank).filter((d) => !contract.includes(d) && !batch.includes(d))

/** The cotangent of lhs; that of rhs is the same with sides exchanged. The operands' order is the one that leaves least to transpose. */
const transposeLhs = (ct: NdArray, x: Linear, y: NdArray, { contract: [xc, yc], batch: [xb, yb] }: Params, swapped: boolean): NdArray => {
  const xf = free(x.aval.shape.length, xc, xb)
  const yf = free(y.ndim, yc, yb)
  const nb = xb.length
  // In ct, y's free axes stand after x's, or before them when x is the right operand.
  const ctYf = yf.map((_, i) => nb + i + (swapped ? 0 : xf.length))
  const inBatch = c.range(nb)
  // The results' axes by what they are in x: its free ones, and its contracted ones in y's order.
  const contracted = [...yc].sort((a, b) => a - b).map((a) => xc[yc.indexOf(a)]!)
  const ctFirst = [...xb, ...xf, ...contracted]
  const yFirst = [...xb, ...contracted, ...xf]
  const inPlace = (order: readonly number[]): boolean => order.every((d, i) => d === i)
  const [order, out] =
    inPlace(yFirst) && !inPlace(ctFirst)
      ? [yFirst, c.dotGeneral(y, ct, [yf, ctYf], [yb, inBatch], ct.dtype)]
      : [ctFirst, c.dotGeneral(ct, y, [ctYf, yf], [inBatch, yb], ct.dtype)]
  const permutation = c.range(order.length).map((d) => order.indexOf(d))
  return c.transpose(out, permutation)
}
const swap = (p: Params): Params => ({ ...p, contract: [p.contract[1], p.contract[0]], batch: [p.batch[1], p.batch[0]] })

/** What is wrong with the dtypes of a sum of products. */
export const badSums = (x: Aval, y: Aval, preferred: DType | null): string | null =>
  x.dtype !== y.dtype || !isNumeric(x.dtype)
    ? `dtypes ${x.dtype} and ${y.dtype} must be one number dtype: convert with astype`
    : preferred !== null && !(isNumeric(preferred) && isFloat(preferred) === isFloat(x.dtype))
      ? `sums of ${x.dtype} aren't ${preferred}: convert the result with astype`
      : null
/** Of f, linear in each of two operands. */
export const bilinearJvp = (
  f: (x: NdArray, y: NdArray) => NdArray,
  [x, y]: readonly NdArray[],
  [dx, dy]: readonly Tangent[],
): JvpResult => {
  const out = f(x!, y!)
  if (!isFloat(out.dtype)) return noTangent(out)
  return { outs: [out], tangents: [sumTangents([O.map((d: NdArray) => f(d, y!))(dx!), O.map((d: NdArray) => f(x!, d))(dy!)])] }
}
/** The cotangent of the operand that is linear, `i`, given the other, at the cotangent's dtype: the result may be wider than the operands. */
export const wideTranspose = (
  cts: readonly Tangent[],
  xs: readonly (NdArray | Linear)[],
  f: (ct: NdArray, x: Linear, other: NdArray, i: number) => NdArray,
): readonly Tangent[] =>
  xs.map((x, i) => {
    const ct = cts[0]!
    if (O.isNone(ct) || !isLinear(x)) return O.none
    const other = valueOf(xs[1 - i]!)
    const { dtype } = ct.value
    return O.some(c.convertElementType(f(ct.value, x, c.convertElementType(other, dtype, other.aval.weak), i), x.aval.dtype, x.aval.weak))
  })

/**
 * Each group of axes becomes one axis. Neighbours that stay neighbours are joined before anything moves, so that what is left is a transpose of
 * whole axes, which a kernel reads in place.
 */
const arrange = (x: g.Node, groups: readonly (readonly number[])[]): g.Node => {
  const runs = groups.flatMap((group) => {
    const out: number[][] = []
    for (const d of group) {
      if (out.at(-1)?.at(-1) === d - 1) out.at(-1)!.push(d)
      else out.push([d])
    }
    return out
  })
  const inPlace = [...runs].sort((a, b) => a[0]! - b[0]!)
  const extent = (axes: readonly number[]): number => sizeOf(axes.map((d) => x.shape[d]!))
  const joined = g.reshape(x, inPlace.map(extent))
  return g.reshape(
    g.transpose(
      joined,
      runs.map((run) => inPlace.indexOf(run)),
    ),
    groups.map(extent),
  )
}

export const dotGeneral: Rules<'dotGeneral'> = {
  abstractEval: ([x, y], { contract, batch: b, preferred }) => {
    const bad = badAxes([...contract[0], ...b[0]], x!.shape.length) ?? badAxes([...contract[1], ...b[1]], y!.shape.length)
    if (bad !== null) return shapes(bad)
    const dtype = badSums(x!, y!, preferred)
    if (dtype !== null) return dtypes(dtype)
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
  jvp: (xs, ts, p) => bilinearJvp((a, b) => c.dotGeneral(a, b, p.contract, p.batch, p.preferred), xs, ts),
  transpose: (cts, xs, p) => wideTranspose(cts, xs, (ct, z, other, i) => transposeLhs(ct, z, other, i === 0 ? p : swap(p), i === 1)),
  batch: ([x, y], [dx, dy], size, { contract, batch: b, preferred }) => {
    const dot = (lhs: NdArray, rhs: NdArray, axes: typeof contract, along: typeof b): NdArray =>
      c.dotGeneral(lhs, rhs, axes, along, preferred)
    if (O.isNone(dy!)) return batched([dot(inFront(x!, dx!, size), y!, [up(contract[0]), contract[1]], [up(b[0]), b[1]])], b[0].length)
    const moved = inFront(y!, dy!, size)
    if (O.isNone(dx!)) return batched([dot(x!, moved, [contract[0], up(contract[1])], [b[0], up(b[1])])], x!.ndim - contract[0].length)
    const along = [[0, ...up(b[0])], [0, ...up(b[1])]] as const // prettier-ignore
    return batched([dot(inFront(x!, dx!, size), moved, [up(contract[0]), up(contract[1])], along)])
  },
  lower: ([x, y], { contract, batch: b, preferred }) => {
    const xf = free(x!.shape.length, contract[0], b[0])
    const yf = free(y!.shape.length, contract[1], b[1])
    const dims = (n: g.Node, axes: readonly number[]): number[] => axes.map((a) => n.shape[a]!)
    const dtype = preferred ?? x!.dtype
    const bs = dims(x!, b[0])
    const lhs = arrange(g.sameSums(x!, dtype), [...b[0].map((d) => [d]), xf, contract[0]])
    const rhs = arrange(g.sameSums(y!, dtype), [...b[1].map((d) => [d]), contract[1], yf])
    return [g.reshape(g.dot(lhs, rhs, dtype), [...bs, ...dims(x!, xf), ...dims(y!, yf)])]
  },
}
