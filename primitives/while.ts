/** while: a body run as long as a condition holds. Derivatives go forward only, since nobody knows how many turns there will be. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { broadcastInDim, reduceOr, select, zerosLike } from '../src/core/constructors.ts'
import { CotangentError } from '../src/core/errors.ts'
import { type Jaxpr, variable } from '../src/core/jaxpr.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { BatchDim, Rules, Transforms } from '../src/core/rules.ts'
import { bind, evalJaxpr, trace } from '../src/core/trace.ts'
import { composite, copies, inputNodes, laidOut, loopBody } from './composite.ts'
import { callAvals, inFront, shapes } from './families.ts'
import { pruneWhile } from './prune.ts'
import { grouped, pick, place } from '../src/core/flags.ts'
import { badCarry, fixpoint, outsKnown, some, tangentsAt, there } from './carrying.ts'

type Params = OpParams['while']

const parts = <T>(list: readonly T[], { condConsts, bodyConsts }: Params) => grouped(list, [condConsts, bodyConsts])
const both = ({ jaxprs }: Params): readonly [cond: Jaxpr, body: Jaxpr] => jaxprs as readonly [Jaxpr, Jaxpr]

const jvp: Rules<'while'>['jvp'] = (inputs, tangents, params, transforms) => {
  const [cond, body] = both(params)
  const [cc, bc, carry] = parts(inputs, params)
  const [, dbc, dcarry] = parts(tangents, params)
  const mb = dbc.map(some)
  const push = (flags: readonly boolean[]) => transforms.jvp(body, [...mb, ...flags])
  const moving = fixpoint(dcarry.map(some), (flags) => push(flags).nonzero)
  const pushed = push(moving)
  const avals = body.inputs.map((v) => v.aval)
  const [ab, ai] = [avals.slice(0, bc.length), avals.slice(bc.length)]
  const sizes = [pushed.captures.length, bc.length, pick(ab, mb).length, carry.length] as const
  const wide = trace(
    [...pushed.captures.map((x) => x.aval), ...ab, ...pick(ab, mb), ...ai, ...pick(ai, moving)],
    (args) => {
      const [captures, b, db, i, di] = grouped(args, sizes)
      const outs = evalJaxpr(pushed.jaxpr, [...captures, ...b, ...i, ...db, ...di])
      const dys = place(pushed.nonzero, outs.slice(carry.length), (k) => zerosLike(body.outs[k]!.aval))
      return [...outs.slice(0, carry.length), ...pick(dys, moving)]
    },
    'jvp',
  )
  // The condition takes no tangents.
  const test: Jaxpr = { ...cond, inputs: [...cond.inputs, ...pick(ai, moving).map(variable)] }
  const consts = [...wide.captures, ...pushed.captures, ...bc, ...there(dbc)]
  const starts = pick(
    dcarry.map((t, k) => (some(t) ? t.value : zerosLike(carry[k]!.aval))),
    moving,
  )
  const outs = bind('while', { ...params, jaxprs: [test, wide.jaxpr], bodyConsts: consts.length }, [...cc, ...consts, ...carry, ...starts])
  return { outs: outs.slice(0, carry.length), tangents: tangentsAt(moving, outs.slice(carry.length)) }
}

/** What is known runs by itself, and again with the rest, which needs its every turn. */
const split: NonNullable<Rules<'while'>['split']> = (eqn, flags, transforms) => {
  const { params } = eqn.op
  const [cond, body] = both(params)
  const [kc, kb, ki] = parts(flags, params)
  const unknown = fixpoint(
    ki.map((flag) => !flag),
    (carry) => outsKnown(body, [...kb, ...carry.map((flag) => !flag)], transforms).map((flag) => !flag),
  )
  const known = unknown.map((flag) => !flag)
  if (!outsKnown(cond, [...kc, ...known], transforms)[0] || !known.includes(true)) return [[], [eqn]]
  const { before } = transforms.split({ ...body, outs: [] }, [...kb, ...known])
  const [oc, ob, oi] = parts(eqn.inputs, params)
  const numCond = params.condConsts
  const alone: Params = {
    condConsts: pick(oc, kc).length,
    bodyConsts: pick(ob, kb).length,
    jaxprs: [
      { ...cond, inputs: [...pick(cond.inputs.slice(0, numCond), kc), ...pick(cond.inputs.slice(numCond), known)] },
      {
        inputs: [...pick(body.inputs.slice(0, kb.length), kb), ...pick(body.inputs.slice(kb.length), known)],
        eqns: before,
        outs: pick(body.outs, known),
      },
    ],
  }
  const first = {
    ...eqn,
    op: { name: 'while', params: alone },
    inputs: [...pick(oc, kc), ...pick(ob, kb), ...pick(oi, known)],
    outs: pick(eqn.outs, known),
  } as const
  const outs = eqn.outs.map((v, i) => (known[i] ? variable(v.aval) : v))
  return [[first], [{ ...eqn, outs }]]
}

const batch = (inputs: readonly NdArray[], dims: readonly BatchDim[], size: number, params: Params, transforms: Transforms) => {
  const [cond, body] = both(params)
  const [mc, mb, mi] = parts(dims.map(O.isSome), params)
  const over = (jaxpr: Jaxpr, flags: readonly boolean[]) =>
    transforms.batch(
      jaxpr,
      size,
      flags.map((flag): BatchDim => (flag ? O.some(0) : O.none)),
    )
  /** Where the condition is one for each example, all go on until the last is done, and those that are done keep what they have. */
  let each = false
  const carry = fixpoint(mi, (flags) => {
    each = O.isSome(over(cond, [...mc, ...flags]).dims[0]!)
    const out = over(body, [...mb, ...flags]).dims.map(O.isSome)
    return each ? out.map(() => true) : out
  })
  const [test, step] = [over(cond, [...mc, ...carry]), over(body, [...mb, ...carry])]
  const [cc, bc, ic] = parts(
    inputs.map((x, k) => (O.isSome(dims[k]!) || carry[k - params.condConsts - params.bodyConsts] ? inFront(x, dims[k]!, size) : x)),
    params,
  )
  const tests = [...test.captures, ...cc]
  const holds = (args: readonly NdArray[]): NdArray => inFrontIf(evalJaxpr(test.jaxpr, args)[0]!, test.dims[0]!, each)
  const inFrontIf = (x: NdArray, dim: BatchDim, flag: boolean): NdArray => (flag ? inFront(x, dim, size) : x)
  const ai = step.jaxpr.inputs.slice(step.captures.length + bc.length).map((v) => v.aval)
  const condition = trace([...tests.map((x) => x.aval), ...ai], (args) => [each ? reduceOr(holds(args), [0]) : holds(args)], 'vmap')
  const consts = [...(each ? tests : []), ...step.captures, ...bc]
  const next = trace(
    [...consts.map((x) => x.aval), ...ai],
    (args) => {
      const [own, before] = [args.slice(each ? tests.length : 0), args.slice(consts.length)]
      const outs = evalJaxpr(step.jaxpr, own).map((y, i) => inFrontIf(y, step.dims[i]!, carry[i]!))
      if (!each) return outs
      const goes = holds([...args.slice(0, tests.length), ...before])
      return outs.map((y, i) => select(broadcastInDim(goes, y.shape, [0]), y, before[i]!))
    },
    'vmap',
  )
  const operands = [...condition.captures, ...tests, ...next.captures, ...consts, ...ic]
  const outs = bind(
    'while',
    {
      jaxprs: [condition.jaxpr, next.jaxpr],
      condConsts: condition.captures.length + tests.length,
      bodyConsts: next.captures.length + consts.length,
    },
    operands,
  )
  return { outs, dims: carry.map((flag): BatchDim => (flag ? O.some(0) : O.none)) }
}

const lower: Rules<'while'>['lower'] = (operands, params, lowering) => {
  const [cond, body] = both(params)
  const [cc, bc, carry] = parts(operands, params)
  const program = lowering.program(cond, inputNodes([...cc, ...carry]), () => [])
  const step = loopBody(body, inputNodes([...bc, ...carry]), bc.length, carry.length, lowering)
  const begin = copies(carry, lowering)
  const { end } = laidOut([{ dtype: 'bool', size: 1 }])
  return composite(operands, carry, end + Math.max(program.arenaBytes, step.bytes), program.effects || step.effects, lowering, (frame) => {
    const [tests, consts, first] = parts(frame.operands, params)
    const state = frame.results
    const test = frame.own(0, { dtype: 'bool', size: 1 })
    return [
      ...frame.embed(begin, first, state, 0),
      {
        kind: 'loop',
        cond: frame.embed(program, [...tests, ...state], [test], end),
        test,
        body: step.steps(frame, [...consts, ...state], state, [], end),
      },
    ]
  })
}

export const whileRule: Rules<'while'> = {
  abstractEval: (avals, params) => {
    const [cond, body] = both(params)
    const [cc, bc, carry] = parts(avals, params)
    if (cond === undefined || body === undefined || cc.length !== params.condConsts || bc.length !== params.bodyConsts)
      return shapes('a condition and a body are needed, and as many constants as condConsts and bodyConsts say')
    const test = callAvals(cond, [...cc, ...carry])
    if (E.isLeft(test)) return test
    const [holds] = test.right
    if (test.right.length !== 1 || holds!.dtype !== 'bool' || holds!.shape.length > 0) return shapes('the condition must give one bool')
    const outs = callAvals(body, [...bc, ...carry])
    if (E.isLeft(outs)) return outs
    const bad =
      outs.right.length === carry.length ? badCarry(carry, outs.right) : `${carry.length} arrays go in and ${outs.right.length} come out`
    return bad === null ? outs : shapes(bad)
  },
  jvp,
  transpose: () => {
    throw new CotangentError(
      'a while loop has no reverse-mode derivative, since the number of its turns is known only when it ran: give whileLoop maxSteps, or use scan, or foriLoop between numbers',
    )
  },
  split,
  batch,
  lower,
  prune: pruneWhile,
}
