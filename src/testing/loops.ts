/** Loops and branches around small programs, whose inputs are dealt out as constants, carry and what is scanned. */
import { aval, eqAval } from '../core/aval.ts'
import { type Atom, type Eqn, type Jaxpr, literal, type Var, variable } from '../core/jaxpr.ts'
import type { OpName } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'
import { linearIn, smoothDraw } from './custom.ts'
import { generator } from './generator.ts'
import { drawProgram, equation, type Program, type Table } from './programs.ts'

type Draw = (c: Choices) => Program

/** Something of the same type that the program has, the last first: an input at worst. */
const like = (c: Choices, { inputs, eqns }: Jaxpr, v: Var): Atom => {
  const fitting = [...inputs, ...eqns.flatMap((eqn) => eqn.outs)].filter((w) =>
    eqAval({ ...w.aval, weak: false }, { ...v.aval, weak: false }),
  )
  return c.oneIn(4) ? v : fitting[fitting.length - 1 - c.below(Math.min(2, fitting.length))]!
}

const dealt = (c: Choices, { jaxpr, inputs }: Program, kinds: number): readonly (readonly (readonly [Var, Value])[])[] => {
  const groups = Array.from({ length: kinds }, (): (readonly [Var, Value])[] => [])
  jaxpr.inputs.forEach((v, i) => c.pick(groups).push([v, inputs[i]!]))
  return groups
}

const scanOf = (draw: Draw, element: (c: Choices, v: Var) => (() => number) | undefined) => (c: Choices) => {
  const program = draw(c)
  const length = c.pick([2, 3, 1, 0, 4])
  const [carry, xs, consts] = dealt(c, program, 3) as [(readonly [Var, Value])[], (readonly [Var, Value])[], (readonly [Var, Value])[]]
  const { jaxpr } = program
  const stack = (v: Var): Value => {
    const stacked = c.value([length, ...v.aval.shape], v.aval.dtype, element(c, v))
    return { ...stacked, aval: { ...stacked.aval, weak: v.aval.weak } }
  }
  const body: Jaxpr = {
    inputs: [...consts, ...carry, ...xs].map(([v]) => v),
    eqns: jaxpr.eqns,
    outs: [...carry.map(([v]) => like(c, jaxpr, v)), ...jaxpr.outs],
  }
  const params = { jaxpr: body, length, reverse: c.oneIn(2), numConsts: consts.length, numCarry: carry.length }
  return { params, inputs: [...consts.map(([, x]) => x), ...carry.map(([, x]) => x), ...xs.map(([v]) => stack(v))] }
}

/** A counter decides; it may be at its end before the first turn, and whatever it begins with there are four turns at most. */
const whileOf = (draw: Draw) => (c: Choices) => {
  const program = draw(c)
  const [carry, consts] = dealt(c, program, 2) as [(readonly [Var, Value])[], (readonly [Var, Value])[]]
  const { jaxpr } = program
  const int = aval([], 'int32')
  const [limit, i, j] = [variable(int), variable(int), variable(int)]
  const compare = (name: 'lt' | 'ge', to: Atom): Eqn => equation({ name, params: {} }, [i, to])
  const tests = [compare('lt', limit), compare('lt', literal(4, int)), compare('ge', literal(0, int))] as const
  const two = equation({ name: 'and', params: {} }, [tests[0].outs[0]!, tests[1].outs[0]!])
  const test = equation({ name: 'and', params: {} }, [two.outs[0]!, tests[2].outs[0]!])
  const next = equation({ name: 'add', params: {} }, [j, literal(1, int)])
  const cond: Jaxpr = { inputs: [limit, i, ...carry.map(([v]) => variable(v.aval))], eqns: [...tests, two, test], outs: test.outs }
  const body: Jaxpr = {
    inputs: [...consts.map(([v]) => v), j, ...carry.map(([v]) => v)],
    eqns: [...jaxpr.eqns, next],
    outs: [...next.outs, ...carry.map(([v]) => like(c, jaxpr, v))],
  }
  const count = (n: number): Value => ({ aval: int, data: [n] })
  return {
    params: { jaxprs: [cond, body], condConsts: 1, bodyConsts: consts.length },
    inputs: [count(c.below(4)), ...consts.map(([, x]) => x), count(c.below(2)), ...carry.map(([, x]) => x)],
  }
}

/** The index may be outside. */
const condOf = (draw: Draw) => (c: Choices) => {
  const { jaxpr, inputs } = draw(c)
  const others = Array.from({ length: c.below(3) }, (): Jaxpr => ({ ...jaxpr, outs: jaxpr.outs.map((v) => like(c, jaxpr, v as Var)) }))
  return { params: { jaxprs: [jaxpr, ...others] }, inputs: [{ aval: aval([], 'int32'), data: [c.between(0, 4) - 1] }, ...inputs] }
}

export const controlGenerators = (table: Table, exact: readonly OpName[]) => {
  const smooth = smoothDraw(table)
  const any: Draw = (c) => drawProgram(c, table, { ops: exact, steps: 3 })
  return {
    scan: generator<'scan'>({
      any: scanOf(any, () => undefined),
      smooth: scanOf(smooth, (c) => () => c.smooth()),
      linear: ({ params, inputs }) => linearIn([params.jaxpr], inputs),
    }),
    while: generator<'while'>({ any: whileOf(any), smooth: whileOf(smooth), forwardOnly: true }),
    cond: generator<'cond'>({ any: condOf(any), smooth: condOf(smooth), linear: ({ params, inputs }) => linearIn(params.jaxprs, inputs) }),
  }
}
