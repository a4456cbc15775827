/** Jaxprs within jaxprs, opened. */
import type { NdArray } from '../src/core/array.ts'
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import { traitsOf } from '../src/core/ops.ts'
import { comesFrom, evalJaxpr, trace } from '../src/core/trace.ts'
import { memo } from './memo.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { literalOf, replay } from './replay.ts'

/** An equation that stands for those of its jaxpr. */
type Opened = Eqn & { readonly op: { readonly params: { readonly jaxpr: Jaxpr } } }

/** The equations of inner `jit`s in place of them, at any depth; for a `device`, of functions with rules of the user's too, which are then lost. */
export const inline = memo((jaxpr: Jaxpr, device: boolean): Jaxpr => {
  const opens = (eqn: Eqn): eqn is Opened => {
    const when = traitsOf(eqn.op.name).opens
    return when === 'always' || (device && when === 'device')
  }
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
        const outs = opens(eqn) ? evalJaxpr(inline(eqn.op.params.jaxpr, device), xs) : replay(eqn, xs)
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
