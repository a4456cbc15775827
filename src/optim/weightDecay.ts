/** Weight decay, on the leaves that a mask chooses. */
import { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import { refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'
import { spread } from '../../transforms/prefix.ts'
import { type Optimizer, stateless } from './optimizer.ts'
import { narrow, wide } from './precision.ts'

type Truth = boolean | NdArray
const isTruth = (x: unknown): x is Truth => typeof x === 'boolean' || (x instanceof NdArray && x.ndim === 0 && x.dtype === 'bool')

/** A truth for each leaf of the parameters, in their structure. */
const chosen = <T>(what: string, mask: unknown, params: T): T => {
  const given: unknown = typeof mask === 'function' ? (mask as (p: T) => unknown)(params) : (mask ?? true)
  const paths = tree.paths(given)
  ;(tree.leaves(given) as unknown[]).forEach((on, i) => {
    if (!isTruth(on)) refuse(DTypeError, what, [on], `mask${paths[i]!} is true, false or a bool array of shape []`)
  })
  const def = tree.structure(params)
  return tree.unflatten(def, spread(given, def, isTruth, `${what}: mask`)) as T
}

/** g + weightDecay · p. As `optax.add_decayed_weights`. */
export const addDecayedWeights = (of: string, weightDecay: number, mask?: unknown): Optimizer =>
  stateless(of, (grads, params) => {
    const on = chosen(`optim.${of}.update`, mask, params)
    if (weightDecay === 0) return grads // 0 · ∞ would be NaN
    return tree.map(
      (g, p, here: Truth) => {
        if (here === false) return g!
        const decayed = narrow(np.add(wide(g!), np.mul(wide(p!), weightDecay)), g!, p!)
        return here === true ? decayed : np.where(here, decayed, g!)
      },
      grads,
      params,
      on,
    )
  })
