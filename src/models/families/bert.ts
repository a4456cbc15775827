/** BERT (Devlin et al. 2019), MiniLM, which is one, and RoBERTa (Liu et al. 2019): norms behind each branch, learned positions, kinds of tokens. */
import { range } from '../../core/constructors.ts'
import type { EncoderConfig, EncoderHead } from '../encoder.ts'
import type { Fields } from '../hfConfig.ts'
import type { Activation } from '../../nn/mlp.ts'
import { activationOf, type Family, headDimOf, isHeadless, layerCount } from './family.ts'

/** How many classes: `id2label` or `num_labels` say. */
export const labelsOf = (config: Fields): number => {
  const labels = config.has('id2label') ? config.object('id2label').keys().length : config.count('num_labels', 2)
  return labels > 0 ? labels : config.refuse('id2label', 'a name for each class was expected')
}
/** The head that the architecture's name means, among those of a family. */
export const headOf = (config: Fields, heads: Readonly<Record<string, EncoderHead>>, fallback: string): EncoderHead => {
  const name = config.has('architectures') ? (config.texts('architectures')[0] ?? fallback) : fallback
  const known = Object.keys(heads).find((end) => name.endsWith(end) && (end !== 'Model' || isHeadless(name)))
  return known === undefined
    ? config.refuse('architectures', `known here are those that end in ${Object.keys(heads).join(', ')}`)
    : heads[known]!
}
type Classify = Extract<EncoderHead, { readonly kind: 'classify' }>
export const classify = (config: Fields, of: Classify['of'], dense: Activation | null = null): Classify => ({
  kind: 'classify',
  of,
  labels: of === 'span' ? 2 : labelsOf(config),
  dense,
})
/** What files call the last linear layer. */
export const answering = (head: EncoderHead): string => (head.kind === 'classify' && head.of === 'span' ? 'qa_outputs' : 'classifier')
export const maskedLM = (config: Fields, activation: Activation): EncoderHead => ({
  kind: 'maskedLM',
  activation,
  denseBias: true,
  bias: true,
  tied: config.flag('tie_word_embeddings', true),
})
export const bertLike = (config: Fields): Omit<EncoderConfig, 'head' | 'padding'> => {
  config.off('is_decoder', 'add_cross_attention')
  if (config.text('position_embedding_type', 'absolute') !== 'absolute') config.refuse('position_embedding_type', 'known here is absolute')
  const [width, heads] = [config.count('hidden_size'), config.count('num_attention_heads')]
  return {
    kind: 'encoder',
    vocab: config.count('vocab_size'),
    patches: null,
    width,
    context: config.count('max_position_embeddings', 512),
    inOut: false,
    layers: range(layerCount(config)).map(() => ({ reach: null, rope: null })),
    ropes: {},
    tokenTypes: config.count('type_vocab_size', 2),
    embedNorm: true,
    finalNorm: false,
    norm: { kind: 'layer', eps: config.nonNegative('layer_norm_eps', 1e-12), offset: 0, bias: true },
    place: 'post',
    attention: { heads, kvHeads: heads, headDim: headDimOf(config, width, heads), scale: null, softcap: null, bias: true, outBias: true, fused: false, norms: false }, // prettier-ignore
    mlp: { width: config.count('intermediate_size'), activation: activationOf(config, 'hidden_act', 'gelu'), gated: false, fused: false, bias: true }, // prettier-ignore
    initStddev: config.nonNegative('initializer_range', 0.02),
  }
}
const names = (base: string) => ({
  embed: `${base}.embeddings.word_embeddings`,
  positions: `${base}.embeddings.position_embeddings`,
  tokenTypes: `${base}.embeddings.token_type_embeddings`,
  embedNorm: `${base}.embeddings.LayerNorm`,
  'layers.#.attn.q': `${base}.encoder.layer.#.attention.self.query`,
  'layers.#.attn.k': `${base}.encoder.layer.#.attention.self.key`,
  'layers.#.attn.v': `${base}.encoder.layer.#.attention.self.value`,
  'layers.#.attn.o': `${base}.encoder.layer.#.attention.output.dense`,
  'layers.#.attnNorm': `${base}.encoder.layer.#.attention.output.LayerNorm`,
  'layers.#.mlp.up': `${base}.encoder.layer.#.intermediate.dense`,
  'layers.#.mlp.down': `${base}.encoder.layer.#.output.dense`,
  'layers.#.mlpNorm': `${base}.encoder.layer.#.output.LayerNorm`,
})
/** TensorFlow's names, which the oldest files have. */
const older = { 'LayerNorm.weight': 'LayerNorm.gamma', 'LayerNorm.bias': 'LayerNorm.beta' }

export const bert: Family<EncoderConfig> = {
  types: ['bert'],
  read: (config) => ({
    ...bertLike(config),
    padding: null,
    head: headOf(
      config,
      {
        ForMaskedLM: maskedLM(config, activationOf(config, 'hidden_act', 'gelu')),
        ForPreTraining: maskedLM(config, activationOf(config, 'hidden_act', 'gelu')),
        ForSequenceClassification: classify(config, 'first', 'tanh'),
        ForTokenClassification: classify(config, 'each'),
        ForQuestionAnswering: classify(config, 'span'),
        Model: { kind: 'pooled', activation: 'tanh' },
      },
      'BertModel',
    ),
  }),
  names: ({ head }) => ({
    ...names('bert'),
    ...(head.kind === 'maskedLM'
      ? { 'head.dense': 'cls.predictions.transform.dense', 'head.norm': 'cls.predictions.transform.LayerNorm', ...(head.tied ? { 'head.bias': 'cls.predictions.bias' } : { 'head.out': 'cls.predictions.decoder' }) } // prettier-ignore
      : { 'head.dense': 'bert.pooler.dense', 'head.out': answering(head) }),
  }),
  base: 'bert.',
  // The bias was shared where the matrix wasn't, too.
  older: { ...older, 'predictions.decoder.bias': 'predictions.bias' },
  ignored: /position_ids$|^cls\.(seq_relationship|predictions\.(decoder|bias|transform))|pooler\.dense/,
}
export const roberta: Family<EncoderConfig> = {
  types: ['roberta', 'xlm-roberta', 'camembert'],
  read: (config) => ({
    ...bertLike(config),
    padding: config.whole('pad_token_id', 1),
    head: headOf(
      config,
      {
        ForMaskedLM: maskedLM(config, 'gelu'),
        ForSequenceClassification: classify(config, 'first', 'tanh'),
        ForTokenClassification: classify(config, 'each'),
        ForQuestionAnswering: classify(config, 'span'),
        Model: { kind: 'pooled', activation: 'tanh' },
      },
      'RobertaModel',
    ),
  }),
  names: ({ head }) => ({
    ...names('roberta'),
    ...(head.kind === 'maskedLM'
      ? { 'head.dense': 'lm_head.dense', 'head.norm': 'lm_head.layer_norm', ...(head.tied ? { 'head.bias': 'lm_head.bias' } : { 'head.out': 'lm_head.decoder' }) } // prettier-ignore
      : head.kind === 'classify' && head.of === 'first'
        ? { 'head.dense': 'classifier.dense', 'head.out': 'classifier.out_proj' }
        : { 'head.dense': 'roberta.pooler.dense', 'head.out': answering(head) }),
  }),
  base: 'roberta.',
  older: { ...older, 'lm_head.decoder.bias': 'lm_head.bias' },
  ignored: /position_ids$|^lm_head\.(decoder|bias|dense|layer_norm)|pooler\.dense/,
}
