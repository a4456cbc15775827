/** `nn`: layers as plain functions of parameters and arrays. Nothing holds state; a parameter is an array in an object of yours. */
export * from './activations.ts'
export * from './attention.ts'
export * from './convolution.ts'
export { crossEntropy, type CrossEntropyOptions } from './crossEntropy.ts'
export type { Dropped } from './dropped.ts'
export * as initializers from './initializers.ts'
export * from './layers.ts'
export type { LinearParams } from './linear.ts'
export { linearCrossEntropy, type LinearCrossEntropyOptions } from './linearCrossEntropy.ts'
export * from './losses.ts'
export { type Activation, gatedMlp, type GatedMlpParams, mlp, type MlpOptions, type MlpParams } from './mlp.ts'
export { type AttentionParams, multiHeadAttention, type MultiHeadAttentionOptions } from './multiHeadAttention.ts'
export {
  gru,
  type GruOptions,
  lstm,
  type LstmOptions,
  type LstmState,
  type Recurrent,
  type RecurrentDirection,
  type RecurrentLayer,
  type RecurrentOptions,
  type RecurrentParams,
  rnn,
  type RnnOptions,
} from './recurrent.ts'
export { initGru, initLstm, initRnn, type RecurrentSizes } from './recurrentInit.ts'
export type { Reduction, ReductionOptions } from './reduction.ts'
export { relativeBuckets, type RelativeBucketsOptions } from './relative.ts'
export * from './rope.ts'
export { sinusoidalPositions, type SinusoidalOptions } from './sinusoidal.ts'
export * as torchInitializers from './torchInitializers.ts'
export {
  decoderLayer,
  type DecoderLayerParams,
  type DecoderOptions,
  type DecoderParams,
  encoderLayer,
  type EncoderLayerParams,
  type EncoderOptions,
  type EncoderParams,
  type LayerOptions,
  transformer,
  transformerDecoder,
  transformerEncoder,
  type TransformerOptions,
  type TransformerParams,
} from './transformer.ts'
export { initTransformer, type TransformerSizes } from './transformerInit.ts'
export { Weight } from './weight.ts'
