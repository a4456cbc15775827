/** What a config.json means where it leaves a field out, or gives one that few files have: as Transformers 5.18 reads it. */
import { describe, expect, test } from 'vitest'
import { type NdArray, np, random } from '../../src/index.ts'
import type { DecoderModel, EncoderModel, ReaderModel } from '../../src/models/index.ts'
import { activations } from '../../src/nn/mlp.ts'
import { fromConfig } from '../../src/models/model.ts'
import { layoutOf, matched, nameOf } from '../../src/models/names.ts'

type Json = Readonly<Record<string, unknown>>
const sizes = { vocab_size: 20, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 4 } // prettier-ignore
const decoder = (type: string, more: Json = {}): DecoderModel['config'] =>
  (fromConfig({ model_type: type, ...sizes, ...more }) as DecoderModel).config
const bert = { ...sizes, model_type: 'bert', architectures: ['BertForMaskedLM'] }
const distilbert = { model_type: 'distilbert', vocab_size: 20, dim: 8, hidden_dim: 12, n_layers: 1, n_heads: 2, architectures: ['DistilBertForMaskedLM'] } // prettier-ignore
const modernbert = { ...sizes, model_type: 'modernbert', architectures: ['ModernBertForMaskedLM'] }
const gpt2 = { vocab_size: 20, n_embd: 8, n_layer: 3, n_head: 2 }
const t5 = { model_type: 't5', vocab_size: 20, d_model: 8, d_kv: 4, d_ff: 12, num_layers: 1, num_heads: 2 }
const vit = { ...sizes, model_type: 'vit' }
const namesOf = (model: EncoderModel | DecoderModel | ReaderModel): readonly string[] =>
  layoutOf(model.init).paths.map((path) => nameOf(model.naming, path))

describe('a field that is left out isn’t one that is null', () => {
  test('Gemma 2’s caps', () => {
    const read = (more: Json): Json => {
      const { attention, logitCap } = decoder('gemma2', more)
      return { softcap: attention.softcap, logitCap }
    }
    expect(read({})).toEqual({ softcap: 50, logitCap: 30 })
    expect(read({ attn_logit_softcapping: null, final_logit_softcapping: null })).toEqual({ softcap: null, logitCap: null })
    expect(decoder('gemma3_text')).toMatchObject({ logitCap: null, attention: { softcap: null } })
    expect(decoder('gemma', { final_logit_softcapping: 30 }).logitCap).toBe(null)
  })
  test('windows', () => {
    const windows = (type: string, more: Json = {}): readonly (number | null)[] => decoder(type, more).layers.map(({ window }) => window)
    expect(windows('mistral')).toEqual([4096, 4096])
    expect(windows('mistral', { sliding_window: null })).toEqual([null, null])
    expect(windows('qwen2', { use_sliding_window: true, max_window_layers: 1 })).toEqual([null, 4096])
    expect(windows('qwen2', { use_sliding_window: true, max_window_layers: 1, sliding_window: null })).toEqual([null, null])
  })
  test('contexts, where ropes stretch by them, and eps', () => {
    const contexts = ['llama', 'mistral', 'smollm3', 'qwen2', 'qwen3', 'gemma', 'phi3'].map((type) => decoder(type).context)
    expect(contexts).toEqual([2048, 131_072, 32_768, 32_768, 32_768, 8192, 4096])
    expect([decoder('llama').norm.eps, decoder('phi3').norm.eps]).toEqual([1e-6, 1e-5])
  })
  test('Phi’s context of old, which is beside the rope', () => {
    const rope_parameters = { rope_type: 'longrope', short_factor: [1, 1], long_factor: [2, 2], original_max_position_embeddings: 64 }
    expect(decoder('phi3', { rope_parameters }).ropes['all']!.scaling).toMatchObject({ context: 4096 })
    expect(decoder('phi3', { rope_parameters, original_max_position_embeddings: 16 }).ropes['all']!.scaling).toMatchObject({ context: 16 })
  })
  test('Gemma 3’s bases', () => {
    const bases = (more: Json): readonly unknown[] => ['full_attention', 'sliding_attention'].map((type) => decoder('gemma3_text', { num_hidden_layers: 6, ...more }).ropes[type]!.base) // prettier-ignore
    expect(bases({})).toEqual([1e6, 1e4])
    expect(bases({ rope_theta: 500, rope_local_base_freq: 100 })).toEqual([500, 100])
    expect(bases({ rope_parameters: { full_attention: { rope_type: 'default' } } })).toEqual([1e6, 1e4])
  })
})

describe('ropes', () => {
  test('yarn’s betas of 0 are none', () => {
    const yarn = { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 16 }
    const read = (more: Json) => decoder('llama', { rope_parameters: { ...yarn, ...more } }).ropes['all']
    expect(read({ beta_fast: 0, beta_slow: 0 })).toEqual(read({}))
    expect(read({ beta_fast: 4 })).not.toEqual(read({}))
  })
  test('where a file has both dialects the older counts, unless it is empty', () => {
    const both = { rope_parameters: { rope_type: 'default', rope_theta: 300 }, rope_theta: 100 }
    const linear = { rope_type: 'linear', factor: 3 }
    expect(decoder('llama', { ...both, rope_scaling: linear }).ropes['all']).toEqual({ base: 100, dims: 4, scaling: { kind: 'linear', factor: 3 } }) // prettier-ignore
    for (const rope_scaling of [{}, null]) expect(decoder('llama', { ...both, rope_scaling }).ropes['all']).toEqual({ base: 300, dims: 4 })
  })
  test('a share of a head turns where the family knows of it', () => {
    expect(decoder('phi3', { partial_rotary_factor: 0.5 }).ropes['all']!.dims).toBe(2)
    expect(decoder('llama', { partial_rotary_factor: 1 }).ropes['all']!.dims).toBe(4)
    expect(() => decoder('llama', { partial_rotary_factor: 0.5 })).toThrow(/partial_rotary_factor is 0.5: in this family whole heads turn/)
    expect(() => decoder('qwen3', { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } })).toThrow(/rope_parameters: partial_rotary_factor is 0.5/) // prettier-ignore
  })
})

describe('activations', () => {
  test('Gemma 1 reads hidden_act, and its gelu is the one with tanh', () => {
    const read = (more: Json): string => decoder('gemma', more).mlp.activation
    expect([read({}), read({ hidden_act: 'gelu' }), read({ hidden_act: 'silu', hidden_activation: 'relu' })]).toEqual(['geluTanh', 'geluTanh', 'silu']) // prettier-ignore
    expect(decoder('gemma2', { hidden_act: 'relu' }).mlp.activation).toBe('geluTanh')
    expect(decoder('gemma2', { hidden_activation: 'gelu' }).mlp.activation).toBe('gelu')
  })
  test('those that files rarely have', () => {
    const at = (name: keyof typeof activations): readonly number[] => activations[name](np.array([-2, 0.5, 12])).toArray() as number[]
    const close = (name: keyof typeof activations, want: readonly number[]): void => want.forEach((x, i) => expect(at(name)[i], name).toBeCloseTo(x, 5)) // prettier-ignore
    close('relu2', [0, 0.25, 144])
    close('relu6', [0, 0.5, 6])
    close('leakyRelu', [-0.02, 0.5, 12])
    close('hardSwish', [-0.3333333, 0.2916667, 12])
    close('mish', [-0.2525015, 0.3752484, 12])
    close('sigmoid', [0.1192029, 0.6224593, 0.9999939])
    close('linear', [-2, 0.5, 12])
    close('geluClipped', [-0.0455003, 0.3457312, 10])
    const read = (hidden_act: string): string => decoder('llama', { hidden_act }).mlp.activation
    expect(['gelu_python', 'gelu_python_tanh', 'gelu_accurate', 'gelu_10'].map(read)).toEqual(['gelu', 'geluTanh', 'geluTanh', 'geluClipped']) // prettier-ignore
    expect(() => read('xielu')).toThrow(/hidden_act is "xielu": known here are relu/)
  })
})

describe('heads of masked words', () => {
  const own = ['cls.predictions.decoder.bias', 'cls.predictions.decoder.weight']
  test.each([
    ['bert', bert, own, 'cls.predictions.bias'],
    ['roberta', { ...bert, model_type: 'roberta', architectures: ['RobertaForMaskedLM'] }, ['lm_head.decoder.bias', 'lm_head.decoder.weight'], 'lm_head.bias'], // prettier-ignore
    ['distilbert', distilbert, ['vocab_projector.bias', 'vocab_projector.weight'], 'vocab_projector.bias'],
    ['modernbert', modernbert, ['decoder.bias', 'decoder.weight'], 'decoder.bias'],
  ] as const)('%s: the matrix is the embedding, or one of its own', (_, json, apart, tiedBias) => {
    const model = (tie_word_embeddings: boolean): EncoderModel => fromConfig({ ...json, tie_word_embeddings }) as EncoderModel
    const [tied, untied] = [namesOf(model(true)), namesOf(model(false))]
    expect(untied.filter((name) => !tied.includes(name) || (apart as readonly string[]).includes(name)).sort()).toEqual(apart)
    expect(tied).toContain(tiedBias)
    const params = model(false).init(random.key(1))
    const inputIds = np.array([[3, 4, 5]], { dtype: 'int32' })
    const { weight } = params.head!.out as { readonly weight: NdArray }
    const out = { ...params.head!.out!, weight: np.mul(weight, 2) }
    const head = { ...params.head!, out }
    const [once, twice] = [params, { ...params, head }].map((p) => model(false).apply(p, { inputIds }).logits!)
    expect(np.max(np.abs(np.sub(np.mul(once!, 2), twice!))).item()).toBeLessThan(1e-6)
  })
  test('a bias that is shared where the matrix isn’t, as Transformers 4 saved it', () => {
    const model = fromConfig({ ...bert, tie_word_embeddings: false }) as EncoderModel
    const layout = layoutOf(model.init)
    const shapes = new Map(layout.paths.map((path, i) => [nameOf(model.naming, path).replace('decoder.bias', 'bias'), layout.avals[i]!.shape])) // prettier-ignore
    expect(matched(model.naming, layout, { what: 'it', shapes })).toContain('cls.predictions.bias')
  })
  test('ModernBERT’s biases', () => {
    const names = (more: Json): readonly string[] => namesOf(fromConfig({ ...modernbert, ...more }) as EncoderModel).filter((name) => name.endsWith('.bias')) // prettier-ignore
    expect(names({})).toEqual(['decoder.bias'])
    expect(names({ decoder_bias: false, classifier_bias: true })).toEqual(['head.dense.bias'])
    expect([...names({ decoder_bias: false, norm_bias: true })].sort()).toEqual(
      ['final_norm', 'embeddings.norm', 'layers.0.mlp_norm', 'layers.1.attn_norm', 'layers.1.mlp_norm'].map((name) => `model.${name}.bias`).concat('head.norm.bias').sort(), // prettier-ignore
    )
  })
})

test.each([
  [{ ...bert, model_type: 'roberta', architectures: ['RobertaForTokenClassification'] }, ['classifier']],
  [{ ...distilbert, architectures: ['DistilBertForQuestionAnswering'] }, ['qa_outputs']],
  [{ ...modernbert, architectures: ['ModernBertForTokenClassification'] }, ['classifier', 'head.dense', 'head.norm']],
  [{ ...modernbert, architectures: ['ModernBertForSequenceClassification'] }, ['classifier', 'head.dense', 'head.norm']],
] as const)('$0.architectures has its head', (json, heads) => {
  const names = namesOf(fromConfig(json) as EncoderModel).filter((name) => /classifier|outputs|head/.test(name) && name.endsWith('.weight'))
  expect(names.sort()).toEqual(heads.map((name) => `${name}.weight`))
})

test('a decoder that writes nothing: its states, or a class by the last token that the mask or the padding’s id leaves', () => {
  const reader = (architecture: string, more: Json = {}): ReaderModel =>
    fromConfig({ model_type: 'llama', ...sizes, ...more, architectures: [architecture] }) as ReaderModel
  const base = reader('LlamaModel')
  const ids = np.array([[3, 4, 5, 0, 0]], { dtype: 'int32' })
  expect(base.init(random.key(0)).head).toBe(undefined)
  expect(base.apply(base.init(random.key(0)), { inputIds: ids }).logits).toBe(undefined)
  const [masked, padded] = [reader('LlamaForSequenceClassification'), reader('LlamaForSequenceClassification', { pad_token_id: 0 })]
  const params = masked.init(random.key(0))
  const whole = masked.apply(params, { inputIds: ids.slice([], [0, 3]) }).logits!
  const others = [masked.apply(params, { inputIds: ids, attentionMask: np.notEqual(ids, 0) }), padded.apply(params, { inputIds: ids })]
  for (const { logits } of [...others, padded.apply(params, { inputIds: ids }, { scan: true })])
    expect(np.max(np.abs(np.sub(logits!, whole))).item()).toBeLessThan(1e-6)
  for (const name of ['LlamaForCausalLM', 'GPT2LMHeadModel', 'GPT2DoubleHeadsModel']) expect(reader(name).kind).toBe('decoder')
})

test('heads of decoders for tokens and answers: their names, and those of what is below them', () => {
  const names = (type: string, name: string, more: Json = {}): readonly string[] =>
    namesOf(fromConfig({ model_type: type, ...sizes, ...gpt2, ...more, architectures: [name] }) as ReaderModel)
  const heads = (of: readonly string[]): readonly string[] => of.filter((name) => /score|classifier|outputs/.test(name)).sort()
  expect(heads(names('llama', 'LlamaForTokenClassification'))).toEqual(['score.bias', 'score.weight'])
  expect(heads(names('llama', 'LlamaForTokenClassification', { token_classification_bias: false }))).toEqual(['score.weight'])
  expect(heads(names('gpt2', 'GPT2ForTokenClassification'))).toEqual(['classifier.bias', 'classifier.weight'])
  for (const [type, name, base] of [
    ['llama', 'LlamaForQuestionAnswering', 'transformer.embed_tokens.weight'],
    ['qwen2', 'Qwen2ForQuestionAnswering', 'transformer.embed_tokens.weight'],
    ['mistral', 'MistralForQuestionAnswering', 'model.embed_tokens.weight'],
    ['gpt2', 'GPT2ForQuestionAnswering', 'transformer.wte.weight'],
  ] as const) {
    const all = names(type, name)
    expect(all).toContain(base)
    expect(heads(all)).toEqual(['qa_outputs.bias', 'qa_outputs.weight'])
  }
  const model = fromConfig({ model_type: 'llama', ...sizes, architectures: ['LlamaForQuestionAnswering'] }) as ReaderModel
  const out = model.apply(model.init(random.key(0)), { inputIds: np.array([[3, 4, 5]], { dtype: 'int32' }) })
  expect([out.startLogits!.shape, out.endLogits!.shape, out.logits]).toEqual([[1, 3], [1, 3], undefined]) // prettier-ignore
})

test('GPT-2’s scores may be divided by the layer’s number', () => {
  const scales = (more: Json): readonly unknown[] => {
    const { layers, attention } = decoder('gpt2', { ...gpt2, ...more })
    return layers.map(({ scale }) => scale ?? attention.scale)
  }
  expect(scales({})).toEqual([null, null, null])
  expect(scales({ scale_attn_by_inverse_layer_idx: true, reorder_and_upcast_attn: true })).toEqual([1 / 2, 1 / 4, 1 / 6])
  expect(scales({ scale_attn_by_inverse_layer_idx: true, scale_attn_weights: false })).toEqual([1, 1 / 2, 1 / 3])
})
test('SmolLM3’s layers without a rope may slide', () => {
  const layers = (more: Json) => decoder('smollm3', { no_rope_layers: [1, 0], ...more }).layers
  expect(layers({ use_sliding_window: true, sliding_window: 3 })).toEqual([{ window: null, rope: 'all' }, { window: 3, rope: null }]) // prettier-ignore
  expect(layers({ use_sliding_window: true, sliding_window: 3, layer_types: ['sliding_attention', 'full_attention'] })).toEqual([{ window: 3, rope: 'all' }, { window: null, rope: null }]) // prettier-ignore
  expect(layers({ sliding_window: 3 }).map(({ window }) => window)).toEqual([null, null])
  expect(() => layers({ layer_types: ['sliding_attention', 'full_attention'] })).toThrow(/no sliding_window/)
})
test('pictures and patches may be given as two extents that are alike', () => {
  const read = (more: Json) => (fromConfig({ ...vit, ...more }) as EncoderModel).config.patches
  expect(read({ image_size: [8, 8], patch_size: [4, 4] })).toEqual({ image: 8, size: 4, channels: 3 })
  for (const image_size of [[8, 12], [], [8, 8, 8], [-8, -8]]) expect(() => read({ image_size })).toThrow(/image_size is \[.*known here are squares/) // prettier-ignore
  expect(() => read({ pooler_output_size: 9 })).toThrow(/pooler_output_size is 9/)
})
test('what isn’t known is refused by the field’s name, before any tensor', () => {
  const refused: readonly (readonly [Json, RegExp])[] = [
    [{ ...t5, relative_attention_max_distance: 16 }, /relative_attention_max_distance is 16: it should be above 16/],
    [
      { ...t5, architectures: ['T5ForQuestionAnswering'] },
      /architectures is .*: known here are those that write texts, EncoderModel, ForTokenClassification/,
    ],
    [{ model_type: 'gemma', ...sizes, architectures: ['GemmaForQuestionAnswering'] }, /architectures is .*: known here are those that write texts, ForSequenceClassification, ForTokenClassification/], // prettier-ignore
    [{ model_type: 'llama', ...sizes, num_attention_heads: 4, num_key_value_heads: 3 }, /num_key_value_heads is 3: it doesn't divide the 4 heads/], // prettier-ignore
    [{ model_type: 'llama', ...sizes, head_dim: 5 }, /head_dim is 5: pairs turn/],
    [{ model_type: 'phi3', ...sizes, partial_rotary_factor: 0.8 }, /partial_rotary_factor is 0.8: pairs turn, and it makes 3 numbers/],
    [{ model_type: 'phi3', ...sizes, rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1, 2] } }, /rope_scaling: short_factor is \[1\]: a number above 0 for each of 2 pairs/], // prettier-ignore
    [{ ...bert, architectures: ['BertLMHeadModel'] }, /architectures is \["BertLMHeadModel"\]/],
    [{ ...bert, num_attention_heads: 3 }, /num_attention_heads is 3: they don't divide the width 8/],
    [{ model_type: 'gpt2', ...gpt2, n_head: 3 }, /n_head is 3/],
  ]
  for (const [json, message] of refused) expect(() => fromConfig(json)).toThrow(message)
  expect(fromConfig({ ...distilbert, sinusoidal_pos_embds: true }).kind).toBe('encoder') // the table is in the file
})

test('no tokens give no logits, and have neither a first nor a last', () => {
  const none = np.zeros([2, 0], 'int32')
  const llama = fromConfig({ model_type: 'llama', ...sizes }) as DecoderModel
  const params = llama.init(random.key(0))
  expect(llama.apply(params, { inputIds: none }).logits.shape).toEqual([2, 0, 20])
  for (const inputs of [{ inputIds: none }, { inputIds: none, attentionMask: none }])
    for (const cache of [{}, { cache: llama.cache(2, 4) }])
      expect(() => llama.apply(params, inputs, { ...cache, only: 'last' })).toThrow(/^model.apply: of no tokens none is the last: give one/)
  const reader = fromConfig({ model_type: 'llama', ...sizes, architectures: ['LlamaForSequenceClassification'] }) as ReaderModel
  expect(() => reader.apply(reader.init(random.key(0)), { inputIds: none })).toThrow(/none is the last/)
  const encoder = fromConfig({ ...bert, architectures: ['BertModel'] }) as EncoderModel
  expect(() => encoder.apply(encoder.init(random.key(0)), { inputIds: none })).toThrow(/^model.apply: of no tokens none is the first/)
})
