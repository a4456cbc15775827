/** Cross-entropy of logits with the classes that are right, or with how probable each is. */
import { NdArray } from '../core/array.ts'
import { eqShape } from '../core/aval.ts'
import { iota, roundedOnce } from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { number, type Schema, whole } from '../core/options.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { topAndLogSum } from '../numpy/logSum.ts'
import { asFloat, asIndex, promoted } from '../numpy/promote.ts'
import { reduced, reductionOptions, type ReductionOptions } from './reduction.ts'

export interface CrossEntropyOptions extends ReductionOptions {
  /** The share of the target spread evenly over the classes; default 0. */
  readonly labelSmoothing?: number
  /** Rows of this label are 0, and a mean doesn't count them: PyTorch's -100, say. Default: none. */
  readonly ignoreIndex?: number
}
export const crossEntropyOptions: Schema<CrossEntropyOptions> = { labelSmoothing: number, ignoreIndex: whole, ...reductionOptions }

/**
 * -log softmax(logits)[label] of every row, in nats: float [...,V], int [...] -> [...], or [] with a `reduction`. A label outside [0, V) picks
 * nothing. Labels that are float [...,V] are a distribution a row: -Σ label · log softmax(logits).
 * As `torch.nn.functional.cross_entropy` with the classes last, and Optax's. The label's logit is found by comparison, not by a gather, so its
 * gradient needs no scatter.
 *
 * @example nn.crossEntropy(np.array([[0, 0]]), np.array([1], { dtype: 'int32' })).mean() // 0.6931472
 * @example nn.crossEntropy(np.array([[0, 0]]), np.array([[0.5, 0.5]]), { reduction: 'sum' }) // 0.6931472
 * @throws ShapeError when integer labels aren't of the logits' leading shape; DTypeError when float ones aren't of the logits' shape;
 *   ArgumentError where float labels meet `ignoreIndex`
 */
export const crossEntropy = /* @__PURE__ */ composedOptions(
  'nn.crossEntropy',
  3,
  crossEntropyOptions,
  (logits: Operand, labels: Operand, options: CrossEntropyOptions = {}): NdArray => {
    const what = 'nn.crossEntropy'
    const x = asFloat(what, logits)
    if (x.ndim === 0) refuse(ShapeError, what, [x, labels], 'the logits need an axis of classes')
    if (!(labels instanceof NdArray) || !isFloat(labels.dtype)) {
      const y = labelsOf(what, x, labels)
      return roundedOnce((z) => reduced(rowLosses(z, y, options), options.reduction, countedOf(y, options)))(x)
    }
    if (!eqShape(labels.shape, x.shape))
      refuse(
        DTypeError,
        what,
        [x, labels],
        "float labels are of the logits' shape, and class numbers integers: convert with astype('int32')",
      )
    if (options.ignoreIndex !== undefined)
      refuse(ArgumentError, what, [x, labels], 'a distribution has no label that ignoreIndex could be: give those rows zeros')
    const [a, b] = promoted(what, [x, labels]) as [NdArray, NdArray]
    return roundedOnce((z, t) => reduced(softLosses(z, t, options.labelSmoothing), options.reduction))(a, b)
  },
)

/** Class numbers for the rows of [...,V]. */
export const labelsOf = (what: string, rows: NdArray, labels: Operand): NdArray => {
  const y = asIndex(what, labels)
  return eqShape(y.shape, rows.shape.slice(0, -1)) ? y : refuse(ShapeError, what, [rows, labels], 'every row needs a label')
}
/** The rows that a mean counts; undefined where it counts all. */
export const countedOf = (labels: NdArray, { ignoreIndex }: CrossEntropyOptions): NdArray | undefined =>
  ignoreIndex === undefined ? undefined : np.notEqual(labels, ignoreIndex)
/** Wide logits [...,V], labels [...] -> [...]. */
export const rowLosses = (z: NdArray, labels: NdArray, options: CrossEntropyOptions): NdArray => {
  const { labelSmoothing: smooth = 0 } = options
  const hit = np.equal(iota(z.shape, 'int32', z.ndim - 1), np.expandDims(labels, -1)) // [...,V]
  const picked = np.sum(np.where(hit, z, 0), { axis: -1 }) // [...]
  const target = smooth === 0 ? picked : np.add(np.mul(picked, 1 - smooth), np.mul(np.mean(z, { axis: -1 }), smooth))
  const [top, above] = topAndLogSum(z, [z.ndim - 1])
  const losses = np.add(np.sub(top, target), above) // of a label that is the greatest, `above` alone
  const counted = countedOf(labels, options)
  return counted === undefined ? losses : np.where(counted, losses, 0)
}
/** Wide logits and their targets, [...,V] -> [...]. */
const softLosses = (z: NdArray, targets: NdArray, smooth = 0): NdArray => {
  const spread = smooth === 0 ? targets : np.add(np.mul(targets, 1 - smooth), smooth / z.shape.at(-1)!)
  const [top, above] = topAndLogSum(z, [z.ndim - 1])
  const surprise = np.add(np.sub(np.expandDims(top, -1), z), np.expandDims(above, -1)) // -log softmax, [...,V]
  return np.sum(np.mul(spread, surprise), { axis: -1 })
}
