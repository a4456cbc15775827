/** Derivatives of users' functions against difference quotients, as `jax.test_util.check_grads`. */
import { aval, showAval } from '../core/aval.ts'
import { isFloat } from '../core/dtype.ts'
import { CotangentError } from '../core/errors.ts'
import { upload } from '../core/trace.ts'
import { jvp, vjp } from '../../transforms/autodiff.ts'
import { checked, direction, doubled, inner, leavesOf, mapLeaves, numbers } from './trees.ts'
import { atLeast, list, number, oneOf, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'

export interface CheckGradsOptions {
  /** How often it is differentiated: 2 checks the derivative of the derivative too. Default 1. */
  readonly order?: number
  readonly modes?: readonly ('forward' | 'reverse')[]
  /** Of the derivative, and of one where that is smaller. Default 1e-6: a quotient with the default step is as good in float64. */
  readonly tolerance?: number
  /** Half the distance between the points of a difference quotient. Default 1e-5. */
  readonly step?: number
}
const checkGradsOptions: Schema<CheckGradsOptions> = {
  order: atLeast(0),
  modes: list(oneOf('forward', 'reverse')),
  tolerance: number,
  step: number,
}

/**
 * Throws where f's derivatives at these arguments, along one direction, differ from a difference quotient. Everything is computed in float64, so f must
 * take any float dtype, and be smooth near its arguments, which are trees of floats. f gives a tree of floats.
 *
 * @example checkGrads((x: NdArray) => np.tanh(x), [np.array([0.5, -1])], { order: 2 })
 * @throws CotangentError with both numbers
 */
export const checkGrads = /* @__PURE__ */ takesOptions(
  'checkGrads',
  3,
  checkGradsOptions,
  <A extends readonly unknown[]>(f: (...args: A) => unknown, args: A, options: CheckGradsOptions = {}): void => {
    const { order = 1, modes = ['forward', 'reverse'], tolerance = 1e-6, step = 1e-5 } = options
    checked('checkGrads', f, args)
    const xs = doubled(args)
    const odd = leavesOf(xs).find((x) => !isFloat(x.dtype))
    if (odd !== undefined) throw new CotangentError(`checkGrads: ${showAval(odd.aval)} is no float: close over what isn't differentiated`)
    const random = direction(1)
    const ts = mapLeaves(xs, random)
    const along = (by: number): A => {
      const steps = leavesOf(ts)
      return mapLeaves(xs, (x, k) => {
        const t = numbers(steps[k]!)
        return upload(
          x.aval,
          numbers(x).map((v, i) => v + by * t[i]!),
        )
      })
    }
    const moved = (by: number): readonly number[][] => leavesOf(f(...along(by))).map(numbers)
    const [ahead, behind] = [moved(step), moved(-step)]
    const quotient = ahead.map((y, k) => y.map((v, i) => (v - behind[k]![i]!) / (2 * step)))
    const differ = (what: string, got: number, want: number): never => {
      const shown = leavesOf(xs).map((x) => showAval(x.aval))
      throw new CotangentError(`checkGrads(${shown.join(', ')}): ${what} is ${got}, and the difference quotient ${want}`)
    }
    const far = (got: number, want: number): boolean => !(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)))
    const forward = (...ys: A): unknown => jvp(f, ys, ts)[1]
    if (modes.includes('forward')) {
      leavesOf(forward(...xs)).forEach((dy, k) =>
        numbers(dy).forEach(
          (d, i) => far(d, quotient[k]![i]!) && differ(`the tangent [${i}]${k > 0 ? ` of result ${k}` : ''}`, d, quotient[k]![i]!),
        ),
      )
      if (order > 1) checkGrads(forward, xs, { ...options, order: order - 1 })
    }
    if (modes.includes('reverse')) {
      const cts = mapLeaves(f(...xs), random)
      const backward = (...ys: A): unknown =>
        (vjp as (g: typeof f, ...zs: A) => readonly [unknown, (ct: unknown) => unknown])(f, ...ys)[1](cts)
      const got = inner(leavesOf(backward(...xs)), leavesOf(ts))
      const want = inner(
        quotient.map((data, k) => upload(aval(leavesOf(cts)[k]!.shape, 'float64'), data)),
        leavesOf(cts),
      )
      if (far(got, want)) differ('⟨t, vjp(ct)⟩', got, want)
      if (order > 1) checkGrads(backward, xs, { ...options, order: order - 1 })
    }
  },
)
