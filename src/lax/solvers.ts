/** Solutions with the derivatives of what they solve, however they were found: of an equation, and of a linear system. */
import { grouped, place } from '../core/flags.ts'
import { joined } from '../../primitives/carrying.ts'
import { Kept } from '../../transforms/kept.ts'
import { linearizeJaxpr } from '../../transforms/linearize.ts'
import { called, type Flat, flattenArrays } from '../../transforms/leaves.ts'
import { runtime } from '../core/runtime.ts'
import type { NdArray } from '../core/array.ts'
import { type Aval, eqAval, showAvals } from '../core/aval.ts'
import { type CustomJvpRule } from '../core/callbacks.ts'
import * as c from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import { type Jaxpr, variable } from '../core/jaxpr.ts'
import { printJaxpr } from '../core/print.ts'
import { Ref } from '../core/ref.ts'
import type { Traced } from '../core/rules.ts'
import { bind, evalJaxpr, trace } from '../core/trace.ts'
import { difference, unflatten } from '../tree.ts'
import { avalsOf } from './body.ts'
import { flag, func, type Schema } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

type Leaves = readonly NdArray[]

/** What comes back has to be a tree of the same avals as what went in. */
const like = ({ def, leaves }: Flat, tree: unknown, what: string): Leaves => {
  const flat = flattenArrays(tree, what)
  const found = difference(def, flat.def)
  if (found !== null) throw new TreeError(`${what}: a tree like the one that goes in is needed: they differ ${found}`)
  const strong = (a: Aval): Aval => ({ ...a, weak: false })
  if (flat.leaves.some((y, i) => !eqAval(strong(y.aval), strong(leaves[i]!.aval))))
    throw new ShapeError(
      `${what}: (${showAvals(avalsOf(flat.leaves))}) came back and (${showAvals(avalsOf(leaves))}) went in: keep shapes and dtypes`,
    )
  return flat.leaves
}
const floats = (x: Flat, what: string): Flat => {
  if (x.leaves.every((leaf) => isFloat(leaf.dtype))) return x
  throw new ShapeError(`${what}: the unknowns must be floats, and they are (${showAvals(avalsOf(x.leaves))}): convert with astype`)
}

/** A function of trees as one of their leaves. */
const flatly =
  <T>(f: (x: T) => T, x: Flat, what: string) =>
  (leaves: Leaves): Leaves =>
    like(x, f(unflatten(x.def, leaves) as T), what)

/**
 * The x for which f(x) is zero, as `solve(f, initialGuess)` finds it, however it does. Its derivative is that of the equation (the implicit function
 * theorem) in what f closes over: `tangentSolve(g, y)` solves g(v) = y for linear g, and reverse mode transposes it. As `jax.lax.custom_root`.
 *
 * @example grad((a: NdArray) => lax.customRoot((x) => np.sub(np.mul(x, x), a), np.array(1), () => np.sqrt(a.mul(1)), (g, y) => np.div(y, g(np.array(1)))))(np.array(4)) // 0.25
 * @throws TreeError or ShapeError where what comes back isn't like the initial guess
 */
export const customRoot = /* @__PURE__ */ takes(
  'customRoot',
  4,
  <T>(f: (x: T) => T, initialGuess: T, solve: (f: (x: T) => T, initialGuess: T) => T, tangentSolve: (g: (v: T) => T, y: T) => T): T => {
    const what = called('customRoot', f)
    called(`solve of ${what}`, solve)
    called(`tangentSolve of ${what}`, tangentSolve)
    const { transforms } = runtime
    const guess = floats(flattenArrays(initialGuess, what), what)
    const tree = (xs: Leaves): T => unflatten(guess.def, xs) as T
    const { jaxpr, captures } = trace(avalsOf(guess.leaves), flatly(f, guess, what), what)
    const n = captures.length
    const avals = avalsOf([...captures, ...guess.leaves])
    const zero = (i: number): NdArray => c.zerosLike(guess.leaves[i]!.aval)
    /** Of what f closed over and the guess: the solution. */
    const found = trace(
      avals,
      (args) => {
        const given = (x: T): T => tree(evalJaxpr(jaxpr, [...args.slice(0, n), ...like(guess, x, what)]))
        return like(guess, solve(given, tree(args.slice(n))), `solve of ${what}`)
      },
      what,
    )
    /** Of what f closed over, the solution and y: the v for which the derivative of f along v is y. */
    const moved = trace(
      [...avals, ...avalsOf(guess.leaves)],
      (args) => {
        const at = args.slice(0, avals.length)
        const linear = linearizeJaxpr(transforms, jaxpr, [...captures.map(() => false), ...guess.leaves.map(() => true)])
        const inputs = [...linear.captures, ...at]
        const saved = evalJaxpr(linear.forward, inputs).slice(guess.leaves.length)
        const residuals = [...linear.inputs.map((i) => inputs[i]!), ...saved]
        const g = (v: T): T => tree(place(linear.nonzero, evalJaxpr(linear.linear, [...residuals, ...like(guess, v, what)]), zero))
        return like(guess, tangentSolve(g, tree(args.slice(avals.length))), `tangentSolve of ${what}`)
      },
      what,
    )
    const sizes = { solve: found.captures.length, tangentSolve: moved.captures.length, closed: n, name: what }
    const root: Root = { equation: jaxpr, found: found.jaxpr, moved: moved.jaxpr, ...sizes }
    return tree(solution(root, [...found.captures, ...moved.captures, ...captures, ...guess.leaves]))
  },
)

/** A root as jaxprs, of operands in groups: what each of the solvers closed over, what the equation closed over, and the guess. */
interface Root {
  readonly equation: Jaxpr
  /** Of the first group, the third and the guess: the solution. */
  readonly found: Jaxpr
  /** Of the second group, the third, the solution and y: the tangent. */
  readonly moved: Jaxpr
  readonly solve: number
  readonly tangentSolve: number
  readonly closed: number
  readonly name: string
}
const solution = (root: Root, args: Leaves): NdArray[] => {
  const { equation, found, moved, ...sizes } = root
  const inputs = [...found.inputs]
  inputs.splice(root.solve, 0, ...moved.inputs.slice(0, root.tangentSolve).map((v) => variable(v.aval)))
  // Equal texts are equal programs, and have one derivative.
  const text = [equation, found, moved].map((jaxpr) => printJaxpr(jaxpr)).join() + JSON.stringify(sizes)
  const rule = Ref.of(derivatives.of(text, () => implicit(root)))
  return bind('customJvp', { jaxpr: { ...found, inputs }, rule, name: root.name, captured: 0 }, args)
}
const derivatives = new Kept<string, CustomJvpRule>((a, b) => a === b)

/** The derivative of a root by the implicit function theorem: of f(closed, x) = 0, the dx that ∂f/∂x dx = -∂f/∂closed dclosed. */
const implicit =
  (root: Root): CustomJvpRule =>
  (primals, tangents) => {
    const { transforms } = runtime
    const [, own, closed] = grouped(primals, [root.solve, root.tangentSolve, root.closed])
    const dclosed = grouped(tangents, [root.solve, root.tangentSolve, root.closed])[2]
    const xs = solution(root, primals)
    const there = dclosed.filter((t) => t !== null)
    if (there.length === 0) return [xs, xs.map(() => null)]
    const pushed = transforms.jvp(root.equation, [...dclosed.map((t) => t !== null), ...xs.map(() => false)])
    const dfs = evalJaxpr(pushed.jaxpr, [...pushed.captures, ...closed, ...xs, ...there]).slice(xs.length)
    const right = place(pushed.nonzero, dfs, (i) => c.zerosLike(xs[i]!.aval)).map(c.neg)
    return [xs, evalJaxpr(root.moved, [...own, ...closed, ...xs, ...right])]
  }

export interface LinearSolveOptions<T> {
  /** Solves with the transposed matrix, as `solve` does: needed for reverse mode. */
  readonly transposeSolve?: (vecmat: (x: T) => T, b: T) => T
  /** The matrix is its own transpose, and `solve` does for both. */
  readonly symmetric?: boolean
}
const linearSolveOptions: Schema<LinearSolveOptions<unknown>> = { transposeSolve: func(), symmetric: flag }

/**
 * The x for which matvec(x) = b, as `solve(matvec, b)` finds it: matvec is linear, and may close over arrays. Derivatives in b and in what matvec closes
 * over are those of the system, by one more solve each. As `jax.lax.custom_linear_solve`.
 *
 * @example grad((a: NdArray) => lax.customLinearSolve((x) => np.mul(a, x), np.array(6), (f, b) => np.div(b, f(np.array(1))), { symmetric: true }))(np.array(2)) // -1.5
 * @throws TreeError or ShapeError where what comes back isn't like b
 */
export const customLinearSolve = /* @__PURE__ */ takesOptions(
  'customLinearSolve',
  4,
  linearSolveOptions,
  <T>(matvec: (x: T) => T, b: T, solve: (matvec: (x: T) => T, b: T) => T, options: LinearSolveOptions<T> = {}): T => {
    const what = called('customLinearSolve', matvec)
    called(`solve of ${what}`, solve)
    const { transposeSolve, symmetric = false } = options
    if (transposeSolve !== undefined) called(`transposeSolve of ${what}`, transposeSolve)
    const right = floats(flattenArrays(b, what), what)
    const vector = avalsOf(right.leaves)
    const matrix = trace(vector, flatly(matvec, right, what), what)
    const consts = avalsOf(matrix.captures)
    const n = consts.length
    const solved = (by: typeof solve, of: Traced, which: string): Traced =>
      trace(
        [...consts, ...vector],
        (args) => {
          const apply = (xs: Leaves): Leaves => evalJaxpr(of.jaxpr, [...of.captures, ...args.slice(0, n), ...xs])
          const f = (x: T): T => unflatten(right.def, apply(like(right, x, what))) as T
          return like(right, by(f, unflatten(right.def, args.slice(n)) as T), which)
        },
        what,
      )
    const forward = { jaxpr: matrix.jaxpr, captures: [] }
    const parts = [forward, solved(solve, forward, `solve of ${what}`)]
    if (symmetric) parts.push(...parts)
    else if (transposeSolve !== undefined) {
      const flipped = transposedMatrix(matrix, vector)
      parts.push(flipped, solved(transposeSolve, flipped, `transposeSolve of ${what}`))
    }
    const all = joined(parts)
    const operands = [...all.captures, ...matrix.captures]
    const params = { jaxprs: all.jaxprs, numConsts: operands.length }
    return unflatten(right.def, bind('linearSolve', params, [...operands, ...right.leaves])) as T
  },
)
/** Aᵀ of the same constants. */
const transposedMatrix = ({ jaxpr, captures }: Traced, vector: readonly Aval[]): Traced => {
  const isVector = jaxpr.inputs.map((_, i) => i >= captures.length)
  const back = runtime.transforms.transpose(
    jaxpr,
    isVector,
    vector.map(() => true),
  )
  const whole = trace(
    back.jaxpr.inputs.map((v) => v.aval),
    (args) => place(back.present, evalJaxpr(back.jaxpr, args), (i) => c.zerosLike(vector[i]!)),
    'transpose',
  )
  return { jaxpr: whole.jaxpr, captures: [...whole.captures, ...back.captures] }
}
