/** Random small jaxprs: calls drawn one after another, each reading what came before where the avals fit. */
import { isLeft } from '#fp-ts/Either.js'
import { rules } from '../../primitives/index.ts'
import { type Aval, eqShape, showAvals } from '../core/aval.ts'
import { isFloat } from '../core/dtype.ts'
import { JaxprError } from '../core/errors.ts'
import { type Atom, type Eqn, type Jaxpr, literal, type Var, variable } from '../core/jaxpr.ts'
import type { Op, OpName } from '../core/ops.ts'
import type { Rules } from '../core/rules.ts'
import type { Choices, Sizes, Value } from './choices.ts'
import type { Draw, Generator } from './generator.ts'

export interface Program {
  readonly jaxpr: Jaxpr
  /** A value for each input. */
  readonly inputs: readonly Value[]
}

/** Few avals, so that they fit one another. */
export const programSizes: Sizes = {
  extents: [2, 3, 1, 0],
  minRank: 0,
  maxRank: 2,
  maxSize: 12,
  seeded: true,
  dtypes: ['float32', 'int32', 'bool'],
}
/** One dtype and three axes, for layouts. */
export const viewSizes: Sizes = { extents: [2, 3, 4, 1], minRank: 2, maxRank: 3, maxSize: 48, seeded: true, dtypes: ['int32'] }
/** As many elements along every axis, in float64: for laws of derivatives. */
export const smoothSizes: Sizes = { extents: [2, 3], minRank: 0, maxRank: 2, maxSize: 12, seeded: true, dtypes: ['float64'] }

export interface ProgramOptions {
  readonly ops: readonly OpName[]
  readonly steps: number
  /** Draws each call where it has a derivative. (What the program computes on the way may still be anywhere.) */
  readonly smooth?: boolean
}

export const outAvals = (op: Op, avals: readonly Aval[]): readonly Aval[] => {
  const out = (rules[op.name] as Rules<OpName>).abstractEval(avals, op.params)
  if (isLeft(out)) throw new JaxprError(`${op.name}(${showAvals(avals)}): ${out.left.reason}`)
  return out.right
}

/** The equation of an op, and its new variables. */
export const equation = (op: Op, inputs: readonly Atom[]): Eqn => ({
  op,
  inputs,
  outs: outAvals(
    op,
    inputs.map((a) => a.aval),
  ).map(variable),
  effects: [],
  source: null,
})

/** The jaxpr of one call. */
export const callJaxpr = <K extends OpName>(name: K, { params, inputs }: Draw<K>): Jaxpr => {
  const vars = inputs.map((x) => variable(x.aval))
  const eqn = equation({ name, params } as Op, vars)
  return { inputs: vars, eqns: [eqn], outs: eqn.outs }
}

export type Table = { readonly [K in OpName]?: Generator<K> }

export const drawProgram = (c: Choices, table: Table, { ops, steps, smooth = false }: ProgramOptions): Program => {
  const inputs: Var[] = []
  const values: Value[] = []
  const eqns: Eqn[] = []
  const pool: Var[] = []
  const operand = (x: Value): Atom => {
    const fitting = pool.filter((v) => v.aval.dtype === x.aval.dtype && eqShape(v.aval.shape, x.aval.shape))
    // The newest is the simplest: it makes a chain.
    if (fitting.length > 0 && !c.oneIn(4)) return fitting[fitting.length - 1 - c.below(fitting.length)]!
    if (x.aval.shape.length === 0 && x.aval.dtype !== 'key' && c.oneIn(2)) return literal(x.data[0]!, x.aval)
    const v = variable(x.aval)
    inputs.push(v)
    values.push(x)
    pool.push(v)
    return v
  }
  const push = (eqn: Eqn): void => {
    eqns.push(eqn)
    pool.push(...eqn.outs)
    c.known.push(...eqn.outs.map((v) => v.aval.shape).filter((shape) => shape.length > 0))
  }
  const count = c.between(1, steps)
  for (let i = 0; i < count; i++) {
    const name = c.pick(ops)
    const generator = table[name] as Generator<OpName>
    const draw = smooth ? generator.smooth(c) : generator.any(c)
    const eqn = equation({ name, params: draw.params } as Op, draw.inputs.map(operand))
    push(eqn)
    // The same again, or nearly: what common subexpressions are told apart by.
    if (c.oneIn(4))
      push(
        equation(
          eqn.op,
          eqn.inputs.map((a, k) =>
            !c.oneIn(3)
              ? a
              : a.kind === 'lit'
                ? { ...a, value: smooth && isFloat(a.aval.dtype) ? c.smooth() : c.element(a.aval.dtype) }
                : operand(draw.inputs[k]!),
          ),
        ),
      )
  }
  // What nothing reads, and at times something that is read too, or the same twice.
  const used = new Set(eqns.flatMap((eqn) => eqn.inputs))
  const outs = eqns.flatMap((eqn) => eqn.outs).filter((v) => !used.has(v))
  while (c.oneIn(5) && outs.length < 6) outs.push(c.pick(pool))
  return { jaxpr: { inputs, eqns, outs }, inputs: values }
}
