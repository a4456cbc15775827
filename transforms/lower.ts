/** From a jaxpr to the graph that fusion works on, through each primitive's lowering rule. */
import { constNode, type Node } from '../src/core/graph.ts'
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { Rules, RuleTable, Transforms } from '../src/core/rules.ts'

const overWords = (eqn: Eqn): OpParams[OpName] => {
  const { op } = eqn
  const rank = eqn.inputs[0]?.aval.shape.length ?? 0
  switch (op.name) {
    case 'broadcastInDim':
      return { shape: [...op.params.shape, 2], broadcastDimensions: [...op.params.broadcastDimensions, op.params.shape.length] }
    case 'reshape':
      return { shape: [...op.params.shape, 2] }
    case 'transpose':
      return { permutation: [...op.params.permutation, rank] }
    case 'slice':
      return {
        startIndices: [...op.params.startIndices, 0],
        limitIndices: [...op.params.limitIndices, 2],
        strides: [...op.params.strides, 1],
      }
    default:
      return op.params
  }
}

export const lowerJaxpr = (table: RuleTable, transforms: Transforms, jaxpr: Jaxpr, inputs: readonly Node[]): readonly Node[] => {
  const env = new Map<Var, Node>()
  jaxpr.inputs.forEach((v, i) => env.set(v, inputs[i]!))
  const read = (a: Atom): Node => (a.kind === 'lit' ? constNode(a.value, a.aval.dtype) : env.get(a)!)
  for (const eqn of jaxpr.eqns) {
    const rules = table[eqn.op.name] as Rules<OpName>
    const params = eqn.outs[0]?.aval.dtype === 'key' ? overWords(eqn) : eqn.op.params
    const outs = rules.lower(eqn.inputs.map(read), params, transforms)
    eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
  }
  return jaxpr.outs.map(read)
}
