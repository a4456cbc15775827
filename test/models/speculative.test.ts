/** A law: whatever drafts, and however much at a time, the ids are those of generateTokens. */
import { describe, expect, test } from 'vitest'
import { ArgumentError, type NdArray, random, ShapeError } from '../../src/index.ts'
import { type DecoderModel, type DecoderParams, generateTokens, speculate, type Speculated, type SpeculateOptions } from '../../src/models/index.ts' // prettier-ignore
import { golden } from './golden.ts'

type Pair = readonly [DecoderModel, DecoderParams]
const pair = (name: string): Pair => {
  const { model, params } = golden(name, 'decoder')
  return [model, params]
}
const greedyOf = async ([model, params]: Pair, inputIds: readonly number[], maxNewTokens: number, eos: readonly number[] = []) => {
  const ids: number[] = []
  for await (const [id] of generateTokens(model, params, { inputIds, maxNewTokens, eos })) ids.push(id!)
  return ids
}
const speculated = async (of: Pair, by: Pair, options: SpeculateOptions): Promise<Speculated & { readonly rounds: number }> => {
  const from = speculate(...of, ...by, options)
  for (const came: number[] = [], rounds = { n: 0 }; ; rounds.n++) {
    const { done, value } = await from.next()
    if (done !== true) came.push(...value)
    else {
      expect(value.tokens).toEqual(came)
      return { ...value, rounds: rounds.n }
    }
  }
}
/** Right now and then: the model itself, its weights moved a little. */
const moved = ([model, params]: Pair): Pair => {
  const w = params.embed.w as NdArray
  return [model, { ...params, embed: { w: w.add(random.normal(random.key(1), w.shape).mul(0.08)) } }]
}
const names = ['gpt2', 'llama', 'llama3', 'mistral', 'qwen2', 'gemma2', 'gemma3', 'phi3-long', 'phi3-short', 'smollm3'] as const
const prompts = [[5], [3, 17, 60, 22, 9], [8, 8, 1, 40, 33, 21, 50, 6, 7, 2, 11]]

describe.each(names)('%s', (name) => {
  const of = pair(name)
  const [model] = of
  const drafts: Readonly<Record<string, Pair>> = {
    itself: of,
    'itself, moved': moved(of),
    'another model': pair(name === 'llama' ? 'mistral' : 'llama'),
    noise: [model, model.init(random.key(7))],
  }
  // Longer than any window of theirs, so that a ring would have turned.
  test.each(Object.keys(drafts))('drafted by %s', async (who) => {
    for (const [i, inputIds] of prompts.entries()) {
      // phi3-short's frequencies change at 32 positions, phi3-long's at 4.
      const maxNewTokens = name === 'phi3-short' ? 32 - inputIds.length : 30
      if (name === 'phi3-long' && inputIds.length <= 4) continue
      const greedy = await greedyOf(of, inputIds, maxNewTokens)
      for (const tokens of [1, 2, 4, 7].slice(i === 1 ? 0 : 2, i === 1 ? 4 : 3)) {
        const got = await speculated(of, drafts[who]!, { inputIds, maxNewTokens, tokens })
        expect(got.tokens, `${tokens} at a time after ${inputIds.join()}`).toEqual(greedy)
        if (who !== 'itself') continue
        expect(got.accepted).toBe(got.drafted)
        expect(got.rounds).toBe(1 + Math.ceil((maxNewTokens - 1) / (tokens + 1)))
      }
    }
  })
})

describe('what ends it, and what is refused', () => {
  const of = pair('llama')
  const inputIds = [3, 17, 60, 22, 9]
  test.each([1, 3, 4])('%i guesses are what the draft itself says after what was taken', async (tokens) => {
    const [draft, greedy] = [moved(of), await greedyOf(of, inputIds, 40)]
    let [drafted, accepted, at] = [0, 0, 1]
    while (at < greedy.length) {
      const guesses = await greedyOf(draft, [...inputIds, ...greedy.slice(0, at)], Math.min(tokens, greedy.length - at - 1))
      const n = guesses.findIndex((id, i) => id !== greedy[at + i])
      const right = n < 0 ? guesses.length : n
      drafted += guesses.length
      accepted += right
      at += right + 1
    }
    expect(accepted).toBeGreaterThan(0)
    expect(accepted).toBeLessThan(drafted)
    expect(await speculated(of, draft, { inputIds, maxNewTokens: 40, tokens })).toMatchObject({ tokens: greedy, drafted, accepted })
  })
  test('ids that end it, wherever in a round they come', async () => {
    const greedy = await greedyOf(of, inputIds, 20)
    for (const eos of greedy.slice(0, 8).map((id) => [id]))
      expect((await speculated(of, of, { inputIds, maxNewTokens: 20, eos })).tokens).toEqual(await greedyOf(of, inputIds, 20, eos))
  })
  test('no tokens, one, and a signal', async () => {
    const greedy = await greedyOf(of, inputIds, 6)
    for (const maxNewTokens of [0, 1, 2])
      expect((await speculated(of, of, { inputIds, maxNewTokens })).tokens).toEqual(greedy.slice(0, maxNewTokens))
    const controller = new AbortController()
    const from = speculate(...of, ...of, { inputIds, signal: controller.signal })
    await from.next()
    controller.abort()
    expect(await from.next()).toEqual({ done: true, value: { tokens: greedy.slice(0, 1), drafted: 0, accepted: 0 } })
  })
  test('caches of 16 bits', async () => {
    for (const dtype of ['float16', 'bfloat16'] as const) {
      const ids: number[] = []
      for await (const [id] of generateTokens(...of, { inputIds, maxNewTokens: 12, dtype })) ids.push(id!)
      expect((await speculated(of, moved(of), { inputIds, maxNewTokens: 12, dtype })).tokens).toEqual(ids)
    }
  })
  test('a learned position for each: to the last of them', async () => {
    const gpt2 = pair('gpt2')
    const maxNewTokens = 64 - inputIds.length
    expect((await speculated(gpt2, moved(gpt2), { inputIds, maxNewTokens })).tokens).toEqual(await greedyOf(gpt2, inputIds, maxNewTokens))
    await expect(speculated(gpt2, of, { inputIds, maxNewTokens: 60 })).rejects.toThrow(/are 65, and the model has 64 positions/)
    await expect(speculated(of, gpt2, { inputIds, maxNewTokens: 60 })).rejects.toThrow(/are 65, and the draft has 64 positions/)
    await expect(speculated(of, gpt2, { inputIds, maxNewTokens: 60 })).rejects.toBeInstanceOf(ShapeError)
  })
  test('frequencies that change within the text', async () => {
    const dynamic = pair('llama-dynamic')
    await expect(speculated(dynamic, of, { inputIds })).rejects.toThrow(
      /rotary frequencies \(dynamic\) change within 133 positions.*use generateTokens/,
    )
    await expect(speculated(pair('phi3-short'), of, { inputIds })).rejects.toThrow(/\(longrope\) change/)
    // As a draft it may be anything.
    expect((await speculated(of, dynamic, { inputIds, maxNewTokens: 12 })).tokens).toEqual(await greedyOf(of, inputIds, 12))
  })
  test('other vocabularies, other kinds, nothing at all', async () => {
    const [model, params] = of
    const other = { ...model, config: { ...model.config, vocab: 65 } }
    await expect(speculated(of, [other, params], { inputIds })).rejects.toThrow(/the draft has 65 ids, and the model 64/)
    const t5 = golden('t5', 'encoderDecoder')
    await expect(speculated(of, [t5.model, t5.params] as never, { inputIds })).rejects.toThrow(/the draft is an encoder-decoder/)
    await expect(speculated(of, [null, params] as never, { inputIds })).rejects.toBeInstanceOf(ArgumentError)
    await expect(speculated(of, of, { inputIds: [] })).rejects.toThrow(/a prompt has no ids/)
    expect(() => speculate(...of, ...of, { inputIds, tokens: 0 })).toThrow(/tokens is a whole number of at least 1/)
  })
})
