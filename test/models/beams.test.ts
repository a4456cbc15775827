/** Beam search, against Transformers' generate(num_beams=…) and by what it must be. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ArgumentError, nn, np, ShapeError } from '../../src/index.ts'
import { type BeamOptions, beamSearch, generateTokens } from '../../src/models/index.ts'
import { golden } from './golden.ts'

interface Case {
  readonly model: 'llama' | 'mistral' | 't5'
  readonly prompt: readonly number[]
  readonly beams: number
  readonly maxNewTokens: number
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  readonly eos: readonly number[]
  readonly sequences: readonly (readonly number[])[]
  readonly scores: readonly number[]
}
const { cases } = JSON.parse(readFileSync(new URL('../golden/beams.json', import.meta.url), 'utf8')) as { readonly cases: readonly Case[] }
const models = { llama: golden('llama', 'decoder'), mistral: golden('mistral', 'decoder'), t5: golden('t5', 'encoderDecoder') }

describe.each(['llama', 'mistral', 't5'] as const)('%s', (name) => {
  const { model, params } = models[name]
  test.each(cases.filter((one) => one.model === name))(
    '$beams beams, penalty $lengthPenalty, early stopping $earlyStopping, prompt $prompt, ends $eos',
    async ({ prompt, sequences, scores, model: _, ...options }) => {
      const found = await beamSearch(model, params as never, { inputIds: prompt, ...options })
      expect(found.map(({ tokens }) => tokens)).toEqual(sequences)
      found.forEach(({ score }, i) => expect(Math.abs(score - scores[i]!)).toBeLessThan(1e-4))
    },
  )
})

describe('what it must be', () => {
  const { model, params } = models.llama
  const inputIds = [1, 5, 9]
  test('one beam is the greedy text', async () => {
    const [only, ...more] = await beamSearch(model, params, { inputIds, beams: 1, maxNewTokens: 15 })
    const greedy: number[] = []
    for await (const [id] of generateTokens(model, params, { inputIds, maxNewTokens: 15 })) greedy.push(id!)
    expect([only!.tokens, only!.text, more]).toEqual([greedy, null, []])
  })
  test('a score is the sum of log-probabilities, as the model gives them without a cache', async () => {
    const options = { inputIds, beams: 3, maxNewTokens: 10, lengthPenalty: 0 }
    for (const { tokens, score } of await beamSearch(model, params, options)) {
      const all = [...inputIds, ...tokens]
      const logp = nn.logSoftmax(model.apply(params, { inputIds: np.array([all], { dtype: 'int32' }) }).logits).toArray() as number[][][]
      const sum = tokens.reduce((before, id, i) => before + logp[0]![inputIds.length - 1 + i]![id]!, 0)
      expect(Math.abs(score - sum)).toBeLessThan(1e-4)
    }
  })
  test('as many beams as two tokens have texts find the best of all', async () => {
    const V = model.config.vocab
    const found = await beamSearch(model, params, { inputIds, beams: V, maxNewTokens: 2, lengthPenalty: 0 })
    const pairs = np.array(Array.from({ length: V }, (_, id) => [...inputIds, id]), { dtype: 'int32' }) // prettier-ignore
    const logp = nn.logSoftmax(model.apply(params, { inputIds: pairs }).logits)
    const first = logp.slice(0, 2)
    const sums = np.add(np.expandDims(first, 1), logp.slice([], 3)).reshape(-1)
    const best = np
      .sort(sums)
      .slice([V * V - V, V * V])
      .toArray() as number[]
    found.forEach(({ score }, i) => expect(Math.abs(score - best[V - 1 - i]!)).toBeLessThan(1e-4))
  })
  test('it ends with what there is when it is stopped', async () => {
    const controller = new AbortController()
    controller.abort()
    const found = await beamSearch(model, params, { inputIds, beams: 3, signal: controller.signal })
    expect(found.map(({ tokens }) => tokens.length)).toEqual([1, 1, 1])
  })
  test('more beams than a first step has candidates', async () => {
    const V = model.config.vocab
    const found = await beamSearch(model, params, { inputIds, beams: V + 6, maxNewTokens: 2, dtype: 'bfloat16' })
    expect(new Set(found.map(({ tokens }) => tokens.join())).size).toBe(V + 6)
  })
  test.each<readonly [object, new (...args: never[]) => Error, RegExp]>([
    [{}, ArgumentError, /beamSearch: one of prompt and inputIds is needed, and none is given/],
    [{ prompt: 'a', inputIds }, ArgumentError, /and both are given/],
    [{ prompt: 'a' }, ArgumentError, /give the option tokenizer, or inputIds/],
    [{ inputIds: [] }, ShapeError, /a prompt has no ids/],
    [{ inputIds: [99] }, ArgumentError, /id 99 isn't among the model's 64/],
    [{ inputIds, beams: 0 }, ShapeError, /beams is a whole number of at least 1/],
    [{ inputIds, earlyStopping: 'always' }, ArgumentError, /earlyStopping is true or false or one of "never"/],
  ])('%o is refused', async (options, error, message) => {
    const refused = beamSearch(model, params, options as BeamOptions)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toBeInstanceOf(error)
  })
  test('a model that has no more positions says so; one that writes nothing, too', async () => {
    const gpt2 = golden('gpt2', 'decoder')
    await expect(beamSearch(gpt2.model, gpt2.params, { inputIds, maxNewTokens: 62 })).rejects.toThrow(
      /are 65, and the model has 64 positions/,
    )
    await expect(beamSearch(golden('bert', 'encoder').model as never, params as never, { inputIds })).rejects.toThrow(
      /encoder, which writes nothing/,
    )
    await expect(beamSearch(model, {} as never, { inputIds })).rejects.toThrow(/parameters are needed/)
  })
})
