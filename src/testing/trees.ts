/** What functions under test give, as lists of numbers that can be compared. */
import type { NdArray } from '../core/array.ts'
import { aval, eqAval, showAval, sizeOf } from '../core/aval.ts'
import { convertElementType } from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { ArgumentError, CotangentError } from '../core/errors.ts'
import { upload } from '../core/trace.ts'
import { difference, flatten, paths, unflatten } from '../tree.ts'
import { called, flattenArrays } from '../../transforms/leaves.ts'
import { show } from '../core/show.ts'
import { isDense } from '../core/params.ts'

/** A check's call as errors name it; what isn't a function, or a list of arguments, is refused. */
export const checked = (check: string, f: unknown, args: unknown): string => {
  const what = called(check, f)
  if (!isDense(args)) throw new ArgumentError(`${what}: arguments are a list, and got ${show(args)}`)
  return what
}

export const leavesOf = (tree: unknown): readonly NdArray[] => flattenArrays(tree, 'a check').leaves
export const mapLeaves = <T>(tree: T, f: (x: NdArray, i: number) => NdArray): T => {
  const { leaves, def } = flattenArrays(tree, 'a check')
  return unflatten(def, leaves.map(f)) as T
}
export const numbers = (x: NdArray): number[] => Array.from(x.concrete('a check').dataSync())
/** In float64, for quotients. */
export const doubled = <T>(tree: T): T => mapLeaves(tree, (x) => (isFloat(x.dtype) ? convertElementType(x, 'float64') : x))

/** An array like this one whose elements come from a stream of numbers in (-1, 1), the same each time. */
export const direction = (seed: number) => {
  let state = seed
  const next = (): number => ((state = (state * 16807) % 2147483647) / 2147483647) * 2 - 1
  return (x: NdArray): NdArray => upload(aval(x.shape, x.dtype), Array.from({ length: sizeOf(x.shape) }, next))
}
export const inner = (a: readonly NdArray[], b: readonly NdArray[]): number =>
  a.reduce((sum, x, k) => {
    const other = numbers(b[k]!)
    return numbers(x).reduce((s, v, i) => s + v * other[i]!, sum)
  }, 0)

/** Throws where two trees differ by more than `tolerance`, relative to the larger number of 1 and what is expected. NaN is NaN. */
export const near = (what: string, got: unknown, expected: unknown, tolerance: number): void => {
  const found = difference(flatten(got)[1], flatten(expected)[1])
  if (found !== null) throw new CotangentError(`${what}: the trees differ ${found}`)
  const at = paths(expected)
  const wanted = leavesOf(expected)
  leavesOf(got).forEach((x, k) => {
    const y = wanted[k]!
    const here = at[k] ? ` at ${at[k]}` : ''
    if (!eqAval({ ...x.aval, weak: false }, { ...y.aval, weak: false }))
      throw new CotangentError(`${what}: ${showAval(x.aval)}${here}, and ${showAval(y.aval)} was expected`)
    sameNumbers(`${what}${here}`, numbers(x), numbers(y), tolerance)
  })
}
export const sameNumbers = (what: string, got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  const close = (x: number, y: number): boolean => Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(y))
  const off = Array.from(got).findIndex((x, i) => !close(x, expected[i]!))
  if (off >= 0) throw new CotangentError(`${what}: element ${off} is ${got[off]}, and ${expected[off]} was expected`)
}
