/** Loops and branches without the results that nobody reads, what only those need, and what goes round for nothing. */
import type { Atom, Eqn, Jaxpr } from '../src/core/jaxpr.ts'
import type { OpParams } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { grouped, pick } from '../src/core/flags.ts'

type Prune<K extends 'scan' | 'while' | 'cond'> = NonNullable<Rules<K>['prune']>

/** The equations that some results need, or that have effects, and which inputs these take. */
const needed = (jaxpr: Jaxpr, outs: readonly Atom[], isKept: (eqn: Eqn) => boolean) => {
  const live = new Set<Atom>(outs)
  const eqns = jaxpr.eqns.toReversed().filter((eqn) => {
    if (!isKept(eqn) && !eqn.outs.some((v) => live.has(v))) return false
    for (const a of eqn.inputs) live.add(a)
    return true
  })
  return { eqns: eqns.reverse(), inputs: jaxpr.inputs.map((v) => live.has(v)) }
}
/** The carries that are read: those whose last value is, and those that such need on the way. */
const carries = (read: readonly boolean[], takes: (carry: readonly boolean[]) => readonly boolean[]): readonly boolean[] => {
  const taken = takes(read)
  const next = read.map((flag, i) => flag || taken[i]!)
  return next.every((flag, i) => flag === read[i]) ? read : carries(next, takes)
}
const all = (flags: readonly boolean[]): boolean => flags.every(Boolean)

export const pruneScan: Prune<'scan'> = (eqn, live, isKept) => {
  const { params } = eqn.op
  const { jaxpr, numConsts, numCarry } = params
  const ys = live.slice(numCarry)
  const body = (carry: readonly boolean[]) => needed(jaxpr, pick(jaxpr.outs, [...carry, ...ys]), isKept)
  const carry = carries(live.slice(0, numCarry), (flags) => body(flags).inputs.slice(numConsts, numConsts + numCarry))
  const { eqns, inputs } = body(carry)
  const [consts, , xs] = grouped(inputs, [numConsts, numCarry])
  const takes = [...consts, ...carry, ...xs]
  const gives = [...carry, ...ys]
  if (all(takes) && all(gives) && eqns.length === jaxpr.eqns.length) return eqn
  const lean: OpParams['scan'] = {
    ...params,
    jaxpr: { inputs: pick(jaxpr.inputs, takes), eqns, outs: pick(jaxpr.outs, gives) },
    numConsts: pick(consts, consts).length,
    numCarry: pick(carry, carry).length,
  }
  return { ...eqn, op: { name: 'scan', params: lean }, inputs: pick(eqn.inputs, takes), outs: pick(eqn.outs, gives) }
}

export const pruneWhile: Prune<'while'> = (eqn, live, isKept) => {
  const { condConsts, bodyConsts, jaxprs } = eqn.op.params
  const [cond, body] = jaxprs as readonly [Jaxpr, Jaxpr]
  const test = needed(cond, cond.outs, isKept)
  const tested = test.inputs.slice(condConsts)
  const turn = (carry: readonly boolean[]) => needed(body, pick(body.outs, carry), isKept)
  const carry = carries(
    live.map((flag, i) => flag || tested[i]!),
    (flags) => turn(flags).inputs.slice(bodyConsts),
  )
  const { eqns, inputs } = turn(carry)
  const [cc, bc] = [test.inputs.slice(0, condConsts), inputs.slice(0, bodyConsts)]
  const takes = [...cc, ...bc, ...carry]
  if (all(takes) && eqns.length === body.eqns.length && test.eqns.length === cond.eqns.length) return eqn
  const lean: OpParams['while'] = {
    jaxprs: [
      { inputs: pick(cond.inputs, [...cc, ...carry]), eqns: test.eqns, outs: cond.outs },
      { inputs: pick(body.inputs, [...bc, ...carry]), eqns, outs: pick(body.outs, carry) },
    ],
    condConsts: pick(cc, cc).length,
    bodyConsts: pick(bc, bc).length,
  }
  return { ...eqn, op: { name: 'while', params: lean }, inputs: pick(eqn.inputs, takes), outs: pick(eqn.outs, carry) }
}

export const pruneCond: Prune<'cond'> = (eqn, live, isKept) => {
  const { jaxprs } = eqn.op.params
  const branches = jaxprs.map((jaxpr) => needed(jaxpr, pick(jaxpr.outs, live), isKept))
  const takes = jaxprs[0]!.inputs.map((_, i) => branches.some(({ inputs }) => inputs[i]))
  if (all(takes) && all(live) && branches.every(({ eqns }, k) => eqns.length === jaxprs[k]!.eqns.length)) return eqn
  const lean = jaxprs.map((jaxpr, k): Jaxpr => ({
    inputs: pick(jaxpr.inputs, takes),
    eqns: branches[k]!.eqns,
    outs: pick(jaxpr.outs, live),
  }))
  return {
    ...eqn,
    op: { name: 'cond', params: { jaxprs: lean } },
    inputs: [eqn.inputs[0]!, ...pick(eqn.inputs.slice(1), takes)],
    outs: pick(eqn.outs, live),
  }
}
