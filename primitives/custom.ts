/** Functions with derivative rules of the user's: customJvp and customVjp, and the linear map that stands for the latter until it is transposed. */
import * as O from '../src/core/option.ts'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, eqAval, showAvals } from '../src/core/aval.ts'
import { type CustomJvpRule, type CustomVjpRule, registerRule, ruleOf } from '../src/core/callbacks.ts'
import * as c from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import { CotangentError, ShapeError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { BatchDim, Batching, Rules, Tangent } from '../src/core/rules.ts'
import { bind, evalJaxpr, trace } from '../src/core/trace.ts'
import { inFront, batched, carried } from './families.ts'

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
  const args = xs.slice(captured)
  return { args, tangents: orZeros(ts.slice(captured), avalsOf(args)) }
}

/** Arrays all batched at their first axis, as a function of examples does it. */
const overBatch = (transforms: Batching, avals: readonly Aval[], size: number, f: (xs: readonly NdArray[]) => readonly NdArray[]) => {
  const traced = trace(avals, f, 'a custom rule')
  const dims = [...traced.captures.map((): BatchDim => O.none), ...avals.map((): BatchDim => O.some(0))]
  const wide = transforms.batch(traced.jaxpr, size, dims)
  return (xs: readonly NdArray[]): NdArray[] =>
    evalJaxpr(wide.jaxpr, [...wide.captures, ...traced.captures, ...xs]).map((y, i) => inFront(y, wide.dims[i]!, size))
}
const example = (x: NdArray): Aval => ({ ...x.aval, shape: x.shape.slice(1) })

const batchedJvp =
  (rule: CustomJvpRule, size: number, transforms: Batching): CustomJvpRule =>
  (xs, ts) => {
    let there: readonly boolean[] = []
    let count = 0
    const wide = overBatch(transforms, [...xs, ...ts].map(example), size, (ys) => {
      const [outs, tangents] = rule(ys.slice(0, xs.length), ys.slice(xs.length))
      there = tangents.map((t) => t !== null)
      count = outs.length
      return [...outs, ...tangents.filter((t) => t !== null)]
    })
    const results = wide([...xs, ...ts])
    let next = count
    return [results.slice(0, count), there.map((t) => (t ? results[next++]! : null))]
  }

const batchedVjp = ({ fwd, bwd }: CustomVjpRule, size: number, transforms: Batching): CustomVjpRule => ({
  fwd: (xs) => {
    let count = 0
    const wide = overBatch(transforms, xs.map(example), size, (ys) => {
      const [outs, residuals] = fwd(ys)
      count = outs.length
      return [...outs, ...residuals]
    })
    const results = wide(xs)
    return [results.slice(0, count), results.slice(count)]
  },
  bwd: (residuals, cts) => {
    let there: readonly boolean[] = []
    const wide = overBatch(transforms, [...residuals, ...cts].map(example), size, (ys) => {
      const grads = bwd(ys.slice(0, residuals.length), ys.slice(residuals.length))
      there = grads.map((g) => g !== null)
      return grads.filter((g) => g !== null)
    })
    const results = wide([...residuals, ...cts])
    let next = 0
    return there.map((t) => (t ? results[next++]! : null))
  },
})

/** A batched rule is made once for a rule and a size. */
const wider = new Map<string, number>()
const widened = (name: OpName, rule: number, size: number, label: string, transforms: Batching): number => {
  const key = `${rule}:${size}`
  let id = wider.get(key)
  if (id === undefined) {
    const wide =
      name === 'customJvp' ? batchedJvp(ruleOf(rule, label), size, transforms) : batchedVjp(ruleOf(rule, label), size, transforms)
    wider.set(key, (id = registerRule(wide)))
  }
  return id
}

/** The function over a batch, all of whose operands and results have the batch axis first. */
const wideJaxpr = (jaxpr: Jaxpr, size: number, transforms: Batching): Jaxpr => {
  const wide = transforms.batch(
    jaxpr,
    size,
    jaxpr.inputs.map((): BatchDim => O.some(0)),
  )
  const avals = jaxpr.inputs.map(({ aval: a }): Aval => ({ ...a, shape: [size, ...a.shape] }))
  return trace(avals, (xs) => evalJaxpr(wide.jaxpr, xs).map((y, i) => inFront(y, wide.dims[i]!, size)), 'vmap').jaxpr
}

const batch =
  <K extends Custom>(name: K): Rules<K>['batch'] =>
  (xs, dims, size, p, transforms) => {
    const moved = xs.map((x, i) => inFront(x, dims[i]!, size))
    const jaxpr = wideJaxpr(p.jaxpr, size, transforms)
    return batched(
      bind(name, { ...p, jaxpr, rule: widened(name, p.rule, size, p.name, transforms), name: `vmap(${p.name})` } as OpParams[K], moved),
    )
  }

const abstractEval: Rules<Custom>['abstractEval'] = (avals, { jaxpr }) => carried(jaxpr, avals)

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
  transpose: 'notLinear',
  batch: batch('customJvp'),
  lower: (xs, { jaxpr }, transforms) => transforms.lower(jaxpr, xs),
  ulp: 0,
}

export const customVjp: Rules<'customVjp'> = {
  abstractEval,
  jvp: (xs, ts, p) => {
    const { args, tangents } = split(p, xs, ts)
    const [outs, residuals] = ruleOf<CustomVjpRule>(p.rule, p.name).fwd(args)
    const want = p.jaxpr.outs.map((v) => v.aval)
    checked(`the forward rule of ${p.name}`, outs, want)
    const moving = args.map((x) => isFloat(x.dtype))
    const operands = [...residuals, ...tangents.filter((_, i) => moving[i])]
    const dys = bind('customLinear', { ...p, moving }, operands)
    return { outs, tangents: dys.map((dy) => (isFloat(dy.dtype) ? O.some(dy) : O.none)) }
  },
  transpose: 'notLinear',
  batch: batch('customVjp'),
  lower: (xs, { jaxpr }, transforms) => transforms.lower(jaxpr, xs),
  ulp: 0,
}

const noForward = (name: string): never => {
  throw new CotangentError(`${name} has a rule for reverse mode only: use grad or vjp, or give it a forward rule with customJvp`)
}

export const customLinear: Rules<'customLinear'> = {
  abstractEval: (avals, { jaxpr, captured, moving }) => {
    const wanted = jaxpr.inputs.slice(captured).filter((_, i) => moving[i])
    const tangents = avals.slice(Math.max(0, avals.length - wanted.length))
    return carried({ ...jaxpr, inputs: wanted }, tangents)
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
    const grads = ruleOf<CustomVjpRule>(p.rule, p.name).bwd(residuals, orZeros(cts, outs))
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
    const jaxpr = wideJaxpr(p.jaxpr, size, transforms)
    return batched(bind('customLinear', { ...p, jaxpr, rule: widened('customVjp', p.rule, size, p.name, transforms) }, moved))
  },
  lower: (_xs, { name }) => noForward(name),
  ulp: 0,
}

export const customRules = { customJvp, customVjp, customLinear } satisfies { readonly [K in OpName]?: Rules<K> }
