/** Functions with rules of the user's whose rules say what differentiation would say: the derivatives of the function are known. */
import { place } from '../core/flags.ts'
import { rules } from '../../primitives/index.ts'
import { inFront } from '../../primitives/families.ts'
import { vjpJaxpr } from '../../transforms/linearize.ts'
import { makeTransforms } from '../../transforms/transforms.ts'
import type { NdArray } from '../core/array.ts'
import { aval } from '../core/aval.ts'
import { type BackwardRule, type CustomJvpRule, type CustomVjpRule, type CustomVmapRule } from '../core/callbacks.ts'
import { zerosLike } from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { type Jaxpr, variable } from '../core/jaxpr.ts'
import { Ref } from '../core/ref.ts'
import * as O from '#fp-ts/Option.js'
import type { BatchDim } from '../core/rules.ts'
import type { OpName } from '../core/ops.ts'
import { evalJaxpr, trace } from '../core/trace.ts'
import type { Choices, Value } from './choices.ts'
import { generator } from './generator.ts'
import { drawProgram, equation, type Program, type Table } from './programs.ts'

const transforms = makeTransforms(rules)
const floatInputs = (jaxpr: Jaxpr): boolean[] => jaxpr.inputs.map((v) => isFloat(v.aval.dtype))

const jvpRule =
  (jaxpr: Jaxpr): CustomJvpRule =>
  (xs, ts) => {
    const pushed = transforms.jvp(
      jaxpr,
      ts.map((t) => t !== null),
    )
    const outs = evalJaxpr(pushed.jaxpr, [...pushed.captures, ...xs, ...ts.filter((t) => t !== null)])
    const count = jaxpr.outs.length
    return [outs.slice(0, count), place(pushed.nonzero, outs.slice(count), () => null)]
  }

const backward =
  (jaxpr: Jaxpr): BackwardRule =>
  (xs, cts) => {
    const moving = floatInputs(jaxpr)
    const seeds = jaxpr.outs.map((v, i) => isFloat(v.aval.dtype) && cts[i] !== null)
    const both = vjpJaxpr(transforms, jaxpr, moving, seeds)
    const given = cts.filter((ct, i): ct is NdArray => seeds[i]! && ct !== null)
    const grads = evalJaxpr(both.jaxpr, [...both.captures, ...xs, ...given]).slice(jaxpr.outs.length)
    return place(moving, grads, () => null)
  }
const vjpRule =
  (jaxpr: Jaxpr): CustomVjpRule =>
  (xs) => [evalJaxpr(jaxpr, xs), xs, backward(jaxpr)]

const vmapRule =
  (jaxpr: Jaxpr): CustomVmapRule =>
  (size, batched, xs) => {
    const wide = transforms.batch(
      jaxpr,
      size,
      batched.map((flag): BatchDim => (flag ? O.some(0) : O.none)),
    )
    const outs = evalJaxpr(wide.jaxpr, [...wide.captures, ...xs])
    return [outs.map((y, i) => inFront(y, wide.dims[i]!, size)), outs.map(() => true)]
  }

/** The tangents of the jaxpr's results as a function of [...inputs, ...tangents of those that move]. */
const tangentJaxpr = (jaxpr: Jaxpr, moving: readonly boolean[]): Jaxpr => {
  const pushed = transforms.jvp(jaxpr, moving)
  const avals = pushed.jaxpr.inputs.map((v) => v.aval)
  return trace(
    avals,
    (args) => {
      const outs = evalJaxpr(pushed.jaxpr, args)
      return place(pushed.nonzero, outs.slice(jaxpr.outs.length), (i) => zerosLike(jaxpr.outs[i]!.aval))
    },
    'customLinear',
  ).jaxpr
}

/** Smooth, and of floats only. */
const smoothOps: readonly OpName[] = [
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

const linearOps: readonly OpName[] = ['add', 'neg', 'reduceSum', 'transpose', 'slice', 'cumsum', 'sub', 'rev']
const isLinear = (jaxpr: Jaxpr): boolean => jaxpr.eqns.every(({ op }) => linearOps.includes(op.name))
/** All floats together, where the bodies are linear. */
export const linearIn = (jaxprs: readonly Jaxpr[], inputs: readonly Value[]): readonly (readonly number[])[] => {
  const floats = inputs.flatMap((x, i) => (isFloat(x.aval.dtype) ? [i] : []))
  return floats.length > 0 && jaxprs.every(isLinear) ? [floats] : []
}
export const smoothDraw =
  (table: Table) =>
  (c: Choices): Program =>
    drawProgram(c, table, { ops: c.oneIn(3) ? linearOps : smoothOps, steps: 3, smooth: true })

export const customGenerators = (table: Table, exact: readonly OpName[]) => {
  const smooth = smoothDraw(table)
  const any = (c: Choices) => drawProgram(c, table, { ops: exact, steps: 3 })
  const custom = (rule: (jaxpr: Jaxpr) => CustomJvpRule | CustomVjpRule | CustomVmapRule) => {
    const call = (draw: typeof any) => (c: Choices) => {
      const { jaxpr, inputs } = draw(c)
      return { params: { jaxpr, rule: Ref.of(rule(jaxpr)), name: 'f', captured: 0 }, inputs }
    }
    return { any: call(any), smooth: call(smooth) }
  }
  const linearInFloats = (draw: { readonly params: { readonly jaxpr: Jaxpr }; readonly inputs: readonly Value[] }) =>
    linearIn([draw.params.jaxpr], draw.inputs)
  const linear = (c: Choices) => {
    const { jaxpr, inputs } = smooth(c)
    const moving = floatInputs(jaxpr)
    const tangents = inputs.map(({ aval: a }) => c.value(a.shape, a.dtype, () => c.smooth())).filter((_, i) => moving[i])
    return {
      params: { jaxpr, rule: Ref.of(backward(jaxpr)), name: 'f', captured: 0, moving },
      inputs: [...inputs, ...tangents.map((t) => ({ ...t, aval: aval(t.aval.shape, t.aval.dtype) }))],
    }
  }
  /** x of a x = b for each element, by dividing. */
  const solve = (c: Choices) => {
    const a = c.value(c.shape(), 'float64', () => 2 + Math.abs(c.smooth()))
    const b = c.value(a.aval.shape, 'float64', () => c.smooth())
    const by = (name: 'mul' | 'div'): Jaxpr => {
      const [v, w] = [variable(a.aval), variable(b.aval)]
      const eqn = equation({ name, params: {} }, [w, v])
      return { inputs: [v, w], eqns: [eqn], outs: eqn.outs }
    }
    return { params: { jaxprs: [by('mul'), by('div'), by('mul'), by('div')], numConsts: 1 }, inputs: [a, b] }
  }
  return {
    linearSolve: generator<'linearSolve'>({ any: solve, smooth: solve, linear: () => [[1]] }),
    customVmap: generator<'customVmap'>({ ...custom(vmapRule), linear: linearInFloats }),
    customJvp: generator<'customJvp'>({ ...custom(jvpRule), linear: linearInFloats }),
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
