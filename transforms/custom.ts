/** Functions with rules of the user's: derivatives, for numerical stability, clipped or straight-through gradients, and batches. */
import { NdArray } from '../src/core/array.ts'
import { zerosLike } from '../src/core/constructors.ts'
import { type BackwardRule, type CustomJvpRule, type CustomVjpRule, type CustomVmapRule } from '../src/core/callbacks.ts'
import { CotangentError, TreeError } from '../src/core/errors.ts'
import type { OpParams } from '../src/core/ops.ts'
import { Ref } from '../src/core/ref.ts'
import { applyJaxpr, bind, trace } from '../src/core/trace.ts'
import { difference, flatten, isDict, type TreeDef, unflatten } from '../src/tree.ts'
import { Kept } from './kept.ts'
import { called, flatFunction, flattenArrays, sameDef } from './leaves.ts'
import { type At, type Position, positions, type Without } from './positions.ts'
import { spread } from './prefix.ts'
import { flag, list, type Schema, whole } from '../src/core/options.ts'
import { takes, takesOptions } from '../src/core/takes.ts'

type Args = readonly unknown[]
type Fn<A extends Args, R> = (...args: A) => R

/** The same tree, with null for what is zero by structure. */
export type OrNull<T> = T extends NdArray | number | boolean ? T | null : { readonly [K in keyof T]: OrNull<T[K]> }
/** One for each argument, null where there is none. */
export type Cotangents<A extends Args> = { readonly [I in keyof A]: OrNull<A[I]> | null }
/** T, of which nothing is inferred here (as NoInfer, which mapped types don't see through). */
type Later<T> = [T][T extends unknown ? 0 : never]
/** The same tree, each leaf with whether it is being differentiated. */
export type Perturbed<T> = T extends NdArray | number | boolean
  ? { readonly value: T; readonly perturbed: boolean }
  : { readonly [K in keyof T]: Perturbed<T[K]> }
type AllPerturbed<A extends Args, N extends number> = { [I in keyof A]: I extends `${N}` ? A[I] : Perturbed<A[I]> }
/** The positions from 0 on of N in A. */
type Places<A extends Args, N extends readonly number[]> = Position<A, N[number]>

export interface CustomOptions<N extends readonly number[], S extends boolean> {
  /**
   * Arguments that are no arrays (functions, texts, sizes), by position, from the end if negative: rules get their values, in the call's order, and each
   * new value traces again.
   */
  readonly nondiffArgnums?: N
  /** Rules are told what is zero by structure, and may answer so: null in the place of zeros. */
  readonly symbolicZeros?: S
}
type Options = CustomOptions<readonly number[], boolean>
const customOptions: Schema<Options> = { nondiffArgnums: list(whole), symbolicZeros: flag }

/** The arguments that aren't differentiated, and their positions in the call. */
interface Statics {
  readonly at: readonly number[]
  readonly values: Args
}
/** What rules are made for: the structures of arguments and results, and the values of those that aren't differentiated. */
interface Call {
  readonly values: Args
  readonly args: TreeDef
  readonly out: TreeDef
}
const sameCall = (a: Call, b: Call): boolean =>
  sameDef(a.args, b.args) && sameDef(a.out, b.out) && a.values.every((x, i) => Object.is(x, b.values[i]))

/** The function as an op whose rule is made once for each structure of arguments and results. */
const custom = <A extends Args, R>(
  name: 'customJvp' | 'customVjp' | 'customVmap',
  f: Fn<A, R>,
  userRules: readonly unknown[],
  options: Options,
  makeRule: (statics: Statics, args: TreeDef, out: TreeDef, what: string) => CustomJvpRule | CustomVjpRule | CustomVmapRule,
): Fn<A, R> => {
  const made = new Kept<Call, Ref>(sameCall)
  const what = called(name, f)
  for (const rule of userRules) called(`a rule of ${what}`, rule)
  const { nondiffArgnums = [] } = options
  return (...args) => {
    const at = positions(nondiffArgnums, args.length, what, 'nondiffArgnums').toSorted((a, b) => a - b)
    const values = at.map((n) => {
      if (args[n] instanceof NdArray)
        throw new CotangentError(`${what}: argument ${n} is in nondiffArgnums, and is an array: take it out, and let its rules give null`)
      return args[n]
    })
    const { leaves, def } = flattenArrays(
      args.filter((_, i) => !at.includes(i)),
      what,
    )
    const whole = (...moving: unknown[]): R => {
      let next = 0
      return f(...(args.map((x, i) => (at.includes(i) ? x : moving[next++])) as unknown as A))
    }
    const flat = flatFunction(whole as (...xs: never[]) => unknown, def, what)
    const { jaxpr, captures } = trace(
      leaves.map((x) => x.aval),
      flat.call,
      what,
    )
    const out = flat.out()
    const rule = made.of({ values, args: def, out }, () => Ref.of(makeRule({ at, values }, def, out, what)))
    const params: OpParams[typeof name] = { jaxpr, rule, name: what, captured: captures.length }
    return unflatten(out, bind(name, params, [...captures, ...leaves])) as R
  }
}

const pair = <A, B>(x: readonly [A, B], what: string, form: string): readonly [A, B] => {
  if (!Array.isArray(x) || x.length !== 2) throw new TreeError(`${what} has to give ${form}`)
  return x
}

/** The leaves of a tree that has to be like another. */
const leavesLike = (def: TreeDef, tree: unknown, what: string): readonly NdArray[] => {
  const flat = flattenArrays(tree, what)
  const found = difference(def, flat.def)
  if (found !== null) throw new TreeError(`${what}: the trees differ ${found}`)
  return flat.leaves
}
/** And where it has null, for a leaf or a whole branch, so have they. */
const leavesOrNull = (def: TreeDef, tree: unknown, what: string): readonly (NdArray | null)[] => {
  if (tree === null) return leafless(def)
  if (def.kind === 'list' && Array.isArray(tree) && tree.length === def.children.length)
    return def.children.flatMap((child, i) => leavesOrNull(child, tree[i], what))
  if (def.kind === 'dict' && isDict(tree) && Object.keys(tree).sort().join() === [...def.keys].sort().join())
    return def.children.flatMap((child, i) => leavesOrNull(child, tree[def.keys[i]!], what))
  return leavesLike(def, tree, what)
}
const leafless = (def: TreeDef): null[] => (def.kind === 'leaf' ? [null] : def.kind === 'none' ? [] : def.children.flatMap(leafless))

/**
 * f with a rule for its derivative: (primals, tangents) to [f(primals), the tangent of its result]. Both come as lists of arguments; absent
 * tangents are zeros (or, with `symbolicZeros`, null). Values at `nondiffArgnums` come first. Reverse mode follows by transposing the rule, which must
 * be linear in the tangents. As `jax.custom_jvp`.
 *
 * @example grad(customJvp((x: NdArray) => np.abs(x), ([x], [dx]) => [np.abs(x), np.mul(dx, 2)]))(np.array(-3)) // 2
 * @throws TreeError when the rule's results aren't trees like f's, ShapeError when their avals aren't
 */
export const customJvp = /* @__PURE__ */ takesOptions(
  'customJvp',
  3,
  customOptions,
  <A extends Args, R, const N extends readonly number[] = readonly [], S extends boolean = false>(
    f: Fn<A, R>,
    rule: (
      ...args: [
        ...At<A, Places<A, N>>,
        primals: Without<A, Places<A, N>>,
        tangents: S extends true ? OrNull<Without<A, Places<A, N>>> : Without<A, Places<A, N>>,
      ]
    ) => readonly [NoInfer<R>, S extends true ? OrNull<Later<R>> | null : NoInfer<R>],
    options: CustomOptions<N, S> = {},
  ): Fn<A, R> =>
    custom('customJvp', f, [rule], options, ({ values }, def, out, what): CustomJvpRule => (primals, tangents) => {
      const ts = options.symbolicZeros === true ? tangents : tangents.map((t, i) => t ?? zerosLike(primals[i]!.aval))
      const result = (rule as unknown as Fn<Args, readonly [unknown, unknown]>)(...values, unflatten(def, primals), unflatten(def, ts))
      const [value, tangent] = pair(result, `the rule of ${what}`, '[value, tangent]')
      return [leavesLike(out, value, `the rule of ${what}`), leavesOrNull(out, tangent, `the rule of ${what}, for tangents,`)]
    }),
)

/**
 * f with a rule for reverse mode: `fwd` gives [f(args), residuals], and `bwd` turns residuals and the result's cotangent into a cotangent for each
 * argument (null for none). Values at `nondiffArgnums` come to `bwd` first. With `symbolicZeros`, `fwd` gets `{ value, perturbed }` for each array, and
 * `bwd` null for cotangents that are zero. Forward mode is refused. As `jax.custom_vjp`.
 *
 * @example grad(customVjp((x: NdArray) => np.exp(x), (x: NdArray) => [np.exp(x), x] as const, (x, ct) => [np.mul(ct, x)]))(np.array(5)) // 5
 * @throws TreeError when results aren't trees like f's and cotangents like its arguments', ShapeError when their avals aren't
 */
export const customVjp = /* @__PURE__ */ takesOptions(
  'customVjp',
  4,
  customOptions,
  <A extends Args, R, T, const N extends readonly number[] = readonly [], S extends boolean = false>(
    f: Fn<A, R>,
    fwd: (...args: S extends true ? AllPerturbed<A, Places<A, N>> : A) => readonly [NoInfer<R>, T],
    bwd: (
      ...args: [...At<A, Places<A, N>>, residuals: T, ct: S extends true ? OrNull<Later<R>> : NoInfer<R>]
    ) => Cotangents<Without<A, Places<A, N>>>,
    options: CustomOptions<N, S> = {},
  ): Fn<A, R> =>
    custom('customVjp', f, [fwd, bwd], options, ({ at, values }, def, out, what): CustomVjpRule => {
      const { symbolicZeros = false } = options
      const args = def.kind === 'list' ? def.children : []
      /** All arguments in their places. */
      const placed = (moving: Args): Args => {
        let next = 0
        return Array.from({ length: args.length + at.length }, (_, i) => (at.includes(i) ? values[at.indexOf(i)] : moving[next++]))
      }
      const backward =
        (saved: TreeDef): BackwardRule =>
        (residuals, cts, outs) => {
          const ct = symbolicZeros ? cts : cts.map((t, i) => t ?? zerosLike(outs[i]!))
          const grads: unknown = (bwd as unknown as Fn<Args, unknown>)(...values, unflatten(saved, residuals), unflatten(out, ct))
          if (!Array.isArray(grads) || grads.length !== args.length)
            throw new TreeError(
              `the backward rule of ${what} has to give a list with a cotangent, or null, for each of the ${args.length} arguments`,
            )
          return args.flatMap((arg, i) => leavesOrNull(arg, grads[i], `the backward rule of ${what}, argument ${i}`))
        }
      // Each call's residuals have the structure that its own forward rule gave them.
      const backwards = new Kept<TreeDef, BackwardRule>(sameDef)
      return (primals, moving) => {
        const told = symbolicZeros ? primals.map((value, i) => ({ value, perturbed: moving[i]! })) : primals
        const result = (fwd as unknown as Fn<Args, readonly [unknown, unknown]>)(...placed(unflatten(def, told) as Args))
        const [value, residuals] = pair(result, `the forward rule of ${what}`, '[value, residuals]')
        const flat = flattenArrays(residuals, `the residuals of ${what}`)
        const own = backwards.of(flat.def, () => backward(flat.def))
        return [leavesLike(out, value, `the forward rule of ${what}`), flat.leaves, own]
      }
    }),
)

/** For each leaf whether it has the batch axis, in front. */
export type BatchedLike<T> = T extends NdArray | number | boolean ? boolean : { readonly [K in keyof T]: BatchedLike<T[K]> }
/** Or one for all below. */
export type Batched = boolean | readonly Batched[] | { readonly [key: string]: Batched }
const isBool = (x: unknown): x is boolean => typeof x === 'boolean'

/**
 * f with a rule for vmap: (axisSize, inBatched, ...args) to [f of the whole batch, outBatched], where the arguments that inBatched marks (a tree like
 * them) have the batch axis in front. The rule is for f itself: derivatives batch as their equations do. As `jax.custom_batching.custom_vmap`.
 *
 * @example vmap(customVmap((x: NdArray) => np.sin(x), (_n, [batched], x) => [np.mul(x, 2), batched]))(np.array([1, 2])) // [2, 4]
 * @throws TreeError when the rule's results aren't trees like f's, ShapeError when their avals aren't
 */
export const customVmap = /* @__PURE__ */ takes(
  'customVmap',
  2,
  <A extends Args, R>(
    f: Fn<A, R>,
    rule: (axisSize: number, inBatched: BatchedLike<A>, ...args: A) => readonly [NoInfer<R>, Batched],
  ): Fn<A, R> =>
    custom('customVmap', f, [rule], {}, (_statics, def, out, what): CustomVmapRule => (size, batched, operands) => {
      const given = rule(size, unflatten(def, batched) as BatchedLike<A>, ...(unflatten(def, operands) as A))
      const [value, outBatched] = pair(given, `the rule of ${what}`, '[value, outBatched]')
      return [leavesLike(out, value, `the rule of ${what}`), spread(outBatched, out, isBool, `the rule of ${what}: outBatched`)]
    }),
)

/**
 * f, which may close over arrays, as a function of them too: [converted, consts], where converted(...args, ...consts) is f(...args). For functions
 * given to custom rules, which must not close over what is being differentiated. As `jax.closure_convert`.
 *
 * @example scope(() => { const w = np.array(3); const [g, consts] = closureConvert((x: NdArray) => np.mul(x, w), np.array(1)); return g(np.array(2), ...consts) }) // 6
 */
export const closureConvert = <A extends Args, R>(
  f: Fn<A, R>,
  ...examples: A
): readonly [converted: (...args: [...A, ...NdArray[]]) => R, consts: readonly NdArray[]] => {
  const what = called('closureConvert', f)
  const { leaves, def } = flattenArrays(examples, what)
  const flat = flatFunction(f as (...xs: never[]) => unknown, def, what)
  const { jaxpr, captures } = trace(
    leaves.map((x) => x.aval),
    flat.call,
    what,
  )
  const converted = (...args: [...A, ...NdArray[]]): R => {
    const own = leavesLike(def, args.slice(0, examples.length), what)
    const consts = leavesLike(flatten(captures)[1], args.slice(examples.length), what)
    return unflatten(flat.out(), applyJaxpr(jaxpr, [...consts, ...own], what)) as R
  }
  return [converted, captures]
}
