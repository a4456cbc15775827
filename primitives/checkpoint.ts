/**
 * checkpoint: a function whose intermediate values aren't kept for its derivative but computed again. What is computed again is a program of its own
 * that needs the cotangents, so that nothing moves it up to where the function ran first, and nothing in it is taken for what ran there.
 */
import type { NdArray } from '../src/core/array.ts'
import { type Atom, type Eqn, type Jaxpr, type Var, variable } from '../src/core/jaxpr.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { composite, inputNodes, slotsOf } from './composite.ts'
import { callAvals, isLinear, valueOf, linearJvp, one } from './families.ts'
import { pick, place } from '../src/core/flags.ts'
import { outsKnown, some, tangentsAt, there } from './carrying.ts'

type Params = OpParams['checkpoint']

/** Whether a policy keeps what an equation gives. */
const keeps = ({ op }: Eqn, { policy, names }: Params): boolean => {
  switch (policy) {
    case 'everything':
      return true
    case 'dots':
      return op.name === 'dotGeneral'
    case 'dotsWithNoBatchDims':
      return op.name === 'dotGeneral' && op.params.batch[0].length === 0
    case 'names':
      return op.name === 'name' && names.includes(op.params.name)
    default:
      return false
  }
}

/** The known results with what the policy keeps, and a function of that and of the inputs which computes the rest again. */
const split: NonNullable<Rules<'checkpoint'>['split']> = (eqn, flags, transforms) => {
  const { params } = eqn.op
  const { jaxpr } = params
  const now = outsKnown(jaxpr, flags, transforms)
  const later = now.map((flag) => !flag)
  const outs = pick(jaxpr.outs, later)
  const { before, after } = transforms.split({ ...jaxpr, outs }, flags)
  const ran = new Set(before)
  const rest = after.filter((one) => !ran.has(one))
  const needed = new Set<Atom>([...rest.flatMap(({ inputs }) => inputs), ...outs])
  const again: Eqn[] = []
  const kept: Var[] = []
  for (const one of [...before].reverse()) {
    const read = one.outs.filter((v) => needed.has(v))
    if (read.length === 0) continue
    if (keeps(one, params)) kept.push(...read)
    else {
      again.push(one)
      for (const a of one.inputs) needed.add(a)
    }
  }
  const inputs = jaxpr.inputs.map((v, i) => !flags[i] || needed.has(v))
  const part = (own: Jaxpr, operands: readonly Atom[], results: readonly Var[]): Eqn => ({
    ...eqn,
    op: { name: 'checkpoint', params: { ...params, jaxpr: own } },
    inputs: operands,
    outs: results,
  })
  const stored = kept.map((v) => variable(v.aval)) // the same function may be called twice
  const first = part(
    { inputs: pick(jaxpr.inputs, flags), eqns: before, outs: [...pick(jaxpr.outs, now), ...kept] },
    pick(eqn.inputs, flags),
    [...pick(eqn.outs, now), ...stored],
  )
  const second = part(
    { inputs: [...pick(jaxpr.inputs, inputs), ...kept], eqns: [...again.reverse(), ...rest], outs },
    [...pick(eqn.inputs, inputs), ...stored],
    pick(eqn.outs, later),
  )
  return [first.outs.length > 0 ? [first] : [], second.outs.length > 0 ? [second] : []]
}

const checkpoint: Rules<'checkpoint'> = {
  abstractEval: (avals, { jaxpr }) => callAvals(jaxpr, avals),
  jvp: (xs, ts, params, transforms) => {
    const pushed = transforms.jvp(params.jaxpr, ts.map(some))
    const outs = bind('checkpoint', { ...params, jaxpr: pushed.jaxpr }, [...pushed.captures, ...xs, ...there(ts)])
    const count = params.jaxpr.outs.length
    return { outs: outs.slice(0, count), tangents: tangentsAt(pushed.nonzero, outs.slice(count)) }
  },
  split,
  transpose: (cts, xs, params, transforms) => {
    const linear = xs.map(isLinear)
    const back = transforms.transpose(params.jaxpr, linear, cts.map(some))
    const args = [...back.captures, ...xs.filter((x) => !isLinear(x)).map(valueOf), ...there(cts)]
    const outs = bind('checkpoint', { ...params, jaxpr: back.jaxpr, apart: true }, args)
    return tangentsAt(
      place(linear, back.present, () => false),
      outs,
    )
  },
  batch: (xs, dims, size, params, transforms) => {
    const wide = transforms.batch(params.jaxpr, size, dims)
    return { outs: bind('checkpoint', { ...params, jaxpr: wide.jaxpr }, [...wide.captures, ...xs]), dims: wide.dims }
  },
  lower: (xs, { jaxpr, apart }, lowering) => {
    if (!apart) return lowering.lower(jaxpr, xs)
    const program = lowering.program(jaxpr, inputNodes(xs), () => [])
    return composite(xs, slotsOf(jaxpr.outs), program.arenaBytes, program.effects, lowering, (frame) =>
      frame.embed(program, frame.operands, frame.results, 0),
    )
  },
}

/** A name for a value, by which a policy speaks of it. */
const name: Rules<'name'> = {
  abstractEval: ([x]) => one(x!),
  jvp: ([x], [t], params) => linearJvp(named(x!, params), t!, (dx) => named(dx, params)),
  transpose: ([ct]) => [ct!],
  batch: ([x], dims, _size, params) => ({ outs: [named(x!, params)], dims }),
  lower: ([x]) => [x!],
}
const named = (x: NdArray, params: OpParams['name']): NdArray => bind('name', params, [x])[0]!

export const checkpointRules = { checkpoint, name } satisfies { readonly [K in OpName]?: Rules<K> }
