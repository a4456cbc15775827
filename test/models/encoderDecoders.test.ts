/** T5 and Flan-T5 against Transformers: logits, loss, every gradient, a training curve, greedy tokens with and without cache. */
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { load, save } from '../../src/hub/node.ts'
import { jit, type NdArray, nn, np, random, tree, valueAndGrad } from '../../src/index.ts'
import { fromConfig, generate, generateTokens } from '../../src/models/index.ts'
import { layoutOf, matched } from '../../src/models/names.ts'
import type { Tokenizer } from '../../src/text/index.ts'
import { arrayOf, golden } from './golden.ts'
import { encoderDecoderChecks, encoderDecoders } from './parity.ts'

const ids = (rows: readonly (readonly number[])[]): NdArray => np.array(rows as number[][], { dtype: 'int32' })

describe.each(encoderDecoders)('%s', (name) => {
  test.each(encoderDecoderChecks(name))('%s', async (_, check) => check())
  const { model, params, expected, nameAt } = golden(name, 'encoderDecoder')
  const { labels, ...rest } = Object.fromEntries(Object.entries(expected.inputs).map(([key, x]) => [key, arrayOf(x)])) as Record<string, NdArray> // prettier-ignore
  const inputs = rest as unknown as Parameters<typeof model.apply>[1]
  type Params = typeof params
  const lossOf =
    (options: Parameters<typeof model.apply>[2] = {}) =>
    (p: Params): NdArray =>
      nn.crossEntropy(model.apply(p, inputs, options).logits, labels!, { ignoreIndex: -100, reduction: 'mean' })
  const normsOf = (grads: Params): Readonly<Record<string, number>> => {
    const paths = tree.paths(grads)
    return Object.fromEntries((tree.leaves(grads) as NdArray[]).map((g, i) => [nameAt(paths[i]!), np.linalg.norm(g.reshape(-1)).item()]))
  }

  test('the same gradients from checkpoints', () => {
    const [plain, again] = [lossOf(), lossOf({ checkpoint: true })].map((f) => normsOf(jit(valueAndGrad(f))(params)[1]))
    for (const [key, norm] of Object.entries(plain!)) expect(Math.abs(again![key]! / norm - 1), key).toBeLessThan(1e-4)
  })
  const { prompts, tokens } = expected.greedy
  const longest = Math.max(...prompts.map((p) => p.length))
  const padded = ids(prompts.map((p) => [...p, ...Array<number>(longest - p.length).fill(0)]))
  const mask = ids(prompts.map((p) => Array.from({ length: longest }, (_, t) => Number(t < p.length))))
  test('and with one, in a batch of prompts of several lengths', () => {
    const run = jit((p: Params, written: NdArray, c: ReturnType<typeof model.cache>, first: NdArray | null) => {
      const read = first === null ? {} : { inputIds: first, attentionMask: mask }
      const out = model.apply(p, { ...read, decoderInputIds: written }, { cache: c })
      return { next: np.argmax(out.logits, { axis: -1 }), cache: out.cache! }
    })
    let state = run(params, ids(prompts.map(() => [model.config.start])), model.cache(prompts.length, 20), padded)
    const out: number[][] = prompts.map(() => [])
    for (let n = 0; n < 20; n++) {
      ;(state.next.toArray() as number[][]).forEach(([token], i) => out[i]!.push(token!))
      if (n < 19) state = run(params, state.next, state.cache, null)
    }
    expect(out).toEqual(tokens)
  })
  test('several tokens at once behind a cache, as all at once; rows of several lengths; the last alone', () => {
    const said = ids(tokens.map((row) => [model.config.start, ...row.slice(0, 9)])) // [3,10]
    const source = { inputIds: padded, attentionMask: mask }
    const whole = model.apply(params, { ...source, decoderInputIds: said })
    const first = model.apply(params, { ...source, decoderInputIds: said.slice([], [0, 4]) }, { cache: model.cache(3, 16) })
    const then = model.apply(params, { decoderInputIds: said.slice([], [4, 10]) }, { cache: first.cache! })
    const both = np.concatenate([first.logits, then.logits], 1)
    expect(np.max(np.abs(np.sub(both, whole.logits))).item()).toBeLessThan(1e-5)
    expect(then.encoderLastHiddenState).toBeUndefined()
    expect(then.cache!.lengths.toArray()).toEqual([10, 10, 10])
    const lengths = [2, 4, 3]
    const decoderAttentionMask = ids(lengths.map((n) => [0, 1, 2, 3].map((t) => Number(t < n))))
    const uneven = { ...source, decoderInputIds: said.slice([], [0, 4]), decoderAttentionMask }
    const last = np.stack(lengths.map((n, i) => whole.logits.slice(i, n - 1)))
    for (const options of [{ only: 'last' }, { only: 'last', cache: model.cache(3, 16) }] as const) {
      const { logits, cache } = model.apply(params, uneven, options)
      expect(np.max(np.abs(np.sub(logits.reshape(3, -1), last))).item()).toBeLessThan(1e-5)
      if (cache !== undefined) expect(cache.lengths.toArray()).toEqual(lengths)
    }
  })
  test('generateTokens: prompts are read; a cache goes on where it ended', async () => {
    const run = async (options: Parameters<typeof generateTokens>[2]) => {
      const from = generateTokens(model, params, options)
      for (;;) {
        const { done, value } = await from.next()
        if (done === true) return value
      }
    }
    expect((await run({ inputIds: prompts, maxNewTokens: 20 })).tokens).toEqual(tokens)
    for (const [i, prompt] of prompts.entries()) expect((await run({ inputIds: prompt, maxNewTokens: 20 })).tokens).toEqual([tokens[i]])
    const first = await run({ inputIds: prompts, maxNewTokens: 8, capacity: 64 })
    const cut = { ...first.cache, lengths: np.sub(first.cache.lengths, 1) }
    const second = await run({ inputIds: first.tokens.map((row) => row.slice(-1)), maxNewTokens: 12, cache: cut })
    expect(first.tokens.map((row, i) => [...row, ...second.tokens[i]!])).toEqual(tokens)
    const drawn = (key: number) => run({ inputIds: prompts, maxNewTokens: 8, temperature: 1, topK: 20, repetitionPenalty: 1.2, key: random.key(key) }) // prettier-ignore
    const [a, b, c] = [await drawn(1), await drawn(1), await drawn(2)]
    expect(a.tokens).toEqual(b.tokens)
    expect(a.tokens).not.toEqual(c.tokens)
    const seen: (readonly (readonly number[])[])[] = []
    await run({ inputIds: prompts[0]!, maxNewTokens: 2, logits: (x, all) => (seen.push(structuredClone(all)), x) })
    expect(seen).toEqual([[[model.config.start]], [[model.config.start, tokens[0]![0]!]]])
    const ended = await run({ inputIds: prompts[0]!, maxNewTokens: 20, eos: [tokens[0]![3]!] })
    expect(ended.tokens).toEqual([tokens[0]!.slice(0, tokens[0]!.indexOf(tokens[0]![3]!) + 1)])
  })
  test('generate: a text is read, and the answer is a text of its own', async () => {
    const [prompt, answer] = [prompts[1]!, tokens[1]!]
    const encode = (): number[] => [...prompt]
    const decode = (list: readonly number[]): string => list.map((id) => ` ${id}`).join('')
    const tokenizer = { encode, decode } as unknown as Tokenizer
    let said = ''
    for await (const piece of generate(model, params, { prompt: 'whatever', tokenizer, maxNewTokens: 6 })) said += piece
    expect(said).toBe(decode(answer.slice(0, 6)))
    // @ts-expect-error: parameters of another kind of model
    const other = () => generate(model, golden('llama', 'decoder').params, { prompt: '', tokenizer })
    expect(other).toBeTypeOf('function')
  })
  test.each(['float16', 'bfloat16'] as const)('as %s it says nearly the same, and stays finite', (dtype) => {
    const half = tree.map((x: NdArray) => x.astype(dtype), params)
    const off = np.abs(np.sub(model.apply(half, inputs).logits.astype('float32'), arrayOf(expected.logits)))
    expect(np.mean(off).item()).toBeLessThan(dtype === 'float16' ? 0.01 : 0.1)
    const loud = (p: Params, by: number): Params => {
      const [first, ...others] = p.encoder.layers
      const down = { weight: (first!.mlp.down as { readonly weight: NdArray }).weight.mul(by) }
      return { ...p, encoder: { ...p.encoder, layers: [{ ...first!, mlp: { ...first!.mlp, down } }, ...others] } }
    }
    expect(np.all(np.isfinite(model.apply(loud(half, 30_000), inputs).logits)).item()).toBe(1)
  })
  test('what is saved is loaded again, the same to the bit', async () => {
    const folder = fileURLToPath(new URL(`../golden/models/${name}`, import.meta.url))
    await expect(load(folder)).rejects.toThrow("is an encoder-decoder, and a decoder was asked for: { kind: 'encoderDecoder' } loads it")
    const loaded = await load(folder, { kind: 'encoderDecoder' })
    const to = mkdtempSync(join(tmpdir(), 'saved-'))
    await save(to, loaded.model, loaded.params)
    const again = await load(to, { kind: 'encoderDecoder' })
    const [x, y] = [loaded, again].map((one) => one.model.apply(one.params, inputs).logits.toArray())
    expect(x).toEqual(y)
  })
  test('its encoder alone, of the same files: the states that the whole reads, and saved as it was loaded', async () => {
    const to = mkdtempSync(join(tmpdir(), 'alone-'))
    const architectures = [name === 'umt5' ? 'UMT5EncoderModel' : 'T5EncoderModel']
    writeFileSync(join(to, 'config.json'), JSON.stringify({ ...model.json, architectures }))
    copyFileSync(fileURLToPath(new URL(`../golden/models/${name}/model.safetensors`, import.meta.url)), join(to, 'model.safetensors'))
    await expect(load(to, { kind: 'encoderDecoder' })).rejects.toThrow('is an encoder, and an encoder-decoder was asked for')
    const alone = await load(to, { kind: 'encoder' })
    const given = { inputIds: padded, attentionMask: mask }
    const whole = model.apply(params, { ...given, decoderInputIds: ids(prompts.map(() => [0])) }).encoderLastHiddenState!
    expect(alone.model.apply(alone.params, given)).toEqual({ lastHiddenState: expect.anything() as unknown })
    await save(to, alone.model, alone.params)
    const again = await load(to, { kind: 'encoder' })
    for (const { model: m, params: p } of [alone, again]) {
      for (const options of [{}, { scan: true }, { checkpoint: true }]) {
        const off = np.max(np.abs(np.sub(m.apply(p, given, options).lastHiddenState, whole)))
        expect(off.item()).toBeLessThan(1e-5)
      }
      const half = tree.map((x: NdArray) => x.astype('float16'), p)
      expect(np.all(np.isfinite(m.apply(half, given).lastHiddenState)).item()).toBe(1)
    }
    const drawn = alone.model.init(random.key(0))
    const q = (drawn.layers[0]!.attn.q as { readonly weight: NdArray }).weight
    expect(np.std(q).item() * Math.sqrt(32 * 16)).toBeCloseTo(1, 1)
  })
  test('parameters of its own have the shapes of the file', () => {
    const drawn = model.init(random.key(0))
    expect((tree.leaves(drawn) as NdArray[]).map((x) => x.shape)).toEqual((tree.leaves(params) as NdArray[]).map((x) => x.shape))
    const deviation = (x: NdArray): number => np.std(x).item()
    expect(deviation(drawn.embed.w as NdArray)).toBeCloseTo(1, 1)
    expect(deviation((drawn.encoder.layers[0]!.attn.q as { readonly weight: NdArray }).weight) * Math.sqrt(32 * 16)).toBeCloseTo(1, 1)
  })
  test('what doesn’t fit is refused', () => {
    const written = ids([[0]])
    expect(() => model.apply(params, { decoderInputIds: written })).toThrow(
      'inputIds are needed, since there is no cache that has read them',
    )
    expect(() => model.apply(params, { inputIds: padded, decoderInputIds: written })).toThrow(/inputIds i32\[3,12\] where int32\[1,S\]/)
    expect(() => model.apply(params.encoder as never, inputs)).toThrow(
      `the parameters of ${model.config.encoderLayers} and 2 layers are needed`,
    )
    const cache = { ...model.cache(1, 4), layers: [] }
    expect(() => model.apply(params, { inputIds: ids([[1]]), decoderInputIds: written }, { cache })).toThrow('a cache of 0 layers')
  })
})

describe('files', () => {
  const { model, layout, shapes } = golden('flan-t5', 'encoderDecoder')
  const namesIn = (held: ReadonlyMap<string, readonly number[]>) => matched(model.naming, layout, { what: 'flan-t5', shapes: held })
  test('of old have copies of the embedding, and of Transformers 5 may lack the head', () => {
    const names = namesIn(shapes)
    expect(names).toContain('lm_head.weight')
    const copies = ['encoder', 'decoder'].map((side) => [`${side}.embed_tokens.weight`, [64, 32]] as const)
    expect(namesIn(new Map<string, readonly number[]>([...shapes, ...copies]))).toEqual(names)
    const headless = namesIn(new Map([...shapes].filter(([name]) => name !== 'lm_head.weight')))
    expect(headless.filter((name) => name === 'shared.weight')).toHaveLength(2)
    expect(() => namesIn(new Map([...shapes, ['classification_head.dense.weight', [32, 32]]]))).toThrow('with no place in the model')
  })
  test('of the whole hold its encoder, and must hold no more layers of it', () => {
    const alone = fromConfig({ ...model.json, architectures: ['T5EncoderModel'] })
    const held = (more: readonly string[]) => matched(alone.naming, layoutOf(alone.init), { what: 'it', shapes: new Map([...shapes, ...more.map((name) => [name, [32]] as const)]) }) // prettier-ignore
    expect(held(['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'])).toHaveLength(layoutOf(alone.init).paths.length)
    expect(() => held(['encoder.block.9.layer.0.layer_norm.weight'])).toThrow('with no place in the model: encoder.block.9')
  })
  test('mT5 scales nothing and has a head of its own', () => {
    const read = (more: object) => fromConfig({ ...model.json, ...more }).config as typeof model.config
    expect(read({ model_type: 'mt5', tie_word_embeddings: true })).toMatchObject({ headScale: 1, tied: false })
    expect(read({ model_type: 'umt5', tie_word_embeddings: false })).toMatchObject({ headScale: 1, tied: false })
    expect(read({ tie_word_embeddings: true, scale_decoder_outputs: false })).toMatchObject({ headScale: 1, tied: false })
    expect(read({ tie_word_embeddings: true, scale_decoder_outputs: true })).toMatchObject({ headScale: 1 / Math.sqrt(32), tied: true })
    expect(() => read({ feed_forward_proj: 'gated-maxout' })).toThrow(/feed_forward_proj is "gated-maxout": known here are relu/)
  })
})
