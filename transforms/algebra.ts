/** jvp and transposition of jaxprs: each replays the equations through the primitives' rules into a new trace. */
import * as O from '../src/core/option.ts'
import { type NdArray, retain } from '../src/core/array.ts'
import { add, zerosLike } from '../src/core/constructors.ts'
import { CotangentError } from '../src/core/errors.ts'
import type { Atom, Eqn, Jaxpr, Var } from '../src/core/jaxpr.ts'
import type { OpName } from '../src/core/ops.ts'
import { type Halves, Linear, type Rules, type RuleTable, type Split, type Tangent, type Transforms } from '../src/core/rules.ts'
import { bind, comesFrom, constant, evalJaxpr, trace, type Traced, Tracer } from '../src/core/trace.ts'
import { lowerJaxpr } from './lower.ts'
import { memo } from './memo.ts'
import { commonSubexpressions, deadCode } from './passes.ts'
import { planProgram } from './plan.ts'
import { recomputed } from './residuals.ts'

export const literalOf = (atom: Atom & { kind: 'lit' }): NdArray => constant(atom.value, atom.aval)
export const replay = (eqn: Eqn, inputs: readonly NdArray[]): NdArray[] => bind(eqn.op.name, eqn.op.params, inputs, eqn.effects)

/** What a running trace captured is worth keeping only while that trace lives. */
export const lasting = ({ captures }: Traced): boolean => {
  retain(captures)
  return !captures.some((x) => x instanceof Tracer)
}

/** Equations in two: what depends on the given inputs alone, and the rest. */
interface Division {
  readonly given: readonly Var[]
  readonly known: ReadonlySet<Atom>
  readonly before: readonly Eqn[]
  readonly rest: readonly Eqn[]
}
/** How often equations were divided since the start; tests pin that nesting costs no more than its parts. */
export const counters = { divided: 0 }

export const makeTransforms = (table: RuleTable): Transforms => {
  const rulesOf = (eqn: Eqn): Rules<OpName> => table[eqn.op.name] as Rules<OpName>

  const jvp = memo((jaxpr: Jaxpr, nonzero: readonly boolean[]) => {
    const moving = jaxpr.inputs.filter((_, i) => nonzero[i])
    let outNonzero: boolean[] = []
    const pushed = trace(
      [...jaxpr.inputs, ...moving].map((v) => v.aval),
      (args) => {
        const primals = new Map<Var, NdArray>()
        const tangents = new Map<Var, NdArray>()
        jaxpr.inputs.forEach((v, i) => primals.set(v, args[i]!))
        moving.forEach((v, i) => tangents.set(v, args[jaxpr.inputs.length + i]!))
        const primal = (a: Atom): NdArray => (a.kind === 'lit' ? literalOf(a) : primals.get(a)!)
        const tangent = (a: Atom): Tangent => (a.kind === 'lit' ? O.none : O.fromNullable(tangents.get(a)))
        for (const eqn of jaxpr.eqns) {
          comesFrom(eqn)
          const xs = eqn.inputs.map(primal)
          const ts = eqn.inputs.map(tangent)
          const { outs, tangents: dys } = ts.every(O.isNone)
            ? { outs: replay(eqn, xs), tangents: [] }
            : rulesOf(eqn).jvp(xs, ts, eqn.op.params, transforms)
          eqn.outs.forEach((v, i) => {
            primals.set(v, outs[i]!)
            const dy = dys[i]
            if (dy !== undefined && O.isSome(dy)) tangents.set(v, dy.value)
          })
        }
        const outTangents = jaxpr.outs.map(tangent)
        outNonzero = outTangents.map(O.isSome)
        return [...jaxpr.outs.map(primal), ...outTangents.filter(O.isSome).map((t) => t.value)]
      },
      'jvp',
    )
    // What is jitted within, or by a rule of the user's, is opened: derivatives divide a jaxpr by its equations.
    return { ...pushed, jaxpr: inline(pushed.jaxpr, false), nonzero: outNonzero }
  }, lasting)

  const transpose = memo((jaxpr: Jaxpr, linear: readonly boolean[], cts: readonly boolean[]) => {
    const given = jaxpr.inputs.filter((_, i) => !linear[i])
    const wanted = jaxpr.inputs.filter((_, i) => linear[i])
    const outs = jaxpr.outs.filter((_, i) => cts[i])
    let present: boolean[] = []
    const back = trace(
      [...given, ...outs].map((v) => v.aval),
      (args) => {
        const values = new Map<Var, NdArray>()
        given.forEach((v, i) => values.set(v, args[i]!))
        const isKnown = (a: Atom): boolean => a.kind === 'lit' || values.has(a)
        const read = (a: Atom): NdArray => (a.kind === 'lit' ? literalOf(a) : values.get(a)!)
        const moving: Eqn[] = []
        for (const eqn of jaxpr.eqns) {
          comesFrom(eqn)
          if (!eqn.inputs.every(isKnown)) moving.push(eqn)
          else replay(eqn, eqn.inputs.map(read)).forEach((x, i) => values.set(eqn.outs[i]!, x))
        }
        const sums = new Map<Var, NdArray>()
        const accumulate = (a: Atom, ct: NdArray): void => {
          if (a.kind === 'var') sums.set(a, sums.has(a) ? add(sums.get(a)!, ct) : ct)
        }
        outs.forEach((a, i) => accumulate(a, args[given.length + i]!))
        for (let i = moving.length - 1; i >= 0; i--) {
          const eqn = moving[i]!
          const outCts = eqn.outs.map((v) => O.fromNullable(sums.get(v)))
          if (outCts.every(O.isNone)) continue
          comesFrom(eqn)
          const rule = rulesOf(eqn).transpose
          if (rule === 'notLinear')
            throw new CotangentError(
              `${eqn.op.name} isn't linear, so it has no transpose: use vjp or grad for functions that aren't linear`,
            )
          const xs = eqn.inputs.map((a) => (isKnown(a) ? read(a) : new Linear(a.aval)))
          rule(outCts, xs, eqn.op.params, transforms).forEach((ct, k) => {
            if (O.isSome(ct)) accumulate(eqn.inputs[k]!, ct.value)
          })
        }
        present = wanted.map((v) => sums.has(v))
        return wanted.filter((v) => sums.has(v)).map((v) => sums.get(v)!)
      },
      'transpose',
    )
    return { ...back, present }
  }, lasting)

  const divisions = new WeakMap<readonly Eqn[], Division[]>()
  /** Made once for equations and what is known: loops and branches ask again and again, and so would those in their bodies. */
  const divide = ({ inputs, eqns }: Jaxpr, flags: readonly boolean[]): Division => {
    const given = inputs.filter((_, i) => flags[i])
    const made = divisions.get(eqns) ?? []
    divisions.set(eqns, made)
    const earlier = made.find((one) => one.given.length === given.length && one.given.every((v, i) => v === given[i]))
    if (earlier !== undefined) return earlier
    counters.divided++
    const known = new Set<Atom>(given)
    const isKnown = (a: Atom): boolean => a.kind === 'lit' || known.has(a)
    const before: Eqn[] = []
    const rest: Eqn[] = []
    for (const eqn of eqns) {
      const own = eqn.inputs.map(isKnown)
      const halves: Halves = own.every(Boolean) ? [[eqn], []] : (rulesOf(eqn).split?.(eqn, own, transforms) ?? [[], [eqn]])
      for (const done of halves[0]) {
        before.push(done)
        for (const v of done.outs) known.add(v)
      }
      rest.push(...halves[1])
    }
    const division = { given, known, before, rest }
    made.push(division)
    return division
  }

  const split = (jaxpr: Jaxpr, flags: readonly boolean[], together?: boolean): Split => {
    const { inputs } = jaxpr
    const { known, before, rest } = divide(jaxpr, flags)
    const isKnown = (a: Atom): boolean => a.kind === 'lit' || known.has(a)
    const reads = (eqns: readonly Eqn[]): readonly Atom[] => [...eqns.flatMap((eqn) => eqn.inputs), ...jaxpr.outs]
    const again = together ? [] : recomputed(before, reads(rest).filter(isKnown), inputs)
    const made = new Set<Atom>(again.flatMap((eqn) => eqn.outs))
    const read = new Set(reads([...again, ...rest]))
    return {
      before,
      after: [...again, ...rest],
      saved: [...read].filter((a): a is Var => a.kind === 'var' && known.has(a) && !made.has(a) && !inputs.includes(a)),
      kept: inputs.filter((v) => known.has(v) && read.has(v)),
    }
  }

  const transforms: Transforms = {
    jvp,
    transpose,
    split,
    lower: (jaxpr, inputs) => lowerJaxpr(table, transforms, jaxpr, inputs),
    program: (jaxpr, inputs, lent) => planProgram(inputs, () => transforms.lower(optimise(jaxpr), inputs), lent),
  }
  return transforms
}

/** The equations of inner `jit`s in place of them, at any depth; with `rules`, of functions with rules of their own too, which are then lost. */
export const inline = memo((jaxpr: Jaxpr, rules: boolean): Jaxpr => {
  const opens = (eqn: Eqn): eqn is Eqn & { readonly op: { readonly params: { readonly jaxpr: Jaxpr } } } =>
    eqn.op.name === 'jit' || (rules && /^custom[JV]/.test(eqn.op.name))
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
        const outs = opens(eqn) ? evalJaxpr(inline(eqn.op.params.jaxpr, rules), xs) : replay(eqn, xs)
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

/** jvp, whose outs from `count` on have no tangents. */
export const withTangents = (
  transforms: Transforms,
  jaxpr: Jaxpr,
  moving: readonly boolean[],
  count: number,
): ReturnType<Transforms['jvp']> => {
  const pushed = transforms.jvp(jaxpr, moving)
  if (count === jaxpr.outs.length) return pushed
  const wanted = jaxpr.outs.length + pushed.nonzero.slice(0, count).filter(Boolean).length
  return {
    ...pushed,
    jaxpr: deadCode({ ...pushed.jaxpr, outs: pushed.jaxpr.outs.slice(0, wanted) }),
    nonzero: pushed.nonzero.map((flag, i) => flag && i < count),
  }
}

/** A linearized function: what it computes, and the linear map from its tangents, which needs `residuals`. */
export interface Linearized {
  /** [...captures, ...inputs] to [...outs, ...saved]. */
  readonly forward: Jaxpr
  readonly captures: readonly NdArray[]
  /** Which of the forward's inputs the linear part reads too. */
  readonly inputs: readonly number[]
  /** [...those inputs, ...saved, ...non-zero tangents] to the non-zero tangents of the outs. */
  readonly linear: Jaxpr
  readonly nonzero: readonly boolean[]
}

/**
 * jvp, split into what depends on the inputs alone and what is linear in the tangents; where these stay `together`, as one program, nothing is done twice.
 * Only the first `count` outs have tangents.
 */
export const linearizeJaxpr = (
  transforms: Transforms,
  jaxpr: Jaxpr,
  moving: readonly boolean[],
  together = false,
  count = jaxpr.outs.length,
): Linearized => {
  const { jaxpr: both, captures, nonzero } = withTangents(transforms, jaxpr, moving, count)
  const primals = captures.length + jaxpr.inputs.length
  const [inputs, dxs] = [both.inputs.slice(0, primals), both.inputs.slice(primals)]
  const [outs, dys] = [both.outs.slice(0, jaxpr.outs.length), both.outs.slice(jaxpr.outs.length)]
  const known = both.inputs.map((_, i) => i < primals)
  const { before, after, saved, kept } = transforms.split({ ...both, outs: dys }, known, together)
  return {
    forward: { inputs, eqns: before, outs: [...outs, ...saved] },
    captures,
    inputs: kept.map((v) => inputs.indexOf(v)),
    linear: { inputs: [...kept, ...saved, ...dxs], eqns: after, outs: dys },
    nonzero,
  }
}

/**
 * [...inputs, ct per out that is asked] to [...outs, ...cotangents of the moving inputs]: forward and backward in one jaxpr. A cotangent that is
 * known to be `one` is no input.
 */
export const vjpJaxpr = (transforms: Transforms, jaxpr: Jaxpr, moving: readonly boolean[], seeds: readonly (boolean | 'one')[]): Traced => {
  const { forward, captures, inputs: kept, linear, nonzero } = linearizeJaxpr(transforms, jaxpr, moving, true)
  const count = jaxpr.outs.length
  const seeded = jaxpr.outs.filter((_, i) => seeds[i] === true)
  const inputs = jaxpr.inputs.map((v) => v.aval)
  const movingAvals = inputs.filter((_, i) => moving[i])
  return trace(
    [...inputs, ...seeded.map((a) => a.aval)],
    (args) => {
      const xs = [...captures, ...args.slice(0, inputs.length)]
      const ys = evalJaxpr(forward, xs)
      let at = inputs.length
      const cts = jaxpr.outs.map(({ aval }, i) => (seeds[i] === 'one' ? constant(1, aval) : seeds[i] ? args[at++]! : null))
      const used = jaxpr.outs.map((_, i) => i).filter((i) => nonzero[i])
      const isLinear = linear.inputs.map((_, i) => i >= linear.inputs.length - movingAvals.length)
      const back = transforms.transpose(
        linear,
        isLinear,
        used.map((i) => cts[i] !== null),
      )
      const given = used.map((i) => cts[i]!).filter((ct) => ct !== null)
      const grads = evalJaxpr(back.jaxpr, [...back.captures, ...kept.map((i) => xs[i]!), ...ys.slice(count), ...given])
      let next = 0
      return [...ys.slice(0, count), ...movingAvals.map((a, i) => (back.present[i] ? grads[next++]! : zerosLike(a)))]
    },
    'vjp',
  )
}
