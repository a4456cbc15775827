/** What a family is: data. How a config becomes a configuration, and what Hugging Face calls each part of the parameters. */
import { range } from '../../core/constructors.ts'
import type { Rope } from '../../nn/rope.ts'
import type { DecoderConfig, DecoderLayer } from '../decoder.ts'
import type { EncoderConfig } from '../encoder.ts'
import type { EncoderDecoderConfig } from '../encoderDecoder.ts'
import { type Fields, hfActivations, ropeOf } from '../hfConfig.ts'
import type { ReaderHead } from '../reader.ts'

/** What a decoder may be asked that writes nothing, and what files call the matrix that answers. */
interface Task {
  readonly of: ReaderHead['of']
  readonly head: string
  /** What stands before its other names in place of the family's `base`. */
  readonly base?: string
}
type AnyConfig = DecoderConfig | EncoderConfig | EncoderDecoderConfig
export interface Family<Config extends AnyConfig = AnyConfig> {
  /** `model_type` in config.json. */
  readonly types: readonly string[]
  /** Ends of the names of its architectures; one without has all others of its types. */
  readonly ends?: readonly string[]
  readonly read: (config: Fields) => Config
  /** Paths of modules in our tree, `#` for a layer's number, and their names in files, where the leaves are `weight` and `bias`; or paths of leaves. */
  readonly names: Readonly<Record<string, string>> | ((config: Config) => Readonly<Record<string, string>>)
  /** What old files call the last part of a name. */
  readonly older?: Readonly<Record<string, string>>
  /** What a file of the model without its head lacks in front of every name. */
  readonly base: string
  /** Of decoders: the ends of architectures' names, and what each is asked. */
  readonly tasks?: Readonly<Record<string, Task>>
  /** Tensors of old files that hold no parameters. */
  readonly ignored?: RegExp
}

/** As Llama calls them, and most after it. */
export const llamaNames = {
  embed: 'model.embed_tokens',
  'layers.#.attnNorm': 'model.layers.#.input_layernorm',
  'layers.#.attn.q': 'model.layers.#.self_attn.q_proj',
  'layers.#.attn.k': 'model.layers.#.self_attn.k_proj',
  'layers.#.attn.v': 'model.layers.#.self_attn.v_proj',
  'layers.#.attn.qkv': 'model.layers.#.self_attn.qkv_proj',
  'layers.#.attn.o': 'model.layers.#.self_attn.o_proj',
  'layers.#.attn.qNorm': 'model.layers.#.self_attn.q_norm',
  'layers.#.attn.kNorm': 'model.layers.#.self_attn.k_norm',
  'layers.#.mlpNorm': 'model.layers.#.post_attention_layernorm',
  'layers.#.mlp.gateUp': 'model.layers.#.mlp.gate_up_proj',
  'layers.#.mlp.gate': 'model.layers.#.mlp.gate_proj',
  'layers.#.mlp.up': 'model.layers.#.mlp.up_proj',
  'layers.#.mlp.down': 'model.layers.#.mlp.down_proj',
  norm: 'model.norm',
  head: 'lm_head',
} as const

/** Of texts and of tokens, which all of Llama's kin have. */
export const llamaTasks: Readonly<Record<string, Task>> = {
  ForSequenceClassification: { of: 'last', head: 'score' },
  ForTokenClassification: { of: 'each', head: 'score' },
}
/** Whose base is named by another word where answers are asked for. */
export const llamaAnswers: Readonly<Record<string, Task>> = {
  ...llamaTasks,
  ForQuestionAnswering: { of: 'span', head: 'qa_outputs', base: 'transformer.' },
}

/** Whether an architecture's name is that of a model without a head: GPT2Model, and not GPT2LMHeadModel. */
export const isHeadless = (architecture: string): boolean => /(?<!Heads?)Model$/.test(architecture)

/** A head's part of the width. */
export const headDimOf = (config: Fields, width: number, heads: number, name = 'num_attention_heads'): number =>
  width % heads === 0 ? width / heads : config.refuse(name, `they don't divide the width ${width}`)
/** What Llama and its kin have in common, read from their common fields; the context and eps are those of files that say none. */
export const llamaLike = (config: Fields, context = 2048, eps = 1e-6): Omit<DecoderConfig, 'layers' | 'ropes'> => {
  const [width, heads] = [config.count('hidden_size'), config.count('num_attention_heads')]
  const headDim = config.has('head_dim') ? config.count('head_dim') : Math.floor(width / heads)
  const bias = config.flag('attention_bias', false)
  const kvHeads = config.count('num_key_value_heads', heads)
  if (heads % kvHeads !== 0) config.refuse('num_key_value_heads', `it doesn't divide the ${heads} heads`)
  return {
    kind: 'decoder',
    vocab: config.count('vocab_size'),
    width,
    context: config.count('max_position_embeddings', context),
    inOut: false,
    norm: { kind: 'rms', eps: config.nonNegative('rms_norm_eps', eps), offset: 0, bias: false },
    place: 'pre',
    attention: {
      heads,
      kvHeads,
      headDim,
      scale: null,
      softcap: null,
      bias,
      outBias: bias,
      fused: false,
      norms: false,
    },
    mlp: { width: config.count('intermediate_size'), activation: activationOf(config, 'hidden_act', 'silu'), gated: true, fused: false, bias: config.flag('mlp_bias', false) }, // prettier-ignore
    learnedPositions: false,
    embedScale: 1,
    tied: config.flag('tie_word_embeddings', false),
    headBias: false,
    logitCap: null,
    initStddev: config.nonNegative('initializer_range', 0.02),
  }
}
export const activationOf = (config: Fields, name: string, fallback?: string): DecoderConfig['mlp']['activation'] =>
  config.switch(name, hfActivations, fallback)
export const ropeFor = (
  config: Fields,
  { attention: { headDim }, context }: Pick<DecoderConfig, 'attention' | 'context'>,
): { readonly all: Rope } => ({
  all: ropeOf(config, { headDim, context }),
})
/** How many layers: what no model has isn't believed, since a list is made of them before any tensor is looked at. */
export const layerCount = (config: Fields, name = 'num_hidden_layers', fallback?: number): number => {
  const n = config.count(name, fallback)
  return n > 4096 ? config.refuse(name, 'no model has more than 4096') : n
}
/** The same for every layer. */
export const alike = (config: Fields, layer: DecoderLayer): readonly DecoderLayer[] => range(layerCount(config)).map(() => layer)
/** Which layers slide: `layer_types`, or what older files mean without it. */
export const layerTypes = (config: Fields, slides: (i: number) => boolean): readonly ('sliding_attention' | 'full_attention')[] => {
  const n = layerCount(config)
  if (!config.has('layer_types')) return range(n).map((i) => (slides(i) ? 'sliding_attention' : 'full_attention'))
  const types = config.texts('layer_types')
  if (types.length !== n) config.refuse('layer_types', `a type for each of ${n} layers was expected`)
  return types.map((type) =>
    type === 'sliding_attention' || type === 'full_attention'
      ? type
      : config.refuse('layer_types', 'known here are full_attention and sliding_attention'),
  )
}
