/** A trained Llama of 260,000 parameters: its text, ids and loss, as Transformers has them. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { load, save } from '../../src/hub/node.ts'
import { jit, type NdArray, nn, np, random } from '../../src/index.ts'
import { beamSearch, generate, generateTokens, speculate } from '../../src/models/index.ts'
import * as tree from '../../src/tree.ts'
import { sharedData } from '../shared.ts'

interface Expected {
  readonly prompts: readonly {
    readonly prompt: string
    readonly ids: readonly number[]
    readonly greedy: readonly number[]
    readonly text: string
  }[]
  readonly loss: { readonly text: string; readonly ids: readonly number[]; readonly value: number }
  readonly encodings: readonly { readonly text: string; readonly ids: readonly number[]; readonly decoded: string }[]
}
const folder = sharedData('stories260K')

describe.skipIf(folder === null)('stories260K', async () => {
  if (folder === null) return
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected
  const { model, params, tokenizer } = await load(folder)
  const ids = (list: readonly number[]): NdArray => np.array([list as number[]], { dtype: 'int32' })

  test('its tokenizer encodes and decodes', () => {
    for (const { text, ids: want, decoded } of expected.encodings) {
      expect(tokenizer!.encode(text)).toEqual(want)
      expect(tokenizer!.decode(want)).toBe(decoded)
    }
    expect(model.eos).toEqual([1, 2])
  })
  test('the loss', () => {
    const { ids: list, value } = expected.loss
    const T = list.length
    const loss = jit((p: typeof params, x: NdArray) =>
      np.mean(nn.crossEntropy(model.apply(p, { inputIds: x }).logits.slice([], [0, T - 1]), x.slice([], [1, T]))),
    )
    expect(Math.abs(loss(params, ids(list)).item() / value - 1)).toBeLessThan(1e-5)
  })
  test.each(expected.prompts)('sixty greedy tokens of “$prompt”', async ({ prompt, ids: list, greedy, text }) => {
    const got: number[] = []
    for await (const [id] of generateTokens(model, params, { inputIds: list, maxNewTokens: greedy.length })) got.push(id!)
    expect(got).toEqual(greedy)
    let said = prompt
    for await (const piece of generate(model, params, { prompt, tokenizer: tokenizer!, maxNewTokens: greedy.length, stop: [] }))
      said += piece
    expect(said.trimStart()).toBe(text.trimStart())
  })
  test('in a batch of different lengths, as each alone', async () => {
    const { prompts } = expected
    const rows: number[][] = prompts.map(() => [])
    const options = { inputIds: prompts.map((p) => p.ids), maxNewTokens: 60 }
    for await (const next of generateTokens(model, params, options)) next.forEach((id, i) => rows[i]!.push(id!))
    expect(rows).toEqual(prompts.map((p) => p.greedy.slice(0, 60)))
  })
  test('a cache goes on where it ended, and can be cut back', async () => {
    const { ids: list, greedy } = expected.prompts[0]!
    const run = async (options: Parameters<typeof generateTokens>[2]) => {
      const from = generateTokens(model, params, options)
      for (;;) {
        const { done, value } = await from.next()
        if (done === true) return value
      }
    }
    const first = await run({ inputIds: list, maxNewTokens: 10, capacity: 128 })
    expect(first.cache.lengths.toArray()).toEqual([list.length + 10])
    const second = await run({ inputIds: [greedy[10]!], maxNewTokens: 9, cache: first.cache })
    expect(second.tokens[0]).toEqual(greedy.slice(11, 20))
    await expect(run({ inputIds: [1], cache: first.cache })).rejects.toThrow(/generateTokens: this cache was taken over by an earlier call/)
    const copy = tree.map((x: NdArray) => np.add(x, 0), second.cache)
    for (const cache of [copy, second.cache])
      expect((await run({ inputIds: [greedy[20]!], maxNewTokens: 4, cache })).tokens[0]).toEqual(greedy.slice(21, 25))
    const third = await run({ inputIds: list, maxNewTokens: 10, capacity: 128 })
    const cut = { ...third.cache, lengths: np.array([list.length + 4], { dtype: 'int32' }) }
    const again = await run({ inputIds: [greedy[4]!], maxNewTokens: 5, cache: cut })
    expect(again.tokens[0]).toEqual(greedy.slice(5, 10))
    await expect(run({ inputIds: list, maxNewTokens: 128, cache: again.cache })).rejects.toThrow(
      /there is room for 128: give a larger capacity/,
    )
  })
  test('draws are a function of the key; the hook, stops and the signal have their say', async () => {
    const prompt = 'Once upon a time'
    const told = async (more: object): Promise<string> => {
      let said = ''
      for await (const piece of generate(model, params, { prompt, tokenizer: tokenizer!, maxNewTokens: 40, ...more })) said += piece
      return said
    }
    const draw = (key: number) => told({ temperature: 0.9, topK: 20, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1, key: random.key(key) })
    const [a, b, c] = [await draw(1), await draw(1), await draw(2)]
    expect(a).toBe(b)
    expect(a).not.toBe(c)
    const whole = await told({})
    const word = whole.split(' ')[3]!
    expect(await told({ stop: word })).toBe(whole.slice(0, whole.indexOf(word)))
    const banned = tokenizer!.encode('a', { special: false }).at(-1)!
    const without = await told({ logits: (x: NdArray) => x.at([], banned).set(-Infinity) })
    expect(tokenizer!.encode(without, { special: false })).not.toContain(banned)
    const controller = new AbortController()
    let pieces = 0
    for await (const _ of generate(model, params, { prompt, tokenizer: tokenizer!, signal: controller.signal }))
      if (++pieces === 3) controller.abort()
    expect(pieces).toBe(3)
  })
  test('four beams find a text at least as likely as the greedy one', async () => {
    for (const { prompt, ids: list, greedy } of expected.prompts) {
      const options = { prompt, tokenizer: tokenizer!, maxNewTokens: 24, eos: [] }
      const [best, ...others] = await beamSearch(model, params, options)
      expect(others.length).toBe(3)
      const [only] = await beamSearch(model, params, { ...options, beams: 1 })
      expect(only!.tokens).toEqual(greedy.slice(0, 24))
      expect(best!.score).toBeGreaterThanOrEqual(only!.score)
      expect(best!.text).toBe(tokenizer!.decode(best!.tokens))
      expect((await beamSearch(model, params, { inputIds: list, maxNewTokens: 24, eos: [] }))[0]).toEqual({ ...best, text: null })
    }
  })
  test.each(['its own 16 bits', 'noise'])('drafted by %s it says the same', async (what) => {
    const draft = what === 'noise' ? { model, params: model.init(random.key(3)) } : await load(folder, { dtype: 'bfloat16' })
    for (const { ids: inputIds, greedy } of expected.prompts) {
      const from = speculate(model, params, draft.model, draft.params, { inputIds, maxNewTokens: greedy.length })
      for (;;) {
        const { done, value } = await from.next()
        if (done !== true) continue
        expect(value.tokens).toEqual(greedy)
        if (what !== 'noise') expect(value.accepted / value.drafted).toBeGreaterThan(0.8)
        break
      }
    }
  })
  test('what is saved is loaded again, the same to the bit', async () => {
    const to = mkdtempSync(join(tmpdir(), 'saved-'))
    await save(to, model, params, { tokenizer: tokenizer! })
    const again = await load(to)
    const [x, y] = [params, again.params].map((p) => model.apply(p, { inputIds: ids([1, 5, 9]) }).logits.toArray())
    expect(x).toEqual(y)
    expect(again.tokenizer!.encode('Once')).toEqual(tokenizer!.encode('Once'))
  })
  test.each(['float16', 'bfloat16'] as const)('as %s it says nearly the same', async (dtype) => {
    const half = await load(folder, { dtype })
    let [agreed, all] = [0, 0]
    for (const { ids: list, greedy } of expected.prompts) {
      const fed = [...list, ...greedy.slice(0, -1)]
      const top = np.argmax(model.apply(half.params, { inputIds: ids(fed) }).logits, { axis: -1 }).toArray() as number[][]
      greedy.forEach((id, i) => (agreed += Number(top[0]![list.length - 1 + i] === id)))
      all += greedy.length
    }
    expect(agreed / all).toBeGreaterThan(dtype === 'float16' ? 0.99 : 0.9)
  })
})
