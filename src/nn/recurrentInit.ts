/** Parameters of recurrent layers, uniform in ±1/√H as PyTorch draws them. */
import type { NdArray } from '../core/array.ts'
import { range } from '../core/constructors.ts'
import { atLeast, flag, needed, type Schema } from '../core/options.ts'
import { composedOptions } from '../numpy/check.ts'
import * as random from '../random/index.ts'
import type { LinearParams } from './linear.ts'
import type { RecurrentDirection, RecurrentParams } from './recurrent.ts'

export interface RecurrentSizes {
  /** I. */
  readonly input: number
  /** H. */
  readonly hidden: number
  /** Default 1. */
  readonly layers?: number
  /** Default false. */
  readonly bidirectional?: boolean
  /** Default true. */
  readonly bias?: boolean
}
const count = atLeast(1)
const recurrentSizes: Schema<RecurrentSizes> = {
  ...{ input: needed(count), hidden: needed(count), layers: count, bidirectional: flag, bias: flag },
}
const initialized = (
  key: NdArray,
  gates: number,
  { input, hidden: H, layers = 1, bidirectional = false, bias = true }: RecurrentSizes,
): RecurrentParams => {
  // prettier-ignore
  const bound = 1 / Math.sqrt(H)
  let drawn = 0
  const draw = (shape: readonly number[]): NdArray => random.uniform(random.foldIn(key, drawn++), shape, { minval: -bound, maxval: bound })
  const of = (into: number): LinearParams => ({ weight: draw([gates * H, into]), ...(bias && { bias: draw([gates * H]) }) })
  const one = (into: number): RecurrentDirection => ({ ih: of(into), hh: of(H) })
  return {
    layers: range(layers).map((i) => {
      const into = i === 0 ? input : bidirectional ? 2 * H : H
      return { forward: one(into), ...(bidirectional && { backward: one(into) }) }
    }),
  }
}
/**
 * Parameters of `rnn`, uniform in ±1/√H, as PyTorch's: float32.
 *
 * @example nn.initRnn(random.key(0), { input: 3, hidden: 4 }).layers.length // 1
 */
export const initRnn = /* @__PURE__ */ composedOptions(
  'nn.initRnn',
  2,
  recurrentSizes,
  (key: NdArray, sizes: RecurrentSizes): RecurrentParams => initialized(key, 1, sizes),
)
/**
 * Parameters of `lstm`, uniform in ±1/√H, as PyTorch's: float32.
 *
 * @example nn.initLstm(random.key(0), { input: 3, hidden: 4, layers: 2 }).layers.length // 2
 */
export const initLstm = /* @__PURE__ */ composedOptions(
  'nn.initLstm',
  2,
  recurrentSizes,
  (key: NdArray, sizes: RecurrentSizes): RecurrentParams => initialized(key, 4, sizes),
)
/**
 * Parameters of `gru`, uniform in ±1/√H, as PyTorch's: float32.
 *
 * @example nn.initGru(random.key(0), { input: 3, hidden: 4, layers: 2 }).layers.length // 2
 */
export const initGru = /* @__PURE__ */ composedOptions(
  'nn.initGru',
  2,
  recurrentSizes,
  (key: NdArray, sizes: RecurrentSizes): RecurrentParams => initialized(key, 3, sizes),
)
