/** A decoder that writes nothing: the states of a text, or its class. What files call a base model, or one for sequence classification. */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import { normed } from './block.ts'
import { type DecoderConfig, type DecoderInputs, type DecoderParams, initDecoder, lastOf, statesOf } from './decoder.ts'
import type { LayersOptions } from './layers.ts'

export interface ReaderConfig extends Omit<DecoderConfig, 'kind'> {
  readonly kind: 'reader'
  /** Classes that a text may be of, by its last token; null: its states are all. */
  readonly labels: number | null
  /** The id that isn't a last token; null: the mask says. */
  readonly padding: number | null
}
export interface ReaderResult {
  readonly lastHiddenState: NdArray // [B,T,D]
  /** Of a model that has classes. */
  readonly logits?: NdArray // [B,labels]
}

/** The head is [labels,D], where there are classes. */
export const initReader = (key: NdArray, { labels, ...config }: ReaderConfig, dtype: DType): DecoderParams =>
  initDecoder(key, { ...config, kind: 'decoder' }, dtype, labels === null ? null : { out: labels, bias: false })

export const applyReader = (
  { labels, padding, ...config }: ReaderConfig,
  params: DecoderParams,
  inputs: DecoderInputs,
  options: LayersOptions,
): ReaderResult => {
  const { states, real } = statesOf({ ...config, kind: 'decoder' }, params, inputs, options)
  const lastHiddenState = normed(params.norm, states, config.norm)
  if (labels === null) return { lastHiddenState }
  const last = lastOf(lastHiddenState, padding === null ? real : np.notEqual(inputs.inputIds, padding)) // [B,1,D]
  return { lastHiddenState, logits: np.reshape(nn.linear(params.head!, last), [-1, labels]) }
}
