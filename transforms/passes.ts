/** Passes from jaxpr to jaxpr, linear in its size: common subexpressions, and dead code. Effects are kept, in order. */
import type { Atom, Eqn, Jaxpr } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { runtime } from '../src/core/runtime.ts'

/** Whether it has to be kept: it, or an equation of a jaxpr that it carries. */
const isKept = ({ effects, op }: Eqn): boolean =>
  effects.length > 0 || Object.values(op.params).flat().some((param) => (param as Partial<Jaxpr> | null)?.eqns?.some(isKept)) // prettier-ignore

/** Drops equations whose results nobody reads, and of loops and branches what only such results need. */
export const deadCode = (jaxpr: Jaxpr): Jaxpr => {
  const live = new Set<Atom>(jaxpr.outs)
  const eqns: Eqn[] = []
  for (const eqn of jaxpr.eqns.toReversed()) {
    const own = eqn.outs.map((v) => live.has(v))
    if (!own.includes(true) && !isKept(eqn)) continue
    const lean = (runtime.rules[eqn.op.name] as Rules<OpName>).prune?.(eqn, own, isKept) ?? eqn
    for (const a of lean.inputs) live.add(a)
    eqns.push(lean)
  }
  return { ...jaxpr, eqns: eqns.reverse() }
}

/** Computes equal things once: the same op with the same params on the same inputs. */
export const commonSubexpressions = (jaxpr: Jaxpr): Jaxpr => {
  const same = new Map<Atom, Atom>()
  const first = new Map<string, Eqn>()
  const ids = new Map<object, number>()
  const idOf = (x: object): string => {
    if (!ids.has(x)) ids.set(x, ids.size)
    return `#${ids.get(x)}`
  }
  const number = (value: unknown): unknown => (Object.is(value, -0) ? '-0' : value)
  const input = (a: Atom): string => (a.kind === 'lit' ? `${number(a.value)}:${a.aval.dtype}${a.aval.weak}` : idOf(a))
  const param = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'eqns' in value ? idOf(value) : number(value)
  const eqns: Eqn[] = []
  for (const eqn of jaxpr.eqns) {
    const inputs = eqn.inputs.map((a) => same.get(a) ?? a)
    const key = `${JSON.stringify(eqn.op, param)} ${inputs.map(input).join(' ')}`
    const kept = isKept(eqn)
    const earlier = kept ? undefined : first.get(key)
    if (earlier === undefined) {
      const own = { ...eqn, inputs }
      if (!kept) first.set(key, own)
      eqns.push(own)
    } else eqn.outs.forEach((v, i) => same.set(v, earlier.outs[i]!))
  }
  return { inputs: jaxpr.inputs, eqns, outs: jaxpr.outs.map((a) => same.get(a) ?? a) }
}
