/** The laws of transforms as properties of a function of the user's. */
import fc from 'fast-check'
import { grad, jvp, linearize, vjp } from '../../transforms/autodiff.ts'
import { checkpoint } from '../../transforms/checkpoint.ts'
import { vmap } from '../../transforms/vmap.ts'
import type { NdArray } from '../core/array.ts'
import { add, full, mul, range, reduceSum } from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { CotangentError } from '../core/errors.ts'
import { stack } from '../numpy/layout.ts'
import { checkJit, checkVmap } from './checks.ts'
import { direction, inner, leavesOf, mapLeaves, near } from './trees.ts'
import { number, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { called } from '../../transforms/leaves.ts'
import { ArgumentError } from '../core/errors.ts'
import { show } from '../core/show.ts'

export interface LawsOptions {
  /** Relative to the larger of 1 and what is expected. Default 1e-4. */
  readonly tolerance?: number
}
const lawsOptions: Schema<LawsOptions> = { tolerance: number }
export type Laws = Readonly<
  Record<
    | 'jit changes nothing'
    | 'vmap is a loop'
    | 'checkpoint changes nothing'
    | 'linearize is jvp'
    | 'vjp is the transpose of jvp'
    | 'vmap and grad commute'
    | 'second derivatives are symmetric',
    fc.IProperty<[never]>
  >
>

/**
 * The laws that every differentiable function of trees of floats keeps, each as a property over `args`, lists of arguments, to be asserted: they find
 * custom rules that are wrong, functions that aren't pure, and faults of this library.
 *
 * @example for (const law of Object.values(laws((x: NdArray) => np.tanh(x), fc.tuple(arrays({ shape: [3], between: [-1, 1] }))))) fc.assert(law, { numRuns: 5 })
 */
export const laws = /* @__PURE__ */ takesOptions(
  'laws',
  3,
  lawsOptions,
  <A extends readonly unknown[]>(f: (...args: A) => unknown, args: fc.Arbitrary<A>, { tolerance = 1e-4 }: LawsOptions = {}): Laws => {
    called('laws', f)
    if (!(args instanceof fc.Arbitrary)) throw new ArgumentError(`laws: arguments are an arbitrary of fast-check, and got ${show(args)}`)
    type Fn = (...xs: A) => unknown
    /** A scalar of all that f gives. */
    const loss = (...xs: A): NdArray =>
      leavesOf(f(...xs))
        .filter((y) => isFloat(y.dtype))
        .map((y) => reduceSum(y, range(y.ndim)))
        .reduce(add)
    const gradients = (...xs: A): readonly unknown[] =>
      (grad as (g: Fn, o: object) => (...ys: A) => readonly unknown[])(loss, { argnums: xs.map((_, i) => i) })(...xs)
    const pushed = (g: Fn, xs: A, ts: A): unknown => (jvp as (h: Fn, p: A, t: A) => readonly [unknown, unknown])(g, xs, ts)[1]
    /** Two examples, of which the second is smaller. */
    const batch = (xs: A): A => mapLeaves(xs, (x) => stack([x, mul(x, full([], 0.5, x.dtype))]))
    const property = (check: (xs: A) => void): fc.IProperty<[never]> => fc.property(args, check) as unknown as fc.IProperty<[never]>
    return {
      'jit changes nothing': property((xs) => checkJit(f, xs, { tolerance })),
      'vmap is a loop': property((xs) => checkVmap(f, batch(xs), { tolerance })),
      'checkpoint changes nothing': property((xs) => {
        near('checkpoint', checkpoint(f)(...xs), f(...xs), tolerance)
        const again = (...ys: A): readonly unknown[] =>
          (grad as (g: Fn, o: object) => (...zs: A) => readonly unknown[])(checkpoint(loss), { argnums: ys.map((_, i) => i) })(...ys)
        near('checkpoint, differentiated', again(...xs), gradients(...xs), tolerance)
      }),
      'linearize is jvp': property((xs) => {
        const ts = mapLeaves(xs, direction(1))
        const [y, linear] = (linearize as (g: Fn, ...zs: A) => readonly [unknown, (...t: A) => unknown])(f, ...xs)
        near('linearize', y, f(...xs), tolerance)
        near('linearize', linear(...ts), pushed(f, xs, ts), tolerance)
      }),
      'vjp is the transpose of jvp': property((xs) => {
        const random = direction(1)
        const ts = mapLeaves(xs, random)
        const dy = pushed(f, xs, ts)
        const ct = mapLeaves(dy, random)
        const [, pull] = (vjp as (g: Fn, ...zs: A) => readonly [unknown, (c: unknown) => unknown])(f, ...xs)
        const [left, right] = [inner(leavesOf(dy), leavesOf(ct)), inner(leavesOf(pull(ct)), leavesOf(ts))]
        equal('⟨jvp(t), ct⟩ and ⟨t, vjp(ct)⟩', left, right, tolerance)
      }),
      'vmap and grad commute': property((xs) => {
        const wide = batch(xs)
        const whole = (...ys: A): NdArray => reduceSum(vmap(loss)(...ys), [0])
        const all = (grad as (g: Fn, o: object) => (...zs: A) => readonly unknown[])(whole, { argnums: xs.map((_, i) => i) })(...wide)
        near('vmap(grad(f)), and grad of the sum of vmap(f)', vmap(gradients as Fn)(...wide), all, tolerance)
      }),
      'second derivatives are symmetric': property((xs) => {
        const random = direction(1)
        const [u, v] = [mapLeaves(xs, random), mapLeaves(xs, random)]
        const along = (t: A): readonly NdArray[] => leavesOf(pushed(gradients, xs, t))
        equal('⟨v, H u⟩ and ⟨u, H v⟩', inner(along(u), leavesOf(v)), inner(along(v), leavesOf(u)), tolerance)
      }),
    }
  },
)
/** Of sums of products; where both overflow or hold a NaN, the order of adding decides what they give. */
const equal = (what: string, left: number, right: number, tolerance: number): void => {
  if (!Number.isFinite(left) && !Number.isFinite(right)) return
  if (!(Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(left)))) throw new CotangentError(`${what} are ${left} and ${right}`)
}
