/** Losses. */
import type { NdArray } from '../core/array.ts'
import { iota, roundedOnce } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { composed, composedOptions, numberOf, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { topAndLogSum } from '../numpy/logSum.ts'
import { asFloat, asIndex, promoted } from '../numpy/promote.ts'
import { number, type Schema } from '../core/options.ts'

export interface CrossEntropyOptions {
  /** The share of the target spread evenly over the classes; default 0. */
  readonly labelSmoothing?: number
}
const crossEntropyOptions: Schema<CrossEntropyOptions> = { labelSmoothing: number }
/**
 * -log softmax(logits)[label] of every row, in nats: float [...,V], int [...] -> [...]. No mean is taken. A label outside [0, V) picks nothing.
 * As `optax.softmax_cross_entropy_with_integer_labels`. The label's logit is found by comparison, not by a gather, so its gradient needs no scatter.
 *
 * @example nn.crossEntropy(np.array([[0, 0]]), np.array([1], { dtype: 'int32' })).mean() // 0.6931472
 * @throws ShapeError when the labels aren't of the logits' leading shape; DTypeError when they aren't integers
 */
export const crossEntropy = /* @__PURE__ */ composedOptions(
  'nn.crossEntropy',
  3,
  crossEntropyOptions,
  (logits: Operand, labels: Operand, options: CrossEntropyOptions = {}): NdArray => {
    const { labelSmoothing = 0 } = options
    const [x, y] = [asFloat('nn.crossEntropy', logits), asIndex('nn.crossEntropy', labels)]
    if (x.ndim === 0) refuse(ShapeError, 'nn.crossEntropy', [x, y], 'the logits need an axis of classes')
    const smooth = numberOf('nn.crossEntropy', labelSmoothing)
    const hit = np.equal(iota(x.shape, 'int32', x.ndim - 1), np.expandDims(y, -1)) // [...,V]
    return roundedOnce((z) => {
      const picked = np.sum(np.where(hit, z, 0), { axis: -1 }) // [...]
      const target = smooth === 0 ? picked : np.add(np.mul(picked, 1 - smooth), np.mul(np.mean(z, { axis: -1 }), smooth))
      const [top, above] = topAndLogSum(z, [z.ndim - 1])
      return np.add(np.sub(top, target), above) // of a label that is the greatest, `above` alone
    })(x)
  },
)

/** mean((x - y)²) over all elements: two arrays that broadcast -> []. @example nn.meanSquaredError(np.array([1, 2]), np.array([1, 4])) // 2 */
export const meanSquaredError = /* @__PURE__ */ composed('nn.meanSquaredError', 2, (x: Operand, y: Operand): NdArray => {
  const [a, b] = promoted('nn.meanSquaredError', [x, y]) as [NdArray, NdArray]
  return roundedOnce((p, q) => np.mean(np.square(np.sub(p, q))))(a, b)
})
