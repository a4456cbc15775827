/** Losses of predictions beside targets: arrays that broadcast, in and out, computed in float32 at least and rounded once. */
import type { NdArray } from '../core/array.ts'
import { abs, log, log1p, lit, max, roundedOnce } from '../core/constructors.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { flag, number, operand, type Schema } from '../core/options.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asFloat, promoted } from '../numpy/promote.ts'
import { softplus } from './activations.ts'
import { reduced, type Reduction, reductionOptions, type ReductionOptions } from './reduction.ts'

/** f of operands that broadcast, reduced. */
const loss = (
  what: string,
  operands: readonly Operand[],
  reduction: Reduction | undefined,
  f: (...xs: readonly NdArray[]) => NdArray,
): NdArray => roundedOnce((...xs) => reduced(f(...xs), reduction))(...promoted(what, operands).map((x) => asFloat(what, x)))

export interface MeanSquaredErrorOptions extends ReductionOptions {
  /** Here the mean, unless said. */
  readonly reduction?: Reduction
}
/**
 * mean((x - y)²) over all elements: two arrays that broadcast -> []. Or each square, or their sum, by `reduction`.
 *
 * @example nn.meanSquaredError(np.array([1, 2]), np.array([1, 4])) // 2
 * @example nn.meanSquaredError(np.array([1, 2]), np.array([1, 4]), { reduction: 'none' }) // [0, 4]
 * @throws ShapeError when they don't broadcast
 */
export const meanSquaredError = /* @__PURE__ */ composedOptions(
  'nn.meanSquaredError',
  3,
  reductionOptions as Schema<MeanSquaredErrorOptions>,
  (x: Operand, y: Operand, { reduction = 'mean' }: MeanSquaredErrorOptions = {}): NdArray =>
    loss('nn.meanSquaredError', [x, y], reduction, (p, q) => np.square(np.sub(p!, q!))),
)

export interface HuberOptions extends ReductionOptions {
  /** From which difference on the loss is linear; default 1. */
  readonly delta?: number
}
const huberOptions: Schema<HuberOptions> = { delta: number, ...reductionOptions }
/**
 * (x - y)² / 2 where |x - y| is at most delta, else delta (|x - y| - delta / 2): two arrays that broadcast -> their shape. Huber 1964; as
 * `optax.huber_loss`, and PyTorch's HuberLoss.
 *
 * @example nn.huber(np.array([0, 3]), np.array([1, 0])) // [0.5, 2.5]
 * @throws ArgumentError when delta isn't positive
 */
export const huber = /* @__PURE__ */ composedOptions(
  'nn.huber',
  3,
  huberOptions,
  (x: Operand, y: Operand, { delta = 1, reduction }: HuberOptions = {}): NdArray => {
    if (!(delta > 0)) refuse(ArgumentError, 'nn.huber', [x, y], `delta is positive, and got ${delta}`)
    return loss('nn.huber', [x, y], reduction, (p, q) => {
      const far = abs(np.sub(p!, q!))
      const near = np.less(far, delta)
      const square = np.where(near, far, 0) // so that no large difference is squared
      return np.where(near, np.mul(np.square(square), 0.5), np.mul(np.sub(far, delta / 2), delta))
    })
  },
)

export interface KlDivergenceOptions extends ReductionOptions {
  /** The targets are logarithms too. */
  readonly logTargets?: boolean
}
const klDivergenceOptions: Schema<KlDivergenceOptions> = { logTargets: flag, ...reductionOptions }
/**
 * Σ target (log target - logPrediction) over the last axis: [...,V] twice -> [...]. The arguments mean what those of PyTorch's KLDivLoss and
 * `optax.kl_divergence` do: first the logarithms of the model's probabilities, then the probabilities themselves that it should have. A mean
 * is over the rows: PyTorch's 'batchmean' of a matrix. A target of 0 costs nothing.
 *
 * @example nn.klDivergence(np.log(np.array([0.5, 0.5])), np.array([1, 0])) // 0.6931472
 * @throws ShapeError when they don't broadcast, or have no axis
 */
export const klDivergence = /* @__PURE__ */ composedOptions(
  'nn.klDivergence',
  3,
  klDivergenceOptions,
  (logPredictions: Operand, targets: Operand, { logTargets = false, reduction }: KlDivergenceOptions = {}): NdArray =>
    loss('nn.klDivergence', [logPredictions, targets], reduction, (q, t) => {
      const empty = np.equal(t!, logTargets ? -Infinity : 0)
      const held = np.where(empty, logTargets ? 0 : 1, t!) // so that no derivative is 0 times infinity
      const [p, logP] = logTargets ? [np.where(empty, 0, np.exp(held)), held] : [t!, log(held)]
      const each = np.mul(p, np.sub(logP, q!))
      if (each.ndim === 0) refuse(ShapeError, 'nn.klDivergence', [logPredictions, targets], 'an axis of classes is needed')
      return np.sum(each, { axis: -1 })
    }),
)

/** log x, not below -100, the bound of PyTorch's; there a constant to derivatives. `zero` is where x is 0. */
const bounded = (f: (x: NdArray) => NdArray, x: NdArray, zero: NdArray): NdArray => {
  const y = f(np.where(zero, 0.5, x))
  return np.where(zero, -100, max(y, lit(y, -100)))
}
/**
 * -(y log p + (1 - y) log(1 - p)), in nats, of a probability p and a target y in [0, 1]: two arrays that broadcast -> their shape. Logarithms
 * stop at -100, as in PyTorch's BCELoss. With logits use `binaryCrossEntropyWithLogits`, which loses nothing near 0 and 1.
 *
 * @example nn.binaryCrossEntropy(np.array([0.5, 1]), np.array([1, 1])) // [0.6931472, 0]
 */
export const binaryCrossEntropy = /* @__PURE__ */ composedOptions(
  'nn.binaryCrossEntropy',
  3,
  reductionOptions,
  (probabilities: Operand, targets: Operand, { reduction }: ReductionOptions = {}): NdArray =>
    loss('nn.binaryCrossEntropy', [probabilities, targets], reduction, (p, y) => {
      const [yes, no] = [bounded(log, p!, np.equal(p!, 0)), bounded((x) => log1p(np.neg(x)), p!, np.equal(p!, 1))]
      return np.neg(np.add(np.mul(y!, yes), np.mul(np.sub(1, y!), no)))
    }),
)

export interface BinaryCrossEntropyOptions extends ReductionOptions {
  /** What a positive target counts beside a negative one: it broadcasts with the logits. Default 1. */
  readonly posWeight?: Operand
}
const binaryCrossEntropyOptions: Schema<BinaryCrossEntropyOptions> = { posWeight: operand, ...reductionOptions }
/**
 * -(posWeight · y log σ(x) + (1 - y) log σ(-x)), in nats, of a logit x and a target y in [0, 1]: arrays that broadcast -> their shape. As
 * PyTorch's BCEWithLogitsLoss, and `optax.sigmoid_binary_cross_entropy`.
 *
 * @example nn.binaryCrossEntropyWithLogits(np.array([0, 0]), np.array([0, 1]), { posWeight: 2 }) // [0.6931472, 1.3862944]
 */
export const binaryCrossEntropyWithLogits = /* @__PURE__ */ composedOptions(
  'nn.binaryCrossEntropyWithLogits',
  3,
  binaryCrossEntropyOptions,
  (logits: Operand, targets: Operand, { posWeight, reduction }: BinaryCrossEntropyOptions = {}): NdArray =>
    loss('nn.binaryCrossEntropyWithLogits', [logits, targets, ...(posWeight === undefined ? [] : [posWeight])], reduction, (x, y, w) => {
      const missed = np.mul(y!, softplus(np.neg(x!)))
      return np.add(w === undefined ? missed : np.mul(w, missed), np.mul(np.sub(1, y!), softplus(x!)))
    }),
)
