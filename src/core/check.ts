/** The checker: whether a jaxpr keeps the IR's rules. It runs after every transform and pass in tests, and on jaxprs from outside. */
import * as E from '#fp-ts/Either.js'
import { type Aval, eqAval, showAval, showAvals } from './aval.ts'
import { isFloat, isInt, rangeOf, shortName } from './dtype.ts'
import { JaxprError } from './errors.ts'
import { type Atom, isEffect, type Jaxpr, type Lit, type Var } from './jaxpr.ts'
import type { Op } from './ops.ts'
import { badOp } from './ops.ts'
import { printEqn } from './print.ts'
import { abstractEval } from './trace.ts'
import { takes } from './takes.ts'
import { isJaxpr } from './form.ts'
import { show } from './show.ts'

/** The reason; in front of it the equation where it is, and those that carry the jaxpr it is in. */
type Checked = E.Either<string, null>
const fine: Checked = E.right(null)

const badAval = ({ shape, dtype }: Aval): string | null => {
  if (!Object.hasOwn(shortName, dtype)) return `there is no dtype ${String(dtype)}`
  return shape.every((n) => Number.isInteger(n) && n >= 0) ? null : `the shape [${shape.join(',')}] isn't a list of non-negative integers`
}

const badLiteral = ({ aval, value }: Lit): string | null => {
  if (aval.shape.length > 0) return `a literal is a scalar, and one is ${showAval(aval)}`
  const bad = badAval(aval)
  if (bad !== null) return bad
  if (aval.dtype === 'key') return 'a key is no literal'
  if (isFloat(aval.dtype)) return null
  const [least, most] = isInt(aval.dtype) ? rangeOf[aval.dtype] : [0, 1]
  return Number.isInteger(value) && value >= least && value <= most ? null : `the literal ${value} isn't in the range of ${aval.dtype}`
}

const check = (jaxpr: unknown, done: Set<unknown>): Checked => {
  if (!isJaxpr(jaxpr)) return E.left(`${show(jaxpr)} is no jaxpr: make one with makeJaxpr or parseJaxpr`)
  const defined = new Set<Atom>()
  const define = (v: Var): string | null => {
    if (defined.has(v)) return `a variable ${showAval(v.aval)} is defined twice`
    defined.add(v)
    return badAval(v.aval)
  }
  const use = (a: Atom): string | null =>
    a.kind === 'lit' ? badLiteral(a) : defined.has(a) ? null : `a variable ${showAval(a.aval)} is used that nothing before defines`
  const first = <T>(xs: readonly T[], bad: (x: T) => string | null): string | null => {
    for (const x of xs) {
      const reason = bad(x)
      if (reason !== null) return reason
    }
    return null
  }

  const at = (i: number, reason: string): Checked => E.left(`equation ${i} (${printEqn(jaxpr, i).split('\n', 1)[0]}): ${reason}`)
  const badInput = first(jaxpr.inputs, define)
  if (badInput !== null) return E.left(`an argument: ${badInput}`)
  for (let i = 0; i < jaxpr.eqns.length; i++) {
    const { op, inputs, outs, effects } = jaxpr.eqns[i]!
    const bad =
      first(inputs, use) ?? badOp(op, inputs.length) ?? first<string>(effects, (e) => (isEffect(e) ? null : `there is no effect ${e}`))
    if (bad !== null) return at(i, bad)
    const inner = checkInner(op, done)
    if (E.isLeft(inner)) return at(i, inner.left)
    const predicted = abstractEval(
      op,
      inputs.map((a) => a.aval),
    )
    if (E.isLeft(predicted)) return at(i, predicted.left.reason)
    const avals = outs.map((v) => v.aval)
    if (avals.length !== predicted.right.length || !avals.every((a, k) => eqAval(a, predicted.right[k]!)))
      return at(i, `results are (${showAvals(avals)}), and ${op.name} gives (${showAvals(predicted.right)})`)
    const badOut = first(outs, define)
    if (badOut !== null) return at(i, badOut)
  }
  const badOut = first(jaxpr.outs, use)
  return badOut === null ? fine : E.left(`a result: ${badOut}`)
}

/** Jaxprs among the params: each once. */
const checkInner = (op: Op, done: Set<unknown>): Checked => {
  for (const value of Object.values(op.params) as unknown[]) {
    for (const inner of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof inner !== 'object' || inner === null || !('eqns' in inner) || done.has(inner)) continue
      done.add(inner)
      const checked = check(inner, done)
      if (E.isLeft(checked)) return checked
    }
  }
  return fine
}

/**
 * The jaxpr itself, when each variable is defined before its use and once, equations have the avals that their primitives give, params and effects
 * are known ones, literals fit their dtypes and inner jaxprs hold too.
 *
 * @example checkJaxpr(makeJaxpr((x: NdArray) => np.sin(x))(np.ones([3]))).outs.length // 1
 * @throws JaxprError naming the equation that breaks the rules
 */
export const checkJaxpr = /* @__PURE__ */ takes('checkJaxpr', 1, <J extends Jaxpr>(jaxpr: J): J => {
  const checked = check(jaxpr, new Set())
  if (E.isRight(checked)) return jaxpr
  throw new JaxprError(`checkJaxpr: ${checked.left}`)
})
