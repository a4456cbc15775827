/** cond: one of several branches, chosen by an index when the program runs. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, aval, eqAval, physical, showAval } from '../src/core/aval.ts'
import { broadcastInDim, eq, select, stopGradient, zerosLike } from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import { type Atom, type Eqn, type Jaxpr, literal, variable } from '../src/core/jaxpr.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { BatchDim, Rules, Traced, Transforms } from '../src/core/rules.ts'
import { bind, constant, evalJaxpr, trace } from '../src/core/trace.ts'
import { composite, inputNodes, slotsOf } from './composite.ts'
import { pruneCond } from './prune.ts'
import { callAvals, dtypes, inFront, isLinear, valueOf, shapes } from './families.ts'
import { pick, place } from '../src/core/flags.ts'
import { joined, outsKnown, resultsInFront, some, tangentsAt, there } from './carrying.ts'

type Params = OpParams['cond']

const inAny = (flags: readonly (readonly boolean[])[]): boolean[] => flags[0]!.map((_, i) => flags.some((own) => own[i]))

const jvp: Rules<'cond'>['jvp'] = ([index, ...inputs], [, ...tangents], { jaxprs }, transforms) => {
  const moving = tangents.map(some)
  const pushed = jaxprs.map((jaxpr) => transforms.jvp(jaxpr, moving))
  const flags = inAny(pushed.map(({ nonzero }) => nonzero))
  const count = jaxprs[0]!.outs.length
  const branches = pushed.map(({ jaxpr, captures, nonzero }): Traced => {
    const own = trace(
      jaxpr.inputs.map((v) => v.aval),
      (args) => {
        const outs = evalJaxpr(jaxpr, args)
        const dys = place(nonzero, outs.slice(count), (i) => zerosLike(outs[i]!.aval))
        return [...outs.slice(0, count), ...pick(dys, flags)]
      },
      'jvp',
    )
    return { jaxpr: own.jaxpr, captures: [...own.captures, ...captures] }
  })
  const all = joined(branches)
  const outs = bind('cond', { jaxprs: all.jaxprs }, [index!, ...all.captures, ...inputs, ...there(tangents)])
  return { outs: outs.slice(0, count), tangents: tangentsAt(flags, outs.slice(count)) }
}

/** Where the index is known: the known part of each branch, with what the rest of it reads, and zeros for what the rests of the others read. */
const split: NonNullable<Rules<'cond'>['split']> = (eqn, [decided, ...flags], transforms) => {
  if (!decided) return [[], [eqn]]
  const { jaxprs } = eqn.op.params
  const later = inAny(jaxprs.map((jaxpr) => outsKnown(jaxpr, flags, transforms).map((flag) => !flag)))
  const now = later.map((flag) => !flag)
  const unknown = flags.map((flag) => !flag)
  const halves = jaxprs.map((jaxpr) => transforms.split({ ...jaxpr, outs: pick(jaxpr.outs, later) }, flags))
  const keeps = flags.map((flag, i) => flag && halves.some(({ kept }, k) => kept.includes(jaxprs[k]!.inputs[i]!)))
  const residuals = halves.flatMap(({ saved }) => saved)
  let at = 0
  const first: Jaxpr[] = []
  const second: Jaxpr[] = []
  jaxprs.forEach((jaxpr, k) => {
    const { before, after, saved } = halves[k]!
    const mine = (i: number): boolean => i >= at && i < at + saved.length
    const zeros: Eqn[] = []
    const others = residuals.map((v, i): Atom => {
      if (mine(i)) return v
      const [made, zero] = zerosOf(v.aval, eqn)
      zeros.push(...made)
      return zero
    })
    first.push({ inputs: pick(jaxpr.inputs, flags), eqns: [...before, ...zeros], outs: [...pick(jaxpr.outs, now), ...others] })
    const given = residuals.map((v, i) => (mine(i) ? v : variable(v.aval)))
    second.push({
      inputs: [...pick(jaxpr.inputs, keeps), ...given, ...pick(jaxpr.inputs, unknown)],
      eqns: after,
      outs: pick(jaxpr.outs, later),
    })
    at += saved.length
  })
  // As the first branch gives them: another's may be weak where its zeros aren't.
  const stored = first[0]!.outs.slice(first[0]!.outs.length - residuals.length).map((a) => variable(a.aval))
  const [index, ...operands] = eqn.inputs
  const forward: Eqn = {
    ...eqn,
    op: { name: 'cond', params: { jaxprs: first } },
    inputs: [index!, ...pick(operands, flags)],
    outs: [...pick(eqn.outs, now), ...stored],
  }
  const rest: Eqn = {
    ...eqn,
    op: { name: 'cond', params: { jaxprs: second } },
    inputs: [index!, ...pick(operands, keeps), ...stored, ...pick(operands, unknown)],
    outs: pick(eqn.outs, later),
  }
  return [forward.outs.length > 0 ? [forward] : [], rest.outs.length > 0 ? [rest] : []]
}
/** Zeros, by equations. */
const zerosOf = (a: Aval, like: Eqn): readonly [eqns: readonly Eqn[], zeros: Atom] => {
  const { shape, dtype } = physical(a)
  const zero = literal(0, aval([], dtype))
  if (a.shape.length === 0 && dtype === a.dtype) return [[], zero]
  const filled = variable(aval(shape, dtype))
  const eqns: Eqn[] = [
    { ...like, op: { name: 'broadcastInDim', params: { shape, broadcastDimensions: [] } }, inputs: [zero], outs: [filled] },
  ]
  if (dtype === a.dtype) return [eqns, filled]
  const wrapped = variable(a)
  return [[...eqns, { ...like, op: { name: 'randomWrap', params: {} }, inputs: [filled], outs: [wrapped] }], wrapped]
}

const transpose: Exclude<Rules<'cond'>['transpose'], 'notLinear'> = (cts, [index, ...inputs], { jaxprs }, transforms) => {
  const linear = inputs.map(isLinear)
  const asked = cts.map(some)
  const fixed = pick(
    inputs,
    linear.map((flag) => !flag),
  ).map(valueOf)
  const backs = jaxprs.map((jaxpr) => transforms.transpose(jaxpr, linear, asked))
  // What no branch gives a cotangent has none: what it comes from needn't be transposed.
  const reached = inAny(backs.map(({ present }) => present))
  if (!reached.includes(true)) return [O.none, ...inputs.map(() => O.none)]
  const branches = backs.map((back, k): Traced => {
    const own = trace(
      back.jaxpr.inputs.map((v) => v.aval),
      (args) => {
        const outs = evalJaxpr(back.jaxpr, args)
        const inputs = pick(jaxprs[k]!.inputs, linear)
        return pick(
          place(back.present, outs, (i) => zerosLike(inputs[i]!.aval)),
          reached,
        )
      },
      'transpose',
    )
    return { jaxpr: own.jaxpr, captures: [...own.captures, ...back.captures] }
  })
  const all = joined(branches)
  const outs = bind('cond', { jaxprs: all.jaxprs }, [valueOf(index!), ...all.captures, ...fixed, ...there(cts)])
  return [
    O.none,
    ...tangentsAt(
      place(linear, reached, () => false),
      outs,
    ),
  ]
}

const batch = (
  [index, ...inputs]: readonly NdArray[],
  [which, ...dims]: readonly BatchDim[],
  size: number,
  { jaxprs }: Params,
  transforms: Transforms,
) => {
  const each = O.isSome(which!)
  // Where each example takes its own branch, what can be differentiated is each example's own too.
  const own = inputs.map((x, i) => O.isSome(dims[i]!) || (each && isFloat(x.dtype)))
  const moved = inputs.map((x, i) => (own[i] ? inFront(x, dims[i]!, size) : x))
  const wide = jaxprs.map((jaxpr) =>
    transforms.batch(
      jaxpr,
      size,
      own.map((flag): BatchDim => (flag ? O.some(0) : O.none)),
    ),
  )
  const flags = each ? jaxprs[0]!.outs.map(() => true) : inAny(wide.map((branch) => branch.dims.map(O.isSome)))
  const branches = wide.map((branch) => resultsInFront(branch, size, flags))
  const out = flags.map((flag): BatchDim => (flag ? O.some(0) : O.none))
  if (!each) {
    const all = joined(branches)
    return { outs: bind('cond', { jaxprs: all.jaxprs }, [index!, ...all.captures, ...moved]), dims: out }
  }
  const place = (k: number): NdArray => constant(k, aval([], 'int32'))
  const at = bind('clamp', {}, [place(0), inFront(index!, which!, size), place(jaxprs.length - 1)])[0]!
  return { outs: taken(at, branches, moved), dims: out }
}
/** All branches are computed, and each example takes its own; to the others its operands are constants, which may be where they are singular. */
const taken = (at: NdArray, branches: readonly Traced[], operands: readonly NdArray[]): readonly NdArray[] => {
  const takes = branches.map((_, k) => eq(at, constant(k, aval([], at.dtype))))
  const where = (k: number, y: NdArray, other: NdArray): NdArray => select(broadcastInDim(takes[k]!, y.shape, [0]), y, other)
  return branches
    .map(({ jaxpr, captures }, k) => {
      const own = operands.map((x) => (isFloat(x.dtype) ? where(k, x, stopGradient(x)) : x))
      return evalJaxpr(jaxpr, [...captures, ...own])
    })
    .reduce((before, outs, k) => outs.map((y, i) => where(k, y, before[i]!)))
}

const lower: Rules<'cond'>['lower'] = ([index, ...operands], { jaxprs }, lowering) => {
  const programs = jaxprs.map((jaxpr) => lowering.program(jaxpr, inputNodes(operands), () => []))
  const args = [g.clampIndex(index!, jaxprs.length - 1), ...operands]
  const bytes = Math.max(...programs.map(({ arenaBytes }) => arenaBytes))
  const isKept = programs.some(({ effects }) => effects)
  return composite(args, slotsOf(jaxprs[0]!.outs), bytes, isKept, lowering, (frame) => [
    {
      kind: 'branch',
      index: frame.operands[0]!,
      branches: programs.map((program) => frame.embed(program, frame.operands.slice(1), frame.results, 0)),
    },
  ])
}

export const cond: Rules<'cond'> = {
  abstractEval: ([index, ...avals], { jaxprs }) => {
    if (index!.dtype !== 'int32' || index!.shape.length > 0) return dtypes('the index must be an int32 scalar')
    const outs = jaxprs.map((jaxpr) => callAvals(jaxpr, avals))
    const bad = outs.find(E.isLeft)
    if (bad !== undefined || outs.length === 0) return bad ?? shapes('at least one branch is needed')
    const [first, ...others] = outs.map((out) => (E.isLeft(out) ? [] : out.right))
    for (const [k, other] of others.entries()) {
      const off = first!.findIndex((a, i) => other[i] === undefined || !eqAval({ ...a, weak: false }, { ...other[i], weak: false }))
      if (off >= 0 || other.length !== first!.length)
        return shapes(`branch ${k + 1} gives ${other.map(showAval).join(', ')}, and the first gives ${first!.map(showAval).join(', ')}`)
    }
    return E.right(first!)
  },
  jvp,
  transpose,
  split,
  batch,
  lower,
  prune: pruneCond,
}
