/** Parameters of a Transformer, as PyTorch draws them. */
import type { NdArray } from '../core/array.ts'
import { range } from '../core/constructors.ts'
import { atLeast, needed, type Schema } from '../core/options.ts'
import { composedOptions } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import type { LayerNormParams } from './layers.ts'
import type { LinearParams } from './linear.ts'
import type { AttentionParams } from './multiHeadAttention.ts'
import type { EncoderLayerParams, TransformerParams } from './transformer.ts'

export interface TransformerSizes {
  /** E. */
  readonly width: number
  /** F, of the MLPs. */
  readonly hidden: number
  /** Default 6. */
  readonly encoderLayers?: number
  /** Default 6. */
  readonly decoderLayers?: number
}
const transformerSizes: Schema<TransformerSizes> = {
  ...{ width: needed(atLeast(1)), hidden: needed(atLeast(1)), encoderLayers: atLeast(0), decoderLayers: atLeast(0) },
}
/**
 * Parameters of `transformer`, as PyTorch's: matrices by Glorot and Bengio (of q, k and v as one), the MLPs' biases uniform in ±1/√fan-in,
 * other biases 0, scales 1. All float32.
 *
 * @example nn.initTransformer(random.key(0), { width: 4, hidden: 8, encoderLayers: 2 }).encoder.layers.length // 2
 */
export const initTransformer = /* @__PURE__ */ composedOptions(
  'nn.initTransformer',
  2,
  transformerSizes,
  (key: NdArray, { width: E, hidden: F, encoderLayers = 6, decoderLayers = 6 }: TransformerSizes): TransformerParams => {
    let drawn = 0
    const within = (bound: number, shape: readonly number[]): NdArray =>
      random.uniform(random.foldIn(key, drawn++), shape, { minval: -bound, maxval: bound })
    const matrix = (out: number, into: number, fans = out + into): NdArray => within(Math.sqrt(6 / fans), [out, into])
    const quiet = (fans?: number): LinearParams => ({ weight: matrix(E, E, fans), bias: np.zeros([E]) })
    const heads = (): AttentionParams => ({ q: quiet(4 * E), k: quiet(4 * E), v: quiet(4 * E), out: quiet() }) // fans of [3E,E]
    const dense = (out: number, into: number): LinearParams => ({ weight: matrix(out, into), bias: within(1 / Math.sqrt(into), [out]) })
    const norm = (): LayerNormParams => ({ scale: np.ones([E]), bias: np.zeros([E]) })
    const layer = (): EncoderLayerParams => ({
      selfAttn: heads(),
      linear1: dense(F, E),
      linear2: dense(E, F),
      norm1: norm(),
      norm2: norm(),
    })
    return {
      encoder: { layers: range(encoderLayers).map(layer), norm: norm() },
      decoder: { layers: range(decoderLayers).map(() => ({ ...layer(), crossAttn: heads(), norm3: norm() })), norm: norm() },
    }
  },
)
