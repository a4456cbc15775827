/**
 * scan: a body run over the elements of arrays, a carry handed on. As in JAX, operands are constants, the first carry, and arrays whose leading
 * axis is scanned; results are the last carry, and stacks of what each turn gave.
 */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, sizeOf } from '../src/core/aval.ts'
import { moveAxis, zerosLike } from '../src/core/constructors.ts'
import * as g from '../src/core/graph.ts'
import type { Node } from '../src/core/graph.ts'
import { type Atom, type Eqn, type Var, variable } from '../src/core/jaxpr.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { BatchDim, Rules, Tangent, Transforms } from '../src/core/rules.ts'
import { bind, evalJaxpr, trace } from '../src/core/trace.ts'
import { grouped, pick, place } from '../src/core/flags.ts'
import { badCarry, fixpoint, outsKnown, resultsInFront, some, tangentsAt, there } from './carrying.ts'
import { composite, copies, inputNodes, loopBody, slotsOf } from './composite.ts'
import { callAvals, inFront, isLinear, valueOf, shapes } from './families.ts'
import { pruneScan } from './prune.ts'

type Params = OpParams['scan']

/** A list of operands, or of what belongs to them, in its three parts. */
const parts = <T>(list: readonly T[], { numConsts, numCarry }: Params) => grouped(list, [numConsts, numCarry])
const element = (a: Aval): Aval => ({ ...a, shape: a.shape.slice(1) })
const stacked = (a: Aval, length: number): Aval => ({ ...a, shape: [length, ...a.shape] })
const jvp: Rules<'scan'>['jvp'] = (inputs, tangents, params, transforms) => {
  const { jaxpr, numCarry, numConsts } = params
  const [consts, carry, xs] = parts(inputs, params)
  const [dconsts, dcarry, dxs] = parts(tangents, params)
  const [mc, mx] = [dconsts.map(some), dxs.map(some)]
  const push = (moving: readonly boolean[]) => transforms.jvp(jaxpr, [...mc, ...moving, ...mx])
  const moving = fixpoint(dcarry.map(some), (flags) => push(flags).nonzero.slice(0, numCarry))
  const pushed = push(moving)
  const movingYs = pushed.nonzero.slice(numCarry)
  const avals = jaxpr.inputs.map((v) => v.aval)
  const [ac, ai, ax] = parts(avals, params)
  const counts = [pushed.captures.length, numConsts, pick(ac, mc).length, numCarry, pick(ai, moving).length, ax.length] as const
  const body = trace(
    [...pushed.captures.map((x) => x.aval), ...ac, ...pick(ac, mc), ...ai, ...pick(ai, moving), ...ax, ...pick(ax, mx)],
    (args) => {
      const [captures, c, dc, i, di, x, dx] = grouped(args, counts)
      const outs = evalJaxpr(pushed.jaxpr, [...captures, ...c, ...i, ...x, ...dc, ...di, ...dx])
      const dys = place(pushed.nonzero, outs.slice(jaxpr.outs.length), (k) => zerosLike(jaxpr.outs[k]!.aval))
      const [ys, dcs] = [outs.slice(0, jaxpr.outs.length), pick(dys.slice(0, numCarry), moving)]
      return [...ys.slice(0, numCarry), ...dcs, ...ys.slice(numCarry), ...pick(dys.slice(numCarry), movingYs)]
    },
    'jvp',
  )
  const all = [...body.captures, ...pushed.captures, ...consts, ...there(dconsts)]
  const starts = pick(
    dcarry.map((t, k) => (some(t) ? t.value : zerosLike(carry[k]!.aval))),
    moving,
  )
  const outs = bind('scan', { ...params, jaxpr: body.jaxpr, numConsts: all.length, numCarry: numCarry + starts.length }, [
    ...all,
    ...carry,
    ...starts,
    ...xs,
    ...there(dxs),
  ])
  const ys = jaxpr.outs.length - numCarry
  const flags = [...moving, ...movingYs]
  const pushedOuts = [...outs.slice(numCarry, numCarry + starts.length), ...outs.slice(numCarry + starts.length + ys)]
  return {
    outs: [...outs.slice(0, numCarry), ...outs.slice(numCarry + starts.length, numCarry + starts.length + ys)],
    tangents: tangentsAt(flags, pushedOuts),
  }
}

/** The known part as a scan of its own, that also stacks what the rest reads of it; what doesn't change from turn to turn is computed before both. */
const split: NonNullable<Rules<'scan'>['split']> = (eqn, flags, transforms) => {
  const { params } = eqn.op
  const { jaxpr, numCarry, length } = params
  const [kc, ki, kx] = parts(flags, params)
  const [vc, vi, vx] = parts(jaxpr.inputs, params)
  const [oc, oi, ox] = parts(eqn.inputs, params)
  const divide = (carry: readonly boolean[], outs: readonly Atom[]) => transforms.split({ ...jaxpr, outs }, [...kc, ...carry, ...kx])
  const knownOuts = (carry: readonly boolean[]): readonly boolean[] => outsKnown(jaxpr, [...kc, ...carry, ...kx], transforms)
  const unknown = fixpoint(
    ki.map((flag) => !flag),
    (carry) =>
      knownOuts(carry.map((flag) => !flag))
        .slice(0, numCarry)
        .map((flag) => !flag),
  )
  const knownCarry = unknown.map((flag) => !flag)
  const outKnown = [...knownCarry, ...knownOuts(knownCarry).slice(numCarry)]
  const outUnknown = outKnown.map((flag) => !flag)
  const { before, after: all, saved, kept } = divide(knownCarry, pick(jaxpr.outs, outUnknown))
  if (before.length === 0 && !outKnown.includes(true)) return [[], [eqn]] // nothing to divide
  const outer = new Map<Var, Atom>()
  const hoisted: Eqn[] = []
  vc.forEach((v, i) => {
    const operand = oc[i]!
    if (!kc[i]) return
    outer.set(v, operand)
    if (operand.aval.weak === v.aval.weak) return
    // The body may take a weak type for a strong one, and what is computed before it must not.
    const { dtype, weak } = v.aval
    const alike = variable(v.aval)
    hoisted.push({ ...eqn, op: { name: 'convertElementType', params: { dtype, weak } }, inputs: [operand], outs: [alike] })
    outer.set(v, alike)
  })
  const turns: Eqn[] = []
  for (const one of before) {
    const inputs = one.inputs.map((a) => (a.kind === 'lit' ? a : outer.get(a)))
    if (inputs.some((a) => a === undefined) || one.effects.length > 0) {
      turns.push(one)
      continue
    }
    const outs = one.outs.map((v) => variable(v.aval))
    one.outs.forEach((v, i) => outer.set(v, outs[i]!))
    hoisted.push({ ...one, inputs: inputs as Atom[], outs })
  }
  // What was computed before the loop isn't computed again in it.
  const after = all.filter((one) => !one.outs.some((v) => outer.has(v)))
  const constants = (eqns: readonly Eqn[], outs: readonly Atom[]): Var[] => {
    const own = new Set<Atom>(eqns.flatMap((one) => one.outs))
    const read = new Set([...eqns.flatMap(({ inputs }) => inputs), ...outs])
    return [...read].filter((a): a is Var => a.kind === 'var' && outer.has(a) && !own.has(a))
  }
  /** Residuals that change from turn to turn, those among the known carry included; known xs are read where they are. */
  const stacks = [...saved, ...kept].filter((v) => !outer.has(v) && !vx.includes(v))
  const stackVars = stacks.map((v) => variable(stacked(v.aval, length)))
  const scanned = (
    body: {
      readonly eqns: readonly Eqn[]
      readonly consts: readonly Var[]
      readonly carry: readonly Var[]
      readonly xs: readonly Var[]
      readonly outs: readonly Atom[]
    },
    operands: readonly Atom[],
    outs: readonly Var[],
  ): Eqn => ({
    ...eqn,
    op: {
      name: 'scan',
      params: {
        ...params,
        jaxpr: { inputs: [...body.consts, ...body.carry, ...body.xs], eqns: body.eqns, outs: body.outs },
        numConsts: body.consts.length,
        numCarry: body.carry.length,
      },
    },
    inputs: operands,
    outs,
  })
  const wanted = [...pick(jaxpr.outs, outKnown), ...stacks]
  const first = constants(turns, wanted)
  const read = new Set([...turns.flatMap(({ inputs }) => inputs), ...wanted])
  const seen = vx.map((v, i) => kx[i]! && read.has(v))
  const forward = scanned(
    { eqns: turns, consts: first, carry: pick(vi, knownCarry), xs: pick(vx, seen), outs: wanted },
    [...first.map((v) => outer.get(v)!), ...pick(oi, knownCarry), ...pick(ox, seen)],
    [...pick(eqn.outs, outKnown), ...stackVars],
  )
  const second = constants(after, pick(jaxpr.outs, outUnknown))
  const keptXs = vx.map((v, i) => kx[i]! && kept.includes(v))
  const [uc, ux] = [kc.map((flag) => !flag), kx.map((flag) => !flag)]
  const rest = scanned(
    {
      eqns: after,
      consts: [...pick(vc, uc), ...second],
      carry: pick(vi, unknown),
      xs: [...pick(vx, ux), ...pick(vx, keptXs), ...stacks],
      outs: pick(jaxpr.outs, outUnknown),
    },
    [...pick(oc, uc), ...second.map((v) => outer.get(v)!), ...pick(oi, unknown), ...pick(ox, ux), ...pick(ox, keptXs), ...stackVars],
    pick(eqn.outs, outUnknown),
  )
  return [forward.outs.length > 0 ? [...hoisted, forward] : hoisted, rest.outs.length > 0 ? [rest] : []]
}

const transpose: Exclude<Rules<'scan'>['transpose'], 'notLinear'> = (cts, xs, params, transforms) => {
  // What isn't linear in it (counters, say) is run by itself; the rest is.
  const vars = xs.map((x) => variable(x.aval))
  const outs = outAvals(params).map(variable)
  const eqn = { op: { name: 'scan', params }, inputs: vars, outs, effects: [], source: null } as const
  const linear = xs.map(isLinear)
  const [before, [rest]] = split(
    eqn,
    linear.map((flag) => !flag),
    transforms,
  )
  if (rest === undefined) return xs.map(() => O.none)
  const given = pick(
    vars,
    linear.map((flag) => !flag),
  )
  const outside = rest.inputs.filter((a): a is Var => a.kind === 'var' && !pick(vars, linear).includes(a))
  const values = evalJaxpr({ inputs: given, eqns: before, outs: outside }, xs.filter((x) => !isLinear(x)).map(valueOf))
  const madeBefore = (a: Atom): NdArray | null => (a.kind === 'var' && outside.includes(a) ? values[outside.indexOf(a)]! : null)
  const operands = rest.inputs.map(madeBefore)
  const back = transposed(
    rest.outs.map((v) => cts[outs.indexOf(v)]!),
    operands,
    (rest.op as typeof eqn.op).params,
    rest.inputs,
    transforms,
  )
  return vars.map((v) => (rest.inputs.includes(v) ? back[rest.inputs.indexOf(v)]! : O.none))
}

/** Of a scan that is linear in its carry, and in the operands that are null here. */
const transposed = (
  cts: readonly Tangent[],
  operands: readonly (NdArray | null)[],
  params: Params,
  inputs: readonly Atom[],
  transforms: Transforms,
): Tangent[] => {
  const { jaxpr, numCarry, reverse } = params
  const [c, , x] = parts(operands, params)
  const [ac, ai, ax] = parts(
    jaxpr.inputs.map((v) => v.aval),
    params,
  )
  const [lc, lx] = [c.map((value) => value === null), x.map((value) => value === null)]
  const asked = cts.map((ct, i) => i < numCarry || O.isSome(ct))
  const linear = [...lc, ...ai.map(() => true), ...lx]
  const back = transforms.transpose(jaxpr, linear, asked)
  const [sums, carry] = [pick(ac, lc), ai]
  const [fixedConsts, fixedXs] = [lc.map((flag) => !flag), lx.map((flag) => !flag)]
  const askedYs = pick(
    jaxpr.outs.map((v) => v.aval),
    asked,
  ).slice(numCarry)
  const [fixed, scanned] = [pick(ac, fixedConsts), pick(ax, fixedXs)]
  const sizes = [back.captures.length, fixed.length, sums.length, carry.length, askedYs.length] as const
  const body = trace(
    [...back.captures.map((v) => v.aval), ...fixed, ...sums, ...carry, ...askedYs, ...scanned],
    (args) => {
      const [captures, fixed, sum, dcarry, dys, xs] = grouped(args, sizes)
      const outs = evalJaxpr(back.jaxpr, [...captures, ...fixed, ...xs, ...dcarry, ...dys])
      const inputs = pick(jaxpr.inputs, linear)
      const all = place(back.present, outs, (i) => zerosLike(inputs[i]!.aval))
      const [own, rest] = [all.slice(0, sum.length), all.slice(sum.length)]
      return [...sum.map((s, i) => bind('add', {}, [s, own[i]!])[0]!), ...rest]
    },
    'transpose',
  )
  const consts = [...body.captures, ...back.captures, ...pick(c, fixedConsts)] as NdArray[]
  const starts = [...sums.map(zerosLike), ...carry.map((a, i) => (O.isSome(cts[i]!) ? (cts[i] as O.Some<NdArray>).value : zerosLike(a)))]
  const results = bind('scan', { ...params, jaxpr: body.jaxpr, reverse: !reverse, numConsts: consts.length, numCarry: starts.length }, [
    ...consts,
    ...starts,
    ...there(cts.slice(numCarry)),
    ...(pick(x, fixedXs) as NdArray[]),
  ])
  // What no turn gives a cotangent has none: what it comes from needn't be transposed.
  const given = (i: number): boolean => i < numCarry && O.isSome(cts[i] ?? O.none)
  const reached = place(linear, back.present, () => false).map((flag, i) => flag || given(i - params.numConsts))
  return place(linear, results, () => null).map((ct, i) => (operands[i] === null && ct !== null && reached[i] ? O.some(ct) : O.none))
}

const outAvals = ({ jaxpr, numCarry, length }: Params): readonly Aval[] =>
  jaxpr.outs.map((a, i) => (i < numCarry ? a.aval : stacked(a.aval, length)))

const batch = (inputs: readonly NdArray[], dims: readonly BatchDim[], size: number, params: Params, transforms: Transforms) => {
  const { jaxpr, numCarry } = params
  const mapped = dims.map(O.isSome)
  const [mc, mi, mx] = parts(mapped, params)
  const wide = (carry: readonly boolean[]) =>
    transforms.batch(
      jaxpr,
      size,
      [...mc, ...carry, ...mx].map((flag): BatchDim => (flag ? O.some(0) : O.none)),
    )
  const carry = fixpoint(mi, (flags) => wide(flags).dims.slice(0, numCarry).map(O.isSome))
  const over = wide(carry)
  const ys = over.dims.slice(numCarry).map(O.isSome)
  const flags = [...carry, ...ys]
  const body = resultsInFront(over, size, flags)
  const [c, i, x] = parts(
    inputs.map((value, k): NdArray => {
      const dim = dims[k]!
      if (k >= params.numConsts + numCarry) return O.isSome(dim) ? moveAxis(value, dim.value, 1) : value
      return O.isSome(dim) || carry[k - params.numConsts] ? inFront(value, dim, size) : value
    }),
    params,
  )
  const consts = [...body.captures, ...c]
  const outs = bind('scan', { ...params, jaxpr: body.jaxpr, numConsts: consts.length }, [...consts, ...i, ...x])
  return { outs, dims: flags.map((flag, k): BatchDim => (flag ? O.some(k < numCarry ? 0 : 1) : O.none)) }
}

/** Rows of a stack begin at multiples of four elements, so that they may be read as vectors: others are spread first. */
const rowOf = (size: number): number => Math.ceil(size / 4) * 4
const spread = (x: Node, length: number): Node => {
  const size = sizeOf(x.shape.slice(1))
  if (rowOf(size) === size || length === 1) return x
  return g.stride(g.reshape(x, [length, size]), [0, 0], [1, 1], [length, rowOf(size)], true)
}

/** What a loop reads by place alone is read where it is. */
const unshaped = (x: Node): Node => (x.kind === 'reshape' ? unshaped(x.source) : x)

const lower: Rules<'scan'>['lower'] = (operands, params, lowering) => {
  const { jaxpr, length, reverse, numConsts, numCarry } = params
  const [consts, carry, xs] = parts(operands, params)
  const elements = xs.map(({ shape, dtype }) => ({ shape: shape.slice(1), dtype }))
  const body = loopBody(jaxpr, inputNodes([...consts, ...carry, ...elements]), numConsts, numCarry, lowering)
  const begin = copies(carry, lowering)
  const given = slotsOf(jaxpr.outs.slice(numCarry))
  const isSpread = given.map(({ shape }) => length > 1 && rowOf(sizeOf(shape)) !== sizeOf(shape))
  const stacks = given.map(({ shape, dtype }, i) => ({ shape: [length, ...(isSpread[i] ? [rowOf(sizeOf(shape))] : shape)], dtype }))
  const outs = composite(
    [...consts, ...carry, ...xs.map((x) => spread(x, length))].map(unshaped),
    [...carry.map(({ shape, dtype }) => ({ shape, dtype })), ...stacks],
    body.bytes,
    body.effects,
    lowering,
    (frame) => {
      const [fixed, first, rows] = parts(frame.operands, params)
      const state = frame.results.slice(0, numCarry)
      const slice = (of: number, shape: readonly number[], dtype: Node['dtype']): number => {
        const [size, step] = [sizeOf(shape), rowOf(sizeOf(shape))]
        const place = {
          kind: 'slice',
          of,
          counter: frame.memory,
          start: reverse ? (length - 1) * step : 0,
          step: reverse ? -step : step,
        } as const
        return frame.add({ dtype, size, place })
      }
      const inputs = [...fixed, ...state, ...rows.map((id, i) => slice(id, elements[i]!.shape, elements[i]!.dtype))]
      const rest = given.map(({ shape, dtype }, i) => slice(frame.results[numCarry + i]!, shape, dtype))
      return [
        ...frame.embed(begin, first, state, 0),
        { kind: 'repeat', trips: length, counter: frame.memory, body: body.steps(frame, inputs, state, rest, 0) },
      ]
    },
  )
  return outs.map((out, i) => {
    if (i < numCarry || !isSpread[i - numCarry]) return out
    const { shape } = given[i - numCarry]!
    return g.reshape(g.stride(out, [0, 0], [1, 1], [length, sizeOf(shape)]), [length, ...shape])
  })
}

const isCount = (n: number): boolean => Number.isInteger(n) && n >= 0

export const scan: Rules<'scan'> = {
  abstractEval: (avals, params) => {
    const { jaxpr, length, numConsts, numCarry } = params
    if (![length, numConsts, numCarry].every(isCount) || numConsts + numCarry > avals.length)
      return shapes('length, numConsts and numCarry are whole numbers, and there are as many operands')
    const off = avals.slice(numConsts + numCarry).findIndex((a) => a.shape[0] !== length)
    if (off >= 0) return shapes(`array ${off} isn't ${length} long along its leading axis`)
    const inner = callAvals(
      jaxpr,
      avals.map((a, i) => (i < numConsts + numCarry ? a : element(a))),
    )
    if (E.isLeft(inner)) return inner
    const bad = badCarry(avals.slice(numConsts, numConsts + numCarry), inner.right)
    return bad === null ? E.right(outAvals(params)) : shapes(bad)
  },
  jvp,
  transpose,
  split,
  batch,
  lower,
  prune: pruneScan,
}
