/** Layout primitives: where elements stand. All are linear and, but for concatenate, cost nothing: they become index maps. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { aval, eqShape, showAval, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isNumeric } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Linear, Rules, Tangent } from '../src/core/rules.ts'
import { badAxes, batchInFront, batchInPlace, batched, dtypes, inFront, isLinear, linearOp, one, shapes, shifted, up } from './families.ts'

const back = (cts: readonly Tangent[], f: (ct: NdArray) => NdArray): readonly Tangent[] => [O.map(f)(cts[0]!)]
const shapeOf = (x: NdArray | Linear): readonly number[] => x.aval.shape
const badShape = (shape: readonly number[]): boolean => shape.some((n) => !Number.isInteger(n) || n < 0)

const broadcastInDim: Rules<'broadcastInDim'> = {
  abstractEval: ([x], { shape, broadcastDimensions: dims }) => {
    if (badShape(shape)) return shapes(`the shape [${shape.join(',')}] isn't a list of non-negative integers`)
    const fits =
      dims.length === x!.shape.length &&
      dims.every((d, i) => d < shape.length && (i === 0 || d > dims[i - 1]!) && (x!.shape[i] === 1 || x!.shape[i] === shape[d]))
    return fits
      ? one(aval(shape, x!.dtype, x!.weak))
      : shapes(`can't broadcast to [${shape.join(',')}] along [${dims.join(',')}]: extents must match or be 1`)
  },
  jvp: linearOp('broadcastInDim'),
  transpose: (cts, [x], { shape, broadcastDimensions: dims }) =>
    back(cts, (ct) => {
      const from = shapeOf(x!)
      const summed = c.range(shape.length).filter((d) => !dims.includes(d) || (from[dims.indexOf(d)] === 1 && shape[d] !== 1))
      return c.reshape(summed.length > 0 ? c.reduceSum(ct, summed) : ct, from)
    }),
  batch: batchInFront('broadcastInDim', ({ shape, broadcastDimensions }, size) => ({
    shape: [size, ...shape],
    broadcastDimensions: [0, ...up(broadcastDimensions)],
  })),
  overWords: ({ shape, broadcastDimensions }) => ({ shape: [...shape, 2], broadcastDimensions: [...broadcastDimensions, shape.length] }),
  lower: ([x], { shape, broadcastDimensions }) => [g.broadcast(x!, shape, broadcastDimensions)],
}

const reshape: Rules<'reshape'> = {
  abstractEval: ([x], { shape }) =>
    badShape(shape) || sizeOf(shape) !== sizeOf(x!.shape)
      ? shapes(`can't take the shape [${shape.join(',')}]: ${sizeOf(x!.shape)} elements against ${sizeOf(shape)}`)
      : one(aval(shape, x!.dtype, x!.weak)),
  jvp: linearOp('reshape'),
  transpose: (cts, [x]) => back(cts, (ct) => c.reshape(ct, shapeOf(x!))),
  batch: batchInFront('reshape', ({ shape }, size) => ({ shape: [size, ...shape] })),
  overWords: ({ shape }) => ({ shape: [...shape, 2] }),
  lower: ([x], { shape }) => [g.reshape(x!, shape)],
}

const transpose: Rules<'transpose'> = {
  abstractEval: ([x], { permutation }) => {
    const bad =
      permutation.length === x!.shape.length
        ? badAxes(permutation, x!.shape.length)
        : `the permutation [${permutation.join(',')}] needs ${x!.shape.length} axes`
    return bad === null
      ? one(
          aval(
            permutation.map((p) => x!.shape[p]!),
            x!.dtype,
            x!.weak,
          ),
        )
      : shapes(bad)
  },
  jvp: linearOp('transpose'),
  transpose: (cts, _xs, { permutation }) =>
    back(cts, (ct) =>
      c.transpose(
        ct,
        permutation.map((_, i) => permutation.indexOf(i)),
      ),
    ),
  batch: batchInFront('transpose', ({ permutation }) => ({ permutation: [0, ...up(permutation)] })),
  overWords: ({ permutation }) => ({ permutation: [...permutation, permutation.length] }),
  lower: ([x], { permutation }) => [g.transpose(x!, permutation)],
}

const rev: Rules<'rev'> = {
  abstractEval: ([x], { dimensions }) => {
    const bad = badAxes(dimensions, x!.shape.length)
    return bad === null ? one(x!) : shapes(bad)
  },
  jvp: linearOp('rev'),
  transpose: (cts, _xs, { dimensions }) => back(cts, (ct) => c.rev(ct, dimensions)),
  batch: batchInPlace('rev', ({ dimensions }, dim) => ({ dimensions: dimensions.map((a) => shifted(a, dim)) })),
  lower: ([x], { dimensions }) => {
    const flipped = (d: number): boolean => dimensions.includes(d)
    return [
      g.stride(
        x!,
        x!.shape.map((n, d) => (flipped(d) ? n - 1 : 0)),
        x!.shape.map((_, d) => (flipped(d) ? -1 : 1)),
        x!.shape,
      ),
    ]
  },
}

const sliced = (start: readonly number[], limit: readonly number[], strides: readonly number[]): number[] =>
  start.map((s, d) => Math.ceil((limit[d]! - s) / strides[d]!))

const slice: Rules<'slice'> = {
  abstractEval: ([x], { startIndices: start, limitIndices: limit, strides }) => {
    const bad = x!.shape.findIndex((n, d) => !(start[d]! >= 0 && start[d]! <= limit[d]! && limit[d]! <= n && strides[d]! > 0))
    if (start.length !== x!.shape.length || limit.length !== start.length || strides.length !== start.length)
      return shapes(`needs a start, limit and stride for each of ${x!.shape.length} axes`)
    return bad < 0
      ? one(aval(sliced(start, limit, strides), x!.dtype, x!.weak))
      : shapes(`axis ${bad}: ${start[bad]}:${limit[bad]}:${strides[bad]} isn't within 0:${x!.shape[bad]}`)
  },
  jvp: linearOp('slice'),
  transpose: (cts, [x], { startIndices, strides }) =>
    back(cts, (ct) => {
      const hi = ct.shape.map((n, d) => shapeOf(x!)[d]! - startIndices[d]! - (n === 0 ? 0 : (n - 1) * strides[d]! + 1))
      return c.pad(
        ct,
        c.lit(ct, 0),
        startIndices,
        hi,
        strides.map((s) => s - 1),
      )
    }),
  batch: batchInPlace('slice', ({ startIndices, limitIndices, strides }, dim, size) => ({
    startIndices: startIndices.toSpliced(dim, 0, 0),
    limitIndices: limitIndices.toSpliced(dim, 0, size),
    strides: strides.toSpliced(dim, 0, 1),
  })),
  overWords: ({ startIndices, limitIndices, strides }) => ({
    startIndices: [...startIndices, 0],
    limitIndices: [...limitIndices, 2],
    strides: [...strides, 1],
  }),
  lower: ([x], p) => {
    const shape = sliced(p.startIndices, p.limitIndices, p.strides)
    return [g.stride(x!, p.startIndices, p.strides, shape)]
  },
}

const padded = (n: number, lo: number, hi: number, interior: number): number => lo + hi + n + Math.max(0, n - 1) * interior

const pad: Rules<'pad'> = {
  abstractEval: ([x, value], { lo, hi, interior }) => {
    if (x!.dtype === 'key') return dtypes("keys can't be padded: pad their words, see random.*")
    if (x!.dtype !== value!.dtype || value!.shape.length > 0) return dtypes('the padding value must be a scalar of the same dtype')
    if ([lo, hi, interior].some((p) => p.length !== x!.shape.length))
      return shapes(`needs lo, hi and interior for each of ${x!.shape.length} axes`)
    const shape = x!.shape.map((n, d) => padded(n, lo[d]!, hi[d]!, interior[d]!))
    return badShape(shape) || interior.some((i) => i < 0)
      ? shapes('the padding leaves a negative extent')
      : one(aval(shape, x!.dtype, x!.weak && value!.weak))
  },
  jvp: linearOp('pad'),
  transpose: (cts, [x, v], { lo, hi, interior }) => {
    const ct = cts[0]!
    if (O.isNone(ct)) return [O.none, O.none]
    const unpad = (y: NdArray): NdArray => {
      const cut = c.pad(
        y,
        c.lit(y, 0),
        lo.map((n) => -n),
        hi.map((n) => -n),
      )
      const limit = shapeOf(x!).map((n, d) => (n === 0 ? 0 : (n - 1) * (interior[d]! + 1) + 1))
      return c.slice(
        cut,
        limit.map(() => 0),
        limit,
        interior.map((i) => i + 1),
      )
    }
    const inside = unpad(ct.value)
    const all = c.range(inside.ndim)
    return [
      isLinear(x!) ? O.some(inside) : O.none,
      isLinear(v!) ? O.some(c.sub(c.reduceSum(ct.value, all), c.reduceSum(inside, all))) : O.none,
    ]
  },
  batch: ([x, v], [d, dv], size, p) => {
    const wide = { lo: [0, ...p.lo], hi: [0, ...p.hi], interior: [0, ...p.interior] }
    const widely = (y: NdArray, value: NdArray): NdArray => c.pad(y, value, wide.lo, wide.hi, wide.interior)
    const moved = inFront(x!, d!, size)
    if (O.isNone(dv!)) return batched([widely(moved, v!)])
    const inside = widely(moved, c.lit(moved, 0))
    const mask = widely(c.full(moved.shape, 1, 'int32'), c.full([], 0, 'int32'))
    return batched([c.select(c.ne(mask, c.lit(mask, 0)), inside, c.broadcastInDim(v!, inside.shape, [0]))])
  },
  lower: ([x, v], { lo, hi, interior }) => {
    const shape = x!.shape.map((n, d) => padded(n, lo[d]!, hi[d]!, interior[d]!))
    const zero = v!.kind === 'const' && Object.is(v!.value, 0)
    if (interior.every((i) => i === 0)) {
      const around = (y: g.Node): g.Node =>
        g.stride(
          y,
          lo.map((n) => -n),
          lo.map(() => 1),
          shape,
          true,
        )
      if (zero) return [around(x!)]
      return [g.map('select', x!.dtype, around(g.constNode(1, 'bool', x!.shape)), around(x!), v!)]
    }
    // Between elements: place p holds element q = (p - lo) / (interior + 1) where that is whole and within.
    let inside: g.Node = g.constNode(1, 'bool', shape)
    const places = shape.map((_, d) => {
      const i32 = (op: 'add' | 'div' | 'mul', a: g.Node, b: number): g.Node => g.map(op, 'int32', a, g.constNode(b, 'int32'))
      const from = i32('add', g.iota(shape, d), -lo[d]!)
      const q = i32('div', from, interior[d]! + 1)
      const whole = g.map('eq', 'bool', i32('mul', q, interior[d]! + 1), from) // -1 / 2 is 0, and isn't whole
      inside = g.map('and', 'bool', inside, g.map('and', 'bool', whole, g.within(q, x!.shape[d]!)))
      return g.clampIndex(q, Math.max(0, x!.shape[d]! - 1))
    })
    if (sizeOf(x!.shape) === 0) return [g.broadcast(v!, shape, [])]
    return [g.map('select', x!.dtype, inside, g.gather(x!, g.linear(places, x!.shape)), v!)]
  },
}

const concatenate: Rules<'concatenate'> = {
  abstractEval: (avals, { dimension }) => {
    const first = avals[0]
    if (first === undefined) return shapes('needs at least one array')
    const bad = badAxes([dimension], first.shape.length)
    if (bad !== null) return shapes(bad)
    for (const a of avals) {
      if (a.dtype !== first.dtype) return dtypes(`dtypes differ (${first.dtype} against ${a.dtype}): convert with astype`)
      const rest = (s: readonly number[]): number[] => s.filter((_, d) => d !== dimension)
      if (a.shape.length !== first.shape.length || !eqShape(rest(a.shape), rest(first.shape)))
        return shapes(`${showAval(first)} and ${showAval(a)} differ beside axis ${dimension}`)
    }
    const total = avals.reduce((n, a) => n + a.shape[dimension]!, 0)
    return one(
      aval(
        first.shape.map((n, d) => (d === dimension ? total : n)),
        first.dtype,
        avals.every((a) => a.weak),
      ),
    )
  },
  jvp: linearOp('concatenate'),
  transpose: (cts, xs, { dimension }) => {
    let start = 0
    return xs.map((x): Tangent => {
      const from = start
      start += shapeOf(x)[dimension]!
      if (!isLinear(x) || O.isNone(cts[0]!)) return O.none
      const ct = (cts[0] as O.Some<NdArray>).value
      return O.some(
        c.slice(
          ct,
          ct.shape.map((_, d) => (d === dimension ? from : 0)),
          ct.shape.map((n, d) => (d === dimension ? from + shapeOf(x)[d]! : n)),
        ),
      )
    })
  },
  batch: batchInFront('concatenate', ({ dimension }) => ({ dimension: dimension + 1 })),
  // Each part at its place and zero around it; the first place that holds it wins.
  lower: (xs, { dimension }) => {
    const total = xs.reduce((n, x) => n + x.shape[dimension]!, 0)
    const shape = xs[0]!.shape.map((n, d) => (d === dimension ? total : n))
    const place = g.iota(shape, dimension)
    let start = total
    let out: g.Node | null = null
    for (let i = xs.length - 1; i >= 0; i--) {
      const x = xs[i]!
      start -= x.shape[dimension]!
      const here = g.stride(
        x,
        shape.map((_, d) => (d === dimension ? -start : 0)),
        shape.map(() => 1),
        shape,
        true,
      )
      const end = start + x.shape[dimension]!
      out = out === null ? here : g.map('select', x.dtype, g.map('lt', 'bool', place, g.constNode(end, 'int32')), here, out)
    }
    return [out!]
  },
}

const iota: Rules<'iota'> = {
  abstractEval: (_avals, { shape, dtype, dimension }) =>
    !isNumeric(dtype)
      ? dtypes(`there are no ${dtype} places: a number dtype is needed`)
      : badShape(shape) || !(dimension >= 0 && dimension < shape.length)
        ? shapes(`axis ${dimension} is out of range for [${shape.join(',')}]`)
        : shape[dimension]! > 2 ** 31
          ? shapes(`${shape[dimension]} places are more than int32 counts, ${2 ** 31}`)
          : one(aval(shape, dtype)),
  jvp: (_xs, _ts, p) => ({ outs: [c.iota(p.shape, p.dtype, p.dimension)], tangents: [O.none] }),
  transpose: 'notLinear',
  batch: (_xs, _dims, _size, p) => ({ outs: [c.iota(p.shape, p.dtype, p.dimension)], dims: [O.none] }),
  lower: (_xs, { shape, dtype, dimension }) => [
    dtype === 'int32' ? g.iota(shape, dimension) : g.map('cast', dtype, g.iota(shape, dimension)),
  ],
}

export const layoutRules = { broadcastInDim, reshape, transpose, rev, slice, pad, concatenate, iota } satisfies {
  readonly [K in OpName]?: Rules<K>
}
