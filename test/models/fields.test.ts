/** Every field that any family reads: what isn't such a value is refused by the field's name, and no model is made of it. */
import { describe, expect, test } from 'vitest'
import { nn, np } from '../../src/index.ts'
import { FileError } from '../../src/io/index.ts'
import { type DecoderModel, fromConfig } from '../../src/models/index.ts'
import { families } from '../../src/models/families/index.ts'

type Json = Readonly<Record<string, unknown>>
const sizes = { vocab_size: 20, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 4 } // prettier-ignore
const own: Readonly<Record<string, Json>> = {
  gpt2: { vocab_size: 20, n_embd: 8, n_layer: 2, n_head: 2 },
  distilbert: { vocab_size: 20, dim: 8, hidden_dim: 12, n_layers: 1, n_heads: 2 },
  ...Object.fromEntries(['t5', 'mt5', 'umt5'].map((type) => [type, { vocab_size: 20, d_model: 8, d_kv: 4, d_ff: 12, num_layers: 1, num_heads: 2 }])), // prettier-ignore
  phi3: { ...sizes, hidden_size: 8 },
}
/** What families read only where something else is said. */
const more: Readonly<Record<string, readonly Json[]>> = {
  qwen2: [{ use_sliding_window: true }],
  qwen3: [{ use_sliding_window: true }],
  smollm3: [{ use_sliding_window: true, sliding_window: 4 }, { no_rope_layers: [1, 0] }],
  phi3: [{ sliding_window: 4 }],
  llama: [{ architectures: ['LlamaForSequenceClassification'], pad_token_id: 0, num_labels: 3 }, { eos_token_id: [1, 2] }],
  bert: [{ architectures: ['BertForSequenceClassification'] }, { architectures: ['BertForTokenClassification'], id2label: { 0: 'no' } }],
  modernbert: [{ architectures: ['ModernBertForSequenceClassification'] }],
  vit: [{ image_size: [8, 8], patch_size: [4, 4] }],
  t5: [{ decoder_start_token_id: 0 }],
}
const bases: readonly (readonly [type: string, json: Json])[] = families.flatMap(
  ({ types }) =>
  types.flatMap((type) => [{}, ...(more[type] ?? [])].map((json) => [type, { model_type: type, ...sizes, ...own[type], ...json }] as const)), // prettier-ignore
)
/** The fields of it that are asked for. */
const askedOf = (json: Json, read: (json: Json) => unknown): readonly string[] => {
  const asked = new Set<string>()
  const seen = (_: Json, name: string | symbol): undefined => void asked.add(String(name))
  read(
    new Proxy(json, {
      getOwnPropertyDescriptor: (of, name) => (seen(of, name), Reflect.getOwnPropertyDescriptor(of, name)),
      get: (of, name) => (seen(of, name), Reflect.get(of, name) as unknown),
    }),
  )
  return [...asked].filter((name) => name !== 'model_type')
}
const refusalOf = (read: () => unknown): Error | null => {
  try {
    read()
    return null
  } catch (error) {
    return error as Error
  }
}
/** No field of any kind may have these. */
const nonsense: readonly unknown[] = [NaN, Infinity, -Infinity, -1.5, [NaN], [[]], { a: NaN }]
/** Of a field whose refusal calls it so. */
const others: readonly (readonly [kind: RegExp, values: readonly unknown[]])[] = [
  [/a whole number/, ['3', 1.5, 1e300, true, ['x']]],
  [/ a number /, ['3', 'NaN', true, {}, ['x']]],
  [/above 0/, [0, -1]],
  [/of 0 or more/, [-1]],
  [/ids? /, ['3', 1.5, [1.5], [-1], ['3']]],
]
const check = (json: Json, names: readonly string[], read: (json: Json) => unknown): void => {
  for (const name of names) {
    const refused = (value: unknown): string => {
      const error = refusalOf(() => read({ ...json, [name]: value }))
      expect(error, `${name}: ${String(value)}`).toBeInstanceOf(FileError)
      expect(error!.message).toContain(name)
      return error!.message
    }
    const said = nonsense.map(refused)
    for (const [kind, values] of others) if (said.some((text) => kind.test(` ${text}`))) values.forEach(refused)
  }
}

describe.each(bases)('%s %o', (_, json) => {
  test('fields', () => {
    const asked = askedOf(json, fromConfig)
    expect(asked).toContain('vocab_size' in json && json['model_type'] !== 'vit' ? 'vocab_size' : 'hidden_size')
    check(json, asked.filter((name) => !['rope_scaling', 'rope_parameters', 'id2label'].includes(name)), fromConfig) // prettier-ignore
  })
})

const ropes: Readonly<Record<string, Json>> = {
  default: {},
  linear: { factor: 2 },
  dynamic: { factor: 2 },
  yarn: { factor: 2, original_max_position_embeddings: 8, beta_fast: 32, beta_slow: 1, mscale: 1, mscale_all_dim: 1, attention_factor: 1 },
  longrope: { factor: 2, original_max_position_embeddings: 8, short_factor: [1, 1], long_factor: [2, 2] },
  llama3: { factor: 2, original_max_position_embeddings: 8, low_freq_factor: 1, high_freq_factor: 4 },
  proportional: { factor: 2, partial_rotary_factor: 0.5 },
}
const llama = { model_type: 'llama', ...sizes }
describe.each(Object.keys(ropes))('a rope of the kind %s', (rope_type) => {
  const rope = { rope_type, rope_theta: 100, ...ropes[rope_type] }
  const read = (rope_parameters: Json): DecoderModel => fromConfig({ ...llama, rope_parameters }) as DecoderModel
  test('fields', () => {
    check(rope, askedOf(rope, read), read)
    expect(askedOf(rope, read)).toContain('rope_theta')
  })
  test('what is accepted turns by numbers', () => {
    for (const of of [
      {},
      { rope_theta: 0.5 },
      { rope_theta: 1e12 },
      { factor: 1e-3 },
      { factor: 1 },
      { factor: 1e6 },
      { attention_factor: 1e-3 },
    ]) {
      // prettier-ignore
      const { cos, sin } = nn.rotary(np.arange(9).astype('int32'), read({ ...rope, ...of }).config.ropes['all']!)
      for (const x of [cos, sin]) expect(Boolean(np.all(np.isfinite(x)).item()), JSON.stringify(of)).toBe(true)
    }
  })
})
test.each<[object, RegExp]>([
  [{ rope_parameters: { rope_type: 'llama3', factor: 2, low_freq_factor: 4, high_freq_factor: 4 } }, /rope_parameters: high_freq_factor is 4: it should be above low_freq_factor, 4/], // prettier-ignore
  [{ rope_parameters: { rope_type: 'yarn', factor: 2, beta_fast: 1, beta_slow: 2 } }, /rope_parameters: beta_fast is 1: beta_fast should be above beta_slow, and they are 1 and 2/], // prettier-ignore
  [{ rope_theta: 1, rope_scaling: { rope_type: 'yarn', factor: 2 } }, /config.json: rope_theta is 1: /],
  [{ rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1, 2] } }, /short_factor is \[1\]: a number above 0 for each of 2 pairs was expected/], // prettier-ignore
  [{ rope_scaling: { type: 'longrope', short_factor: [1, 1], long_factor: [1, 0] } }, /long_factor is \[1,0\]/],
  [{ quantization_config: { quant_method: 'gptq', bits: 4 } }, /quantization_config is \{quant_method: "gptq", bits: 4\}: quantised weights aren't read yet/], // prettier-ignore
  [{ model_type: 'smollm3', no_rope_layers: [1] }, /no_rope_layers is \[1\]: 0 or 1 for each of 2 layers was expected/],
  [{ model_type: 'bert', architectures: ['BertForTokenClassification'], id2label: {} }, /id2label is \{\}: a name for each class was expected/], // prettier-ignore
  [{ ...own['t5'], model_type: 't5', num_layers: 1e9 }, /num_layers is 1000000000: no model has more than 4096/],
  [{ ...own['t5'], model_type: 't5', relative_attention_num_buckets: 7 }, /relative_attention_num_buckets is 7: an even number of at least 4/], // prettier-ignore
  [{ ...own['t5'], model_type: 't5', relative_attention_max_distance: 1e6 }, /relative_attention_max_distance is 1000000: 65536 is the most/], // prettier-ignore
  [{ ...own['t5'], model_type: 't5', decoder_start_token_id: 20 }, /decoder_start_token_id is 20: it begins what is written, and the model has 20 ids/], // prettier-ignore
])('%o', (json, message) => {
  expect(() => fromConfig({ ...llama, ...json })).toThrow(message)
})
test('a rope of two numbers a head stretches as others do, which its one frequency doesn’t see', () => {
  const scaling = { kind: 'dynamic', factor: 2, context: 4 } as const
  const [plain, grown] = [{}, { scaling }].map((of) => nn.rotary(np.arange(9).astype('int32'), { base: 100, dims: 2, ...of }).cos)
  expect(grown!.toArray()).toEqual(plain!.toArray())
})
test('GPT’s ids that end a text', () => {
  const eos = (eos_token_id: unknown): readonly number[] => (fromConfig({ ...llama, eos_token_id }) as DecoderModel).eos
  expect([eos(3), eos([3, 4]), eos(null)]).toEqual([[3], [3, 4], []])
})
