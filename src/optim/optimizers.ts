/** The optimizers themselves. Trees in, trees out; jit them. */
import type { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import { anything, flag, needed, number, option, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'
import { type LearningRate, type Optimizer, optimizer, type OptState, isRate } from './optimizer.ts'
import { increment, narrow, narrowAll, wide, widest } from './precision.ts'
import { chain, scaleByLearningRate } from './transformations.ts'
import { addDecayedWeights } from './weightDecay.ts'

const filled = (value: number, params: unknown): unknown => tree.map((p) => np.fullLike(p, value), params as NdArray)
const zeros = (params: unknown): unknown => filled(0, params)
/** b x + (1 - b) y, leaf by leaf. */
const decayTo = <T>(b: number, x: T, y: T): T => tree.map((a, g) => np.add(np.mul(wide(a!), b), np.mul(wide(g!), 1 - b)), x, y)
const squares = <T>(x: T): T => tree.map((g) => np.square(wide(g)), x)
/** A learning rate: a number, a scalar array or a schedule. */
const rate = needed<LearningRate>(option(DTypeError, 'a number, a scalar array or a schedule', isRate))
/** Keeps t := g + decay · t, and gives t (nesterov: g + decay · t). As `optax.trace`. */
const trace = (decay: number, nesterov: boolean): Optimizer =>
  optimizer('sgd', zeros, <T>(grads: T, state: OptState) => {
    const last = state as T
    const push = (t: T): T => tree.map((g, m) => narrow(np.add(wide(g!), np.mul(wide(m!), decay)), g!, m!), grads, t)
    const moved = push(last)
    return [nesterov ? push(moved) : moved, narrowAll(moved, last)] as const
  })

export interface SgdOptions {
  readonly lr: LearningRate
  /** Default 0: none, and no state. */
  readonly momentum?: number
  /** Nesterov's momentum (Sutskever et al. 2013); default false. */
  readonly nesterov?: boolean
}
const sgdOptions: Schema<SgdOptions> = { lr: rate, momentum: number, nesterov: flag }
/**
 * Gradient descent: -lr · g, or with momentum -lr · t, t := g + momentum · t. As `optax.sgd`.
 *
 * @example optim.sgd({ lr: 0.1 }).update([np.array([3])], [], [np.array([1])])[0] // [[-0.3]]
 */
export const sgd = /* @__PURE__ */ takesOptions('optim.sgd', 1, sgdOptions, (options: SgdOptions): Optimizer => {
  const { lr, momentum, nesterov } = { momentum: 0, nesterov: false, ...options }
  return momentum === 0 ? scaleByLearningRate(lr) : chain(trace(momentum, nesterov), scaleByLearningRate(lr))
})

interface AdamState<T> {
  readonly count: NdArray // int32 []
  readonly m: T
  readonly v: T
}
const scaleByAdam = (what: string, { b1, b2, eps, nesterov }: Required<Omit<AdamOptions, 'lr'>>): Optimizer =>
  optimizer(
    what,
    (params) => ({ count: np.zeros([], 'int32'), m: zeros(params), v: zeros(params) }),
    <T>(grads: T, state: OptState) => {
      const last = state as AdamState<T>
      const count = increment(last.count)
      const m = decayTo(b1, last.m, grads)
      const v = decayTo(b2, last.v, squares(grads))
      const t = np.astype(count, widest(grads))
      const correction = (b: number, steps: NdArray): NdArray => np.neg(np.expm1(np.mul(steps, Math.log(b)))) // 1 - bᵗ, without cancellation
      const [c1, c2] = [correction(b1, nesterov ? np.add(t, 1) : t), correction(b2, t)]
      const root = (s: NdArray): NdArray => np.add(np.sqrt(np.div(s, c2)), eps)
      const ahead = nesterov ? correction(b1, t) : null // Dozat 2016: m̂ is what the next step's would be
      const mean = (a: NdArray, g: NdArray, r: NdArray): NdArray => {
        const next = np.div(np.div(a, r), c1) // by r first: a / c1 may overflow
        return ahead === null ? next : np.add(np.mul(next, b1), np.mul(np.div(np.div(wide(g), r), ahead), 1 - b1))
      }
      const updates = tree.map((a, s, g, kept) => narrow(mean(a!, g!, root(s!)), g!, kept!), m, v, grads, last.m)
      return [updates, { count, m: narrowAll(m, last.m), v: narrowAll(v, last.v) }] as const
    },
  )

export interface AdamOptions {
  readonly lr: LearningRate
  /** Default 0.9. */
  readonly b1?: number
  /** Default 0.999. */
  readonly b2?: number
  /** Added to the root of the second moment; default 1e-8. */
  readonly eps?: number
  /** Nesterov's momentum (Dozat 2016); default false. */
  readonly nesterov?: boolean
}
const adamOptions: Schema<AdamOptions> = { lr: rate, b1: number, b2: number, eps: number, nesterov: flag }
const ADAM = { b1: 0.9, b2: 0.999, eps: 1e-8, nesterov: false }
/**
 * -lr · m̂ / (sqrt(v̂) + eps), m̂ and v̂ the unbiased running means of g and g². As `optax.adam` (Kingma and Ba 2014).
 *
 * @example
 * const adam = optim.adam({ lr: 1e-3 })
 * adam.update([np.array([3])], adam.init([np.array([1])]), [np.array([1])])[0] // [[-0.001]]
 */
export const adam = /* @__PURE__ */ takesOptions('optim.adam', 1, adamOptions, (options: AdamOptions): Optimizer => {
  const given = { ...ADAM, ...options }
  return chain(scaleByAdam('adam', given), scaleByLearningRate(given.lr))
})

export interface AdamwOptions extends AdamOptions {
  /** Default 1e-4, Optax's. */
  readonly weightDecay?: number
  /**
   * Which leaves decay: a tree like the parameters of true, false and bool arrays of shape [], where one may stand for a whole branch, or a function
   * of the parameters that makes one. Default: all.
   */
  readonly mask?: unknown
}
const adamwOptions: Schema<AdamwOptions> = { ...adamOptions, weightDecay: number, mask: anything }
/**
 * Adam, and -lr · weightDecay · p beside it. As `optax.adamw` (Loshchilov and Hutter 2017).
 *
 * @example
 * const params = { w: np.ones([1, 1]), b: np.ones([1]) }
 * const adamw = optim.adamw({ lr: 1e-3, weightDecay: 0.1, mask: { w: true, b: false } })
 * adamw.update(params, adamw.init(params), params)[0] // { b: [-0.001], w: [[-0.0011]] }
 */
export const adamw = /* @__PURE__ */ takesOptions('optim.adamw', 1, adamwOptions, (options: AdamwOptions): Optimizer => {
  const given = { ...ADAM, weightDecay: 1e-4, ...options }
  return chain(scaleByAdam('adamw', given), addDecayedWeights('adamw', given.weightDecay, given.mask), scaleByLearningRate(given.lr))
})

export interface LionOptions {
  readonly lr: LearningRate
  /** Default 0.9. */
  readonly b1?: number
  /** Default 0.99. */
  readonly b2?: number
  /** Default 1e-3, Optax's. */
  readonly weightDecay?: number
}
const lionOptions: Schema<LionOptions> = { lr: rate, b1: number, b2: number, weightDecay: number }
/**
 * -lr · (sign(b1 m + (1 - b1) g) + weightDecay · p), m := b2 m + (1 - b2) g. As `optax.lion` (Chen et al. 2023).
 *
 * @example
 * const lion = optim.lion({ lr: 0.01, weightDecay: 0 })
 * lion.update([np.array([3])], lion.init([np.array([1])]), [np.array([1])])[0] // [[-0.01]]
 */
export const lion = /* @__PURE__ */ takesOptions('optim.lion', 1, lionOptions, (options: LionOptions): Optimizer => {
  const { lr, b1, b2, weightDecay } = { b1: 0.9, b2: 0.99, weightDecay: 1e-3, ...options }
  const scaleByLion = optimizer('lion', zeros, <T>(grads: T, state: OptState) => {
    const m = state as T
    const signs = tree.map((x, g, kept) => narrow(np.sign(x), g!, kept!), decayTo(b1, m, grads), grads, m)
    return [signs, narrowAll(decayTo(b2, m, grads), m)] as const
  })
  return chain(scaleByLion, addDecayedWeights('lion', weightDecay), scaleByLearningRate(lr))
})

export interface RmspropOptions {
  readonly lr: LearningRate
  /** Default 0.9. */
  readonly decay?: number
  /** Added to the mean of squares; default 1e-8. */
  readonly eps?: number
}
const rmspropOptions: Schema<RmspropOptions> = { lr: rate, decay: number, eps: number }
/**
 * -lr · g / sqrt(v + eps), v := decay · v + (1 - decay) g². As `optax.rmsprop` (Tieleman and Hinton 2012).
 *
 * @example
 * const rmsprop = optim.rmsprop({ lr: 0.1, decay: 0.75 })
 * rmsprop.update([np.array([3])], rmsprop.init([np.array([1])]), [np.array([1])])[0] // [[-0.2]]
 */
export const rmsprop = /* @__PURE__ */ takesOptions('optim.rmsprop', 1, rmspropOptions, (options: RmspropOptions): Optimizer => {
  const { lr, decay, eps } = { decay: 0.9, eps: 1e-8, ...options }
  const roots = optimizer('rmsprop', zeros, <T>(grads: T, state: OptState) => {
    const last = state as T
    const v = decayTo(decay, last, squares(grads))
    const updates = tree.map((g, s, kept) => narrow(np.div(wide(g!), np.sqrt(np.add(s!, eps))), g!, kept!), grads, v, last)
    return [updates, narrowAll(v, last)] as const
  })
  return chain(roots, scaleByLearningRate(lr))
})

export interface AdagradOptions {
  readonly lr: LearningRate
  /** The sum of squares at first; default 0.1. */
  readonly initialAccumulator?: number
  /** Added to the sum of squares; default 1e-7. */
  readonly eps?: number
}
const adagradOptions: Schema<AdagradOptions> = { lr: rate, initialAccumulator: number, eps: number }
/**
 * -lr · g / sqrt(Σ g² + eps). As `optax.adagrad` (Duchi et al. 2011).
 *
 * @example
 * const adagrad = optim.adagrad({ lr: 0.1, initialAccumulator: 7 })
 * adagrad.update([np.array([3])], adagrad.init([np.array([1])]), [np.array([1])])[0] // [[-0.075]]
 */
export const adagrad = /* @__PURE__ */ takesOptions('optim.adagrad', 1, adagradOptions, (options: AdagradOptions): Optimizer => {
  const { lr, initialAccumulator, eps } = { initialAccumulator: 0.1, eps: 1e-7, ...options }
  const roots = optimizer(
    'adagrad',
    (params) => filled(initialAccumulator, params),
    <T>(grads: T, state: OptState) => {
      const last = state as T
      const total: T = tree.map((s, g) => np.add(wide(s!), np.square(wide(g!))), last, grads)
      const factor = (s: NdArray): NdArray => np.where(np.greater(s, 0), np.div(1, np.sqrt(np.add(s, eps))), 0)
      const updates = tree.map((g, s, kept) => narrow(np.mul(wide(g!), factor(s!)), g!, kept!), grads, total, last)
      return [updates, narrowAll(total, last)] as const
    },
  )
  return chain(roots, scaleByLearningRate(lr))
})
