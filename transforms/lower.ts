/** From a jaxpr to the graph that fusion works on, through each primitive's lowering rule. */
import { constNode, type Node } from '../src/core/graph.ts'
import type { KeyRules } from '../primitives/keys.ts'
import type { Atom, Jaxpr, Var } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Rules, RuleTable, Transforms } from '../src/core/rules.ts'

export const lowerJaxpr = (table: RuleTable, transforms: Transforms, jaxpr: Jaxpr, inputs: readonly Node[]): readonly Node[] => {
  const env = new Map<Var, Node>()
  jaxpr.inputs.forEach((v, i) => env.set(v, inputs[i]!))
  const read = (a: Atom): Node => (a.kind === 'lit' ? constNode(a.value, a.aval.dtype) : env.get(a)!)
  for (const eqn of jaxpr.eqns) {
    const rules = table[eqn.op.name] as Rules<OpName>
    const params = eqn.outs[0]?.aval.dtype === 'key' ? (table.randomWrap as KeyRules).overWords(eqn) : eqn.op.params
    const outs = rules.lower(eqn.inputs.map(read), params, transforms)
    eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
  }
  return jaxpr.outs.map(read)
}
