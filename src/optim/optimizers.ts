/** Optimizers: {init, update}, both pure. `update` turns gradients into what is to be added to the parameters. Trees in, trees out; jit them. */
import type { NdArray } from '../core/array.ts'
import type { Operand } from '../core/methods.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'

/** A tree of arrays that only its optimizer reads; pass it through jit like any other. */
export type OptState = unknown

export interface UpdateOptions {
  /** This step's learning rate, instead of the optimizer's own: as an array argument of jit it can change without a new program. */
  readonly lr?: Operand
}
export interface Optimizer {
  readonly init: (params: unknown) => OptState
  readonly update: <T>(grads: T, state: OptState, params: T, options?: UpdateOptions) => readonly [updates: T, state: OptState]
}

const stateless = (update: <T>(grads: T, params: T, options: UpdateOptions) => T): Optimizer => ({
  init: () => [],
  update: (grads, state, params, options = {}) => [update(grads, params, options), state],
})
const zerosLike = (params: unknown): unknown => tree.map((p) => np.zerosLike(p), params)
/** b x + (1 - b) y, leaf by leaf. */
const decayTo = <T>(b: number, x: T, y: T): T => tree.map((a, g) => np.add(np.mul(a!, b), np.mul(g!, 1 - b)), x, y)

/** One after the other: each updates what the one before gave. As `optax.chain`: `chain(clipByGlobalNorm(1), adam({ lr: 1e-3 }))`. */
export const chain = (...optimizers: readonly Optimizer[]): Optimizer => ({
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
})

/** Every update times a factor. As `optax.scale`: `scale(-0.1)` is gradient descent. */
export const scale = (factor: Operand): Optimizer => stateless((grads) => tree.map((g) => np.mul(g, factor), grads))

/** Times minus the learning rate: the optimizer's own, or the call's. As `optax.scale_by_learning_rate`. */
export const scaleByLearningRate = (lr: Operand): Optimizer =>
  stateless((grads, _params, options) => {
    const rate = np.neg(options.lr ?? lr)
    return tree.map((g) => np.mul(g, rate), grads)
  })

/** sqrt(Σ x²) over all leaves -> []. As `optax.global_norm`: `globalNorm([np.array([3]), np.array([4])]) // 5`. */
export const globalNorm = (xs: unknown): NdArray =>
  np.sqrt(tree.reduce((total, x) => np.add(total, np.sum(np.square(x))), xs, np.zeros([])))

/** Scales the whole tree down to the global norm `maxNorm` where it is above. As `optax.clip_by_global_norm` (Pascanu et al. 2012). */
export const clipByGlobalNorm = (maxNorm: number): Optimizer =>
  stateless((grads) => {
    const norm = globalNorm(grads)
    const factor = np.where(np.less(norm, maxNorm), 1, np.div(maxNorm, norm))
    return tree.map((g) => np.mul(g, factor), grads)
  })

/** Keeps t := g + decay · t, and gives t (nesterov: g + decay · t). As `optax.trace`. */
const trace = (decay: number, nesterov: boolean): Optimizer => ({
  init: zerosLike,
  update: <T>(grads: T, state: OptState) => {
    const push = (t: T): T => tree.map((g, m) => np.add(g!, np.mul(m!, decay)), grads, t)
    const moved = push(state as T)
    return [nesterov ? push(moved) : moved, moved] as const
  },
})

export interface SgdOptions {
  readonly lr: Operand
  /** Default 0: none, and no state. */
  readonly momentum?: number
  /** Nesterov's momentum (Sutskever et al. 2013); default false. */
  readonly nesterov?: boolean
}
/** Gradient descent: -lr · g, or with momentum -lr · t, t := g + momentum · t. As `optax.sgd`: `sgd({ lr: 0.1, momentum: 0.9 })`. */
export const sgd = ({ lr, momentum = 0, nesterov = false }: SgdOptions): Optimizer =>
  momentum === 0 ? scaleByLearningRate(lr) : chain(trace(momentum, nesterov), scaleByLearningRate(lr))

interface AdamState<T> {
  readonly count: NdArray // int32 []
  readonly m: T
  readonly v: T
}
const scaleByAdam = (b1: number, b2: number, eps: number): Optimizer => ({
  init: (params) => ({ count: np.zeros([], 'int32'), m: zerosLike(params), v: zerosLike(params) }),
  update: <T>(grads: T, state: OptState) => {
    const last = state as AdamState<T>
    const count = np.add(last.count, 1)
    const m = decayTo(b1, last.m, grads)
    const v = decayTo(
      b2,
      last.v,
      tree.map((g) => np.square(g), grads),
    )
    const correction = (b: number): NdArray => np.neg(np.expm1(np.mul(np.astype(count, 'float32'), Math.log(b)))) // 1 - bᵗ, without cancellation
    const [c1, c2] = [correction(b1), correction(b2)]
    const updates = tree.map((a, s) => np.div(np.div(a!, c1), np.add(np.sqrt(np.div(s!, c2)), eps)), m, v)
    return [updates, { count, m, v }] as const
  },
})

export interface AdamOptions {
  readonly lr: Operand
  /** Default 0.9. */
  readonly b1?: number
  /** Default 0.999. */
  readonly b2?: number
  /** Added to the root of the second moment; default 1e-8. */
  readonly eps?: number
}
/** -lr · m̂ / (sqrt(v̂) + eps), m̂ and v̂ the unbiased running means of g and g². As `optax.adam` (Kingma and Ba 2014): `adam({ lr: 1e-3 })`. */
export const adam = ({ lr, b1 = 0.9, b2 = 0.999, eps = 1e-8 }: AdamOptions): Optimizer =>
  chain(scaleByAdam(b1, b2, eps), scaleByLearningRate(lr))

export interface AdamwOptions extends AdamOptions {
  /** Default 1e-4, Optax's. */
  readonly weightDecay?: number
  /** Which leaves decay: a tree of booleans like the parameters, or a function that makes one. Default: all. */
  readonly mask?: unknown
}
const addDecayedWeights = (weightDecay: number, mask: unknown): Optimizer =>
  stateless(<T>(grads: T, params: T): T => {
    const chosen = (typeof mask === 'function' ? (mask as (p: T) => T)(params) : (mask ?? tree.map(() => true, params))) as T
    return tree.map((g, p, on) => ((on as unknown as boolean) ? np.add(g!, np.mul(p!, weightDecay)) : g), grads, params, chosen)
  })
/**
 * Adam, and -lr · weightDecay · p beside it. As `optax.adamw` (Loshchilov and Hutter 2017).
 *
 * @example adamw({ lr: 1e-3, weightDecay: 0.1, mask: (params: Params) => tree.map((p) => p.ndim > 1, params) })
 */
export const adamw = ({ lr, b1 = 0.9, b2 = 0.999, eps = 1e-8, weightDecay = 1e-4, mask }: AdamwOptions): Optimizer =>
  chain(scaleByAdam(b1, b2, eps), addDecayedWeights(weightDecay, mask), scaleByLearningRate(lr))

/** p + u, leaf by leaf. As `optax.apply_updates`. */
export const applyUpdates = <T>(params: T, updates: T): T => tree.map((p, u) => np.add(p!, u!), params, updates)
