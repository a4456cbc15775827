/** Beam search, against Transformers' generate(num_beams=…) and by what it must be. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ArgumentError, nn, np, ShapeError } from '../../src/index.ts'
import { type Beam, type BeamOptions, beamSearch, generateTokens } from '../../src/models/index.ts'
import type { Tokenizer } from '../../src/text/index.ts'
import { quick, seed, tries } from '../effort.ts'
import { golden } from './golden.ts'

interface Options {
  readonly model: 'llama' | 'mistral' | 't5'
  readonly beams: number
  readonly maxNewTokens: number
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  readonly eos: readonly number[]
}
interface Case extends Options {
  readonly prompt: readonly number[]
  readonly sequences: readonly (readonly number[])[]
  readonly scores: readonly number[]
}
interface Batch extends Options {
  readonly prompts: readonly (readonly number[])[]
  readonly sequences: readonly (readonly (readonly number[])[])[]
  readonly scores: readonly (readonly number[])[]
}
const { cases, batches } = JSON.parse(readFileSync(new URL('../golden/beams.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[]
  readonly batches: readonly Batch[]
}
const matches = (found: readonly Beam[], sequences: readonly (readonly number[])[], scores: readonly number[]): void => {
  expect(found.map(({ tokens }) => tokens)).toEqual(sequences)
  found.forEach(({ score }, i) => expect(Math.abs(score - scores[i]!)).toBeLessThan(1e-5 * (1 + Math.abs(scores[i]!))))
}
const models = { llama: golden('llama', 'decoder'), mistral: golden('mistral', 'decoder'), t5: golden('t5', 'encoderDecoder') }

describe.each(['llama', 'mistral', 't5'] as const)('%s', (name) => {
  const { model, params } = models[name]
  test.each(cases.filter((one) => one.model === name))(
    '$beams beams, penalty $lengthPenalty, early stopping $earlyStopping, prompt $prompt, ends $eos',
    async ({ prompt, sequences, scores, model: _, ...options }) => {
      matches(await beamSearch(model, params as never, { inputIds: prompt, ...options }), sequences, scores)
    },
  )
  test.each(batches.filter((one) => one.model === name))(
    'four prompts at once: $beams beams, penalty $lengthPenalty, early stopping $earlyStopping, ends $eos',
    async ({ prompts, sequences, scores, model: _, ...options }) => {
      const found = await beamSearch(model, params as never, { inputIds: prompts, ...options })
      expect(found.length).toBe(prompts.length)
      found.forEach((own, i) => matches(own, sequences[i]!, scores[i]!))
    },
  )
})

describe('several prompts', () => {
  const { llama } = models
  const inputIds = [[1, 5, 9], [60], [7, 33, 12, 60, 4, 18, 25, 8, 8, 40, 3, 2, 17, 5, 6, 9, 21]]
  const id = fc.integer({ min: 1, max: 63 })
  const families = {
    ...models,
    ...Object.fromEntries((['gpt2', 'gemma3'] as const).map((name) => [name, golden(name, 'decoder')])),
    umt5: golden('umt5', 'encoderDecoder'),
  } as Readonly<Record<string, (typeof models)['llama' | 't5']>>
  const drawn = fc.record({
    name: fc.constantFrom(...Object.keys(families)),
    inputIds: fc
      .constantFrom(1, 2, 3)
      .chain((B) => fc.array(fc.array(id, { minLength: 1, maxLength: 20 }), { minLength: B, maxLength: B })),
    beams: fc.constantFrom(1, 2, 5),
    maxNewTokens: fc.integer({ min: 1, max: 12 }),
    lengthPenalty: fc.constantFrom(-1, 0, 0.5, 1, 2),
    earlyStopping: fc.constantFrom(true, false, 'never' as const),
    // So many that most searches end early, and each at another time.
    eos: fc.constantFrom(0, 12).chain((n) => fc.uniqueArray(id, { minLength: n, maxLength: n })),
  })
  test('each has what it has alone, whatever the others are and whenever they end', async () => {
    let [pairs, early] = [0, 0]
    await fc.assert(
      fc.asyncProperty(drawn, async ({ name, ...options }) => {
        const { model, params } = families[name]!
        const together = await beamSearch(model, params as never, options)
        for (const [i, own] of options.inputIds.entries()) {
          const alone = await beamSearch(model, params as never, { ...options, inputIds: own })
          matches(
            together[i]!,
            alone.map(({ tokens }) => tokens),
            alone.map(({ score }) => score),
          )
          pairs++
          if (alone.every(({ tokens }) => tokens.length < options.maxNewTokens)) early++
        }
      }),
      { seed, numRuns: tries(40) },
    )
    if (!quick) expect(early / pairs).toBeGreaterThan(0.1)
  })
  test('a list of one gives a list of one', async () => {
    const options = { beams: 3, maxNewTokens: 6 }
    const [only, ...more] = await beamSearch(llama.model, llama.params, { inputIds: [inputIds[0]!], ...options })
    expect(more).toEqual([])
    expect(only).toEqual(await beamSearch(llama.model, llama.params, { inputIds: inputIds[0]!, ...options }))
  })
  test('texts, each by itself', async () => {
    const tokenizer = { encode: (x: string) => [...x].map(Number), decode: (x: readonly number[]) => x.join(' ') } as unknown as Tokenizer
    const options = { tokenizer, beams: 2, maxNewTokens: 5 }
    const found = await beamSearch(llama.model, llama.params, { prompt: ['123', '4'], ...options })
    for (const [i, prompt] of ['123', '4'].entries()) {
      const alone = await beamSearch(llama.model, llama.params, { prompt, ...options })
      expect(found[i]!.map(({ text }) => text)).toEqual(alone.map(({ text }) => text))
      expect(alone[0]!.text).toBe(alone[0]!.tokens.join(' '))
    }
    await expect(beamSearch(llama.model, llama.params, { prompt: [], ...options })).rejects.toThrow(/a prompt is needed, and the list has none/) // prettier-ignore
  })
  test('stopped, they end with what there is', async () => {
    const controller = new AbortController()
    controller.abort()
    const found = await beamSearch(llama.model, llama.params, { inputIds, beams: 3, signal: controller.signal })
    expect(found.map((own) => own.map(({ tokens }) => tokens.length))).toEqual([[1, 1, 1], [1, 1, 1], [1, 1, 1]]) // prettier-ignore
  })
  test('the longest says whether there is room, and one without ids is refused', async () => {
    const gpt2 = golden('gpt2', 'decoder')
    const refused = (prompts: readonly (readonly number[])[]) =>
      beamSearch(gpt2.model, gpt2.params, { inputIds: prompts, maxNewTokens: 62 })
    await expect(refused([[1], [1, 5, 9]])).rejects.toThrow(/are 65, and the model has 64 positions/)
    await expect(refused([[1], []])).rejects.toThrow(/a prompt has no ids/)
  })
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
