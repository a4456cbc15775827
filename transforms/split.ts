/** Partial evaluation: a jaxpr's equations in two, what depends on known inputs alone and the rest. */
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Halves, Rules, RuleTable, Transforms } from '../src/core/rules.ts'
import { runtime } from '../src/core/runtime.ts'
import { recomputed } from './residuals.ts'

/** Equations in two: what depends on the given inputs alone, and the rest. */
interface Division {
  readonly given: readonly Var[]
  readonly known: ReadonlySet<Atom>
  readonly before: readonly Eqn[]
  readonly rest: readonly Eqn[]
}

export const makeSplit = (rules: RuleTable, transforms: Transforms): Transforms['split'] => {
  const divisions = new WeakMap<readonly Eqn[], Division[]>()
  /** Made once for equations and what is known: loops and branches ask again and again, and so would those in their bodies. */
  const divide = ({ inputs, eqns }: Jaxpr, flags: readonly boolean[]): Division => {
    const given = inputs.filter((_, i) => flags[i])
    const made = divisions.get(eqns) ?? []
    divisions.set(eqns, made)
    const earlier = made.find((one) => one.given.length === given.length && one.given.every((v, i) => v === given[i]))
    if (earlier !== undefined) return earlier
    runtime.engine.counters.divided++
    const known = new Set<Atom>(given)
    const isKnown = (a: Atom): boolean => a.kind === 'lit' || known.has(a)
    const before: Eqn[] = []
    const rest: Eqn[] = []
    for (const eqn of eqns) {
      const own = eqn.inputs.map(isKnown)
      const rule = (rules[eqn.op.name] as Rules<OpName>).split
      const halves: Halves = own.every(Boolean) ? [[eqn], []] : (rule?.(eqn, own, transforms) ?? [[], [eqn]])
      for (const done of halves[0]) {
        before.push(done)
        for (const v of done.outs) known.add(v)
      }
      rest.push(...halves[1])
    }
    const division = { given, known, before, rest }
    made.push(division)
    return division
  }

  return (jaxpr, flags, together) => {
    const { inputs } = jaxpr
    const { known, before, rest } = divide(jaxpr, flags)
    const isKnown = (a: Atom): boolean => a.kind === 'lit' || known.has(a)
    const reads = (eqns: readonly Eqn[]): readonly Atom[] => [...eqns.flatMap((eqn) => eqn.inputs), ...jaxpr.outs]
    const again = together ? [] : recomputed(before, reads(rest).filter(isKnown), inputs)
    const made = new Set<Atom>(again.flatMap((eqn) => eqn.outs))
    const read = new Set(reads([...again, ...rest]))
    return {
      before,
      after: [...again, ...rest],
      saved: [...read].filter((a): a is Var => a.kind === 'var' && known.has(a) && !made.has(a) && !inputs.includes(a)),
      kept: inputs.filter((v) => known.has(v) && read.has(v)),
    }
  }
}
