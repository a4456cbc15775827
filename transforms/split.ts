/** Partial evaluation: a jaxpr's equations in two, what depends on known inputs alone and the rest. */
import type { Atom, Eqn, Var } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Halves, Rules, RuleTable, Transforms } from '../src/core/rules.ts'
import { recomputed } from './residuals.ts'

export const makeSplit =
  (rules: RuleTable, transforms: Transforms): Transforms['split'] =>
  (jaxpr, flags, together) => {
    const { inputs } = jaxpr
    const known = new Set<Atom>(inputs.filter((_, i) => flags[i]))
    const isKnown = (a: Atom): boolean => a.kind === 'lit' || known.has(a)
    const before: Eqn[] = []
    const rest: Eqn[] = []
    for (const eqn of jaxpr.eqns) {
      const own = eqn.inputs.map(isKnown)
      const halves: Halves = own.every(Boolean)
        ? [[eqn], []]
        : ((rules[eqn.op.name] as Rules<OpName>).split?.(eqn, own, transforms) ?? [[], [eqn]])
      for (const done of halves[0]) {
        before.push(done)
        for (const v of done.outs) known.add(v)
      }
      rest.push(...halves[1])
    }
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
