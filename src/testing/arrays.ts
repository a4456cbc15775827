/** Arrays for property tests of users' functions. */
import fc from 'fast-check'
import type { NdArray } from '../core/array.ts'
import { aval, showAval } from '../core/aval.ts'
import { type DType, isFloat } from '../core/dtype.ts'
import { upload } from '../core/trace.ts'
import { anySizes, arbitrary } from './choices.ts'
import { dtype as anyDtype, extents, number, pair, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'

export interface ArraysOptions {
  /** Of any rank to 3 when absent, empty axes and axes of one among them. */
  readonly shape?: readonly number[]
  /** Default float32. */
  readonly dtype?: DType
  /** Elements evenly from this range (both ends count), the simplest those nearest to zero. When absent, any number: zeros of both signs, infinities, NaN and the ends of the dtype's range often. */
  readonly between?: readonly [low: number, high: number]
}
const arraysOptions: Schema<ArraysOptions> = { shape: extents, dtype: anyDtype, between: pair(number) }

/**
 * Arrays on the device; a counterexample shows its elements.
 *
 * @example fc.assert(fc.property(arrays({ shape: [3], between: [-1, 1] }), (x) => np.sum(np.tanh(x)).item() < 3))
 */
export const arrays = /* @__PURE__ */ takesOptions(
  'arrays',
  1,
  arraysOptions,
  ({ shape, dtype = 'float32', between }: ArraysOptions = {}): fc.Arbitrary<NdArray> =>
    arbitrary((c) => {
      const [low, high] = between ?? [0, 0]
      // The nearest to zero is the simplest.
      const base = Math.min(Math.max(0, low), high)
      const inRange = (): number => {
        const n = c.below(0x10000)
        const up = high > base && (low === base || n % 2 === 0)
        const x = up ? base + (n / (low === base ? 0xffff : 0xfffe)) * (high - base) : base - (n / 0xffff) * (base - low)
        return isFloat(dtype) ? x : Math.round(x)
      }
      const { aval: a, data } = c.value(shape ?? c.shape(), dtype, between === undefined ? () => c.element(dtype) : inRange)
      const x = upload(aval(a.shape, dtype), data)
      return Object.defineProperty(x, fc.toStringMethod, { value: () => `${showAval(x.aval)} [${data.join(', ')}]` })
    }, anySizes),
)
