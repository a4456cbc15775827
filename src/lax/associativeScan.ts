/** Prefixes under any associative function, in a number of steps that grows with the logarithm of how many there are. */
import { called, flattenArrays } from '../../transforms/leaves.ts'
import type { NdArray } from '../core/array.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import { flag, type Schema, whole } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { refuse } from '../numpy/check.ts'
import { difference, unflatten } from '../tree.ts'
import * as c from '../core/constructors.ts'

export interface AssociativeScanOptions {
  /** Default 0. */
  readonly axis?: number
  /** From the end; default false. */
  readonly reverse?: boolean
}
const associativeScanOptions: Schema<AssociativeScanOptions> = { axis: whole, reverse: flag }

/**
 * All prefixes of elements along an axis, combined by an associative function of two trees, in a number of steps that grows with the logarithm of
 * how many there are. As `jax.lax.associative_scan`.
 *
 * @example lax.associativeScan((x: NdArray, y: NdArray) => x.add(y), np.array([1, 2, 3, 4, 5])) // [1, 3, 6, 10, 15]
 */
export const associativeScan = /* @__PURE__ */ takesOptions(
  'associativeScan',
  3,
  associativeScanOptions,
  <T>(f: (left: T, right: T) => T, elems: T, options: AssociativeScanOptions = {}): T => {
    const what = called('associativeScan', f)
    const { axis = 0, reverse = false } = options
    const { leaves, def } = flattenArrays(elems, what)
    const at = leaves.map((x) => {
      const d = axis < 0 ? axis + x.ndim : axis
      return d >= 0 && d < x.ndim ? d : refuse(ShapeError, what, [x], `axis ${axis} is out of range`)
    })
    const counts = new Set(leaves.map((x, i) => x.shape[at[i]!]!))
    if (counts.size > 1) throw new ShapeError(`${what}: the axes are ${[...counts].join(' and ')} long, and must be of one length`)
    const combined = (xs: readonly NdArray[], ys: readonly NdArray[]): readonly NdArray[] => {
      const out = flattenArrays(f(unflatten(def, xs) as T, unflatten(def, ys) as T), what)
      const found = difference(def, out.def)
      if (found !== null) throw new TreeError(`${what}: f must give a tree like those that it takes: they differ ${found}`)
      return out.leaves
    }
    const every = (xs: readonly NdArray[], from: number, to: number, step: number): readonly NdArray[] =>
      xs.map((x, i) => {
        const along = (n: number): number[] => x.shape.map((size, d) => (d === at[i] ? n : n === from ? 0 : size))
        return c.slice(x, along(from), x.shape.map((size, d) => (d === at[i] ? to : size)), x.shape.map((_, d) => (d === at[i] ? step : 1))) // prettier-ignore
      })
    const prefixes = (xs: readonly NdArray[], n: number): readonly NdArray[] => {
      if (n < 2) return xs
      const half = n >> 1
      const odd = prefixes(combined(every(xs, 0, 2 * half - 1, 2), every(xs, 1, 2 * half, 2)), half)
      const inner = (n - 1) >> 1
      const first = every(xs, 0, 1, 1)
      const even = inner === 0 ? first : joinedAlong(first, combined(every(odd, 0, inner, 1), every(xs, 2, n, 2)))
      return interleaved(even, odd, n)
    }
    const joinedAlong = (xs: readonly NdArray[], ys: readonly NdArray[]): readonly NdArray[] =>
      xs.map((x, i) => c.concatenate([x, ys[i]!], at[i]!))
    /** Even places from one, odd ones from the other. */
    const interleaved = (even: readonly NdArray[], odd: readonly NdArray[], n: number): readonly NdArray[] =>
      even.map((x, i) => {
        const d = at[i]!
        const [count, y] = [x.shape[d]!, odd[i]!]
        const spare = count > y.shape[d]! ? c.concatenate([y, every([x], count - 1, count, 1)[0]!], d) : y
        const lifted = [x, spare].map((z) => c.reshape(z, [...z.shape.slice(0, d + 1), 1, ...z.shape.slice(d + 1)]))
        const both = c.concatenate(lifted, d + 1)
        const flat = c.reshape(both, [...x.shape.slice(0, d), 2 * count, ...x.shape.slice(d + 1)])
        return c.slice(flat, flat.shape.map(() => 0), flat.shape.map((size, e) => (e === d ? n : size))) // prettier-ignore
      })
    const turned = (xs: readonly NdArray[]): readonly NdArray[] => (reverse ? xs.map((x, i) => c.rev(x, [at[i]!])) : xs)
    const n = [...counts][0] ?? 0
    return unflatten(def, turned(prefixes(turned(leaves), n))) as T
  },
)
