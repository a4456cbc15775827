/** Passes from jaxpr to jaxpr, linear in its size: common subexpressions, and dead code. Effects are kept, in order. */
import type { Atom, Eqn, Jaxpr } from '../src/core/jaxpr.ts'

/** Drops equations whose results nobody reads. */
export const deadCode = (jaxpr: Jaxpr): Jaxpr => {
  const live = new Set<Atom>(jaxpr.outs)
  const eqns: Eqn[] = []
  for (let i = jaxpr.eqns.length - 1; i >= 0; i--) {
    const eqn = jaxpr.eqns[i]!
    if (eqn.effects.length === 0 && !eqn.outs.some((v) => live.has(v))) continue
    for (const a of eqn.inputs) live.add(a)
    eqns.push(eqn)
  }
  return eqns.length === jaxpr.eqns.length ? jaxpr : { ...jaxpr, eqns: eqns.reverse() }
}

/** Computes equal things once: the same op with the same params on the same inputs. */
export const commonSubexpressions = (jaxpr: Jaxpr): Jaxpr => {
  const same = new Map<Atom, Atom>()
  const ids = new Map<Atom, number>()
  const first = new Map<string, Eqn>()
  const inner = new Map<object, number>()
  const idOf = (a: Atom): string => {
    if (a.kind === 'lit') return `${Object.is(a.value, -0) ? '-0' : a.value}:${a.aval.dtype}${a.aval.weak}`
    let id = ids.get(a)
    if (id === undefined) ids.set(a, (id = ids.size))
    return `v${id}`
  }
  const text = (_key: string, value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || !('eqns' in value)) return Object.is(value, -0) ? '-0' : value
    let id = inner.get(value)
    if (id === undefined) inner.set(value, (id = inner.size))
    return `jaxpr${id}`
  }
  const eqns: Eqn[] = []
  for (const eqn of jaxpr.eqns) {
    const inputs = eqn.inputs.map((a) => same.get(a) ?? a)
    const key = `${JSON.stringify(eqn.op, text)} ${inputs.map(idOf).join(' ')}`
    const earlier = eqn.effects.length === 0 ? first.get(key) : undefined
    if (earlier === undefined) {
      const kept = { ...eqn, inputs }
      if (eqn.effects.length === 0) first.set(key, kept)
      eqns.push(kept)
    } else eqn.outs.forEach((v, i) => same.set(v, earlier.outs[i]!))
  }
  return { inputs: jaxpr.inputs, eqns, outs: jaxpr.outs.map((a) => same.get(a) ?? a) }
}
