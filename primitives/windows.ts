/** Windows over arrays: sums of products over them (convolutions), the windows themselves as a view, and what that is the transpose of. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { aval, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { computedIn, isNumeric } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { Affine } from '../src/core/kernel.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { Linear, Rules, Tangent } from '../src/core/rules.ts'
import { badSums, bilinearJvp, wideTranspose } from './contraction.ts'
import { batched, dimOf, dtypes, inFront, linearOp, one, shapes } from './families.ts'
import { layoutRules } from './layout.ts'

type Conv = OpParams['convGeneralDilated']

/** Windows of `k` elements in `n`. */
const places = (n: number, k: number, stride: number, dilation: number): number =>
  Math.max(0, Math.floor((n - (k === 0 ? 0 : (k - 1) * dilation + 1)) / stride) + 1)
const badWindows = (rank: number, { strides, dilation }: Pick<Conv, 'strides' | 'dilation'>): string | null =>
  strides.length !== rank || dilation.length !== rank || [...strides, ...dilation].some((n) => n < 1)
    ? `a stride and a dilation of at least 1 are needed for each of ${rank} axes`
    : null
const paddedSpace = (shape: readonly number[], { lo, hi }: Pick<Conv, 'lo' | 'hi'>): number[] =>
  shape.slice(3).map((n, d) => n + lo[d]! + hi[d]!)
const scaled = (scales: readonly (readonly [dim: number, scale: number])[], rank: number, offset = 0): Affine => {
  const strides = new Array<number>(rank).fill(0)
  for (const [dim, scale] of scales) strides[dim] = scale
  return { strides, offset }
}
const swapped = (x: NdArray): NdArray => c.transpose(x, [0, 2, 1, ...c.range(x.ndim).slice(3)])
const space = (x: NdArray | Linear): readonly number[] => x.aval.shape.slice(3)

/** Each place of x meets the window's elements in reverse. */
const transposeLhs = (ct: NdArray, x: Linear, w: NdArray, { strides, dilation, lo }: Conv): NdArray => {
  const none = ct.shape.map(() => 0)
  const apart = strides.every((s) => s === 1) ? ct : c.pad(ct, c.lit(ct, 0), none, none, [0, 0, 0, ...strides.map((s) => s - 1)])
  return c.convGeneralDilated(apart, c.rev(swapped(w), c.range(w.ndim).slice(3)), {
    strides: strides.map(() => 1),
    dilation,
    lo: space(w).map((k, d) => (k - 1) * dilation[d]! - lo[d]!),
    hi: space(x).map((n, d) => n - space(apart)[d]! + lo[d]!),
  })
}
/** Each element of the window meets x at all places. */
const transposeRhs = (ct: NdArray, x: NdArray, w: Linear, { strides, dilation, lo }: Conv): NdArray => {
  const seen = space(ct).map((t, d) => (t - 1) * strides[d]! + (space(w)[d]! - 1) * dilation[d]! + 1)
  const hi = seen.map((n, d) => n - space(x)[d]! - lo[d]!)
  return swapped(c.convGeneralDilated(swapped(x), swapped(ct), { strides: dilation, dilation: strides, lo, hi }))
}

export const convGeneralDilated: Rules<'convGeneralDilated'> = {
  abstractEval: ([x, w], p) => {
    const rank = x!.shape.length - 3
    if (rank < 0 || w!.shape.length !== rank + 3)
      return shapes('[group, batch, feature, …space] and [group, out, feature, …window] are needed')
    const bad = badWindows(rank, p)
    if (bad !== null) return shapes(bad)
    for (const d of [0, 2])
      if (x!.shape[d] !== w!.shape[d]) return shapes(`axis ${d} against axis ${d}: ${x!.shape[d]} against ${w!.shape[d]}`)
    const dtype = badSums(x!, w!, p.preferred)
    if (dtype !== null) return dtypes(dtype)
    const wide = p.lo.length === rank && p.hi.length === rank ? paddedSpace(x!.shape, p) : [-1]
    if (wide.some((n) => n < 0)) return shapes(`the padding has no whole number for each of ${rank} axes, or leaves a negative extent`)
    const out = wide.map((n, d) => places(n, w!.shape[d + 3]!, p.strides[d]!, p.dilation[d]!))
    return one(aval([...x!.shape.slice(0, 2), w!.shape[1]!, ...out], p.preferred ?? x!.dtype, x!.weak && w!.weak && p.preferred === null))
  },
  jvp: (xs, ts, p) => bilinearJvp((x, w) => c.convGeneralDilated(x, w, p, p.preferred), xs, ts),
  transpose: (cts, xs, p) =>
    wideTranspose(cts, xs, (ct, z, other, i) =>
      // A window without elements may leave no extent for the convolution that gives its cotangent.
      [ct.shape, z.aval.shape, other.shape].some((shape) => shape.includes(0))
        ? c.zerosLike({ ...z.aval, dtype: ct.dtype })
        : i === 0
          ? transposeLhs(ct, z, other, p)
          : transposeRhs(ct, other, z, p),
    ),
  // One batched operand's examples are more of its batch, or of the features that come out; both's are groups.
  batch: ([x, w], [dx, dw], size, p) => {
    const f = (a: NdArray, b: NdArray): NdArray => c.convGeneralDilated(a, b, p, p.preferred)
    const joined = (y: NdArray, d: number): NdArray =>
      c.reshape(y, [...y.shape.slice(0, d), y.shape[d]! * y.shape[d + 1]!, ...y.shape.slice(d + 2)])
    const divided = (y: NdArray, d: number, rest: number): NdArray =>
      c.reshape(y, [...y.shape.slice(0, d), size, rest, ...y.shape.slice(d + 1)])
    if (O.isNone(dw!)) {
      const moved = c.moveAxis(x!, dimOf(dx), 1)
      return batched([divided(f(joined(moved, 1), w!), 1, moved.shape[2]!)], 1)
    }
    if (O.isNone(dx!)) {
      const moved = c.moveAxis(w!, dimOf(dw), 1)
      return batched([divided(f(x!, joined(moved, 1)), 2, moved.shape[2]!)], 2)
    }
    const [xs, ws] = [inFront(x!, dx!, size), inFront(w!, dw!, size)]
    return batched([divided(f(joined(xs, 0), joined(ws, 0)), 0, xs.shape[1]!)])
  },
  lower: ([x, w], { strides, dilation, lo, hi, preferred }) => {
    const dtype = preferred ?? x!.dtype
    const [G, N, C, ...S] = x!.shape as [number, number, number, ...number[]]
    const [outs, K] = [w!.shape[1]!, w!.shape.slice(3)]
    const T = paddedSpace(x!.shape, { lo, hi }).map((n, d) => places(n, K[d]!, strides[d]!, dilation[d]!))
    /** x at windows, the result's dims in an order: where its group, batch, feature, first place and first of the window stand. */
    const patches = (source: g.Node, shape: readonly number[], [gd, nd, cd, td, kd]: readonly number[]): g.Node => {
      const lone = [gd!, nd!, cd!].map((dim) => scaled([[dim, 1]], shape.length))
      const along = S.map((_, d) => scaled([[td! + d, strides[d]!], [kd! + d, dilation[d]!]], shape.length, -lo[d]!)) // prettier-ignore
      return g.windows(source, [...lone, ...along], shape, [...lo, ...hi].some((n) => n > 0)) // prettier-ignore
    }
    const rank = S.length
    /** Results are computed with the batch first, as whoever joins the groups again wants them. */
    const inGroups = (y: g.Node): g.Node => g.transpose(y, [1, 0, ...c.range(rank + 1).map((d) => d + 2)])
    if (outs === 1) {
      // Nothing is read for more than one result: no contraction, but sums over windows.
      const shape = [N, G, 1, ...T, C, ...K]
      const exact = (n: g.Node): g.Node => g.convert(n, computedIn(dtype))
      const xs = patches(exact(x!), shape, [1, 0, 3 + rank, 3, 4 + rank])
      const ws = g.broadcast(exact(w!), shape, [1, 2, ...c.range(rank + 1).map((d) => 3 + rank + d)])
      const sums = g.reduce('sum', g.map('mul', computedIn(dtype), xs, ws), c.range(rank + 1).map((d) => 3 + rank + d)) // prettier-ignore
      return [inGroups(g.convert(sums, dtype))]
    }
    if (C * sizeOf(K) === 0) return [g.constNode(0, dtype, [G, N, outs, ...T])]
    const [wide, inside, all] = [(n: g.Node) => g.sameSums(n, dtype), C * sizeOf(K), sizeOf(T)]
    const weights = g.reshape(wide(w!), [G, outs, inside])
    if (N === 1 || all >= FEW) {
      const columns = g.reshape(patches(wide(x!), [N, G, C, ...K, ...T], [1, 0, 2, 3 + rank, 3]), [N, G, inside, all])
      const rows = g.broadcast(weights, [N, G, outs, inside], [1, 2, 3])
      return [inGroups(g.reshape(g.dot(rows, columns, dtype), [N, G, outs, ...T]))]
    }
    // With few places, those of the whole batch are one product's columns.
    const columns = g.reshape(patches(wide(x!), [G, C, ...K, N, ...T], [0, 2 + rank, 1, 3 + rank, 2]), [G, inside, N * all])
    const out = g.reshape(g.dot(weights, columns, dtype), [G, outs, N, ...T])
    return [g.transpose(out, [0, 2, 1, ...T.map((_, d) => d + 3)])]
  },
}
/** Places that fill a product's columns. */
const FEW = 64

const back = (cts: readonly Tangent[], f: (ct: NdArray) => NdArray): readonly Tangent[] => [O.map(f)(cts[0]!)]

export const windows: Rules<'windows'> = {
  abstractEval: ([x], { window, strides, dilation }) => {
    const bad =
      window.length === x!.shape.length && window.every((k) => k >= 0)
        ? badWindows(x!.shape.length, { strides, dilation })
        : 'a window has an extent for each axis'
    if (bad !== null) return shapes(bad)
    if (x!.dtype === 'key') return dtypes('keys have no windows: take those of their words, see random.*')
    return one(aval([...x!.shape.map((n, d) => places(n, window[d]!, strides[d]!, dilation[d]!)), ...window], x!.dtype, x!.weak))
  },
  jvp: linearOp('windows'),
  transpose: (cts, [x], { strides, dilation }) => back(cts, (ct) => c.overlapAdd(ct, x!.aval.shape, strides, dilation)),
  batch: ([x], [d], size, { window, strides, dilation }) => {
    const more = (ns: readonly number[]): number[] => [1, ...ns]
    const out = c.windows(inFront(x!, d!, size), more(window), more(strides), more(dilation))
    return batched([c.reshape(out, out.shape.toSpliced(x!.ndim, 1))])
  },
  lower: ([x], { window, strides, dilation }) => {
    const [rank, shape] = [window.length, x!.shape.map((n, d) => places(n, window[d]!, strides[d]!, dilation[d]!))]
    const dims = window.map((_, d) => scaled([[d, strides[d]!], [rank + d, dilation[d]!]], 2 * rank)) // prettier-ignore
    return [g.windows(x!, dims, [...shape, ...window])]
  },
}

export const overlapAdd: Rules<'overlapAdd'> = {
  abstractEval: ([x], { shape, strides, dilation }) => {
    const rank = shape.length
    const bad =
      x!.shape.length === 2 * rank ? badWindows(rank, { strides, dilation }) : 'places and windows are needed for each axis of the shape'
    if (bad !== null) return shapes(bad)
    if (!isNumeric(x!.dtype)) return dtypes('a number dtype is needed: convert with astype')
    const off = shape.findIndex((n, d) => n < 0 || places(n, x!.shape[rank + d]!, strides[d]!, dilation[d]!) !== x!.shape[d])
    return off < 0
      ? one(aval(shape, x!.dtype, x!.weak))
      : shapes(`axis ${off}: ${shape[off]} has not ${x!.shape[off]} windows of ${x!.shape[rank + off]}`)
  },
  jvp: linearOp('overlapAdd'),
  transpose: (cts, [x], { shape, strides, dilation }) =>
    back(cts, (ct) => c.windows(ct, x!.aval.shape.slice(shape.length), strides, dilation)),
  batch: ([x], [d], size, { shape, strides, dilation }) => {
    const y = inFront(x!, d!, size)
    return batched([
      c.overlapAdd(c.reshape(y, y.shape.toSpliced(shape.length + 1, 0, 1)), [size, ...shape], [1, ...strides], [1, ...dilation]),
    ])
  },
  // Element s = stride·q + r gets from the windows at q - a their element stride·a + r. Windows that are dilated too are set apart first.
  lower: ([x], { shape, strides, dilation }, lowering) => {
    const rank = shape.length
    const apart = strides.map((s, d) => (dilation[d] === 1 ? 0 : s - 1))
    const zero = [...apart, ...apart].map(() => 0)
    const from = apart.every((n) => n === 0) ? x! : layoutRules.pad.lower([x!, g.constNode(0, x!.dtype)], { lo: zero, hi: zero, interior: [...apart, ...zero.slice(rank)] }, lowering)[0]! // prettier-ignore
    const steps = strides.map((s, d) => s - apart[d]! || 1)
    const pieces = shape.flatMap((n, d) => [Math.ceil(n / steps[d]!), steps[d]!])
    const reads = shape.map((_, d) => Math.ceil(x!.shape[rank + d]! / steps[d]!))
    const all = [...pieces, ...reads]
    const at = shape.map((_, d) => scaled([[2 * d, 1], [2 * rank + d, -dilation[d]!]], 3 * rank)) // prettier-ignore
    const of = shape.map((_, d) => scaled([[2 * d + 1, 1], [2 * rank + d, steps[d]!]], 3 * rank)) // prettier-ignore
    const sums = g.reduce('sum', g.windows(from, [...at, ...of], all, true), c.range(rank).map((d) => 2 * rank + d)) // prettier-ignore
    const whole = shape.map((_, d) => pieces[2 * d]! * pieces[2 * d + 1]!)
    return [whole.every((n, d) => n === shape[d]) ? g.reshape(sums, whole) : g.stride(g.reshape(sums, whole), shape.map(() => 0), shape.map(() => 1), shape)] // prettier-ignore
  },
}
