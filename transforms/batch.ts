/** Batching of jaxprs: the equations replayed through the primitives' batching rules. */
import type { NdArray } from '../src/core/array.ts'
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import { type OpName, traitsOf } from '../src/core/ops.ts'
import * as O from '#fp-ts/Option.js'
import type { BatchDim, Rules, RuleTable, Transforms } from '../src/core/rules.ts'
import { comesFrom, trace } from '../src/core/trace.ts'
import { memo } from './memo.ts'
import { lasting, literalOf, replay } from './replay.ts'

/** For any axis: `own` is the transforms over the axis of this name. */
export const makeBatch = (rules: RuleTable, overAxis: (axisName: string | null) => Transforms) =>
  memo((jaxpr: Jaxpr, size: number, dims: readonly BatchDim[], axisName: string | null) => {
    const own = overAxis(axisName)
    // What speaks of named axes, or holds what may, changes even where no operand is batched.
    const named = (eqn: Eqn): boolean => axisName !== null && traitsOf(eqn.op.name).named === true
    let outDims: BatchDim[] = []
    const wide = trace(
      jaxpr.inputs.map((v, i) => {
        const dim = dims[i]!
        if (O.isNone(dim)) return v.aval
        return { ...v.aval, shape: [...v.aval.shape.slice(0, dim.value), size, ...v.aval.shape.slice(dim.value)] }
      }),
      (args) => {
        const env = new Map<Var, readonly [NdArray, BatchDim]>()
        jaxpr.inputs.forEach((v, i) => env.set(v, [args[i]!, dims[i]!]))
        const read = (a: Atom): readonly [NdArray, BatchDim] => (a.kind === 'lit' ? [literalOf(a), O.none] : env.get(a)!)
        for (const eqn of jaxpr.eqns) {
          comesFrom(eqn)
          const pairs = eqn.inputs.map(read)
          const xs = pairs.map(([x]) => x)
          const ds = pairs.map(([, d]) => d)
          const out =
            ds.every(O.isNone) && !named(eqn)
              ? { outs: replay(eqn, xs), dims: eqn.outs.map(() => O.none) }
              : (rules[eqn.op.name] as Rules<OpName>).batch(xs, ds, size, eqn.op.params, own)
          eqn.outs.forEach((v, i) => env.set(v, [out.outs[i]!, out.dims[i]!]))
        }
        const outs = jaxpr.outs.map(read)
        outDims = outs.map(([, d]) => d)
        return outs.map(([x]) => x)
      },
      'vmap',
    )
    return { ...wide, dims: outDims }
  }, lasting)
