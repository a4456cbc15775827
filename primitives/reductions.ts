/** Reductions over axes, the places of extremes, and prefix reductions along one axis. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { aval, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isNumeric } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { Cumulative, ReduceOp } from '../src/core/kernel.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { Linear, Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { badAxes, batchInPlace, batched, dimOf, dtypes, linearJvp, linearOp, noTangent, one, shapes, shifted } from './families.ts'

type AxesOp = 'reduceSum' | 'reduceProd' | 'reduceMax' | 'reduceMin' | 'reduceAnd' | 'reduceOr'

const without = (shape: readonly number[], axes: readonly number[]): number[] => shape.filter((_, d) => !axes.includes(d))
/** A reduced array back at the shape it came from. */
const spread = (y: NdArray, shape: readonly number[], axes: readonly number[]): NdArray =>
  c.broadcastInDim(
    y,
    shape,
    c.range(shape.length).filter((d) => !axes.includes(d)),
  )

const reduction = <K extends AxesOp>(
  name: K,
  op: ReduceOp,
  of: 'number' | 'bool',
  jvp: Rules<K>['jvp'],
  transpose: Rules<K>['transpose'],
): Rules<K> => ({
  abstractEval: ([x], { axes }) => {
    const bad = badAxes(axes, x!.shape.length)
    if (bad !== null) return shapes(bad)
    if (of === 'bool' ? x!.dtype !== 'bool' : !isNumeric(x!.dtype)) return dtypes(`a ${of} dtype is needed: convert with astype`)
    return one(aval(without(x!.shape, axes), x!.dtype, x!.weak))
  },
  jvp,
  transpose,
  batch: (xs, [d], _size, { axes }) => {
    const moved = axes.map((a) => shifted(a, dimOf(d)))
    return batched(bind(name, { axes: moved } as OpParams[K], xs), dimOf(d) - moved.filter((a) => a < dimOf(d)).length)
  },
  lower: ([x], { axes }) => [g.reduce(op, x!, axes)],
})

const extreme =
  (make: (x: NdArray, axes: readonly number[]) => NdArray): Rules<AxesOp>['jvp'] =>
  ([x], [t], { axes }) => {
    const out = make(x!, axes)
    return linearJvp(out, t!, (dx) =>
      c.roundedOnce((d) => {
        const at = c.convertElementType(c.eq(x!, spread(out, x!.shape, axes)), d.dtype)
        return c.div(c.reduceSum(c.mul(d, at), axes), c.reduceSum(at, axes)) // ties share evenly
      })(dx),
    )
  }

/** The product of all the others at each place along the last axis: prefix times suffix, so that zeros are no trouble. */
const productOfOthers = (x: NdArray): NdArray => {
  const last = x.ndim - 1
  const edge = (lo: number, hi: number): NdArray =>
    c.pad(
      x,
      c.lit(x, 1),
      x.shape.map((_, d) => (d === last ? lo : 0)),
      x.shape.map((_, d) => (d === last ? hi : 0)),
    )
  return c.mul(c.cumprod(edge(1, -1), last), c.cumprod(edge(-1, 1), last, true))
}

const productJvp: Rules<AxesOp>['jvp'] = ([x], [t], { axes }) =>
  linearJvp(c.reduceProd(x!, axes), t!, (dx) => {
    const kept = c.range(x!.ndim).filter((d) => !axes.includes(d))
    const flat = (y: NdArray): NdArray =>
      c.reshape(c.transpose(y, [...kept, ...axes]), [...without(y.shape, axes), sizeOf(axes.map((a) => y.shape[a]!))])
    return c.roundedOnce((d, y) => c.reduceSum(c.mul(flat(d), productOfOthers(flat(y))), [kept.length]))(dx, x!)
  })

const sumTranspose: Rules<AxesOp>['transpose'] = (cts, [x], { axes }) => [
  O.map((ct: NdArray) => spread(ct, (x as Linear).aval.shape, axes))(cts[0]!),
]

type Place = 'argmax' | 'argmin'
const place = <K extends Place>(name: K): Rules<K> => ({
  abstractEval: ([x], { axis }) => {
    const bad = badAxes([axis], x!.shape.length)
    if (bad !== null) return shapes(bad)
    if (x!.dtype === 'key') return dtypes('keys have no order: use random.*')
    return x!.shape[axis] === 0
      ? shapes(`axis ${axis} is empty: an extreme needs an element`)
      : one(aval(without(x!.shape, [axis]), 'int32'))
  },
  jvp: ([x], _ts, { axis }) => noTangent(bind(name, { axis } as OpParams[K], [x!])[0]!),
  transpose: 'notLinear',
  batch: (xs, [d], _size, { axis }) => {
    const moved = shifted(axis, dimOf(d))
    return batched(bind(name, { axis: moved } as OpParams[K], xs), moved < dimOf(d) ? dimOf(d) - 1 : dimOf(d))
  },
  // The first place that holds the extreme; a NaN is one.
  lower: ([x], { axis }) => {
    const best = g.broadcast(
      g.reduce(name === 'argmax' ? 'max' : 'min', x!, [axis]),
      x!.shape,
      c.range(x!.shape.length).filter((d) => d !== axis),
    )
    const hit = g.map('or', 'bool', g.map('eq', 'bool', x!, best), g.map('ne', 'bool', x!, x!))
    const index = g.map('select', 'int32', hit, g.iota(x!.shape, axis), g.constNode(x!.shape[axis]! - 1, 'int32'))
    return [g.reduce('min', index, [axis])]
  },
})

type PrefixOp = 'cumsum' | 'cumprod' | 'cummax' | 'cummin'
const kernelOp: Readonly<Record<PrefixOp, ReduceOp>> = { cumsum: 'sum', cumprod: 'prod', cummax: 'max', cummin: 'min' }

const prefix = <K extends PrefixOp>(name: K, jvp: Rules<K>['jvp'], transpose: Rules<K>['transpose']): Rules<K> => ({
  abstractEval: ([x], { axis }) => {
    const bad = badAxes([axis], x!.shape.length)
    return bad !== null ? shapes(bad) : isNumeric(x!.dtype) ? one(x!) : dtypes('a number dtype is needed: convert with astype')
  },
  jvp,
  transpose,
  batch: batchInPlace(name, (p, dim) => ({ ...p, axis: shifted(p.axis, dim) })),
  lower: ([x], { axis, reverse }) => {
    const { shape, dtype } = x!
    const kernel: Cumulative = {
      kind: 'cumulative',
      op: kernelOp[name],
      dtype,
      outer: sizeOf(shape.slice(0, axis)),
      n: shape[axis]!,
      inner: sizeOf(shape.slice(axis + 1)),
      reverse,
      args: [dtype, dtype],
    }
    return g.special(kernel, [x!], [{ shape, dtype }])
  },
})

/** Σ_j dx_j Π_{k≤i, k≠j} x_k: x with its j-th element replaced by one, for every j. */
const cumprodJvp: Rules<PrefixOp>['jvp'] = ([x], [t], { axis, reverse }) =>
  linearJvp(c.cumprod(x!, axis, reverse), t!, (dx) => c.roundedOnce((y, dy) => cumprodTangent(y, dy, axis, reverse))(x!, dx))
const cumprodTangent = (x: NdArray, dx: NdArray, axis: number, reverse: boolean): NdArray => {
  const n = x.shape[axis]!
  const shape = [...x.shape, n] // the new last axis is j
  const old = c.range(x.ndim)
  const j = c.iota(shape, 'int32', x.ndim)
  const k = c.iota(shape, 'int32', axis)
  const others = c.cumprod(c.select(c.eq(j, k), c.full(shape, 1, x.dtype), c.broadcastInDim(x, shape, old)), axis, reverse)
  const seen = reverse ? c.ge(j, k) : c.le(j, k)
  const dxj = c.broadcastInDim(c.moveAxis(dx, axis, x.ndim - 1), shape, [...old.filter((d) => d !== axis), x.ndim])
  return c.reduceSum(c.select(seen, c.mul(others, dxj), c.full(shape, 0, x.dtype)), [x.ndim])
}

/**
 * Places that hold the running extreme share its tangent evenly. A run of equal extremes is a segment, and sums along segments take log n
 * steps of doubling.
 */
const runningJvp =
  (name: 'cummax' | 'cummin'): Rules<PrefixOp>['jvp'] =>
  ([x], [t], { axis, reverse }) => {
    const out = bind(name, { axis, reverse }, [x!])[0]!
    return linearJvp(out, t!, (dx) => {
      const n = x!.shape[axis]!
      const on = (d: number, by: number): number => (d === axis ? by : 0)
      const earlier = (y: NdArray, by: number): NdArray => {
        const [lo, hi] = [y.shape.map((_, d) => on(d, by)), y.shape.map((_, d) => on(d, -by))]
        return reverse ? c.pad(y, c.lit(y, 0), hi, lo) : c.pad(y, c.lit(y, 0), lo, hi)
      }
      const place = c.iota(x!.shape, 'int32', axis)
      const has = (by: number): NdArray => (reverse ? c.lt(place, c.lit(place, n - by)) : c.ge(place, c.lit(place, by)))
      const sums = (y: NdArray): NdArray => {
        const zero = c.zerosLike(y.aval)
        let sum = c.select(c.eq(x!, out), y, zero)
        for (let by = 1; by < n; by *= 2) {
          const same = c.and(has(by), c.eq(earlier(out, by), out))
          sum = c.add(sum, c.select(same, earlier(sum, by), zero))
        }
        return sum
      }
      return c.roundedOnce((d) => c.div(sums(d), sums(c.full(d.shape, 1, d.dtype))))(dx)
    })
  }

const cumsumRule = prefix('cumsum', linearOp('cumsum'), (cts, _xs, { axis, reverse }) => [
  O.map((ct: NdArray) => c.cumsum(ct, axis, !reverse))(cts[0]!),
])

export const reductionRules = {
  reduceSum: reduction('reduceSum', 'sum', 'number', linearOp('reduceSum'), sumTranspose),
  reduceProd: reduction('reduceProd', 'prod', 'number', productJvp, 'notLinear'),
  reduceMax: reduction('reduceMax', 'max', 'number', extreme(c.reduceMax), 'notLinear'),
  reduceMin: reduction('reduceMin', 'min', 'number', extreme(c.reduceMin), 'notLinear'),
  reduceAnd: reduction('reduceAnd', 'min', 'bool', ([x], _t, { axes }) => noTangent(c.reduceAnd(x!, axes)), 'notLinear'),
  reduceOr: reduction('reduceOr', 'max', 'bool', ([x], _t, { axes }) => noTangent(c.reduceOr(x!, axes)), 'notLinear'),
  argmax: place('argmax'),
  argmin: place('argmin'),
  cumsum: cumsumRule,
  cumprod: prefix('cumprod', cumprodJvp, 'notLinear'),
  cummax: prefix('cummax', runningJvp('cummax'), 'notLinear'),
  cummin: prefix('cummin', runningJvp('cummin'), 'notLinear'),
} satisfies { readonly [K in OpName]?: Rules<K> }
