/** DistilBERT (Sanh et al. 2019): BERT's half, without kinds of tokens. */
import { range } from '../../core/constructors.ts'
import type { EncoderConfig } from '../encoder.ts'
import { answering, classify, headOf, maskedLM } from './bert.ts'
import { activationOf, type Family, headDimOf, layerCount } from './family.ts'

export const distilbert: Family<EncoderConfig> = {
  types: ['distilbert'],
  read: (config) => {
    const [width, heads] = [config.count('dim'), config.count('n_heads')]
    const activation = activationOf(config, 'activation', 'gelu')
    return {
      kind: 'encoder',
      vocab: config.count('vocab_size'),
      patches: null,
      width,
      context: config.count('max_position_embeddings', 512),
      padding: null,
      inOut: false,
      layers: range(layerCount(config, 'n_layers')).map(() => ({ reach: null, rope: null })),
      ropes: {},
      tokenTypes: 0,
      embedNorm: true,
      finalNorm: false,
      norm: { kind: 'layer', eps: 1e-12, offset: 0, bias: true },
      place: 'post',
      attention: { heads, kvHeads: heads, headDim: headDimOf(config, width, heads, 'n_heads'), scale: null, softcap: null, bias: true, outBias: true, fused: false, norms: false }, // prettier-ignore
      mlp: { width: config.count('hidden_dim'), activation, gated: false, fused: false, bias: true },
      head: headOf(
        config,
        {
          ForMaskedLM: maskedLM(config, activation),
          ForSequenceClassification: classify(config, 'first', 'relu'),
          ForTokenClassification: classify(config, 'each'),
          ForQuestionAnswering: classify(config, 'span'),
          Model: { kind: 'none' },
        },
        'DistilBertModel',
      ),
      initStddev: config.nonNegative('initializer_range', 0.02),
    }
  },
  names: ({ head }) => ({
    embed: 'distilbert.embeddings.word_embeddings',
    positions: 'distilbert.embeddings.position_embeddings',
    embedNorm: 'distilbert.embeddings.LayerNorm',
    'layers.#.attn.q': 'distilbert.transformer.layer.#.attention.q_lin',
    'layers.#.attn.k': 'distilbert.transformer.layer.#.attention.k_lin',
    'layers.#.attn.v': 'distilbert.transformer.layer.#.attention.v_lin',
    'layers.#.attn.o': 'distilbert.transformer.layer.#.attention.out_lin',
    'layers.#.attnNorm': 'distilbert.transformer.layer.#.sa_layer_norm',
    'layers.#.mlp.up': 'distilbert.transformer.layer.#.ffn.lin1',
    'layers.#.mlp.down': 'distilbert.transformer.layer.#.ffn.lin2',
    'layers.#.mlpNorm': 'distilbert.transformer.layer.#.output_layer_norm',
    ...(head.kind === 'maskedLM'
      ? { 'head.dense': 'vocab_transform', 'head.norm': 'vocab_layer_norm', ...(head.tied ? { 'head.bias': 'vocab_projector.bias' } : { 'head.out': 'vocab_projector' }) } // prettier-ignore
      : { 'head.dense': 'pre_classifier', 'head.out': answering(head) }),
  }),
  base: 'distilbert.',
  ignored: /position_ids$|^vocab_/,
}
