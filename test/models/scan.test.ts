/** `scan: true`: the same values and gradients from a loop over layers that repeat, and a program that doesn't grow with them. */
import { describe, expect, test } from 'vitest'
import { type DType, jit, makeJaxpr, nn, np, type NdArray, random, tree, valueAndGrad } from '../../src/index.ts'
import { type DecoderModel, type EncoderDecoderModel, type EncoderModel, fromConfig } from '../../src/models/index.ts'
import { quick } from '../effort.ts'

type Json = Readonly<Record<string, unknown>>
type AnyModel = DecoderModel | EncoderModel | EncoderDecoderModel
const sizes = { vocab_size: 12, hidden_size: 8, intermediate_size: 12, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 4 }
const t5 = { model_type: 't5', vocab_size: 12, d_model: 8, d_kv: 4, d_ff: 12, num_heads: 2, relative_attention_num_buckets: 8 }
/** Each with how often its layers attend, written out and in loops. */
const models: readonly (readonly [name: string, json: Json, all: number, looped: number])[] = [
  ['llama', { ...sizes, model_type: 'llama', num_hidden_layers: 4 }, 4, 1],
  [
    'gemma 2, which slides every other layer',
    { ...sizes, model_type: 'gemma2', num_hidden_layers: 5, sliding_window: 2, attn_logit_softcapping: null },
    5,
    3,
  ],
  ['gemma 3, by six and two left', { ...sizes, model_type: 'gemma3_text', num_hidden_layers: 14, sliding_window: 2 }, 14, 7],
  ['qwen 2, which slides from a layer on', { ...sizes, model_type: 'qwen2', num_hidden_layers: 5, use_sliding_window: true, sliding_window: 2, max_window_layers: 2 }, 5, 2], // prettier-ignore
  ['gpt-2, whose layers differ in scale', { model_type: 'gpt2', vocab_size: 12, n_embd: 8, n_layer: 2, n_head: 2, scale_attn_by_inverse_layer_idx: true }, 2, 2], // prettier-ignore
  ['modernbert, whose first lacks a norm', { ...sizes, model_type: 'modernbert', num_hidden_layers: 7, local_attention: 2, architectures: ['ModernBertForMaskedLM'] }, 7, 4], // prettier-ignore
  ['bert', { ...sizes, model_type: 'bert', num_hidden_layers: 3, architectures: ['BertForMaskedLM'] }, 3, 1],
  ['t5', { ...t5, num_layers: 3, num_decoder_layers: 2 }, 7, 3],
  ['umt5, whose layers have biases of their own', { ...t5, model_type: 'umt5', num_layers: 3, num_decoder_layers: 2 }, 7, 3],
]
const inputIds = np.array([[3, 4, 5, 6, 7], [8, 9, 10, 11, 0]], { dtype: 'int32' }) // prettier-ignore
const inputs = { inputIds, attentionMask: np.notEqual(inputIds, 0) }
const logitsOf =
  (model: AnyModel, options: object) =>
  (params: object): NdArray => {
    const given = model.kind === 'encoderDecoder' ? { ...inputs, decoderInputIds: inputIds } : inputs
    return (model.apply as (...args: unknown[]) => { readonly logits: NdArray })(params, given, options).logits
  }
const lossOf = (model: AnyModel, options: object) => (params: object) =>
  np.mean(nn.crossEntropy(logitsOf(model, options)(params), inputIds))
/** Of the model's program and those within it. */
const equations = (json: Json, options: object): readonly string[] => {
  const model = fromConfig(json) as AnyModel
  return String(makeJaxpr(logitsOf(model, options))(model.init(random.key(0)))).split('\n').filter((line) => line.includes(' = ')) // prettier-ignore
}
const close = (a: unknown, b: unknown): void =>
  tree.leaves(b).forEach((want, i) => {
    const got = tree.leaves(a)[i] as NdArray
    expect(np.max(np.abs(np.sub(got, want as NdArray))).item()).toBeLessThan(1e-5)
  })

describe.each(models)('%s', (_, json, all, looped) => {
  const model = fromConfig(json) as AnyModel
  const params = model.init(random.key(1))
  test.each(quick ? [{ scan: true }] : [{ scan: true }, { scan: true, checkpoint: true }])('%o', (options) => {
    close(logitsOf(model, options)(params), logitsOf(model, {})(params))
    const [plain, loop] = [lossOf(model, {}), lossOf(model, options)].map((f) => jit(valueAndGrad(f))(params))
    close(loop, plain)
  })
  test('only what repeats is in a loop', () => {
    const attending = (options: object): number => equations(json, options).filter((line) => line.includes('attention[')).length
    expect([attending({}), attending({ scan: true })]).toEqual([all, looped])
  })
})
test('a program grows with what repeats, and not with how often', () => {
  const llama = (n: number): Json => ({ ...sizes, model_type: 'llama', num_hidden_layers: n })
  const count = (n: number, options: object): number => equations(llama(n), options).length
  const looped = count(24, { scan: true })
  expect(looped).toBeLessThan(1.1 * count(2, {}))
  expect(count(12, { scan: true })).toBe(looped)
  expect(count(24, {})).toBeGreaterThan(8 * looped)
})
describe('weights of several dtypes give what they give layer by layer', () => {
  const model = fromConfig({ ...sizes, model_type: 'llama', num_hidden_layers: 7 }) as DecoderModel
  const plain = model.init(random.key(2))
  const cast = <T>(x: T, dtype: DType): T => tree.map((y: NdArray) => np.astype(y, dtype), x) as T
  type Layer = (typeof plain.layers)[number]
  const [half, single] = ['bfloat16', 'float32'] as const
  const layersOf = (of: (layer: Layer, i: number) => Layer): typeof plain => ({ ...cast(plain, half), layers: plain.layers.map(of) })
  test.each<[string, typeof plain, loops: number]>([
    ['layers wider than the embedding', layersOf((layer) => layer), 1],
    ['norms wider than matrices', layersOf((layer) => ({ ...cast(layer, half), mlpNorm: layer.mlpNorm })), 1],
    ['the last layers wider', layersOf((layer, i) => cast(layer, i < 2 ? half : single)), 2],
    ['every other layer wider', layersOf((layer, i) => cast(layer, i % 2 === 0 ? half : single)), 1],
    ['three dtypes', layersOf((layer, i) => cast(layer, i < 2 ? half : i < 4 ? 'float16' : single)), 2],
  ])('%s', (_, params, loops) => {
    const [looped, wanted] = [{ scan: true }, {}].map((options) => {
      const logits = logitsOf(model, options)(params)
      return [logits, ...tree.leaves(jit(valueAndGrad(lossOf(model, options)))(params))] as readonly NdArray[]
    })
    looped!.forEach((got, i) => {
      const want = wanted![i]!
      expect(got.dtype).toBe(want.dtype)
      const most = (x: NdArray): number => np.max(np.abs(np.astype(x, 'float32'))).item() as number
      // Carries of bfloat16 are rounded to its 8 bits.
      expect(most(np.sub(got, want))).toBeLessThanOrEqual(most(want) * 2 ** -6)
    })
    expect(String(makeJaxpr(logitsOf(model, { scan: true }))(params)).match(/= scan\[/g)?.length).toBe(loops)
  })
})
test('a cache and scan, of which one would be left out, are refused together', () => {
  const model = fromConfig({ ...sizes, model_type: 'llama', num_hidden_layers: 2 }) as DecoderModel
  const params = model.init(random.key(0))
  expect(() => model.apply(params, { inputIds }, { scan: true, cache: model.cache(2, 8) })).toThrow(/a cache is written where it lies/)
})
test('weights of any kind are stacked by their parameters, and layers of other kinds aren’t like them', () => {
  class Scaled extends nn.Weight {
    readonly of: NdArray
    readonly by: NdArray
    constructor(of: NdArray, by: NdArray) {
      super()
      this.of = of
      this.by = by
    }
    get shape(): readonly [number, number] {
      return [this.of.shape[0]!, this.of.shape[1]!]
    }
    get dtype() {
      return this.of.dtype
    }
    matmul(x: NdArray): NdArray {
      return nn.linear({ weight: this.of }, x).mul(this.by)
    }
    take(ids: NdArray): NdArray {
      return nn.embedding({ w: this.of }, ids).mul(this.by)
    }
  }
  tree.registerNode(
    Scaled,
    ({ of, by }) => [[of, by], null],
    (_, [of, by]) => new Scaled(of as NdArray, by as NdArray),
  )
  const model = fromConfig({ ...sizes, model_type: 'llama', num_hidden_layers: 4 }) as DecoderModel
  const plain = model.init(random.key(3))
  const layers = plain.layers.map((layer, i) => {
    const down = { weight: new Scaled((layer.mlp.down as { readonly weight: NdArray }).weight, np.array(i + 1)) }
    return i === 0 ? layer : { ...layer, mlp: { ...layer.mlp, down } }
  })
  const params = { ...plain, layers }
  close(logitsOf(model, { scan: true })(params), logitsOf(model, {})(params))
})
