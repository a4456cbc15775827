/** What optimizers are chained from, and what applies their updates. */
import type { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { composed, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'
import { isScalar, type LearningRate, type Optimizer, optimizer, type OptState, rateOf, stateless, updateOptions } from './optimizer.ts'
import { increment, narrow, wide, widest } from './precision.ts'
import { reading } from '../core/show.ts'

const isOptimizer = (o: Optimizer | undefined): boolean => typeof o?.update === 'function' && typeof o.init === 'function'
/**
 * One after the other: each updates what the one before gave. As `optax.chain`.
 *
 * @example optim.chain(optim.clipByGlobalNorm(1), optim.scale(-2)).update([np.array([10])], [[], []], [np.array([1])])[0] // [[-2]]
 */
export const chain = (...optimizers: readonly Optimizer[]): Optimizer => {
  if (!reading(DTypeError, 'optim.chain: an optimizer', () => optimizers.every(isOptimizer)))
    refuse(DTypeError, 'optim.chain', optimizers, 'optimizers are needed')
  return {
    init: takes<Optimizer['init']>('optim.chain.init', 1, (params) => optimizers.map((o) => o.init(params))),
    update: takesOptions<Optimizer['update']>('optim.chain.update', 4, updateOptions, (grads, state, params, options) => {
      let updates = grads
      const states = optimizers.map((o, i) => {
        const [next, s] = o.update(updates, (state as readonly OptState[])[i], params, options)
        updates = next
        return s
      })
      return [updates, states]
    }),
  }
}

/** Leaves keep their dtype, whatever the factor's. */
const times = <T>(grads: T, factor: Operand): T => tree.map((g) => narrow(np.mul(wide(g), factor), g), grads)

/** Every update times a scalar, at the update's dtype. As `optax.scale`. @example optim.scale(-0.1).update([np.array([3])], [], [np.array([1])])[0] // [[-0.3]] */
export const scale = /* @__PURE__ */ takes('optim.scale', 1, (factor: Operand): Optimizer =>
  isScalar(factor)
    ? stateless('scale', (grads) => times(grads, factor))
    : refuse(DTypeError, 'optim.scale', [factor], 'the factor is a number or a scalar array'),
)

/**
 * Times minus the learning rate: the optimizer's own (a schedule's at the count of updates), or the call's. As `optax.scale_by_learning_rate`.
 *
 * @example optim.scaleByLearningRate(0.1).update([np.array([3])], [], [np.array([1])])[0] // [[-0.3]]
 */
export const scaleByLearningRate = /* @__PURE__ */ takes('optim.scaleByLearningRate', 1, (lr: LearningRate): Optimizer => {
  const what = 'scaleByLearningRate'
  const own = rateOf(`optim.${what}`, lr)
  const down = <T>(grads: T, rate: unknown): T =>
    isScalar(rate)
      ? times(grads, typeof rate === 'number' ? -rate : np.neg(rate))
      : refuse(DTypeError, `optim.${what}.update`, [rate], "a step's learning rate is a number or a scalar array")
  if (typeof own !== 'function') return stateless(what, (grads, _params, options) => down(grads, options.lr ?? own))
  return optimizer(
    what,
    () => np.zeros([], 'int32'),
    (grads, state, _params, options) => {
      const count = state as NdArray
      const rate = options?.lr ?? own('_tag' in own ? np.astype(count, widest(grads)) : count)
      return [down(grads, rate), increment(count)]
    },
  )
})

/**
 * sqrt(Σ x²) over all leaves -> [], in float32 at least; its derivative at 0 is 0. As `optax.global_norm`.
 *
 * @example optim.globalNorm([np.array([3]), np.array([4])]) // 5
 */
export const globalNorm = /* @__PURE__ */ composed('optim.globalNorm', 1, (xs: unknown): NdArray => {
  const total = tree.reduce((sum, x) => np.add(sum, np.sum(np.square(wide(x)))), xs, np.zeros([]))
  return np.safeWhere(np.notEqual(total, 0), np.sqrt, total, 0)
})

/**
 * Scales the whole tree down to the global norm `maxNorm` where it is above. As `optax.clip_by_global_norm` (Pascanu et al. 2012).
 *
 * @example optim.clipByGlobalNorm(1).update([np.array([3, 4])], [], [np.array([0, 0])])[0] // [[0.6, 0.8]]
 */
export const clipByGlobalNorm = /* @__PURE__ */ takes('optim.clipByGlobalNorm', 1, (maxNorm: Operand): Optimizer => {
  if (!isScalar(maxNorm) || (typeof maxNorm === 'number' && !(maxNorm >= 0)))
    refuse(DTypeError, 'optim.clipByGlobalNorm', [maxNorm], 'maxNorm is a number of at least 0, or a scalar array')
  return stateless('clipByGlobalNorm', (grads) => {
    const norm = globalNorm(grads)
    const above = np.logicalNot(np.lessEqual(norm, maxNorm)) // NaN too
    return times(
      grads,
      np.safeWhere(above, (n) => np.div(maxNorm, n), norm, 1),
    )
  })
})

/** p + u, leaf by leaf, at the dtype of p. As `optax.apply_updates`. @example optim.applyUpdates({ w: np.array([1]) }, { w: np.array([2]) }) // { w: [3] } */
export const applyUpdates = /* @__PURE__ */ composed('optim.applyUpdates', 2, <T>(params: T, updates: T): T =>
  tree.map((p, u) => np.astype(np.add(p!, u!), np.array(p!).dtype), params, updates),
)
