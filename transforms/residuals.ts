/** Which values a linearized function keeps for its linear part: contractions, reductions and draws are saved, element-wise chains are computed again. */
import { sizeOf } from '../src/core/aval.ts'
import type { Atom, Eqn, Var } from '../src/core/jaxpr.ts'
import { traitsOf } from '../src/core/ops.ts'

/**
 * The equations among `before` that are done again where their results are `needed`, in order. One is, if it asks for at most one array that
 * isn't at hand, and for none larger than its result: so that memory never grows.
 */
export const recomputed = (before: readonly Eqn[], needed: Iterable<Atom>, atHand: Iterable<Atom>): Eqn[] => {
  const wanted = new Set<Atom>([...needed, ...atHand])
  const again: Eqn[] = []
  for (let i = before.length - 1; i >= 0; i--) {
    const eqn = before[i]!
    if (traitsOf(eqn.op.name).saved || eqn.effects.length > 0 || !eqn.outs.some((v) => wanted.has(v))) continue
    const missing = [...new Set(eqn.inputs)].filter((a): a is Var => a.kind === 'var' && !wanted.has(a))
    const most = sizeOf(eqn.outs[0]!.aval.shape)
    if (missing.length > 1 || missing.some((v) => sizeOf(v.aval.shape) > most)) continue
    for (const a of missing) wanted.add(a)
    again.push(eqn)
  }
  return again.reverse()
}
