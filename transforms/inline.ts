/** Jaxprs within jaxprs, opened. */
import type { NdArray } from '../src/core/array.ts'
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import { comesFrom, evalJaxpr, trace } from '../src/core/trace.ts'
import { memo } from './memo.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { literalOf, replay } from './replay.ts'

/** The equations of inner `jit`s in place of them, at any depth; with `rules`, of functions with rules of their own too, which are then lost. */
export const inline = memo((jaxpr: Jaxpr, rules: boolean): Jaxpr => {
  const opens = (eqn: Eqn): eqn is Eqn & { readonly op: { readonly params: { readonly jaxpr: Jaxpr } } } =>
    eqn.op.name === 'jit' || (rules && /^custom[JV]/.test(eqn.op.name))
  if (!jaxpr.eqns.some(opens)) return jaxpr
  const flat = trace(
    jaxpr.inputs.map((v) => v.aval),
    (args) => {
      const env = new Map<Var, NdArray>()
      const read = (a: Atom): NdArray => (a.kind === 'lit' ? literalOf(a) : env.get(a)!)
      jaxpr.inputs.forEach((v, i) => env.set(v, args[i]!))
      for (const eqn of jaxpr.eqns) {
        comesFrom(eqn)
        const xs = eqn.inputs.map(read)
        const outs = opens(eqn) ? evalJaxpr(inline(eqn.op.params.jaxpr, rules), xs) : replay(eqn, xs)
        eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
      }
      return jaxpr.outs.map(read)
    },
    'jit',
  )
  return flat.jaxpr
})

/** Ready to be lowered: carriers opened, and nothing computed twice or in vain. */
export const optimise = (jaxpr: Jaxpr): Jaxpr => deadCode(commonSubexpressions(inline(jaxpr, true)))
