/**
 * `cotangent/models`: model families, each `init(key, config) -> params` and `apply(params, …) -> out`.
 *
 * @example
 * import { gpt } from 'cotangent/models'
 * import { np, random } from 'cotangent'
 * const config = { layers: 1, heads: 2, width: 8, context: 4, vocab: 5 }
 * gpt.apply(gpt.init(random.key(0), config), np.zeros([1, 4], 'int32'), config).shape // [1, 4, 5]
 */
import '../runtime.ts'
export * as gpt from './gpt.ts'
export type { Activation } from '../nn/mlp.ts'
export type { AttentionConfig, BlockConfig, BlockParams, MlpConfig, NormConfig } from './block.ts'
export type { Cache, KeyValues } from './cache.ts'
export type { DecoderConfig, DecoderInputs, DecoderLayer, DecoderOptions, DecoderParams, DecoderResult } from './decoder.ts'
export {
  type DecoderModel,
  type EncoderDecoderModel,
  type EncoderModel,
  fromConfig,
  type InitOptions,
  type Kind,
  type Model,
  type Models,
  type Params,
  type ReaderModel,
} from './model.ts'
export {
  type EncoderConfig,
  type EncoderHead,
  type EncoderInputs,
  type EncoderLayer,
  type EncoderParams,
  type EncoderResult,
  meanPooled,
} from './encoder.ts'
export type {
  EncoderDecoderCache,
  EncoderDecoderConfig,
  EncoderDecoderInputs,
  EncoderDecoderOptions,
  EncoderDecoderParams,
  EncoderDecoderResult,
} from './encoderDecoder.ts'
export { type Beam, type BeamOptions, beamSearch, type BeamsOptions } from './beams.ts'
export { generate, generateTokens, type Generated, type GenerateOptions, type SamplingOptions, type TokenOptions } from './generate.ts'
export type { LayerParams, Relative, StackParams } from './relative.ts'
export type { ReaderConfig, ReaderHead, ReaderResult } from './reader.ts'
export type { HeadResult } from './heads.ts'
export { speculate, type Speculated, type SpeculateOptions } from './speculative.ts'
export type { LayersOptions } from './layers.ts'
export type { Writer, WriterParams } from './writer.ts'
export type { Naming } from './names.ts'
