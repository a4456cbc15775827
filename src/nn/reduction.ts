/** What becomes of losses: each, their mean or their sum. */
import type { NdArray } from '../core/array.ts'
import { oneOf, type OptionKind, type Schema } from '../core/options.ts'
import * as np from '../numpy/index.ts'

export type Reduction = 'none' | 'mean' | 'sum'
export const reductionKind: OptionKind<Reduction> = oneOf('none', 'mean', 'sum')
export interface ReductionOptions {
  /** The losses themselves, which is the default, or their mean or sum: []. */
  readonly reduction?: Reduction
}
export const reductionOptions: Schema<ReductionOptions> = { reduction: reductionKind }

/** The mean is of those that `counted`, a bool for each, has: NaN where it has none, as in PyTorch. The others are 0. */
export const reduced = (losses: NdArray, reduction: Reduction = 'none', counted?: NdArray): NdArray => {
  if (reduction === 'none') return losses
  if (reduction === 'sum') return np.sum(losses)
  return counted === undefined ? np.mean(losses) : np.div(np.sum(losses), np.sum(counted))
}
