/** Functions with rules of the user's whose rules say what differentiation would say: the derivatives of the function are known. */
import { rules } from '../../primitives/index.ts'
import { makeTransforms, vjpJaxpr } from '../../transforms/algebra.ts'
import { aval } from '../core/aval.ts'
import { type CustomJvpRule, type CustomVjpRule, registerRule } from '../core/callbacks.ts'
import { zerosLike } from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import type { Jaxpr } from '../core/jaxpr.ts'
import type { OpName } from '../core/ops.ts'
import { evalJaxpr, trace } from '../core/trace.ts'
import type { Choices } from './choices.ts'
import { generator } from './generator.ts'
import { drawProgram, type Table } from './programs.ts'

const transforms = makeTransforms(rules)
const floatInputs = (jaxpr: Jaxpr): boolean[] => jaxpr.inputs.map((v) => isFloat(v.aval.dtype))

const jvpRule =
  (jaxpr: Jaxpr): CustomJvpRule =>
  (xs, ts) => {
    const moving = floatInputs(jaxpr)
    const pushed = transforms.jvp(jaxpr, moving)
    const outs = evalJaxpr(pushed.jaxpr, [...pushed.captures, ...xs, ...ts.filter((_, i) => moving[i])])
    let next = jaxpr.outs.length
    return [outs.slice(0, next), pushed.nonzero.map((there) => (there ? outs[next++]! : null))]
  }

const vjpRule = (jaxpr: Jaxpr): CustomVjpRule => ({
  fwd: (xs) => [evalJaxpr(jaxpr, xs), xs],
  bwd: (xs, cts) => {
    const moving = floatInputs(jaxpr)
    const floats = jaxpr.outs.map((v) => isFloat(v.aval.dtype))
    const both = vjpJaxpr(transforms, jaxpr, moving, floats)
    const grads = evalJaxpr(both.jaxpr, [...both.captures, ...xs, ...cts.filter((_, i) => floats[i])]).slice(jaxpr.outs.length)
    let next = 0
    return moving.map((moves) => (moves ? grads[next++]! : null))
  },
})

/** The tangents of the jaxpr's results as a function of [...inputs, ...tangents of those that move]. */
const tangentJaxpr = (jaxpr: Jaxpr, moving: readonly boolean[]): Jaxpr => {
  const pushed = transforms.jvp(jaxpr, moving)
  const avals = pushed.jaxpr.inputs.map((v) => v.aval)
  return trace(
    avals,
    (args) => {
      const outs = evalJaxpr(pushed.jaxpr, args)
      let next = jaxpr.outs.length
      return jaxpr.outs.map((v, i) => (pushed.nonzero[i] ? outs[next++]! : zerosLike(v.aval)))
    },
    'customLinear',
  ).jaxpr
}

/** Smooth, and of floats only. */
export const smoothOps: readonly OpName[] = [
  'sin',
  'mul',
  'add',
  'tanh',
  'neg',
  'dotGeneral',
  'reduceSum',
  'transpose',
  'logistic',
  'slice',
  'cumsum',
]

export const customGenerators = (table: Table, exact: readonly OpName[]) => {
  const smooth = (c: Choices) => drawProgram(c, table, { ops: smoothOps, steps: 3, smooth: true })
  const any = (c: Choices) => drawProgram(c, table, { ops: exact, steps: 3 })
  const custom = (rule: (jaxpr: Jaxpr) => CustomJvpRule | CustomVjpRule) => {
    const call = (draw: typeof any) => (c: Choices) => {
      const { jaxpr, inputs } = draw(c)
      return { params: { jaxpr, rule: registerRule(rule(jaxpr)), name: 'f', captured: 0 }, inputs }
    }
    return { any: call(any), smooth: call(smooth) }
  }
  const linear = (c: Choices) => {
    const { jaxpr, inputs } = smooth(c)
    const moving = floatInputs(jaxpr)
    const tangents = inputs.map(({ aval: a }) => c.value(a.shape, a.dtype, () => c.smooth())).filter((_, i) => moving[i])
    return {
      params: { jaxpr, rule: registerRule(vjpRule(jaxpr)), name: 'f', captured: 0, moving },
      inputs: [...inputs, ...tangents.map((t) => ({ ...t, aval: aval(t.aval.shape, t.aval.dtype) }))],
    }
  }
  return {
    customJvp: generator<'customJvp'>(custom(jvpRule)),
    customVjp: generator<'customVjp'>({ ...custom(vjpRule), reverseOnly: true }),
    customLinear: generator<'customLinear'>({
      any: linear,
      smooth: linear,
      linear: ({ params, inputs }) => {
        const count = params.moving.filter(Boolean).length
        return [Array.from({ length: count }, (_, i) => inputs.length - count + i)]
      },
      reverseOnly: true,
      meaning: ({ params }) => tangentJaxpr(params.jaxpr, params.moving),
    }),
  }
}
