/** Rows of a batch that end before others: what a call leaves behind is as if each had been alone. */
import { describe, expect, test } from 'vitest'
import { type NdArray, np } from '../../src/index.ts'
import { type Generated, generateTokens, type TokenOptions, type Writer, type WriterParams } from '../../src/models/index.ts'
import { golden } from './golden.ts'

const run = async <M extends Writer>(model: M, params: WriterParams<M>, options: TokenOptions): Promise<Generated> => {
  const from = generateTokens(model, params, options)
  for (;;) {
    const { done, value } = await from.next()
    if (done === true) return value
  }
}
describe.each(['gpt2', 'llama', 'mistral', 'gemma3', 't5'] as const)('%s', (name) => {
  const { model, params } = golden(name, name === 't5' ? 'encoderDecoder' : 'decoder')
  test('a next call goes on from rows that ended at different lengths, as from each alone', async () => {
    const prompts = [[5, 9, 33], [7, 3, 21, 40, 8, 11], [60]] // prettier-ignore
    const alone = await Promise.all(prompts.map((inputIds) => run(model, params, { inputIds, maxNewTokens: 20 })))
    // One row ends early, another later.
    const eos = [alone[0]!.tokens[0]![2]!, alone[1]!.tokens[0]![9]!]
    const options = { maxNewTokens: 16, eos, capacity: 64 }
    const first = await run(model, params, { ...options, inputIds: prompts })
    expect(new Set(first.tokens.map((row) => row.length)).size).toBeGreaterThan(1)
    const more = [[17, 4], [9], [4, 4, 17]]
    const second = await run(model, params, { inputIds: more, maxNewTokens: 8, cache: first.cache })
    for (const [i, inputIds] of prompts.entries()) {
      const one = await run(model, params, { ...options, inputIds })
      expect(one.tokens[0]).toEqual(first.tokens[i])
      const next = await run(model, params, { inputIds: more[i]!, maxNewTokens: 8, cache: one.cache })
      expect(second.tokens[i], `row ${i}`).toEqual(next.tokens[0])
      if (name === 't5') continue
      const whole = await run(model, params, { inputIds: [...inputIds, ...first.tokens[i]!, ...more[i]!], maxNewTokens: 8 })
      expect(whole.tokens[0], `row ${i} in one`).toEqual(next.tokens[0])
    }
  })
})

test('what isn’t a model, its parameters or a cache of as many rows is refused by name', async () => {
  const { model, params } = golden('llama', 'decoder')
  const loose = run as unknown as (model: unknown, params: unknown, options: object) => Promise<Generated>
  const inputIds = [5, 9]
  await expect(loose(null, params, { inputIds })).rejects.toThrow(/generateTokens: a model is needed, .*, and got null/)
  await expect(loose(golden('bert', 'encoder').model, params, { inputIds })).rejects.toThrow(/an encoder, which writes nothing/)
  await expect(loose(model, {}, { inputIds })).rejects.toThrow(/the model's parameters are needed/)
  await expect(loose(model, params, { inputIds, cache: model.cache(2, 64) })).rejects.toThrow(
    /a cache of batch 2 can't go on with a batch of 1/,
  )
  await expect(loose(model, params, { inputIds, cache: {} })).rejects.toThrow(/cache is an object { layers, lengths, read }/)
  await expect(loose(model, params, { inputIds: [0.5] })).rejects.toThrow(/inputIds is a list of ids, or a list of such lists/)
})

test('a cache and checkpoint, of which one would be left out, are refused together', () => {
  for (const name of ['llama', 't5'] as const) {
    const { model, params } = golden(name, name === 't5' ? 'encoderDecoder' : 'decoder')
    const ids = np.array([[1, 2]], { dtype: 'int32' })
    const call = (): unknown =>
      (model.apply as (...args: unknown[]) => unknown)(
        params,
        name === 't5' ? { inputIds: ids, decoderInputIds: ids } : { inputIds: ids },
        { checkpoint: true, cache: model.cache(1, 8) },
      )
    expect(call).toThrow(/a cache goes on with a text, and checkpoint is for the gradient of a whole one: leave one out/)
  }
})

test('a mask of another shape is refused by name, whatever its elements', () => {
  const inputIds = np.array([[1, 2, 3], [4, 5, 6]], { dtype: 'int32' }) // prettier-ignore
  const calls = [
    ...(['gpt2', 'llama'] as const).map((name) => golden(name, 'decoder')),
    ...(['bert', 'roberta', 'distilbert', 'modernbert'] as const).map((name) => golden(name, 'encoder')),
    golden('llama-classify', 'reader'),
  ].map(({ model, params }) => (attentionMask: NdArray) => model.apply(params as never, { inputIds, positionIds: np.zeros([2, 3], 'int32'), attentionMask } as never)) // prettier-ignore
  for (const shape of [[3, 2], [1, 6], [6], [2, 3, 1], [1, 3]])
    // prettier-ignore
    for (const call of calls) expect(() => call(np.ones(shape))).toThrow(/model.apply: attentionMask f32\[[\d,]+\] where \[2,3\] was expected/)
})
