/** Derivatives of users' functions against difference quotients, as `jax.test_util.check_grads`. */
import type { NdArray } from '../core/array.ts'
import { aval, showAval, sizeOf } from '../core/aval.ts'
import { convertElementType } from '../core/constructors.ts'
import { CotangentError } from '../core/errors.ts'
import { upload } from '../core/trace.ts'
import { jvp, vjp } from '../../transforms/autodiff.ts'

export interface CheckGradsOptions {
  readonly modes?: readonly ('forward' | 'reverse')[]
  /** Of the derivative, and of one where that is smaller. Default 1e-6: a quotient with the default step is as good in float64. */
  readonly tolerance?: number
  /** Half the distance between the points of a difference quotient. Default 1e-5. */
  readonly step?: number
}

/**
 * Throws where f's derivatives at these arguments, along one direction, differ from a difference quotient. Everything is computed in float64, so f must
 * take any float dtype, and be smooth near its arguments. `f` maps arrays to one array.
 *
 * @example checkGrads((x: NdArray) => np.tanh(x), [np.array([0.5, -1])])
 * @throws CotangentError with both numbers
 */
export const checkGrads = (
  f: (...args: readonly NdArray[]) => NdArray,
  args: readonly NdArray[],
  { modes = ['forward', 'reverse'], tolerance = 1e-6, step = 1e-5 }: CheckGradsOptions = {},
): void => {
  const xs = args.map((x) => convertElementType(x, 'float64'))
  let state = 1
  const direction = (of: NdArray): NdArray =>
    upload(
      aval(of.shape, 'float64'),
      Array.from({ length: sizeOf(of.shape) }, () => ((state = (state * 16807) % 2147483647) / 2147483647) * 2 - 1),
    )
  const ts = xs.map(direction)
  const values = (x: NdArray): number[] => Array.from(x.concrete('checkGrads').dataSync())
  const along = (x: NdArray, t: readonly number[], by: number): NdArray =>
    upload(
      x.aval,
      values(x).map((v, i) => v + by * t[i]!),
    )
  const moved = (by: number): number[] => values(f(...xs.map((x, k) => along(x, values(ts[k]!), by))))
  const [ahead, behind] = [moved(step), moved(-step)]
  const quotient = ahead.map((y, i) => (y - behind[i]!) / (2 * step))
  const differ = (what: string, got: number, want: number): never => {
    throw new CotangentError(
      `checkGrads(${xs.map((x) => showAval(x.aval)).join(', ')}): ${what} is ${got}, and the difference quotient ${want}`,
    )
  }
  const far = (got: number, want: number): boolean => !(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)))
  if (modes.includes('forward')) {
    const dy = values(jvp(f, xs, ts)[1])
    dy.forEach((d, i) => far(d, quotient[i]!) && differ(`the tangent [${i}]`, d, quotient[i]!))
  }
  if (modes.includes('reverse')) {
    const [y, pull] = vjp(f, ...xs)
    const ct = direction(y)
    const inner = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
    const got = pull(ct).reduce((sum, g, k) => sum + inner(values(g), values(ts[k]!)), 0)
    const want = inner(quotient, values(ct))
    if (far(got, want)) differ('⟨t, vjp(ct)⟩', got, want)
  }
}
