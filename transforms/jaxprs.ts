/** Jaxprs in users' hands: made from functions, printed, evaluated; and what a function returns, known without computing it. */
import { NdArray } from '../src/core/array.ts'
import { showAval } from '../src/core/aval.ts'
import { ShapeError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { parseJaxpr as parse } from '../src/core/parse.ts'
import { printJaxpr } from '../src/core/print.ts'
import { evalJaxpr as evaluate, trace } from '../src/core/trace.ts'
import { type TreeDef, unflatten } from '../src/tree.ts'
import { called, flatFunction, flattenArrays, type ShapeDType } from './leaves.ts'
import { takes } from '../src/core/takes.ts'
import { checkJaxpr } from '../src/core/check.ts'
import { isListOf } from '../src/core/params.ts'
import { show } from '../src/core/show.ts'

/** A jaxpr that is its text where a text is wanted. */
export type PrintableJaxpr = Jaxpr & { toString(): string }
export const printable = (jaxpr: Jaxpr): PrintableJaxpr =>
  Object.defineProperty({ ...jaxpr }, 'toString', { value: () => printJaxpr(jaxpr) })

/** f traced at these arguments, with nothing computed. */
const staged = (
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  what: string,
): { readonly jaxpr: Jaxpr; readonly out: TreeDef } => {
  const { leaves, def } = flattenArrays(args, what)
  const flat = flatFunction(f, def, what)
  const avals = leaves.map((x) => x.aval)
  return { jaxpr: trace(avals, flat.call, what, { kind: 'jit' }).jaxpr, out: flat.out() }
}

/**
 * The jaxpr of f at these arguments, which prints in JAX's notation. Captured arrays are its leading inputs. As `jax.make_jaxpr`.
 *
 * @example String(makeJaxpr((x: NdArray) => np.sin(x))(np.ones([3]))) // { lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }
 */
export const makeJaxpr = /* @__PURE__ */ takes(
  'makeJaxpr',
  1,
  <A extends readonly unknown[]>(f: (...args: A) => unknown): ((...args: A) => PrintableJaxpr) => {
    const what = called('makeJaxpr', f)
    return (...args) => printable(staged(f, args, what).jaxpr)
  },
)

/**
 * The jaxpr that a text in JAX's notation stands for.
 *
 * @example parseJaxpr('{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }').eqns.length // 1
 * @throws JaxprError with line and column where the text stands for none
 */
export const parseJaxpr = /* @__PURE__ */ takes('parseJaxpr', 1, (text: string): PrintableJaxpr => printable(parse(text)))

/**
 * A jaxpr's results on arrays, equation by equation; `jit` around it makes them one program. As `jax.core.eval_jaxpr`.
 *
 * @example evalJaxpr(parseJaxpr('{ lambda ; a:f32[3]. let b:f32[3] = neg a in (b,) }'), [np.ones([3])])[0] // [-1, -1, -1]
 * @throws ShapeError where the arrays aren't those that the jaxpr takes
 */
export const evalJaxpr = /* @__PURE__ */ takes('evalJaxpr', 2, (jaxpr: Jaxpr, args: readonly NdArray[]): NdArray[] => {
  checkJaxpr(jaxpr)
  if (!isListOf(args, (x) => x instanceof NdArray)) throw new ShapeError(`evalJaxpr: a list of arrays is needed, and got ${show(args)}`)
  const takes = jaxpr.inputs.map((v) => showAval(v.aval)).join(', ')
  const given = args.map((x) => showAval(x.aval)).join(', ')
  if (takes !== given) throw new ShapeError(`evalJaxpr(${given}): the jaxpr takes (${takes})`)
  return evaluate(jaxpr, args)
})

/** A tree like R, with the shape and dtype of each array in its place. */
export type Shapes<R> = R extends NdArray | number | boolean ? ShapeDType : { readonly [K in keyof R]: Shapes<R[K]> }

/**
 * Shapes and dtypes of what f would return, with nothing computed. As `jax.eval_shape`.
 *
 * @example evalShape((x: NdArray) => np.sum(x, { axis: 0 }))(np.ones([2, 3])).shape // [3]
 */
export const evalShape = /* @__PURE__ */ takes(
  'evalShape',
  1,
  <A extends readonly unknown[], R>(f: (...args: A) => R): ((...args: A) => Shapes<R>) => {
    const what = called('evalShape', f)
    return (...args) => {
      const { jaxpr, out } = staged(f, args, what)
      const shapes = jaxpr.outs.map(({ aval }): ShapeDType => ({ shape: aval.shape, dtype: aval.dtype }))
      return unflatten(out, shapes) as Shapes<R>
    }
  },
)
