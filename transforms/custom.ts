/** customJvp and customVjp: a function with a derivative rule of the user's, for numerical stability, implicit functions, clipped or straight-through gradients. */
import { customRules } from '../primitives/custom.ts'
import { bring } from '../primitives/table.ts'
import type { NdArray } from '../src/core/array.ts'
import { registerRule } from '../src/core/callbacks.ts'
import { TreeError } from '../src/core/errors.ts'
import { bind, trace } from '../src/core/trace.ts'
import { difference, showDef, type TreeDef, unflatten } from '../src/tree.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'

type Args = readonly unknown[]
type Fn<A extends Args, R> = (...args: A) => R

/** The function as an op whose rule is made once for each structure of arguments and results. */
const custom = <A extends Args, R>(
  name: 'customJvp' | 'customVjp',
  f: Fn<A, R>,
  userRules: readonly unknown[],
  makeRule: (args: TreeDef, out: TreeDef, what: string) => Parameters<typeof registerRule>[0],
): Fn<A, R> => {
  const rules = new Map<string, number>()
  const what = called(name, f)
  for (const rule of userRules) called(`a rule of ${what}`, rule)
  return (...args) => {
    bring(customRules)
    const { leaves, def } = flattenArrays(args, what)
    const flat = flatFunction(f, def, what)
    const { jaxpr, captures } = trace(
      leaves.map((x) => x.aval),
      flat.call,
      what,
    )
    const out = flat.out()
    const key = `${showDef(def)} -> ${showDef(out)}`
    let rule = rules.get(key)
    if (rule === undefined) rules.set(key, (rule = registerRule(makeRule(def, out, what))))
    return unflatten(out, bind(name, { jaxpr, rule, name: what, captured: captures.length }, [...captures, ...leaves])) as R
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

/**
 * f with a rule for its derivative: (primals, tangents) to [f(primals), the tangent of its result]. Both come as lists of arguments; absent
 * tangents are zeros. Reverse mode follows by transposing the rule, which must be linear in the tangents. As `jax.custom_jvp`.
 *
 * @example grad(customJvp((x: NdArray) => np.abs(x), ([x], [dx]) => [np.abs(x), np.mul(dx, 2)]))(np.array(-3)) // 2
 * @throws TreeError when the rule's results aren't trees like f's, ShapeError when their avals aren't
 */
export const customJvp = <A extends Args, R>(f: Fn<A, R>, rule: (primals: A, tangents: A) => readonly [R, R]): Fn<A, R> =>
  custom('customJvp', f, [rule], (def, out, what) => (primals, tangents) => {
    const result = rule(unflatten(def, primals) as A, unflatten(def, tangents) as A)
    const [value, tangent] = pair(result, `the rule of ${what}`, '[value, tangent]')
    return [leavesLike(out, value, `the rule of ${what}`), leavesLike(out, tangent, `the rule of ${what}, for tangents,`)]
  })

/**
 * f with a rule for reverse mode: `fwd` gives [f(args), residuals], and `bwd` turns residuals and the result's cotangent into a cotangent for each
 * argument (null for none). Forward mode is refused. As `jax.custom_vjp`.
 *
 * @example grad(customVjp((x: NdArray) => np.exp(x), (x: NdArray) => [np.exp(x), x] as const, (x, ct) => [np.mul(ct, x)]))(np.array(5)) // 5
 * @throws TreeError when results aren't trees like f's and cotangents like its arguments', ShapeError when their avals aren't
 */
export const customVjp = <A extends Args, R, S>(
  f: Fn<A, R>,
  fwd: (...args: A) => readonly [R, S],
  bwd: (residuals: S, ct: R) => { readonly [I in keyof A]: A[I] | null },
): Fn<A, R> =>
  custom('customVjp', f, [fwd, bwd], (def, out, what) => {
    let saved: TreeDef = out
    const args = def.kind === 'list' ? def.children : []
    return {
      fwd: (primals) => {
        const [value, residuals] = pair(fwd(...(unflatten(def, primals) as A)), `the forward rule of ${what}`, '[value, residuals]')
        const flat = flattenArrays(residuals, `the residuals of ${what}`)
        saved = flat.def
        return [leavesLike(out, value, `the forward rule of ${what}`), flat.leaves]
      },
      bwd: (residuals, cts) => {
        const grads: unknown = bwd(unflatten(saved, residuals) as S, unflatten(out, cts) as R)
        if (!Array.isArray(grads) || grads.length !== args.length)
          throw new TreeError(
            `the backward rule of ${what} has to give a list with a cotangent, or null, for each of the ${args.length} arguments`,
          )
        return args.flatMap((arg, i): readonly (NdArray | null)[] =>
          grads[i] === null ? leafless(arg) : leavesLike(arg, grads[i], `the backward rule of ${what}, argument ${i}`),
        )
      },
    }
  })

const leafless = (def: TreeDef): null[] => (def.kind === 'leaf' ? [null] : def.kind === 'none' ? [] : def.children.flatMap(leafless))
