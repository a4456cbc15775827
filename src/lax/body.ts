/** A body of a loop or a branch: a function of trees, traced once. */
import { inline } from '../../transforms/inline.ts'
import { flatFunction, type Flat } from '../../transforms/leaves.ts'
import type { NdArray } from '../core/array.ts'
import { type Aval, eqAval, showAval } from '../core/aval.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import type { Traced } from '../core/rules.ts'
import { trace } from '../core/trace.ts'
import { difference, paths, type TreeDef, unflatten } from '../tree.ts'
import * as c from '../core/constructors.ts'

export interface Body extends Traced {
  readonly out: TreeDef
}
export type Fn = (...args: never[]) => unknown

export const avalsOf = (xs: readonly NdArray[]): readonly Aval[] => xs.map((x) => x.aval)

/** f of some trees, traced at the avals of their leaves. */
export const traced = (f: Fn, what: string, args: readonly Flat[], avals: readonly Aval[]): Body => {
  const flat = flatFunction(f, { kind: 'list', children: args.map(({ def }) => def) } as TreeDef, what)
  const { jaxpr, captures } = trace(avals, flat.call, what)
  return { jaxpr: inline(jaxpr, false), captures, out: flat.out() } // jitted functions are opened: derivatives divide a body by its equations
}

/** What a body gives for the carry must be what it takes. */
export const sameCarry = (what: string, carry: Flat, out: TreeDef, given: readonly Aval[]): void => {
  const found = difference(carry.def, out)
  if (found !== null)
    throw new TreeError(
      `${what}: the carry's structure changes ${found}: return a carry like the one that comes in (left: before, right: after)`,
    )
  const at = paths(unflatten(carry.def, carry.leaves))
  carry.leaves.forEach((x, i) => {
    if (!eqAval({ ...x.aval, weak: false }, { ...given[i]!, weak: false }))
      throw new ShapeError(
        `${what}: the carry${at[i] && ` at ${at[i]}`} comes in as ${showAval(x.aval)} and goes out as ${showAval(given[i]!)}: ${
          x.dtype === given[i]!.dtype ? 'keep its shape' : `begin with ${given[i]!.dtype}, or convert what the body returns to ${x.dtype}`
        }`,
      )
  })
}
/** Weak leaves (numbers, that is) take the dtypes that the body gives them, as in JAX. */
export const strengthened = ({ leaves, def }: Flat, given: readonly Aval[]): Flat | null => {
  const weak = leaves.map((x, i) => given[i] !== undefined && x.aval.weak && (x.dtype !== given[i].dtype || !given[i].weak))
  if (!weak.includes(true)) return null
  return { def, leaves: leaves.map((x, i) => (weak[i] ? c.convertElementType(x, given[i]!.dtype) : x)) }
}

/** A tree whose numbers have become arrays. */
export type Arrays<T> = T extends number | boolean ? NdArray : T extends NdArray | null | undefined ? T : { [K in keyof T]: Arrays<T[K]> }
