/** From a jaxpr to a program: a graph, through each primitive's lowering rule, then fused and planned. */
import { constNode, type Node } from '../../src/core/graph.ts'
import type { Atom, Jaxpr, Var } from '../../src/core/jaxpr.ts'
import type { OpName } from '../../src/core/ops.ts'
import type { Program } from '../../src/core/program.ts'
import type { Lowering, Rules, RuleTable, Transforms } from '../../src/core/rules.ts'
import type { Fusion } from './buffers.ts'
import { planProgram } from './plan.ts'

export interface LowerOptions {
  readonly rules: RuleTable
  readonly transforms: Transforms
  /** What makes an inner jaxpr that is a program of its own ready. */
  readonly optimise: (jaxpr: Jaxpr) => Jaxpr
  readonly fusion: Fusion
}

/** A graph, begun. */
export const startLowering = (options: LowerOptions): Lowering => {
  const lowering: Lowering = {
    transforms: options.transforms,
    effects: [],
    lower: (jaxpr, inputs) => lowerJaxpr(options.rules, lowering, jaxpr, inputs),
    program: (jaxpr, inputs, lent) => lowerProgram(options, options.optimise(jaxpr), inputs, lent),
  }
  return lowering
}

/** `lent`: for each result the inputs whose memory it may take over. */
export const lowerProgram = (
  options: LowerOptions,
  jaxpr: Jaxpr,
  inputs: readonly Node[],
  lent: (result: number) => Iterable<number>,
): Program => {
  const lowering = startLowering(options)
  const outs = lowering.lower(jaxpr, inputs)
  return planProgram(inputs, lowering.effects, outs, lent, options.fusion)
}

const lowerJaxpr = (rules: RuleTable, lowering: Lowering, jaxpr: Jaxpr, inputs: readonly Node[]): readonly Node[] => {
  const env = new Map<Var, Node>()
  jaxpr.inputs.forEach((v, i) => env.set(v, inputs[i]!))
  const read = (a: Atom): Node => (a.kind === 'lit' ? constNode(a.value, a.aval.dtype) : env.get(a)!)
  for (const { op, inputs, outs } of jaxpr.eqns) {
    const { lower, overWords } = rules[op.name] as Rules<OpName>
    const params = outs[0]?.aval.dtype === 'key' && overWords !== undefined ? overWords(op.params) : op.params
    const nodes = lower(inputs.map(read), params, lowering)
    outs.forEach((v, i) => env.set(v, nodes[i]!))
  }
  return jaxpr.outs.map(read)
}
