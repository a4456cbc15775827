/**
 * Scaled dot-product attention as a primitive, since flash attention can't be recovered from a linearized softmax. Its tangent is a primitive of its
 * own, whose transpose is the flash backward kernel. What no kernel does (float64, a moving bias, derivatives of derivatives) is composed from others.
 *
 * Operands: query [B,T,H,D], key [B,S,K,D], value [B,S,K,E], then, as params say, bias [B,H,T,S], mask [B,H,T,S] (their extents may be 1)
 * and a PRNG key for dropout. K divides H: query head h reads head floor(h K / H).
 */
import { tangentsAt } from './carrying.ts'
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, aval, eqShape, rowMajor, showAval, sizeOf } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isFloat, isHalf } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import { type Attention, type AttentionGrad, type AttentionShape, readsHalves, type Strided } from '../src/core/kernel.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import type { AttentionParams, OpName, OpParams } from '../src/core/ops.ts'
import type { BatchDim, BatchResult, JvpResult, Lowering, Refusal, Rules, Tangent, Transforms } from '../src/core/rules.ts'
import { bind, evalJaxpr, trace } from '../src/core/trace.ts'
import { inFront, dtypes, isLinear, valueOf, shapes } from './families.ts'

type Name = 'dotProductAttention' | 'dotProductAttentionJvp' | 'dotProductAttentionGrad'

/** The operands by name: what attention reads, and what follows it in the tangent and the gradient. */
const named = <T>(xs: readonly T[], { bias, mask, rate }: AttentionParams) => {
  let next = 3
  const take = (there: boolean): T | null => (there ? xs[next++]! : null)
  const [q, k, v] = xs as readonly [T, T, T]
  return { q, k, v, bias: take(bias), mask: take(mask), key: take(rate > 0), rest: xs.slice(next) }
}

// Shapes -------------------------------------------------------------------------------------------------------------------------

const refuse = (avals: readonly Aval[], p: AttentionParams): E.Either<Refusal, never> | null => {
  if (avals.length < 3 + Number(p.bias) + Number(p.mask) + Number(p.rate > 0))
    return shapes('an operand that the params speak of is missing')
  const { q, k, v, bias, mask, key } = named(avals, p)
  if ([q, k, v].some((a) => a.shape.length !== 4)) return shapes('query, key and value must be [batch, length, heads, width]')
  const [B, T, H, D] = q.shape as readonly [number, number, number, number]
  const [, S, K] = k.shape as readonly [number, number, number, number]
  if (!isFloat(q.dtype) || k.dtype !== q.dtype || v.dtype !== q.dtype) return dtypes('query, key and value must have one float dtype')
  if (k.shape[0] !== B || k.shape[3] !== D) return shapes(`key ${showAval(k)} doesn't fit query ${showAval(q)}: batch and width must agree`)
  if (v.shape[0] !== B || v.shape[1] !== S || v.shape[2] !== K)
    return shapes(`value ${showAval(v)} doesn't fit key ${showAval(k)}: batch, length and heads must agree`)
  if (K === 0 ? H !== 0 : H % K !== 0) return shapes(`${H} query heads aren't a multiple of ${K} key heads`)
  for (const [what, a, dtype] of [['bias', bias, q.dtype] as const, ['mask', mask, 'bool'] as const]) {
    if (a === null) continue
    if (a.dtype !== dtype) return dtypes(`the ${what} must be ${dtype}`)
    const fits = a.shape.length === 4 && [B, H, T, S].every((n, d) => a.shape[d] === n || a.shape[d] === 1)
    if (!fits) return shapes(`the ${what} ${showAval(a)} doesn't broadcast to [${[B, H, T, S].join(',')}]`)
  }
  if (key !== null && (key.dtype !== 'key' || key.shape.length > 0)) return dtypes('dropout needs a single key')
  if (p.softcap !== null && !(p.softcap > 0 && p.softcap < Infinity))
    return shapes(`a softcap is positive and finite, and ${p.softcap} isn't`)
  return p.rate >= 0 && p.rate < 1 ? null : shapes(`the dropout rate ${p.rate} isn't in [0, 1)`)
}

const outAvals = (q: Aval, v: Aval): readonly Aval[] => {
  const [B, T, H] = q.shape as readonly [number, number, number]
  return [aval([B, T, H, v.shape[3]!], q.dtype), aval([B, H, T], q.dtype)]
}

const alike = (got: readonly Aval[], want: readonly Aval[]): boolean =>
  got.length === want.length && got.every((a, i) => a.dtype === want[i]!.dtype && eqShape(a.shape, want[i]!.shape))

// Composed -----------------------------------------------------------------------------------------------------------------------

/** As the kernels have it: the bits of position i decide, u < 1 - rate is kept and divided by 1 - rate. */
const dropoutFactors = (key: NdArray, shape: readonly number[], rate: number, dtype: NdArray['dtype']): NdArray => {
  const words = c.randomUnwrap(key)
  const word = (i: number): NdArray => c.reshape(c.slice(words, [i], [i + 1]), [])
  const position = c.reshape(c.iota([sizeOf(shape)], 'uint32', 0), shape)
  const block = (half: 0 | 1): NdArray => bind('threefry', { word: half }, [word(0), word(1), c.full(shape, 0, 'uint32'), position])[0]!
  const bits = c.xor(block(0), block(1))
  const u = c.bitcastConvertType(c.or(c.shiftRightLogical(bits, c.lit(bits, 9)), c.lit(bits, 0x3f800000)), 'float32')
  const kept = c.lt(c.sub(u, c.lit(u, 1)), c.lit(u, Math.fround(1 - rate)))
  return c.mul(c.convertElementType(kept, dtype), c.full(shape, 1 / (1 - rate), dtype))
}

/** [out, lse] with all scores in memory; a row that sees nothing gives zeros and -Infinity. */
const composed = (xs: readonly NdArray[], p: AttentionParams): readonly NdArray[] => {
  const { q, k, v, bias, mask, key } = named(xs, p)
  const [B, T, H, D] = q.shape as readonly [number, number, number, number]
  const [, S, K, E_] = v.shape as readonly [number, number, number, number]
  const groups = [B, K, H / K, T, S] as const
  const dots = c.dotGeneral(c.reshape(q, [B, T, K, H / K, D]), k, [[4], [3]], [[0, 2], [0, 2]]) // prettier-ignore
  const shape = [B, H, T, S]
  const raw = c.reshape(c.transpose(dots, [0, 1, 3, 2, 4]), shape) // [B,K,T,G,S] inside
  const wide = (x: NdArray, dims: readonly number[] = c.range(4)): NdArray => c.broadcastInDim(x, shape, dims)
  const scaled = c.mul(raw, c.lit(raw, p.scale))
  const bent = p.softcap === null ? scaled : c.mul(c.tanh(c.div(scaled, c.lit(raw, p.softcap))), c.lit(raw, p.softcap))
  const distance = c.sub(c.iota(shape, 'int32', 3), c.iota(shape, 'int32', 2)) // key - query
  const seen = [
    c.full(shape, 1, 'bool'),
    ...(mask === null ? [] : [wide(mask)]),
    ...(p.left === null ? [] : [c.ge(distance, c.lit(distance, -p.left))]),
    ...(p.right === null ? [] : [c.le(distance, c.lit(distance, p.right))]),
  ].reduce(c.and)
  const like = (x: NdArray, value: number): NdArray => c.full(x.shape, value, x.dtype)
  const s = c.select(seen, bias === null ? bent : c.add(bent, wide(bias)), like(raw, -Infinity))
  const top = c.stopGradient(c.reduceMax(s, [3]))
  const level = c.select(c.isFinite(top), top, like(top, 0))
  const e = c.exp(c.sub(s, wide(level, [0, 1, 2])))
  const sum = c.reduceSum(e, [3]) // [B,H,T]
  const blind = c.eq(sum, like(sum, 0))
  const total = c.select(blind, like(sum, 1), sum)
  const P = c.div(e, wide(total, [0, 1, 2]))
  const w = key === null ? P : c.mul(P, dropoutFactors(key, shape, p.rate, q.dtype))
  const out = c.dotGeneral(c.reshape(w, groups), v, [[4], [1]], [[0, 1], [0, 2]]) // prettier-ignore
  const lse = c.select(blind, like(sum, -Infinity), c.add(level, c.log(total)))
  return [c.reshape(c.transpose(out, [0, 3, 1, 2, 4]), [B, T, H, E_]), lse] // [B,K,G,T,E] inside
}

/** A primitive as a jaxpr of others. The derivatives compute again what `out` and `lse` would have saved them. */
const expand = <K extends Name>(name: K, avals: readonly Aval[], p: OpParams[K], transforms: Transforms): Jaxpr => {
  const operands = avals.slice(0, 3 + Number(p.bias) + Number(p.mask) + Number(p.rate > 0))
  const forward = (): Jaxpr => trace(operands, (xs) => composed(xs, p), name).jaxpr
  if (name === 'dotProductAttention') return forward()
  const [first, last] = [operands.length, avals.length]
  if (name === 'dotProductAttentionJvp') {
    const { moving } = p as OpParams['dotProductAttentionJvp']
    const nonzero = operands.map((_, i) => (i < 3 ? moving[i]! : i === 3 && p.bias && moving[3]!))
    const pushed = transforms.jvp(forward(), nonzero)
    const push = (xs: readonly NdArray[]): readonly NdArray[] => {
      const outs = evalJaxpr(pushed.jaxpr, [...xs.slice(0, first), ...xs.slice(first + 2)])
      return [outs[2]!, pushed.nonzero[1] ? outs[3]! : c.zerosLike(xs[first + 1]!.aval)]
    }
    return trace(avals, push, name).jaxpr
  }
  const moving = [true, true, true, false]
  const linear = [...avals.slice(0, last - 1), ...avals.slice(0, 3)]
  const tangent = expand('dotProductAttentionJvp', linear, { ...p, moving }, transforms)
  const back = transforms.transpose(
    tangent,
    linear.map((_, i) => i >= last - 1),
    [true, false],
  )
  return trace(avals, (xs) => evalJaxpr(back.jaxpr, xs), name).jaxpr
}

// Rules --------------------------------------------------------------------------------------------------------------------------

const avalsOf = (xs: readonly NdArray[]): readonly Aval[] => xs.map((x) => x.aval)

const composedJvp =
  <K extends Name>(name: K): Rules<K>['jvp'] =>
  (xs, ts, p, transforms): JvpResult => {
    const { jaxpr, nonzero } = transforms.jvp(expand(name, avalsOf(xs), p, transforms), ts.map(O.isSome))
    const outs = evalJaxpr(jaxpr, [...xs, ...ts.filter(O.isSome).map((t) => t.value)])
    return { outs: outs.slice(0, nonzero.length), tangents: tangentsAt(nonzero, outs.slice(nonzero.length)) }
  }

/** The batch axis joins B; where dropout counts positions, which it would change, the composed form is batched instead. */
const foldedBatch =
  <K extends Name>(name: K): Rules<K>['batch'] =>
  (xs, dims, size, p, transforms): BatchResult => {
    const params: AttentionParams = p
    if (params.rate > 0) {
      const avals = xs.map((x, i) => unbatched(x.aval, dims[i]!))
      const wide = transforms.batch(expand(name, avals, p, transforms), size, dims)
      return { outs: evalJaxpr(wide.jaxpr, xs), dims: wide.dims }
    }
    const B = unbatched(xs[0]!.aval, dims[0]!).shape[0]!
    // A bias and its tangent stay of one shape.
    const bound = 'moving' in p && p.moving[3] === true ? [3, xs.length - 1] : []
    const still = (i: number): boolean => (bound.includes(i) ? bound : [i]).every((k) => O.isNone(dims[k]!))
    const fold = (x: NdArray, i: number): NdArray => {
      const dim = dims[i]!
      const own = unbatched(x.aval, dim).shape
      if (still(i) && own[0] === 1 && B !== 1) return x
      const moved = inFront(x, dim, size)
      const full = own[0] === B ? moved : c.broadcastInDim(moved, [size, B, ...own.slice(1)], c.range(moved.ndim))
      return c.reshape(full, [size * B, ...own.slice(1)])
    }
    const outs = bind(name, p, xs.map(fold))
    return { outs: outs.map((y) => c.reshape(y, [size, B, ...y.shape.slice(1)])), dims: outs.map(() => O.some(0)) }
  }
const unbatched = (a: Aval, dim: BatchDim): Aval => (O.isNone(dim) ? a : { ...a, shape: a.shape.filter((_, d) => d !== dim.value) })

/** Where an operand's element stands: [batch, head, row, column], extents of one repeat. */
const strided = (arg: number, shape: readonly number[], order: readonly [number, number, number, number]): Strided => {
  const strides = rowMajor(shape)
  return { arg, strides: order.map((d) => (d < 0 || shape[d] === 1 ? 0 : strides[d]!)), offset: 0 }
}
const byHead = [0, 2, 1, 3] as const // of [batch, row, head, column]

const kernelShape = (xs: readonly g.Node[], p: AttentionParams): AttentionShape => {
  const at = named(
    xs.map((_, i) => i),
    p,
  )
  const [q, k, v] = xs as readonly [g.Node, g.Node, g.Node]
  const score = (arg: number | null): Strided | null => (arg === null ? null : strided(arg, xs[arg]!.shape, [0, 1, 2, 3]))
  return {
    batch: q.shape[0]!,
    heads: q.shape[2]!,
    group: k.shape[2] === 0 ? 1 : q.shape[2]! / k.shape[2]!,
    queries: q.shape[1]!,
    keys: k.shape[1]!,
    headDim: q.shape[3]!,
    valueDim: v.shape[3]!,
    scale: p.scale,
    softcap: p.softcap,
    left: p.left,
    right: p.right,
    query: strided(0, q.shape, byHead),
    key: strided(1, k.shape, byHead),
    value: strided(2, v.shape, byHead),
    bias: score(at.bias),
    mask: score(at.mask),
    dropout: at.key === null ? null : { arg: at.key, rate: p.rate },
    args: [],
  }
}
/** Operands are read with strides of any kind, so views of them cost nothing. */
const restrided =
  (kernel: Attention | AttentionGrad): g.Restrided =>
  (seen) => {
    const { batch, heads, group, queries, keys, headDim, valueDim } = kernel
    const kvHeads = Math.ceil(heads / group)
    const halves = kernel.kind === 'attention' && readsHalves(kernel)
    const score = (operand: Strided | null): Strided | null => operand && seen(operand, [batch, heads, queries, keys])
    const row = (operand: Strided, width: number): Strided => seen(operand, [batch, heads, queries, width])
    const inputs = {
      query: row(kernel.query, headDim),
      key: seen(kernel.key, [batch, kvHeads, keys, headDim], halves),
      value: seen(kernel.value, [batch, kvHeads, keys, valueDim], halves),
      bias: score(kernel.bias),
      mask: score(kernel.mask),
    }
    if (kernel.kind === 'attention') return { ...kernel, ...inputs }
    return { ...kernel, ...inputs, out: row(kernel.out, valueDim), lse: row(kernel.lse, 1), ct: row(kernel.ct, valueDim) }
  }
const lseStrides = (arg: number, shape: readonly number[]): Strided => strided(arg, [...shape, 1], [0, 1, 2, -1])

export const dotProductAttention: Rules<'dotProductAttention'> = {
  abstractEval: (avals, p) => {
    const { q, v } = named(avals, p)
    return refuse(avals, p) ?? E.right(outAvals(q, v))
  },
  jvp: (xs, ts, p) => {
    const [out, lse] = bind('dotProductAttention', p, xs) as [NdArray, NdArray]
    const order = named(ts, p)
    const moving = [order.q, order.k, order.v, order.bias ?? O.none]
    const tangents = bind('dotProductAttentionJvp', { ...p, moving: moving.map(O.isSome) }, [
      ...xs,
      out,
      lse,
      ...moving.filter(O.isSome).map((t) => t.value),
    ])
    return { outs: [out, lse], tangents: tangents.map(O.some) }
  },
  transpose: 'notLinear',
  batch: foldedBatch('dotProductAttention'),
  lower: (xs, p, lowering) => {
    const [q, , v] = xs as readonly [g.Node, g.Node, g.Node]
    if (q.dtype !== 'float32') return lowerComposed('dotProductAttention', xs, p, lowering)
    const outs = outAvals(aval(q.shape, q.dtype), aval(v.shape, v.dtype))
    const kernel: Attention = {
      ...kernelShape(xs, p),
      kind: 'attention',
      out: strided(xs.length, outs[0]!.shape, byHead),
      lse: lseStrides(xs.length + 1, outs[1]!.shape),
      args: [...xs, ...outs].map((x) => x.dtype),
    }
    return g.special(kernel, xs, outs, restrided(kernel))
  },
}

/** Through the composed form; a key comes back from its words. */
const lowerComposed = <K extends Name>(name: K, xs: readonly g.Node[], p: OpParams[K], lowering: Lowering): readonly g.Node[] => {
  const keyAt = named(
    xs.map((_, i) => i),
    p,
  ).key
  const avals = xs.map((x, i) => (i === keyAt ? aval([], 'key') : aval(x.shape, x.dtype)))
  return lowering.lower(expand(name, avals, p, lowering.transforms), xs)
}

export const dotProductAttentionJvp: Rules<'dotProductAttentionJvp'> = {
  abstractEval: (avals, p) => {
    const { q, v, rest } = named(avals, p)
    const bad = refuse(avals, p)
    if (bad !== null) return bad
    const tangents = avals.slice(0, p.moving.length).filter((_, i) => p.moving[i])
    return alike(rest, [...outAvals(q, v), ...tangents])
      ? E.right(outAvals(q, v))
      : shapes('needs out, lse and a tangent each, like what they belong to')
  },
  jvp: composedJvp('dotProductAttentionJvp'),
  transpose: (cts, xs, p, transforms): readonly Tangent[] => {
    const first = xs.length - p.moving.filter(Boolean).length
    const given = xs.slice(0, first).map(valueOf)
    const [ctOut, ctLse] = cts as readonly [Tangent, Tangent]
    const none = given.map((): Tangent => O.none)
    if (O.isSome(ctOut) && O.isNone(ctLse) && p.moving[3] !== true) {
      const { moving, ...params } = p
      const grads = bind('dotProductAttentionGrad', params, [...given, ctOut.value])
      return [...none, ...grads.filter((_, i) => moving[i]).map(O.some)]
    }
    const jaxpr = expand(
      'dotProductAttentionJvp',
      xs.map((x) => x.aval),
      p,
      transforms,
    )
    const back = transforms.transpose(jaxpr, xs.map(isLinear), cts.map(O.isSome))
    const outs = evalJaxpr(back.jaxpr, [...given, ...cts.filter(O.isSome).map((t) => t.value)])
    return [...none, ...tangentsAt(back.present, outs)]
  },
  batch: foldedBatch('dotProductAttentionJvp'),
  lower: (xs, p, lowering) => lowerComposed('dotProductAttentionJvp', xs, p, lowering),
}

export const dotProductAttentionGrad: Rules<'dotProductAttentionGrad'> = {
  abstractEval: (avals, p) => {
    const { q, k, v, rest } = named(avals, p)
    const bad = refuse(avals, p)
    if (bad !== null) return bad
    const [out, lse] = outAvals(q, v) as [Aval, Aval]
    return alike(rest, [out, lse, out]) ? E.right([q, k, v]) : shapes('needs out, lse and a cotangent like out')
  },
  jvp: composedJvp('dotProductAttentionGrad'),
  transpose: 'notLinear',
  batch: foldedBatch('dotProductAttentionGrad'),
  lower: (xs, p, lowering) => {
    const [q, k, v] = xs as readonly [g.Node, g.Node, g.Node]
    if (q.dtype !== 'float32') return lowerComposed('dotProductAttentionGrad', xs, p, lowering)
    const [out, lse, ct] = [xs.length - 3, xs.length - 2, xs.length - 1]
    const kernel: AttentionGrad = {
      ...kernelShape(xs, p),
      kind: 'attentionGrad',
      out: strided(out, xs[out]!.shape, byHead),
      lse: lseStrides(lse, xs[lse]!.shape),
      ct: strided(ct, xs[ct]!.shape, byHead),
      dQuery: strided(xs.length, q.shape, byHead),
      dKey: strided(xs.length + 1, k.shape, byHead),
      dValue: strided(xs.length + 2, v.shape, byHead),
      args: [...xs, q, k, v].map((x) => x.dtype),
    }
    const outs = [q, k, v].map(({ shape, dtype }) => ({ shape, dtype }))
    return g.special(kernel, xs, outs, restrided(kernel))
  },
}

export const attentionRules = { dotProductAttention, dotProductAttentionJvp, dotProductAttentionGrad } satisfies {
  readonly [K in OpName]?: Rules<K>
}

/** [out, logsumexp of each row]; `extras` are bias, mask and key as the params say. 16-bit floats are widened, as the scores would be. */
export const attend = (q: NdArray, k: NdArray, v: NdArray, extras: readonly NdArray[], params: AttentionParams): NdArray[] => {
  const wide = (x: NdArray): NdArray => (isHalf(x.dtype) ? c.convertElementType(x, 'float32') : x)
  const [out, lse] = bind('dotProductAttention', params, [q, k, v, ...extras].map(wide)) as [NdArray, NdArray]
  return [c.convertElementType(out, q.dtype), lse]
}
