/** What speaks of a vmap's axis by name. The vmap of that name turns each into arithmetic over its batch axis; another one passes it on. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, aval } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isFloat, isNumeric } from '../src/core/dtype.ts'
import { ShapeError, TracerError } from '../src/core/errors.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { BatchDim, BatchResult, Rules, Tangent } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { batched, dtypes, inFront, linearOp, one, shapes } from './families.ts'

type OverAxis = 'psum' | 'pmax' | 'pmin' | 'allGather' | 'psumScatter' | 'allToAll' | 'ppermute'

const unbound = (name: OpName, axisName: string): never => {
  throw new TracerError(`${name}: the axis ${JSON.stringify(axisName)} has no vmap around it: apply vmap with that axisName first`)
}
const lower = (name: OpName) => (_xs: unknown, p: { readonly axisName: string }) => unbound(name, p.axisName)

/** `mine` under the vmap that has the axis; under another, the same op on its operand batched in front, with params for an axis more. */
const over =
  <K extends OverAxis>(
    name: K,
    lifted: (p: OpParams[K]) => OpParams[K],
    mine: (x: NdArray, d: BatchDim, size: number, p: OpParams[K]) => BatchResult,
  ): Rules<K>['batch'] =>
  ([x], [d], size, p, transforms) => {
    if (transforms.axisName !== p.axisName)
      return O.isSome(d!) ? batched(bind(name, lifted(p), [inFront(x!, d, size)])) : { outs: bind(name, p, [x!]), dims: [O.none] }
    if ('size' in p && p.size !== size)
      throw new ShapeError(`${name}: ${p.size} examples were expected along ${JSON.stringify(p.axisName)}, and there are ${size}`)
    return mine(x!, d!, size, p)
  }

const same = <P>(p: P): P => p
/** The same for every example. */
const shared = (y: NdArray): BatchResult => ({ outs: [y], dims: [O.none] })
const numbers = () => dtypes('a number dtype is needed: convert with astype')
const number: Rules<'psum'>['abstractEval'] = ([x]) => (isNumeric(x!.dtype) ? one(x!) : numbers())
const undealt = (axis: number, size: number) => shapes(`axis ${axis} must be ${size} long, to be dealt out to as many examples`)
/** The cotangent through another op. */
const pulled = <K extends OverAxis>(name: K, params: OpParams[K], ct: Tangent | undefined): readonly Tangent[] => [
  O.map((y: NdArray) => bind(name, params, [y])[0]!)(ct!),
]

const psum: Rules<'psum'> = {
  abstractEval: number,
  jvp: linearOp('psum'),
  transpose: ([ct], _xs, p) => pulled('psum', p, ct),
  batch: over('psum', same, (x, d, size) => shared(O.isSome(d) ? c.reduceSum(x, [d.value]) : c.mul(x, c.lit(x, size)))),
  lower: lower('psum'),
}

const extremum = <K extends 'pmax' | 'pmin'>(name: K, reduce: (x: NdArray, axes: readonly number[]) => NdArray) =>
  ({
    abstractEval: number,
    // As of a maximum over an axis: those that have it share it.
    jvp: ([x], [t], p) => {
      const outs = bind(name, p as OpParams[K], [x!])
      if (t === undefined || O.isNone(t) || !isFloat(x!.dtype)) return { outs, tangents: [O.none] }
      const sum = (y: NdArray): NdArray => bind('psum', p, [y])[0]!
      const there = c.convertElementType(c.eq(x!, outs[0]!), x!.dtype)
      return { outs, tangents: [O.some(c.div(sum(c.mul(there, t.value)), sum(there)))] }
    },
    transpose: 'notLinear',
    batch: over<'pmax' | 'pmin'>(name, same, (x, d) => shared(O.isSome(d) ? reduce(x, [d.value]) : x)),
    lower: lower(name),
  }) satisfies Rules<'pmax' | 'pmin'>

const allGather: Rules<'allGather'> = {
  abstractEval: ([x], { axis, size }) =>
    axis >= 0 && axis <= x!.shape.length && size >= 0
      ? one({ ...x!, shape: [...x!.shape.slice(0, axis), size, ...x!.shape.slice(axis)] })
      : shapes(`axis ${axis} is out of range for rank ${x!.shape.length + 1}`),
  jvp: linearOp('allGather'),
  transpose: ([ct], _xs, p) => pulled('psumScatter', p, ct),
  batch: over(
    'allGather',
    (p) => ({ ...p, axis: p.axis + 1 }),
    (x, d, size, { axis }) => shared(c.moveAxis(inFront(x, d, size), 0, axis)),
  ),
  lower: lower('allGather'),
}

const without = (a: Aval, axis: number): Aval => ({ ...a, shape: a.shape.filter((_, d) => d !== axis) })
const psumScatter: Rules<'psumScatter'> = {
  abstractEval: ([x], { axis, size }) =>
    isNumeric(x!.dtype) ? (x!.shape[axis] === size ? one(without(x!, axis)) : undealt(axis, size)) : numbers(),
  jvp: linearOp('psumScatter'),
  transpose: ([ct], _xs, p) => pulled('allGather', p, ct),
  batch: over(
    'psumScatter',
    (p) => ({ ...p, axis: p.axis + 1 }),
    (x, d, size, { axis }) => {
      const sum = O.isSome(d) ? c.reduceSum(x, [d.value]) : c.mul(x, c.lit(x, size))
      return batched([sum], axis)
    },
  ),
  lower: lower('psumScatter'),
}

const allToAll: Rules<'allToAll'> = {
  abstractEval: ([x], { split, concat, size }) => {
    if (x!.shape[split] !== size) return undealt(split, size)
    if (!(concat >= 0 && concat < x!.shape.length)) return shapes(`axis ${concat} is out of range for rank ${x!.shape.length}`)
    const shape = [...without(x!, split).shape]
    shape.splice(concat, 0, size)
    return one({ ...x!, shape })
  },
  jvp: linearOp('allToAll'),
  transpose: ([ct], _xs, p) => pulled('allToAll', { ...p, split: p.concat, concat: p.split }, ct),
  batch: over(
    'allToAll',
    (p) => ({ ...p, split: p.split + 1, concat: p.concat + 1 }),
    (x, d, size, { split, concat }) => {
      const all = inFront(x, d, size)
      const rest = c.range(all.ndim).filter((axis) => axis !== 0 && axis !== split + 1)
      rest.splice(concat, 0, 0)
      return batched([c.transpose(all, [split + 1, ...rest])])
    },
  ),
  lower: lower('allToAll'),
}

/** Row `to` from row `from` for each pair, zeros where none goes; rows that follow one another are taken together. */
const permuted = (x: NdArray, size: number, perm: OpParams['ppermute']['perm']): NdArray => {
  const sources = new Map(perm.map(([from, to]) => [to, from]))
  const pieces: NdArray[] = []
  for (let to = 0, n = 0; to < size; to += n) {
    const from = sources.get(to)
    const next = (k: number): boolean => sources.get(to + k) === (from === undefined ? undefined : from + k)
    for (n = 1; to + n < size && next(n);) n++
    const rest = x.shape.slice(1)
    pieces.push(
      from === undefined ? c.zerosLike({ ...x.aval, shape: [n, ...rest] }) : c.slice(x, [from, ...rest.map(() => 0)], [from + n, ...rest]),
    )
  }
  return pieces.length === 1 ? pieces[0]! : pieces.length === 0 ? x : c.concatenate(pieces, 0)
}
const ppermute: Rules<'ppermute'> = {
  abstractEval: ([x], { perm, size }) =>
    perm.flat().every((place) => place >= 0 && place < size) &&
    [0, 1].every((k) => new Set(perm.map((pair) => pair[k])).size === perm.length)
      ? one(x!)
      : shapes(`perm must be of places below ${size}, each of which may give once and take once`),
  jvp: linearOp('ppermute'),
  transpose: ([ct], _xs, p) => pulled('ppermute', { ...p, perm: p.perm.map(([from, to]) => [to, from] as const) }, ct),
  batch: over('ppermute', same, (x, d, size, { perm }) => batched([permuted(inFront(x, d, size), size, perm)])),
  lower: lower('ppermute'),
}

const axisIndex: Rules<'axisIndex'> = {
  abstractEval: () => one(aval([], 'int32')),
  jvp: (_xs, _ts, p) => ({ outs: bind('axisIndex', p, []), tangents: [O.none] }),
  transpose: 'notLinear',
  batch: (_xs, _dims, size, p, transforms) =>
    transforms.axisName === p.axisName ? batched([c.iota([size], 'int32', 0)]) : shared(bind('axisIndex', p, [])[0]!),
  lower: lower('axisIndex'),
}

export const axisRules = {
  psum,
  pmax: extremum('pmax', c.reduceMax),
  pmin: extremum('pmin', c.reduceMin),
  allGather,
  psumScatter,
  allToAll,
  ppermute,
  axisIndex,
} satisfies { readonly [K in OpName]?: Rules<K> }
