/** Functions with rules of the user's: customJvp, customVjp and the linear map that stands for the latter until it is transposed, customVmap. */
import { place } from '../src/core/flags.ts'
import * as O from '#fp-ts/Option.js'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, eqAval, showAvals } from '../src/core/aval.ts'
import { type BackwardRule, type CustomJvpRule, type CustomVjpRule, type CustomVmapRule, ruleOf } from '../src/core/callbacks.ts'
import * as c from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import { CotangentError, ShapeError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { Ref } from '../src/core/ref.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { BatchDim, Linear, Rules, Tangent, Transforms } from '../src/core/rules.ts'
import { bind, evalJaxpr, trace } from '../src/core/trace.ts'
import { resultsInFront, tangentsAt } from './carrying.ts'
import { inFront, batched, callAvals, isLinear, valueOf } from './families.ts'

type Custom = 'customJvp' | 'customVjp'

const avalsOf = (xs: readonly NdArray[]): readonly Aval[] => xs.map((x) => x.aval)
const orZeros = (ts: readonly Tangent[], avals: readonly Aval[]): NdArray[] =>
  ts.map((t, i) => (O.isSome(t) ? t.value : c.zerosLike(avals[i]!)))

/** What a rule returned has to have the avals of what it stands for. */
const checked = (what: string, got: readonly (NdArray | null)[], want: readonly Aval[]): void => {
  const strong = (a: Aval): Aval => ({ ...a, weak: false })
  if (got.length === want.length && got.every((x, i) => x === null || eqAval(strong(x.aval), strong(want[i]!)))) return
  const shown = got.map((x) => (x === null ? 'null' : showAvals([x.aval]))).join(', ')
  throw new ShapeError(
    `${what} gave (${shown}), and (${showAvals(want)}) was expected: return what has the shapes and dtypes of the function's own`,
  )
}

/** The rule's operands: what the function closed over can't move, since the rule doesn't know of it. */
const split = ({ captured, name }: OpParams[Custom], xs: readonly NdArray[], ts: readonly Tangent[]) => {
  if (ts.slice(0, captured).some(O.isSome))
    throw new CotangentError(
      `${name} closes over a value that is being differentiated, which its own rule doesn't know: pass it as an argument`,
    )
  return { args: xs.slice(captured), tangents: orNulls(ts.slice(captured)) }
}
const orNulls = (ts: readonly Tangent[]): (NdArray | null)[] => ts.map((t) => (O.isSome(t) ? t.value : null))

/** Arrays all batched at their first axis, as a function of examples does it. */
const overBatch = (transforms: Transforms, avals: readonly Aval[], size: number, f: (xs: readonly NdArray[]) => readonly NdArray[]) => {
  const traced = trace(avals, f, 'a custom rule')
  const dims = [...traced.captures.map((): BatchDim => O.none), ...avals.map((): BatchDim => O.some(0))]
  const wide = transforms.batch(traced.jaxpr, size, dims)
  return (xs: readonly NdArray[]): NdArray[] =>
    evalJaxpr(wide.jaxpr, [...wide.captures, ...traced.captures, ...xs]).map((y, i) => inFront(y, wide.dims[i]!, size))
}
const example = (x: NdArray): Aval => ({ ...x.aval, shape: x.shape.slice(1) })

const there = (xs: readonly (NdArray | null)[]): NdArray[] => xs.filter((x) => x !== null)
/** In the places of those that are there, these. */
const refilled = (places: readonly boolean[], values: readonly NdArray[]): (NdArray | null)[] => place(places, values, () => null)
const isThere = (x: NdArray | null): boolean => x !== null

const batchedJvp =
  (rule: CustomJvpRule, size: number, transforms: Transforms): CustomJvpRule =>
  (xs, ts) => {
    let places: readonly boolean[] = []
    let count = 0
    const wide = overBatch(transforms, [...xs, ...there(ts)].map(example), size, (ys) => {
      const [outs, tangents] = rule(ys.slice(0, xs.length), refilled(ts.map(isThere), ys.slice(xs.length)))
      places = tangents.map(isThere)
      count = outs.length
      return [...outs, ...there(tangents)]
    })
    const results = wide([...xs, ...there(ts)])
    return [results.slice(0, count), refilled(places, results.slice(count))]
  }

const batchedVjp =
  (rule: CustomVjpRule, size: number, transforms: Transforms): CustomVjpRule =>
  (xs, moving) => {
    let count = 0
    let own: BackwardRule | null = null
    const wide = overBatch(transforms, xs.map(example), size, (ys) => {
      const [outs, residuals, backward] = rule(ys, moving)
      own = backward
      count = outs.length
      return [...outs, ...residuals]
    })
    const results = wide(xs)
    return [results.slice(0, count), results.slice(count), widened(batchedBackward, own!, size, transforms)]
  }

const batchedBackward =
  (rule: BackwardRule, size: number, transforms: Transforms): BackwardRule =>
  (residuals, cts, outs) => {
    let places: readonly boolean[] = []
    const avals = outs.map((a) => ({ ...a, shape: a.shape.slice(1) }))
    const wide = overBatch(transforms, [...residuals, ...there(cts)].map(example), size, (ys) => {
      const grads = rule(ys.slice(0, residuals.length), refilled(cts.map(isThere), ys.slice(residuals.length)), avals)
      places = grads.map(isThere)
      return there(grads)
    })
    return refilled(places, wide([...residuals, ...there(cts)]))
  }

/** A rule for a batch is made once for a rule, a size and a named axis. */
const wider = new WeakMap<object, Map<string, unknown>>()
const widened = <R extends object>(
  widen: (rule: R, size: number, transforms: Transforms) => R,
  rule: R,
  size: number,
  transforms: Transforms,
): R => {
  const made = wider.get(rule) ?? new Map<string, unknown>()
  wider.set(rule, made)
  const key = JSON.stringify([size, transforms.axisName])
  if (!made.has(key)) made.set(key, widen(rule, size, transforms))
  return made.get(key) as R
}

/** The function over a batch: what it takes and gives has the batch axis first, but for what it closes over and isn't batched. */
const wideFunction = (p: OpParams[Custom], dims: readonly BatchDim[], size: number, transforms: Transforms) => {
  const own = p.jaxpr.inputs.map((_, i): BatchDim => (i < p.captured && O.isNone(dims[i]!) ? O.none : O.some(0)))
  const { jaxpr, captures } = resultsInFront(transforms.batch(p.jaxpr, size, own), size)
  return { jaxpr, captures, captured: captures.length + p.captured }
}

const batch =
  <K extends Custom>(name: K): Rules<K>['batch'] =>
  (xs, dims, size, p, transforms) => {
    const { captures, ...wide } = wideFunction(p, dims, size, transforms)
    const moved = xs.map((x, i) => (i < p.captured && O.isNone(dims[i]!) ? x : inFront(x, dims[i]!, size)))
    const rule =
      name === 'customJvp'
        ? widened(batchedJvp, ruleOf(p.rule, p.name), size, transforms)
        : widened(batchedVjp, ruleOf(p.rule, p.name), size, transforms)
    const params = { ...p, ...wide, rule: Ref.of(rule), name: `vmap(${p.name})` } as OpParams[K]
    return batched(bind(name, params, [...captures, ...moved]))
  }

/** What is linear is differentiated already: no rule for tangents or batches is asked any more, and the function is its equations. */
const asEquations = (
  cts: readonly Tangent[],
  xs: readonly (NdArray | Linear)[],
  { jaxpr }: { readonly jaxpr: Jaxpr },
  transforms: Transforms,
): readonly Tangent[] => {
  const linear = xs.map(isLinear)
  const back = transforms.transpose(jaxpr, linear, cts.map(O.isSome))
  const known = xs.filter((x) => !isLinear(x)).map(valueOf)
  const given = evalJaxpr(back.jaxpr, [...back.captures, ...known, ...there(orNulls(cts))])
  return tangentsAt(
    place(linear, back.present, () => false),
    given,
  )
}

const abstractEval: Rules<Custom>['abstractEval'] = (avals, { jaxpr }) => callAvals(jaxpr, avals)

export const customJvp: Rules<'customJvp'> = {
  abstractEval,
  jvp: (xs, ts, p) => {
    const { args, tangents } = split(p, xs, ts)
    const [outs, dys] = ruleOf<CustomJvpRule>(p.rule, p.name)(args, tangents)
    const want = p.jaxpr.outs.map((v) => v.aval)
    checked(`the rule of ${p.name}`, outs, want)
    checked(`the rule of ${p.name}, for tangents,`, dys, want)
    return { outs, tangents: dys.map((dy, i) => (dy !== null && isFloat(want[i]!.dtype) ? O.some(dy) : O.none)) }
  },
  transpose: asEquations,
  batch: batch('customJvp'),
  lower: (xs, { jaxpr }, lowering) => lowering.lower(jaxpr, xs),
}

export const customVjp: Rules<'customVjp'> = {
  abstractEval,
  jvp: (xs, ts, p) => {
    const { args, tangents } = split(p, xs, ts)
    const moving = tangents.map(isThere)
    const [outs, residuals, backward] = ruleOf<CustomVjpRule>(p.rule, p.name)(args, moving)
    checked(
      `the forward rule of ${p.name}`,
      outs,
      p.jaxpr.outs.map((v) => v.aval),
    )
    const dys = bind('customLinear', { ...p, rule: Ref.of(backward), moving }, [...residuals, ...there(tangents)])
    return { outs, tangents: dys.map((dy) => (isFloat(dy.dtype) ? O.some(dy) : O.none)) }
  },
  transpose: 'notLinear',
  batch: batch('customVjp'),
  lower: (xs, { jaxpr }, lowering) => lowering.lower(jaxpr, xs),
}

const noForward = (name: string): never => {
  throw new CotangentError(`${name} has a rule for reverse mode only: use grad or vjp, or give it a forward rule with customJvp`)
}

export const customLinear: Rules<'customLinear'> = {
  abstractEval: (avals, { jaxpr, captured, moving }) => {
    const wanted = jaxpr.inputs.slice(captured).filter((_, i) => moving[i])
    const tangents = avals.slice(Math.max(0, avals.length - wanted.length))
    return callAvals({ ...jaxpr, inputs: wanted }, tangents)
  },
  jvp: (xs, ts, p) => {
    const residuals = xs.length - p.moving.filter(Boolean).length
    if (ts.slice(0, residuals).some(O.isSome)) return noForward(p.name)
    const outs = bind('customLinear', p, xs)
    const dxs = orZeros(ts.slice(residuals), avalsOf(xs.slice(residuals)))
    return { outs, tangents: bind('customLinear', p, [...xs.slice(0, residuals), ...dxs]).map(O.some) }
  },
  transpose: (cts, xs, p) => {
    const residuals = xs.slice(0, xs.length - p.moving.filter(Boolean).length) as readonly NdArray[]
    const outs = p.jaxpr.outs.map((v) => v.aval)
    const grads = ruleOf<BackwardRule>(p.rule, p.name)(residuals, orNulls(cts), outs)
    checked(
      `the backward rule of ${p.name}`,
      grads,
      p.jaxpr.inputs.slice(p.captured).map((v) => v.aval),
    )
    const moving = grads.filter((_, i) => p.moving[i])
    return [...residuals.map((): Tangent => O.none), ...moving.map((g): Tangent => (g === null ? O.none : O.some(g)))]
  },
  batch: (xs, dims, size, p, transforms) => {
    const moved = xs.map((x, i) => inFront(x, dims[i]!, size))
    const { jaxpr, captured } = wideFunction(
      p,
      p.jaxpr.inputs.map(() => O.none),
      size,
      transforms,
    )
    const rule = widened(batchedBackward, ruleOf<BackwardRule>(p.rule, p.name), size, transforms)
    return batched(bind('customLinear', { ...p, jaxpr, captured, rule: Ref.of(rule) }, moved))
  },
  lower: (_xs, { name }) => noForward(name),
}

export const customVmap: Rules<'customVmap'> = {
  abstractEval,
  // The rule is for the function itself: its derivative is that of its equations, and batches as they do.
  jvp: (xs, ts, { jaxpr }, transforms) => {
    const pushed = transforms.jvp(jaxpr, ts.map(O.isSome))
    const results = evalJaxpr(pushed.jaxpr, [...pushed.captures, ...xs, ...there(orNulls(ts))])
    const [outs, dys] = [results.slice(0, jaxpr.outs.length), results.slice(jaxpr.outs.length)]
    return { outs, tangents: refilled(pushed.nonzero, dys).map(O.fromNullable) }
  },
  transpose: asEquations,
  batch: (xs, dims, size, { captured, jaxpr, rule, name }) => {
    if (dims.slice(0, captured).some(O.isSome))
      throw new CotangentError(`${name} closes over a value that is being mapped, which its own rule doesn't know: pass it as an argument`)
    const batchedIn = dims.slice(captured).map(O.isSome)
    const operands = xs.slice(captured).map((x, i) => (batchedIn[i] ? inFront(x, dims[captured + i]!, size) : x))
    const [outs, batchedOut] = ruleOf<CustomVmapRule>(rule, name)(size, batchedIn, operands)
    const wide = (a: Aval, i: number): Aval => (batchedOut[i] ? { ...a, shape: [size, ...a.shape] } : a)
    checked(
      `the rule of ${name}`,
      outs,
      jaxpr.outs.map((v, i) => wide(v.aval, i)),
    )
    return { outs, dims: batchedOut.map((flag): BatchDim => (flag ? O.some(0) : O.none)) }
  },
  lower: (xs, { jaxpr }, lowering) => lowering.lower(jaxpr, xs),
}

export const customRules = { customJvp, customVjp, customLinear, customVmap } satisfies { readonly [K in OpName]?: Rules<K> }
