/** Between users' trees and flat lists of arrays: what every transform does at its edges. */
import { INSPECT, NdArray } from '../src/core/array.ts'
import { type Aval, aval } from '../src/core/aval.ts'
import { byteWidth, type DType } from '../src/core/dtype.ts'
import { ArgumentError, ShapeError, TracerError, TreeError } from '../src/core/errors.ts'
import { userScalar } from '../src/core/trace.ts'
import { difference, flatten, isDict, paths, showDef, type TreeDef, unflatten } from '../src/tree.ts'
import { isListOf } from '../src/core/params.ts'
import { show } from '../src/core/show.ts'

const NUMBER = aval([], 'float32', true)
const BOOLEAN = aval([], 'bool')
/** What a leaf is once it is an array: a number is a weak float32 scalar, a boolean a bool one. */
export const avalOf = (leaf: unknown): Aval => (leaf instanceof NdArray ? leaf.aval : typeof leaf === 'number' ? NUMBER : BOOLEAN)

/** A shape and dtype without values, in an array's place. */
export interface ShapeDType {
  readonly shape: readonly number[]
  readonly dtype: DType
}
/** What stands for an array that nobody has yet: nobody reads it. */
class Placeholder extends NdArray {
  readonly aval: Aval
  readonly deleted = true
  constructor({ shape, dtype }: ShapeDType) {
    super()
    this.aval = aval(shape, dtype)
  }
  override concrete(): never {
    throw new TracerError('only shape and dtype were given')
  }
  override [INSPECT](): string {
    return 'a shape and a dtype'
  }
}
const placeholder = (x: ShapeDType): Placeholder => {
  const sizes: unknown = x.shape
  if (Object.hasOwn(byteWidth, x.dtype) && isListOf(sizes, (n) => Number.isSafeInteger(n) && (n as number) >= 0)) return new Placeholder(x)
  throw new ShapeError(`${show(x)} stands for no array: a shape of whole numbers and a dtype are needed`)
}
/** A tree with placeholders where it has a shape and a dtype instead of an array. */
export const placeholders = (tree: unknown): unknown => {
  flatten(tree) // refuses what is no tree
  return placed(tree)
}
const placed = (tree: unknown): unknown => {
  if (Array.isArray(tree)) return tree.map(placed)
  if (!isDict(tree)) return tree
  if (typeof tree['dtype'] === 'string') return placeholder(tree as unknown as ShapeDType)
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, placed(value)]))
}

const refused = (leaf: unknown, what: string, path: string): Error =>
  leaf instanceof Promise
    ? new TracerError(`${what} got a promise${path}: a transformed function must return arrays, not a promise; await outside it`)
    : new TreeError(
        `${what} got ${describe(leaf)}${path}: leaves must be arrays, numbers or booleans (jit takes other arguments by staticArgnums)`,
      )

const describe = (x: unknown): string =>
  typeof x === 'object' && x !== null
    ? `an instance of ${nameOf(x)}`
    : x === null || x === undefined || typeof x === 'function'
      ? show(x)
      : `the ${typeof x} ${show(x)}`
const nameOf = (x: object): string => {
  try {
    return (x.constructor as typeof x.constructor | undefined)?.name ?? 'nothing'
  } catch {
    return 'a class that can’t be read'
  }
}

export interface Flat {
  readonly leaves: readonly NdArray[]
  readonly def: TreeDef
}

/** Leaves and structure; a leaf that is no array, number or boolean is refused, with its path. */
export const flattenLeaves = (tree: unknown, what: string): readonly [leaves: unknown[], def: TreeDef] => {
  const flat = flatten(tree)
  flat[0].forEach((leaf, i) => {
    if (leaf instanceof NdArray || typeof leaf === 'number' || typeof leaf === 'boolean') return
    const at = paths(tree)[i]!
    throw refused(leaf, what, at === '' ? '' : ` at ${at}`)
  })
  return flat
}

/** Numbers and booleans among the leaves become scalars, in place; those are returned. */
export const toArrays = (leaves: unknown[]): readonly NdArray[] => {
  let made: NdArray[] = NONE
  for (let i = 0; i < leaves.length; i++) {
    const leaf = leaves[i]
    if (leaf instanceof NdArray) continue
    const x = typeof leaf === 'number' ? userScalar(leaf, NUMBER) : userScalar(leaf === true ? 1 : 0, BOOLEAN)
    if (made === NONE) made = []
    made.push(x)
    leaves[i] = x
  }
  return made
}
const NONE: NdArray[] = []

export const flattenArrays = (tree: unknown, what: string): Flat => {
  const [leaves, def] = flattenLeaves(tree, what)
  toArrays(leaves)
  return { leaves: leaves as NdArray[], def }
}

/** Exactly: null isn't undefined. */
export const sameDef = (a: TreeDef, b: TreeDef): boolean => difference(a, b) === null && showDef(a) === showDef(b)

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

/** A transform's call as errors name it, `grad(loss)`; what isn't a function is refused. */
export const called = (transform: string, f: unknown): string => {
  if (typeof f !== 'function') throw new ArgumentError(`${transform} needs a function, and got ${describe(f)}`)
  return `${transform}(${f.name || 'the function'})`
}
