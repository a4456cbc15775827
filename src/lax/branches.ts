/** Branches inside a program: one of several functions runs, chosen when the program does. */
import { joined } from '../../primitives/carrying.ts'
import { called, flattenArrays } from '../../transforms/leaves.ts'
import type { NdArray } from '../core/array.ts'
import { aval, eqAval, showAval } from '../core/aval.ts'
import { isFloat } from '../core/dtype.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import type { Traced } from '../core/rules.ts'
import { bind, constant, evalJaxpr, trace } from '../core/trace.ts'
import { refuse } from '../numpy/check.ts'
import { anyArray, asIndex } from '../numpy/promote.ts'
import { difference, paths, unflatten } from '../tree.ts'
import { traced, type Fn, avalsOf } from './body.ts'
import * as c from '../core/constructors.ts'
import { isDense } from '../core/params.ts'

/** The branch that the index chooses, of functions of the same operands that give the same types. */
const branch = <A extends readonly unknown[], R>(
  what: string,
  index: NdArray,
  branches: readonly ((...args: A) => R)[],
  operands: A,
): R => {
  const own = operands.map((x) => flattenArrays(x, what))
  const leaves = own.flatMap((x) => x.leaves)
  const bodies = branches.map((f, k) => traced(f as unknown as Fn, `branch ${k} of ${what}`, own, avalsOf(leaves)))
  const [first, ...others] = bodies
  for (const [k, other] of others.entries()) {
    const found = difference(first!.out, other.out)
    if (found !== null) throw new TreeError(`${what}: branches 0 (left) and ${k + 1} (right) give trees that differ ${found}`)
  }
  const avals = first!.jaxpr.outs.map((_, i) => bodies.map(({ jaxpr }) => jaxpr.outs[i]!.aval))
  const at = paths(unflatten(first!.out, avals.map(() => 0))) // prettier-ignore
  // As in JAX, weak types give way.
  const common = avals.map((each) => each.find((a) => !a.weak) ?? each[0]!)
  const alike = bodies.map((body, k): Traced => {
    avals.forEach((each, i) => {
      const fits = each[k]!.weak && isFloat(each[k]!.dtype) === isFloat(common[i]!.dtype)
      if (
        !eqAval({ ...each[k]!, weak: false }, { ...common[i]!, weak: false }) &&
        !(fits && each[k]!.shape.join() === common[i]!.shape.join())
      )
        throw new ShapeError(
          `${what}: the branches disagree${at[i] && ` at ${at[i]}`}: ${each.map(showAval).join(', ')}: let all give one shape and dtype`,
        )
    })
    const placed = trace(
      body.jaxpr.inputs.map((v) => v.aval),
      (args) => evalJaxpr(body.jaxpr, args).map((y, i) => (y.dtype === common[i]!.dtype ? y : c.convertElementType(y, common[i]!.dtype))),
      what,
    )
    return { jaxpr: placed.jaxpr, captures: [...placed.captures, ...body.captures] }
  })
  const { jaxprs, captures } = joined(alike)
  return unflatten(first!.out, bind('cond', { jaxprs }, [index, ...captures, ...leaves])) as R
}

/**
 * One of two functions of the operands, chosen by a bool scalar when the program runs; only that one is run, but under a vmap over the choice.
 * As `jax.lax.cond`.
 *
 * @example lax.cond(np.array(2).greater(1), (x: NdArray) => x.add(1), (x: NdArray) => x.mul(10), np.array(5)) // 6
 * @throws ShapeError or TreeError where the branches disagree
 */
export const cond = <A extends readonly unknown[], R>(
  pred: NdArray | boolean,
  ifTrue: (...operands: A) => R,
  ifFalse: (...operands: A) => NoInfer<R>,
  ...operands: A
): R => {
  const what = called('cond', ifTrue)
  called('cond', ifFalse)
  const holds = typeof pred === 'boolean' ? constant(pred ? 1 : 0, aval([], 'bool')) : anyArray(what, pred)
  if (holds.ndim > 0 || holds.dtype !== 'bool') refuse(ShapeError, what, [holds], 'the predicate must be one bool')
  return branch(what, c.convertElementType(holds, 'int32'), [ifFalse, ifTrue], operands)
}

/**
 * The function that an int32 scalar chooses, of the same operands; an index outside takes the nearest. As `jax.lax.switch`.
 *
 * @example lax.switch(np.array(1, { dtype: 'int32' }), [(x: NdArray) => x, (x: NdArray) => x.mul(10)], np.array(5)) // 50
 * @throws ShapeError or TreeError where the branches disagree, or there are none
 */
const switchCase = <A extends readonly unknown[], R>(
  index: NdArray | number,
  branches: readonly ((...operands: A) => R)[],
  ...operands: A
): R => {
  if (!isDense(branches) || branches.length === 0) throw new ShapeError('switch needs a list of at least one branch')
  branches.forEach((f) => called('switch', f))
  const at = asIndex('switch', index)
  if (at.ndim > 0 || at.dtype !== 'int32') refuse(ShapeError, 'switch', [at], 'the index must be one int32')
  return branch('switch', at, branches, operands)
}
export { switchCase as switch }
