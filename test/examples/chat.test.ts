/** `npm run chat` as a process: its lines, its flags, a conversation that fills what is remembered. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { sharedData } from '../shared.ts'

const chat = (args: readonly string[], input = '') => {
  const { status, stdout, stderr } = spawnSync('node', ['dist/examples/chat.js', ...args], { input, encoding: 'utf8', timeout: 60_000 })
  return { status, out: stdout, err: stderr }
}
test.each<readonly [readonly string[], RegExp]>([
  [[], /^--model is needed/],
  [['--model', './none', '--prompt', 'a'], /^no config.json in .\/none/],
  [['--model', 'test/golden/models/bert', '--prompt', 'a'], /bert is an encoder, and a decoder was asked for/],
  [['--model', 'test/golden/models/llama', '--prompt', 'a'], /has no tokenizer.json/],
  // Before anything is loaded:
  [['--model', './none', '--temperature', 'hot'], /^--temperature hot is no number/],
  [['--model', './none', '--context', '1.5'], /^--context 1.5: a whole number of at least 2 is needed/],
  [['--model', './none', '--max-new-tokens', '0'], /^--max-new-tokens 0: a whole number of at least 1 is needed/],
  [['--model', './none', '--dtype', 'int8'], /^--dtype int8: float32, float16 or bfloat16 is needed/],
  [['--model', './none', '--colour', 'red'], /^Unknown option '--colour'/],
])('%j is refused in a line', (args, message) => {
  const { status, out, err } = chat(args)
  expect(err).toMatch(message)
  expect([status, out, err.trim().split('\n').length]).toEqual([1, '', 1])
})

const folder = sharedData('stories260K')
describe.skipIf(folder === null)('stories260K', () => {
  const model = ['--model', folder!]
  test('goes on with a prompt', () => {
    const { status, out, err } = chat([...model, '--prompt', 'Once upon a time', '--max-new-tokens', '20'])
    expect([status, out]).toEqual([0, ', there was a little girl named Lily. She loved to play outsid\n'])
    expect(err).toMatch(/it has no chat template[^]*5 tokens read in \d+ ms; 20 written, [\d.]+ a second\n$/)
  })
  test('goes on over lines, begins anew, and ends', () => {
    const { status, out } = chat(
      [...model, '--max-new-tokens', '8'],
      'Once upon a time\n and then\n\n/reset\nOnce upon a time\n/exit\nLily\n',
    )
    const said = out.trimEnd().split('\n')
    expect([status, said.length]).toEqual([0, 3])
    expect(said[2]).toBe(said[0])
  })
  test('what doesn’t fit is refused, and what was said before stays', () => {
    const line = 'The cat sat on the mat and was happy\n'
    const { status, err } = chat([...model, '--context', '64', '--max-new-tokens', '20'], `${line.repeat(4)}/reset\n${line}`)
    expect(status).toBe(0)
    expect(err.match(/and 64 are remembered: \/reset begins anew/g)?.length).toBe(2)
    // The second time the line goes on from a cache, and has no bos.
    expect(err.match(/\d+ tokens read/g)).toEqual(['13 tokens read', '12 tokens read', '13 tokens read'])
    const alone = chat([...model, '--context', '5', '--prompt', line])
    expect([alone.status, alone.err]).toEqual([1, expect.stringMatching(/say less, or remember more \(--context\)/)])
  })
  test('what it is told to be needs a template', () => {
    expect(chat([...model, '--system', 'Be kind.', '--prompt', 'a']).err).toMatch(/--system: the model has no chat template/)
  })
})
