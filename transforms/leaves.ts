/** Between users' trees and flat lists of arrays: what every transform does at its edges. */
import { NdArray } from '../src/core/array.ts'
import { aval } from '../src/core/aval.ts'
import { TracerError, TreeError } from '../src/core/errors.ts'
import { userScalar } from '../src/core/trace.ts'
import { flatten, paths, type TreeDef, unflatten } from '../src/tree.ts'

/** A number is a weak float32 scalar, a boolean a bool one. */
export const leafArray = (leaf: unknown, what: string, path: string): NdArray => {
  if (leaf instanceof NdArray) return leaf
  if (typeof leaf === 'number') return userScalar(leaf, aval([], 'float32', true))
  if (typeof leaf === 'boolean') return userScalar(leaf ? 1 : 0, aval([], 'bool'))
  if (leaf instanceof Promise)
    throw new TracerError(`${what} got a promise${path}: a transformed function must return arrays, not a promise; await outside it`)
  throw new TreeError(
    `${what} got ${describe(leaf)}${path}: leaves must be arrays, numbers or booleans (mark other arguments with staticArgnums)`,
  )
}

const describe = (x: unknown): string =>
  typeof x === 'function'
    ? 'a function'
    : typeof x === 'object'
      ? `an instance of ${x?.constructor.name ?? 'nothing'}`
      : `the ${typeof x} ${JSON.stringify(x)}`

export interface Flat {
  readonly leaves: readonly NdArray[]
  readonly def: TreeDef
}

export const flattenArrays = (tree: unknown, what: string): Flat => {
  const [leaves, def] = flatten(tree)
  for (let i = 0; i < leaves.length; i++) {
    if (leaves[i] instanceof NdArray) continue
    const at = paths(tree)[i]!
    leaves[i] = leafArray(leaves[i], what, at === '' ? '' : ` at ${at}`)
  }
  return { leaves: leaves as NdArray[], def }
}

/** A flat function from one of trees, remembering the structure of what it returned. */
export const flatFunction = (
  f: (...args: never[]) => unknown,
  def: TreeDef,
  what: string,
): { readonly call: (leaves: readonly NdArray[]) => readonly NdArray[]; readonly out: () => TreeDef } => {
  let out: TreeDef | null = null
  return {
    call: (leaves) => {
      const result = f(...(unflatten(def, leaves) as never[]))
      const flat = flattenArrays(result, `the result of ${what}`)
      out = flat.def
      return flat.leaves
    },
    out: () => out!,
  }
}

export const nameOf = (f: (...args: never[]) => unknown): string => f.name || 'the function'
