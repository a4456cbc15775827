/** A decoder that writes nothing: the states of a text, or what a head says of it. What files call a base model, or one for a task. */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import * as np from '../numpy/index.ts'
import { normed } from './block.ts'
import { type DecoderConfig, type DecoderInputs, type DecoderParams, initDecoder, lastOf, statesOf } from './decoder.ts'
import { classified, type HeadResult } from './heads.ts'
import type { LayersOptions } from './layers.ts'

export interface ReaderHead {
  /** A linear layer on the last token, each, or each for where an answer begins and ends. */
  readonly of: 'last' | 'each' | 'span'
  readonly labels: number
  readonly bias: boolean
}
export interface ReaderConfig extends Omit<DecoderConfig, 'kind'> {
  readonly kind: 'reader'
  /** null: its states are all. */
  readonly head: ReaderHead | null
  /** The id that isn't a last token; null: the mask says. */
  readonly padding: number | null
}
export interface ReaderResult extends HeadResult {
  readonly lastHiddenState: NdArray // [B,T,D]
}

/** The head is [labels,D], where there is one. */
export const initReader = (key: NdArray, { head, ...config }: ReaderConfig, dtype: DType): DecoderParams =>
  initDecoder(key, { ...config, kind: 'decoder' }, dtype, head === null ? null : { out: head.labels, bias: head.bias })

export const applyReader = (
  { head, padding, ...config }: ReaderConfig,
  params: DecoderParams,
  inputs: DecoderInputs,
  options: LayersOptions,
): ReaderResult => {
  const { states, real } = statesOf({ ...config, kind: 'decoder' }, params, inputs, options)
  const lastHiddenState = normed(params.norm, states, config.norm)
  if (head === null) return { lastHiddenState }
  if (head.of !== 'last') return { lastHiddenState, ...classified(params.head!, lastHiddenState, head.of === 'span') }
  const last = lastOf(lastHiddenState, padding === null ? real : np.notEqual(inputs.inputIds, padding)) // [B,1,D]
  return { lastHiddenState, ...classified(params.head!, np.reshape(last, [-1, config.width]), false) }
}
