/** Optimizers: {init, update}, both pure. `update` turns gradients into what is to be added to the parameters. Trees in, trees out; jit them. */
import { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { naming, numberOf, optionsOf, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'

/** A tree of arrays that only its optimizer reads; pass it through jit like any other. */
export type OptState = unknown
/** A number, a scalar array, or a function of the step counted from 0: a schedule of `optim`, or one of your own made of `np`. */
export type LearningRate = Operand | ((step: NdArray) => Operand)

export interface UpdateOptions {
  /** This step's learning rate, instead of the optimizer's own: as an array argument of jit it can change without a new program. */
  readonly lr?: Operand
}
export interface Optimizer {
  readonly init: (params: unknown) => OptState
  readonly update: <T>(grads: T, state: OptState, params: T, options?: UpdateOptions) => readonly [updates: T, state: OptState]
}

/** Refusals of its update are told as the optimizer's. */
const optimizer = (what: string, init: Optimizer['init'], update: Optimizer['update']): Optimizer => ({
  init: naming(`optim.${what}.init`, init),
  update: naming(`optim.${what}.update`, update),
})
const stateless = (what: string, update: <T>(grads: T, params: T, options: UpdateOptions) => T): Optimizer =>
  optimizer(
    what,
    () => [],
    (grads, state, params, options) => [update(grads, params, optionsOf(`optim.${what}.update`, options)), state],
  )
const filled = (value: number, params: unknown): unknown => tree.map((p) => np.fullLike(p, value), params as NdArray)
const zeros = (params: unknown): unknown => filled(0, params)
/** b x + (1 - b) y, leaf by leaf. */
const decayTo = <T>(b: number, x: T, y: T): T => tree.map((a, g) => np.add(np.mul(a!, b), np.mul(g!, 1 - b)), x, y)
const squares = <T>(x: T): T => tree.map((g) => np.square(g), x)
/** Options with defaults; each must be of the default's type. */
const settings = <O extends object, D extends Readonly<Record<string, number | boolean>>>(
  what: string,
  options: O,
  defaults: D,
): D & O & { readonly lr: LearningRate } => {
  const given = { ...defaults, ...optionsOf(what, options) } as D & O & { readonly lr: LearningRate }
  for (const [key, value] of Object.entries(defaults))
    if (typeof given[key] !== typeof value) refuse(DTypeError, what, [options], `${key} is a ${typeof value}`)
  rateOf(what, given.lr)
  return given
}
const rateOf = (what: string, lr: unknown): LearningRate =>
  lr instanceof NdArray || typeof lr === 'number' || typeof lr === 'function'
    ? (lr as LearningRate)
    : refuse(DTypeError, what, [{ lr }], 'lr is a number, a scalar array or a schedule')

/**
 * One after the other: each updates what the one before gave. As `optax.chain`.
 *
 * @example optim.chain(optim.clipByGlobalNorm(1), optim.scale(-2)).update([np.array([10])], [[], []], [np.array([1])])[0] // [[-2]]
 */
export const chain = (...optimizers: readonly Optimizer[]): Optimizer => {
  for (const o of optimizers)
    if (typeof (o as Optimizer | undefined)?.update !== 'function') refuse(DTypeError, 'optim.chain', optimizers, 'optimizers are needed')
  return {
    init: (params) => optimizers.map((o) => o.init(params)),
    update: (grads, state, params, options = {}) => {
      let updates = grads
      const states = optimizers.map((o, i) => {
        const [next, s] = o.update(updates, (state as readonly OptState[])[i], params, options)
        updates = next
        return s
      })
      return [updates, states]
    },
  }
}

/** Every update times a factor. As `optax.scale`. @example optim.scale(-0.1).update([np.array([3])], [], [np.array([1])])[0] // [[-0.3]] */
export const scale = (factor: Operand): Optimizer => stateless('scale', (grads) => tree.map((g) => np.mul(g, factor), grads))

/**
 * Times minus the learning rate: the optimizer's own (a schedule's at the count of updates), or the call's. As `optax.scale_by_learning_rate`.
 *
 * @example optim.scaleByLearningRate(0.1).update([np.array([3])], [], [np.array([1])])[0] // [[-0.3]]
 */
export const scaleByLearningRate = (lr: LearningRate): Optimizer => {
  const what = 'scaleByLearningRate'
  const own = rateOf(`optim.${what}`, lr)
  const scaled = <T>(grads: T, rate: Operand): T => {
    const down = np.neg(rate)
    return tree.map((g) => np.mul(g, down), grads)
  }
  if (typeof own !== 'function') return stateless(what, (grads, _params, options) => scaled(grads, options.lr ?? own))
  return optimizer(
    what,
    () => np.zeros([], 'int32'),
    (grads, state, _params, options) => {
      const count = state as NdArray
      return [scaled(grads, options?.lr ?? own(count)), np.add(count, 1)]
    },
  )
}

/** sqrt(Σ x²) over all leaves -> []. As `optax.global_norm`. @example optim.globalNorm([np.array([3]), np.array([4])]) // 5 */
export const globalNorm = naming('optim.globalNorm', (xs: unknown): NdArray =>
  np.sqrt(tree.reduce((total, x) => np.add(total, np.sum(np.square(x))), xs, np.zeros([]))),
)

/**
 * Scales the whole tree down to the global norm `maxNorm` where it is above. As `optax.clip_by_global_norm` (Pascanu et al. 2012).
 *
 * @example optim.clipByGlobalNorm(1).update([np.array([3, 4])], [], [np.array([0, 0])])[0] // [[0.6, 0.8]]
 */
export const clipByGlobalNorm = (maxNorm: number): Optimizer => {
  numberOf('optim.clipByGlobalNorm', maxNorm)
  return stateless('clipByGlobalNorm', (grads) => {
    const norm = globalNorm(grads)
    const factor = np.where(np.less(norm, maxNorm), 1, np.div(maxNorm, norm))
    return tree.map((g) => np.mul(g, factor), grads)
  })
}

/** Keeps t := g + decay · t, and gives t (nesterov: g + decay · t). As `optax.trace`. */
const trace = (decay: number, nesterov: boolean): Optimizer =>
  optimizer('sgd', zeros, <T>(grads: T, state: OptState) => {
    const push = (t: T): T => tree.map((g, m) => np.add(g!, np.mul(m!, decay)), grads, t)
    const moved = push(state as T)
    return [nesterov ? push(moved) : moved, moved] as const
  })

export interface SgdOptions {
  readonly lr: LearningRate
  /** Default 0: none, and no state. */
  readonly momentum?: number
  /** Nesterov's momentum (Sutskever et al. 2013); default false. */
  readonly nesterov?: boolean
}
/**
 * Gradient descent: -lr · g, or with momentum -lr · t, t := g + momentum · t. As `optax.sgd`.
 *
 * @example optim.sgd({ lr: 0.1 }).update([np.array([3])], [], [np.array([1])])[0] // [[-0.3]]
 */
export const sgd = (options: SgdOptions): Optimizer => {
  const { lr, momentum, nesterov } = settings('optim.sgd', options, { momentum: 0, nesterov: false })
  return momentum === 0 ? scaleByLearningRate(lr) : chain(trace(momentum, nesterov), scaleByLearningRate(lr))
}

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
      const count = np.add(last.count, 1)
      const m = decayTo(b1, last.m, grads)
      const v = decayTo(b2, last.v, squares(grads))
      const t = np.astype(count, 'float32')
      const correction = (b: number, steps: NdArray): NdArray => np.neg(np.expm1(np.mul(steps, Math.log(b)))) // 1 - bᵗ, without cancellation
      const [c1, c2] = [correction(b1, nesterov ? np.add(t, 1) : t), correction(b2, t)]
      const root = (s: NdArray): NdArray => np.add(np.sqrt(np.div(s, c2)), eps)
      const ahead = nesterov ? correction(b1, t) : null // Dozat 2016: m̂ is what the next step's would be
      const mean = (a: NdArray, g: NdArray): NdArray =>
        ahead === null ? np.div(a, c1) : np.add(np.mul(np.div(a, c1), b1), np.mul(np.div(g, ahead), 1 - b1))
      const updates = tree.map((a, s, g) => np.div(mean(a!, g!), root(s!)), m, v, grads)
      return [updates, { count, m, v }] as const
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
const ADAM = { b1: 0.9, b2: 0.999, eps: 1e-8, nesterov: false }
/**
 * -lr · m̂ / (sqrt(v̂) + eps), m̂ and v̂ the unbiased running means of g and g². As `optax.adam` (Kingma and Ba 2014).
 *
 * @example
 * const adam = optim.adam({ lr: 1e-3 })
 * adam.update([np.array([3])], adam.init([np.array([1])]), [np.array([1])])[0] // [[-0.001]]
 */
export const adam = (options: AdamOptions): Optimizer => {
  const given = settings('optim.adam', options, ADAM)
  return chain(scaleByAdam('adam', given), scaleByLearningRate(given.lr))
}

export interface AdamwOptions extends AdamOptions {
  /** Default 1e-4, Optax's. */
  readonly weightDecay?: number
  /** Which leaves decay: a tree of booleans like the parameters, or a function that makes one. Default: all. */
  readonly mask?: unknown
}
const addDecayedWeights = (what: string, weightDecay: number, mask: unknown): Optimizer =>
  stateless(what, <T>(grads: T, params: T): T => {
    const chosen = (typeof mask === 'function' ? (mask as (p: T) => T)(params) : (mask ?? tree.map(() => true, params))) as T
    return tree.map((g, p, on) => ((on as unknown as boolean) ? np.add(g!, np.mul(p!, weightDecay)) : g), grads, params, chosen)
  })
/**
 * Adam, and -lr · weightDecay · p beside it. As `optax.adamw` (Loshchilov and Hutter 2017).
 *
 * @example
 * const params = { w: np.ones([1, 1]), b: np.ones([1]) }
 * const adamw = optim.adamw({ lr: 1e-3, weightDecay: 0.1, mask: { w: true, b: false } })
 * adamw.update(params, adamw.init(params), params)[0] // { b: [-0.001], w: [[-0.0011]] }
 */
export const adamw = (options: AdamwOptions): Optimizer => {
  const given = settings('optim.adamw', options, { ...ADAM, weightDecay: 1e-4 })
  return chain(scaleByAdam('adamw', given), addDecayedWeights('adamw', given.weightDecay, given.mask), scaleByLearningRate(given.lr))
}

export interface LionOptions {
  readonly lr: LearningRate
  /** Default 0.9. */
  readonly b1?: number
  /** Default 0.99. */
  readonly b2?: number
  /** Default 1e-3, Optax's. */
  readonly weightDecay?: number
}
/**
 * -lr · (sign(b1 m + (1 - b1) g) + weightDecay · p), m := b2 m + (1 - b2) g. As `optax.lion` (Chen et al. 2023).
 *
 * @example
 * const lion = optim.lion({ lr: 0.01, weightDecay: 0 })
 * lion.update([np.array([3])], lion.init([np.array([1])]), [np.array([1])])[0] // [[-0.01]]
 */
export const lion = (options: LionOptions): Optimizer => {
  const { lr, b1, b2, weightDecay } = settings('optim.lion', options, { b1: 0.9, b2: 0.99, weightDecay: 1e-3 })
  const signs = optimizer('lion', zeros, <T>(grads: T, state: OptState) => {
    const m = state as T
    return [tree.map((x) => np.sign(x), decayTo(b1, m, grads)), decayTo(b2, m, grads)] as const
  })
  return chain(signs, addDecayedWeights('lion', weightDecay, undefined), scaleByLearningRate(lr))
}

export interface RmspropOptions {
  readonly lr: LearningRate
  /** Default 0.9. */
  readonly decay?: number
  /** Added to the mean of squares; default 1e-8. */
  readonly eps?: number
}
/**
 * -lr · g / sqrt(v + eps), v := decay · v + (1 - decay) g². As `optax.rmsprop` (Tieleman and Hinton 2012).
 *
 * @example
 * const rmsprop = optim.rmsprop({ lr: 0.1, decay: 0.75 })
 * rmsprop.update([np.array([3])], rmsprop.init([np.array([1])]), [np.array([1])])[0] // [[-0.2]]
 */
export const rmsprop = (options: RmspropOptions): Optimizer => {
  const { lr, decay, eps } = settings('optim.rmsprop', options, { decay: 0.9, eps: 1e-8 })
  const roots = optimizer('rmsprop', zeros, <T>(grads: T, state: OptState) => {
    const v = decayTo(decay, state as T, squares(grads))
    return [tree.map((g, s) => np.div(g!, np.sqrt(np.add(s!, eps))), grads, v), v] as const
  })
  return chain(roots, scaleByLearningRate(lr))
}

export interface AdagradOptions {
  readonly lr: LearningRate
  /** The sum of squares at first; default 0.1. */
  readonly initialAccumulator?: number
  /** Added to the sum of squares; default 1e-7. */
  readonly eps?: number
}
/**
 * -lr · g / sqrt(Σ g² + eps). As `optax.adagrad` (Duchi et al. 2011).
 *
 * @example
 * const adagrad = optim.adagrad({ lr: 0.1, initialAccumulator: 7 })
 * adagrad.update([np.array([3])], adagrad.init([np.array([1])]), [np.array([1])])[0] // [[-0.075]]
 */
export const adagrad = (options: AdagradOptions): Optimizer => {
  const { lr, initialAccumulator, eps } = settings('optim.adagrad', options, { initialAccumulator: 0.1, eps: 1e-7 })
  const roots = optimizer(
    'adagrad',
    (params) => filled(initialAccumulator, params),
    <T>(grads: T, state: OptState) => {
      const total: T = tree.map((s, g) => np.add(s!, np.square(g!)), state as T, grads)
      const scaled = (g: NdArray, s: NdArray): NdArray => np.where(np.greater(s, 0), np.div(g, np.sqrt(np.add(s, eps))), 0)
      return [tree.map((g, s) => scaled(g!, s!), grads, total), total] as const
    },
  )
  return chain(roots, scaleByLearningRate(lr))
}

/** p + u, leaf by leaf, at the dtype of p. As `optax.apply_updates`. @example optim.applyUpdates({ w: np.array([1]) }, { w: np.array([2]) }) // { w: [3] } */
export const applyUpdates = naming('optim.applyUpdates', <T>(params: T, updates: T): T =>
  tree.map((p, u) => np.astype(np.add(p!, u!), np.array(p!).dtype), params, updates),
)
