/** Jacobians and Hessians, of trees by trees: all rows, or all columns, at once through vmap. */
import type { NdArray } from '../src/core/array.ts'
import { showAval } from '../src/core/aval.ts'
import { add, convertElementType, eq, iota, lit, reshape, slice } from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import { DTypeError } from '../src/core/errors.ts'
import { flatten, leaves as leavesOf, type TreeDef, unflatten } from '../src/tree.ts'
import { type Args, chosenArgs, type Fn, pullback, pushforward, selectLeaves, type Wrt } from './autodiff.ts'
import { called, flattenArrays } from './leaves.ts'
import { vmap } from './vmap.ts'
import { flag, type Schema, wholes } from '../src/core/options.ts'
import { takesOptions } from '../src/core/takes.ts'

export interface JacobianOptions {
  /** Which arguments to differentiate: a position, from the end if negative, or several in any order. Default 0. */
  readonly argnums?: number | readonly number[]
  /** The function returns [result, aux]; aux is handed through: [Jacobian, aux]. */
  readonly hasAux?: boolean
}
const jacobianOptions: Schema<JacobianOptions> = { argnums: wholes, hasAux: flag }
/** A tree like R, with a tree like X in the place of each array. */
export type Jacobian<R, X> = R extends NdArray ? X : { readonly [K in keyof R]: Jacobian<R[K], X> }
/** And what its function was asked to hand through. */
type WithAux<R, X, Opt> = Opt extends { readonly hasAux: true }
  ? R extends readonly [infer Y, infer Aux]
    ? readonly [Jacobian<Y, X>, Aux]
    : never
  : Jacobian<R, X>

const totalOf = (xs: readonly NdArray[]): number => xs.reduce((n, x) => n + x.size, 0)
/** Rows of the identity over all leaves together, split over them: leaf k is [total, ...its shape]. */
const basis = (xs: readonly NdArray[]): NdArray[] => {
  const total = totalOf(xs)
  let offset = 0
  return xs.map((x) => {
    const column = iota([total, x.size], 'int32', 1)
    const rows = eq(iota([total, x.size], 'int32', 0), add(column, lit(column, offset)))
    offset += x.size
    return reshape(convertElementType(rows, x.dtype), [total, ...x.shape])
  })
}

/** The part of `x` along `axis` that belongs to each of `parts`. */
const splitLike = (x: NdArray, axis: number, parts: readonly NdArray[]): NdArray[] => {
  let offset = 0
  return parts.map((part) => {
    const from = offset
    offset += part.size
    return slice(
      x,
      x.shape.map((_, d) => (d === axis ? from : 0)),
      x.shape.map((n, d) => (d === axis ? offset : n)),
    )
  })
}

/** f as a function of the chosen arguments alone, and how their leaves become a tree like them. */
const chosen = <A extends Args, R>(f: Fn<A, R>, options: JacobianOptions | undefined, args: A, what: string) => {
  const nums = chosenArgs(options?.argnums, args, what)
  selectLeaves(args, nums, what)
  const xs = nums.map((n) => args[n])
  const g = (...some: readonly unknown[]): R => f(...(args.map((a, i) => (nums.includes(i) ? some[nums.indexOf(i)] : a)) as unknown as A))
  Object.defineProperty(g, 'name', { value: what })
  const { leaves, def } = flattenArrays(xs, what)
  const tree = (blocks: readonly NdArray[]): unknown => {
    const trees = unflatten(def, blocks) as readonly unknown[]
    return Array.isArray(options?.argnums) ? trees : trees[0]
  }
  return { g, xs, leaves, def, tree }
}

const beside = (jacobian: unknown, aux: readonly unknown[]): unknown => (aux.length === 0 ? jacobian : [jacobian, ...aux])

/**
 * The Jacobian by reverse mode, a row of results at a time: best where results are fewer than arguments. For arrays [...out, ...in]; a tree of results
 * gives a tree like it, with a tree like the arguments in the place of each array. `hasAux` gives [Jacobian, aux]. As `jax.jacrev`.
 *
 * @example jacrev((x: NdArray) => np.mul(x, x))(np.array([1, 2])) // [[2, 0], [0, 4]]
 * @throws DTypeError when an argument or a result isn't a float
 */
export const jacrev = /* @__PURE__ */ takesOptions(
  'jacrev',
  2,
  jacobianOptions,
  <A extends Args, R, const Opt extends JacobianOptions = Record<never, never>>(
    f: Fn<A, R>,
    options?: Opt,
  ): ((...args: A) => WithAux<R, Wrt<A, Opt>, Opt>) => {
    const what = called('jacrev', f)
    return (...args) => {
      const { g, xs, leaves, tree } = chosen(f, options, args, what)
      const [value, pull, ...aux] = pullback(`vjp(${what})`, g, xs, options?.hasAux === true)
      const [ys, out] = flatten(value) as readonly [NdArray[], TreeDef]
      const whole = ys.find((y) => !isFloat(y.dtype))
      if (whole !== undefined)
        throw new DTypeError(`${what} needs a function that returns floats, and it returned ${showAval(whole.aval)}: convert with astype`)
      const pulled = (...cts: readonly NdArray[]): unknown[] => leavesOf(pull(unflatten(out, cts)))
      const rows = vmap(pulled, { axisSize: totalOf(ys) })(...basis(ys)) as readonly NdArray[]
      const blocks = rows.map((row) => splitLike(row, 0, ys)) // by leaf of the arguments, then of the results
      const rowsOf = (y: NdArray, k: number): unknown => tree(leaves.map((x, j) => reshape(blocks[j]![k]!, [...y.shape, ...x.shape])))
      return beside(unflatten(out, ys.map(rowsOf)), aux) as WithAux<R, Wrt<A, Opt>, Opt>
    }
  },
)

/**
 * The Jacobian by forward mode, a column of arguments at a time: best where arguments are fewer than results. The shapes and trees are jacrev's. As `jax.jacfwd`.
 *
 * @example jacfwd((x: NdArray) => np.mul(x, x))(np.array([1, 2])) // [[2, 0], [0, 4]]
 * @throws DTypeError when an argument isn't a float
 */
export const jacfwd = /* @__PURE__ */ takesOptions(
  'jacfwd',
  2,
  jacobianOptions,
  <A extends Args, R, const Opt extends JacobianOptions = Record<never, never>>(
    f: Fn<A, R>,
    options?: Opt,
  ): ((...args: A) => WithAux<R, Wrt<A, Opt>, Opt>) => forward(f, options, called('jacfwd', f)),
)

const forward =
  <A extends Args, R, Opt extends JacobianOptions>(f: Fn<A, R>, options: Opt | undefined, what: string) =>
  (...args: A): WithAux<R, Wrt<A, Opt>, Opt> => {
    const { g, xs, leaves, def, tree } = chosen(f, options, args, what)
    const [value, push, ...aux] = pushforward(`linearize(${what})`, g, xs, options?.hasAux === true)
    const [ys, out] = flatten(value) as readonly [NdArray[], TreeDef]
    const pushed = (...ts: readonly NdArray[]): unknown[] => leavesOf(push(...(unflatten(def, ts) as readonly unknown[])))
    const columns = vmap(pushed, { outAxes: -1, axisSize: totalOf(leaves) })(...basis(leaves)) as readonly NdArray[]
    const columnsOf = (y: NdArray, k: number): unknown => {
      const parts = splitLike(columns[k]!, y.ndim, leaves)
      return tree(leaves.map((x, j) => reshape(parts[j]!, [...y.shape, ...x.shape])))
    }
    return beside(unflatten(out, ys.map(columnsOf)), aux) as WithAux<R, Wrt<A, Opt>, Opt>
  }

/**
 * Second derivatives: forward over reverse. For a scalar function of one array [...in, ...in]; trees nest as in jacfwd of jacrev. As `jax.hessian`.
 *
 * @example hessian((x: NdArray) => np.sum(np.power(x, 3)))(np.array([1, 2])) // [[6, 0], [0, 12]]
 * @throws DTypeError when an argument or a result isn't a float
 */
export const hessian = /* @__PURE__ */ takesOptions(
  'hessian',
  2,
  jacobianOptions,
  <A extends Args, R, const Opt extends JacobianOptions = Record<never, never>>(
    f: Fn<A, R>,
    options?: Opt,
  ): ((...args: A) => WithAux<WithAux<R, Wrt<A, Opt>, Opt>, Wrt<A, Opt>, Opt>) =>
    forward(jacrev(f, options), options, called('hessian', f)),
)
