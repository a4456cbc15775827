/** Forward mode: the equations replayed through their jvp rules, which give tangents beside values. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import type { Atom, Jaxpr, Var } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Rules, RuleTable, Tangent, Transforms } from '../src/core/rules.ts'
import { comesFrom, trace } from '../src/core/trace.ts'
import { inline } from './inline.ts'
import { memo } from './memo.ts'
import { lasting, literalOf, replay } from './replay.ts'

export const makeJvp = (rules: RuleTable, transforms: Transforms): Transforms['jvp'] =>
  memo((jaxpr: Jaxpr, nonzero: readonly boolean[]) => {
    const moving = jaxpr.inputs.filter((_, i) => nonzero[i])
    let outNonzero: boolean[] = []
    const pushed = trace(
      [...jaxpr.inputs, ...moving].map((v) => v.aval),
      (args) => {
        const primals = new Map<Var, NdArray>()
        const tangents = new Map<Var, NdArray>()
        jaxpr.inputs.forEach((v, i) => primals.set(v, args[i]!))
        moving.forEach((v, i) => tangents.set(v, args[jaxpr.inputs.length + i]!))
        const primal = (a: Atom): NdArray => (a.kind === 'lit' ? literalOf(a) : primals.get(a)!)
        const tangent = (a: Atom): Tangent => (a.kind === 'lit' ? O.none : O.fromNullable(tangents.get(a)))
        for (const eqn of jaxpr.eqns) {
          comesFrom(eqn)
          const xs = eqn.inputs.map(primal)
          const ts = eqn.inputs.map(tangent)
          const { outs, tangents: dys } = ts.every(O.isNone)
            ? { outs: replay(eqn, xs), tangents: [] }
            : (rules[eqn.op.name] as Rules<OpName>).jvp(xs, ts, eqn.op.params, transforms)
          eqn.outs.forEach((v, i) => {
            primals.set(v, outs[i]!)
            const dy = dys[i]
            if (dy !== undefined && O.isSome(dy)) tangents.set(v, dy.value)
          })
        }
        const outTangents = jaxpr.outs.map(tangent)
        outNonzero = outTangents.map(O.isSome)
        return [...jaxpr.outs.map(primal), ...outTangents.filter(O.isSome).map((t) => t.value)]
      },
      'jvp',
    )
    // What is jitted within, or by a rule of the user's, is opened: derivatives divide a jaxpr by its equations.
    return { ...pushed, jaxpr: inline(pushed.jaxpr, false), nonzero: outNonzero }
  }, lasting)
