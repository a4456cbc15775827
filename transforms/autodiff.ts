/** Differentiation for users: grad, valueAndGrad, jvp, vjp, linearize, linearTranspose. Options come last. */
import { place } from '../src/core/flags.ts'
import type { NdArray } from '../src/core/array.ts'
import { type Aval, eqAval, showAval } from '../src/core/aval.ts'
import { range, zerosLike } from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import { DTypeError, ShapeError, TreeError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { applyJaxpr, trace } from '../src/core/trace.ts'
import { difference, flatten, paths, type TreeDef, unflatten } from '../src/tree.ts'
import { linearizeJaxpr, vjpJaxpr, withTangents } from './linearize.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'
import { listed, type Nth, positions } from './positions.ts'
import { differentiated, partsOf, auxOptions, type AuxOptions, withoutOptions } from './results.ts'
import { runtime } from '../src/core/runtime.ts'
import { flag, type Schema, wholes } from '../src/core/options.ts'
import { takes, takesOptions } from '../src/core/takes.ts'

export type Args = readonly unknown[]
export type Fn<A extends Args, R> = (...args: A) => R

export interface GradOptions {
  /** Which arguments to differentiate: a position, from the end if negative, or several in any order. Default 0. */
  readonly argnums?: number | readonly number[]
  /** The function returns [scalar, aux]; aux is handed through. */
  readonly hasAux?: boolean
}
const gradOptions: Schema<GradOptions> = { argnums: wholes, hasAux: flag }
export type Wrt<A extends Args, Opt> = Opt extends { readonly argnums: infer N }
  ? N extends number
    ? Nth<A, N>
    : N extends readonly number[]
      ? { [I in keyof N]: Nth<A, N[I] & number> }
      : never
  : A[0]
type Out<Opt> = Opt extends { readonly hasAux: true } ? readonly [NdArray, unknown] : NdArray
type Aux<R> = R extends readonly [unknown, infer X] ? X : never

interface Traced {
  readonly jaxpr: Jaxpr
  /** [...captures, ...leaves] */
  readonly args: readonly NdArray[]
  readonly captures: number
  readonly out: TreeDef
}

/** Traces f at these leaves, as one that may read their values. */
const traceKnown = (f: Fn<never[], unknown>, leaves: readonly NdArray[], def: TreeDef, what: string): Traced => {
  const flat = flatFunction(f, def, what)
  const { jaxpr, captures } = trace(
    leaves.map((x) => x.aval),
    flat.call,
    what,
    { kind: 'readable', operands: leaves },
  )
  return { jaxpr, args: [...captures, ...leaves], captures: captures.length, out: flat.out() }
}

/** The arguments that are differentiated. */
export const chosenArgs = (argnums: GradOptions['argnums'] = 0, args: Args, what: string): readonly number[] => {
  const nums = positions(listed(argnums), args.length, what, 'argnums')
  if (nums.length === 0) throw new ShapeError(`${what}: argnums is empty: name the arguments to differentiate`)
  return nums
}

/** For each argument, whether it is differentiated, spread over its leaves, which then must be floats. */
export const selectLeaves = (args: Args, argnums: readonly number[], what: string): boolean[] =>
  args.flatMap((arg, i) => {
    const chosen = argnums.includes(i)
    const { leaves } = flattenArrays(arg, what)
    if (chosen)
      leaves.forEach((x, k) => {
        if (!isFloat(x.dtype)) {
          const path = paths(arg)[k]!
          throw new DTypeError(
            `${what}: argument ${i}${path && ` at ${path}`} is ${showAval(x.aval)}, and only floats have gradients: choose others with argnums, or convert with astype`,
          )
        }
      })
    return leaves.map(() => chosen)
  })

/** [f(args), its gradients as a list, one for each of argnums]. */
const differentiate =
  <A extends Args, R>(f: Fn<A, R>, options: GradOptions | undefined, what: string) =>
  (args: A): readonly [R, readonly unknown[]] => {
    const nums = chosenArgs(options?.argnums, args, what)
    const { leaves, def } = flattenArrays(args, what)
    const moving = selectLeaves(args, nums, what)
    const t = traceKnown(f, leaves, def, what)
    const loss = t.jaxpr.outs[0]
    const { hasAux = false } = options ?? {}
    const count = differentiated(t.out, hasAux, what, 'scalar')
    if (loss === undefined || count !== 1 || loss.aval.shape.length > 0)
      throw new ShapeError(
        `${what} needs a function that returns a scalar, and it returned ${t.jaxpr.outs.map((o) => showAval(o.aval)).join(', ') || 'nothing'}: reduce it with .sum() or .mean(), or use jacrev`,
      )
    if (!isFloat(loss.aval.dtype))
      throw new DTypeError(`${what} needs a function that returns a float, and it returned ${showAval(loss.aval)}: convert with astype`)
    const seeds = t.jaxpr.outs.map((_, i) => i === 0 && 'one')
    const both = vjpJaxpr(runtime.transforms, t.jaxpr, [...range(t.captures).map(() => false), ...moving], seeds)
    const results = applyJaxpr(both.jaxpr, [...both.captures, ...t.args], what)
    const outs = t.jaxpr.outs.length
    const value = unflatten(t.out, results.slice(0, outs)) as R
    // Results come in the order of the arguments, whatever that of argnums is.
    let next = outs
    const grads = args.map((arg, n) => {
      if (!nums.includes(n)) return null
      const [own, ownDef] = flatten(arg)
      return unflatten(
        ownDef,
        own.map(() => results[next++]!),
      )
    })
    return [value, nums.map((n) => grads[n])]
  }

/** One gradient, or one for each of several argnums. */
const likeArgnums = (options: GradOptions | undefined, grads: readonly unknown[]): unknown =>
  Array.isArray(options?.argnums) ? grads : grads[0]

/**
 * f(args) and the gradient with respect to argument 0 (or `argnums`), computed together: [value, gradient], where `hasAux` makes the value
 * [scalar, aux]. As `jax.value_and_grad`.
 *
 * @example valueAndGrad((x: NdArray) => np.sum(np.mul(x, x)))(np.array([1, 2])) // [5, [2, 4]]
 * @throws ShapeError when f doesn't return a scalar, DTypeError when it or a differentiated leaf isn't a float
 */
export const valueAndGrad = /* @__PURE__ */ takesOptions(
  'valueAndGrad',
  2,
  gradOptions,
  <A extends Args, R extends Out<Opt>, const Opt extends GradOptions = Record<never, never>>(
    f: Fn<A, R>,
    options?: Opt,
  ): ((...args: A) => readonly [R, Wrt<A, Opt>]) => {
    const both = differentiate(f, options, called('valueAndGrad', f))
    return (...args) => {
      const [value, grads] = both(args)
      return [value, likeArgnums(options, grads) as Wrt<A, Opt>]
    }
  },
)

/**
 * The gradient of a scalar function: a tree like the differentiated argument. `hasAux` gives [gradient, aux]. As `jax.grad`.
 *
 * @example grad((x: NdArray) => np.sum(np.mul(x, x)))(np.array([1, 2, 3])) // [2, 4, 6]
 * @throws ShapeError when f doesn't return a scalar, DTypeError when it or a differentiated leaf isn't a float
 */
export const grad = /* @__PURE__ */ takesOptions(
  'grad',
  2,
  gradOptions,
  <A extends Args, R extends Out<Opt>, const Opt extends GradOptions = Record<never, never>>(
    f: Fn<A, R>,
    options?: Opt,
  ): ((...args: A) => Opt extends { readonly hasAux: true } ? readonly [Wrt<A, Opt>, Aux<R>] : Wrt<A, Opt>) => {
    const both = differentiate(f, options, called('grad', f))
    return (...args) => {
      const [value, grads] = both(args)
      const gradient = likeArgnums(options, grads)
      return (options?.hasAux === true ? [gradient, (value as readonly unknown[])[1]] : gradient) as never
    }
  },
)

const sameTree = (what: string, left: unknown, right: unknown): void => {
  const found = difference(flatten(left)[1], flatten(right)[1])
  if (found !== null) throw new TreeError(`${what}: the trees differ ${found}`)
}

const sameAvals = (what: string, xs: readonly { readonly aval: Aval }[], ts: readonly NdArray[], path: readonly string[]): void =>
  xs.forEach((x, i) => {
    const t = ts[i]!
    if (!eqAval({ ...x.aval, weak: false }, { ...t.aval, weak: false }))
      throw new ShapeError(
        `${what}: ${showAval(x.aval)} against ${showAval(t.aval)}${path[i] && ` at ${path[i]}`}: tangents and cotangents have the avals of what they belong to`,
      )
  })

const movingFloats = (leaves: readonly NdArray[]): boolean[] => leaves.map((x) => isFloat(x.dtype))

/**
 * Pushes tangents forward: [f(primals), its derivative along tangents]. Primals and tangents are lists of arguments. `hasAux` gives
 * [result, tangent, aux]. As `jax.jvp`.
 *
 * @example jvp((x: NdArray) => np.sin(x), [np.array(0)], [np.array(2)]) // [0, 2]
 * @throws TreeError when the trees differ, ShapeError when a tangent hasn't its primal's aval
 */
export function jvp<A extends Args, R, X>(
  f: Fn<A, readonly [R, X]>,
  primals: A,
  tangents: A,
  options: AuxOptions,
): readonly [out: R, tangent: R, aux: X]
export function jvp<A extends Args, R>(f: Fn<A, R>, primals: A, tangents: A): readonly [out: R, tangent: R]
export function jvp(...args: Parameters<typeof pushed>): Args {
  return pushed(...args)
}
const pushed = /* @__PURE__ */ takesOptions(
  'jvp',
  4,
  auxOptions,
  (f: Fn<never[], unknown>, primals: Args, tangents: Args, options: { readonly hasAux?: boolean } = {}): Args => {
    const what = called('jvp', f)
    if (!Array.isArray(primals)) throw new TreeError(`${what} takes primals and tangents as lists of arguments: jvp(f, [x], [dx])`)
    sameTree(what, primals, tangents)
    const { leaves, def } = flattenArrays(primals, what)
    const ts = flattenArrays(tangents, what).leaves
    sameAvals(what, leaves, ts, paths(primals))
    const { hasAux = false } = options
    const t = traceKnown(f, leaves, def, what)
    const moving = movingFloats(leaves)
    const count = differentiated(t.out, hasAux, what)
    const both = withTangents(runtime.transforms, t.jaxpr, [...range(t.captures).map(() => false), ...moving], count)
    const results = applyJaxpr(both.jaxpr, [...both.captures, ...t.args, ...ts.filter((_, i) => moving[i])], what)
    const { out, value, aux, outs } = partsOf(t.out, results, hasAux)
    const dys = place(both.nonzero.slice(0, outs.length), results.slice(t.jaxpr.outs.length), (i) => zerosLike(outs[i]!.aval))
    return [value, unflatten(out, dys), ...aux]
  },
)

/** f at the primals, with its linear part and what that reads. */
const linearized = (what: string, f: Fn<never[], unknown>, primals: Args, hasAux: boolean) => {
  const { leaves, def } = flattenArrays(primals, what)
  const t = traceKnown(f, leaves, def, what)
  const moving = movingFloats(leaves)
  const count = differentiated(t.out, hasAux, what)
  const lin = linearizeJaxpr(runtime.transforms, t.jaxpr, [...range(t.captures).map(() => false), ...moving], false, count)
  const args = [...lin.captures, ...t.args]
  const results = applyJaxpr(lin.forward, args, what)
  const residuals = [...lin.inputs.map((i) => args[i]!), ...results.slice(t.jaxpr.outs.length)]
  return { leaves, def, moving, lin, residuals, ...partsOf(t.out, results, hasAux) }
}

/**
 * f at the primals, and the linear map from tangents of its arguments to the tangent of its result. With `{ hasAux: true }` after the primals
 * [result, map, aux]. As `jax.linearize`.
 *
 * @example linearize((x: NdArray) => np.square(x), np.array(3))[1](np.array(1)) // 6
 * @throws TreeError (from the map) when the trees differ, ShapeError when a tangent hasn't its primal's aval
 */
export function linearize<A extends Args, R, X>(
  f: Fn<A, readonly [R, X]>,
  ...primals: readonly [...A, AuxOptions]
): readonly [out: R, push: (...tangents: A) => R, aux: X]
export function linearize<A extends Args, R>(f: Fn<A, R>, ...primals: A): readonly [out: R, push: (...tangents: A) => R]
export function linearize(f: Fn<never[], unknown>, ...given: Args): Args {
  return pushforward(called('linearize', f), f, ...withoutOptions(given))
}
/** [result, map from tangents, aux where there is one]. */
export const pushforward = (what: string, f: Fn<never[], unknown>, primals: Args, hasAux: boolean) => {
  const { leaves, moving, lin, residuals, value, out, outs, aux } = linearized(what, f, primals, hasAux)
  const push = (...tangents: Args): unknown => {
    sameTree(what, primals, tangents)
    const ts = flattenArrays(tangents, what).leaves
    sameAvals(what, leaves, ts, paths(primals))
    const dys = applyJaxpr(lin.linear, [...residuals, ...ts.filter((_, i) => moving[i])], what)
    const own = lin.nonzero.slice(0, outs.length)
    return unflatten(
      out,
      place(own, dys, (i) => zerosLike(outs[i]!.aval)),
    )
  }
  return [value, push, ...aux] as const
}

/**
 * f at the primals, and the map from a cotangent of its result to the cotangents of its arguments. With `{ hasAux: true }` after the primals
 * [result, map, aux]. As `jax.vjp`.
 *
 * @example vjp((x: NdArray) => np.square(x), np.array(3))[1](np.array(1)) // [6]
 * @example vjp((x: NdArray) => [np.square(x), { seen: x }] as const, np.array(3), { hasAux: true })[2] // { seen: 3 }
 * @throws TreeError (from the map) when the trees differ, ShapeError when a cotangent hasn't its result's aval
 */
export function vjp<A extends Args, R, X>(
  f: Fn<A, readonly [R, X]>,
  ...primals: readonly [...A, AuxOptions]
): readonly [out: R, pull: (ct: R) => A, aux: X]
export function vjp<A extends Args, R>(f: Fn<A, R>, ...primals: A): readonly [out: R, pull: (ct: R) => A]
export function vjp(f: Fn<never[], unknown>, ...given: Args): Args {
  return pullback(called('vjp', f), f, ...withoutOptions(given))
}
/** [result, map from a cotangent, aux where there is one]. */
export const pullback = (what: string, f: Fn<never[], unknown>, primals: Args, hasAux: boolean) => {
  const { leaves, def, moving, lin, residuals, value, outs, aux } = linearized(what, f, primals, hasAux)
  const pull = (ct: unknown): unknown => {
    sameTree(what, value, ct)
    const cts = flattenArrays(ct, what).leaves
    sameAvals(what, outs, cts, paths(value))
    const used = range(outs.length).filter((i) => lin.nonzero[i])
    const isTangent = lin.linear.inputs.map((_, i) => i >= residuals.length)
    const back = runtime.transforms.transpose(
      lin.linear,
      isTangent,
      used.map(() => true),
    )
    const grads = applyJaxpr(back.jaxpr, [...back.captures, ...residuals, ...used.map((i) => cts[i]!)], what)
    const reached = place(moving, back.present, () => false)
    return unflatten(
      def,
      place(reached, grads, (i) => zerosLike(leaves[i]!.aval)),
    )
  }
  return [value, pull, ...aux] as const
}

/**
 * The transpose of a linear function of one argument, at the avals of `example`. As `jax.linear_transpose`.
 *
 * @example linearTranspose((x: NdArray) => np.mul(x, 3), np.zeros([2]))(np.array([1, 2])) // [3, 6]
 * @throws CotangentError when the function isn't linear, ShapeError when the cotangent hasn't the result's aval
 */
export const linearTranspose = /* @__PURE__ */ takes('linearTranspose', 2, <T, R>(f: (x: T) => R, example: T): ((ct: R) => T) => {
  const what = called('linearTranspose', f)
  const { leaves, def } = flattenArrays([example], what)
  const flat = flatFunction(f as Fn<never[], unknown>, def, what)
  const { jaxpr, captures } = trace(
    leaves.map((x) => x.aval),
    flat.call,
    what,
  )
  return (ct) => {
    const { leaves: cts, def: given } = flattenArrays(ct, what)
    const found = difference(flat.out(), given)
    if (found !== null) throw new TreeError(`${what}: the trees differ ${found}`)
    sameAvals(what, jaxpr.outs, cts, paths(ct))
    const isLinear = jaxpr.inputs.map((_, i) => i >= captures.length)
    const back = runtime.transforms.transpose(
      jaxpr,
      isLinear,
      cts.map(() => true),
    )
    const grads = applyJaxpr(back.jaxpr, [...back.captures, ...captures, ...cts], what)
    const [x] = unflatten(
      def,
      place(back.present, grads, (i) => zerosLike(leaves[i]!.aval)),
    ) as readonly [T]
    return x
  }
})
