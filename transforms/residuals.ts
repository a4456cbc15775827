/** Which values a linearized function keeps for its linear part: contractions, reductions and draws are saved, element-wise chains are computed again. */
import { sizeOf } from '../src/core/aval.ts'
import type { Atom, Eqn, Var } from '../src/core/jaxpr.ts'
import { traitsOf } from '../src/core/ops.ts'

/**
 * The equations among `before` that are done again where their results are `needed`, in order. One is, if it comes of at most one array that
 * isn't at hand, through others that are done again, and of none larger than its result: so that memory never grows.
 */
export const recomputed = (before: readonly Eqn[], needed: Iterable<Atom>, atHand: Iterable<Atom>): Eqn[] => {
  const wanted = new Set<Atom>([...needed, ...atHand])
  const near = new Set(atHand)
  /** What each result would be kept as: itself, where it isn't here. */
  const sources = new Map<Atom, readonly Var[]>()
  const sourcesOf = (a: Atom): readonly Var[] => (a.kind !== 'var' || near.has(a) ? [] : (sources.get(a) ?? [a]))
  const isPlain = ({ op, effects }: Eqn): boolean => !traitsOf(op.name).saved && effects.length === 0
  /** What is kept for an equation's sake beside what is kept anyhow; null where that may be more than its results. */
  const keptFor = ({ inputs, outs }: Eqn, isKept: (a: Atom) => boolean): readonly Var[] | null => {
    const kept = [...new Set(inputs.flatMap((a) => (isKept(a) ? [] : sourcesOf(a))))].filter((v) => !isKept(v))
    return kept.length > 1 || kept.some((v) => sizeOf(v.aval.shape) > sizeOf(outs[0]!.aval.shape)) ? null : kept
  }
  for (const eqn of before) {
    const kept = isPlain(eqn) ? keptFor(eqn, () => false) : null
    if (kept !== null) for (const v of eqn.outs) sources.set(v, kept)
  }
  return before
    .filter(isPlain)
    .reverse()
    .filter((eqn) => {
      const again = eqn.outs.some((v) => wanted.has(v)) && keptFor(eqn, (a) => wanted.has(a)) !== null
      if (again) for (const a of eqn.inputs) wanted.add(a)
      return again
    })
    .reverse()
}
