/** Transposition: a jaxpr that is linear in some inputs, turned around: cotangents of its results to cotangents of those. */
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { add } from '../src/core/constructors.ts'
import { CotangentError } from '../src/core/errors.ts'
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import { Linear, type Rules, type RuleTable, type Transforms } from '../src/core/rules.ts'
import { comesFrom, trace } from '../src/core/trace.ts'
import { memo } from './memo.ts'
import { lasting, literalOf, replay } from './replay.ts'

export const makeTranspose = (rules: RuleTable, transforms: Transforms): Transforms['transpose'] =>
  memo((jaxpr: Jaxpr, linear: readonly boolean[], cts: readonly boolean[]) => {
    const given = jaxpr.inputs.filter((_, i) => !linear[i])
    const wanted = jaxpr.inputs.filter((_, i) => linear[i])
    const outs = jaxpr.outs.filter((_, i) => cts[i])
    let present: boolean[] = []
    const back = trace(
      [...given, ...outs].map((v) => v.aval),
      (args) => {
        const values = new Map<Var, NdArray>()
        given.forEach((v, i) => values.set(v, args[i]!))
        const isKnown = (a: Atom): boolean => a.kind === 'lit' || values.has(a)
        const read = (a: Atom): NdArray => (a.kind === 'lit' ? literalOf(a) : values.get(a)!)
        const moving: Eqn[] = []
        for (const eqn of jaxpr.eqns) {
          comesFrom(eqn)
          if (!eqn.inputs.every(isKnown)) moving.push(eqn)
          else replay(eqn, eqn.inputs.map(read)).forEach((x, i) => values.set(eqn.outs[i]!, x))
        }
        const sums = new Map<Var, NdArray>()
        const accumulate = (a: Atom, ct: NdArray): void => {
          if (a.kind === 'var') sums.set(a, sums.has(a) ? add(sums.get(a)!, ct) : ct)
        }
        outs.forEach((a, i) => accumulate(a, args[given.length + i]!))
        for (let i = moving.length - 1; i >= 0; i--) {
          const eqn = moving[i]!
          const outCts = eqn.outs.map((v) => O.fromNullable(sums.get(v)))
          if (outCts.every(O.isNone)) continue
          comesFrom(eqn)
          const rule = (rules[eqn.op.name] as Rules<OpName>).transpose
          if (rule === 'notLinear')
            throw new CotangentError(
              `${eqn.op.name} isn't linear, so it has no transpose: use vjp or grad for functions that aren't linear`,
            )
          const xs = eqn.inputs.map((a) => (isKnown(a) ? read(a) : new Linear(a.aval)))
          rule(outCts, xs, eqn.op.params, transforms).forEach((ct, k) => {
            if (O.isSome(ct)) accumulate(eqn.inputs[k]!, ct.value)
          })
        }
        present = wanted.map((v) => sums.has(v))
        return wanted.filter((v) => sums.has(v)).map((v) => sums.get(v)!)
      },
      'transpose',
    )
    return { ...back, present }
  }, lasting)
