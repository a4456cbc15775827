/** Bytes from anywhere are read, or refused with a FileError: nothing else happens, and not for long. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { np } from '../../src/index.ts'
import { decodeSafetensors, encodeSafetensors, FileError } from '../../src/io/index.ts'
import { file } from './file.ts'

/** Reads or refuses, and uses what was read. */
const readOrRefuse = (bytes: Uint8Array): void => {
  try {
    for (const x of Object.values(decodeSafetensors(bytes).tensors)) np.add(x, 1).dispose()
  } catch (e) {
    expect(e).toBeInstanceOf(FileError)
    expect((e as Error).message.length).toBeLessThan(1000)
  }
}

const json = JSON.stringify({
  __metadata__: { format: 'pt', 'key "quoted"': '\u{1f600}' },
  a: { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] },
  b: { dtype: 'I64', shape: [1], data_offsets: [8, 16] },
  c: { dtype: 'F8_E4M3', shape: [3], data_offsets: [16, 19] },
  d: { dtype: 'BOOL', shape: [0, 7], data_offsets: [19, 19] },
})
const valid = file(json, 19)
const tokens = fc.constantFrom(
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    'null',
    '-1',
    '0',
    '1.5',
    '1e99',
    '9007199254740993',
    '\ufeff',
    '\\ud800',
    ' ',
    '"a"',
    '"F64"',
  ],
  ...['"shape":[1]', '"data_offsets":[0,8]', '"__metadata__":', '['.repeat(1000), '1,'.repeat(1000)],
)
/** Part of the header's text replaced by tokens. */
const retold = fc
  .array(fc.tuple(fc.nat(json.length), fc.nat(12), fc.array(tokens, { maxLength: 3 })), { minLength: 1, maxLength: 4 })
  .map((edits) =>
    file(
      edits.reduce((text, [at, cut, more]) => text.slice(0, at) + more.join('') + text.slice(at + cut), json),
      19,
    ),
  )
/** Bytes changed, cut off, or added. */
const spoiled = fc
  .tuple(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(valid.length), fc.uint8Array({ maxLength: 9 }))
  .map(([changes, length, more]) => {
    const bytes = Uint8Array.of(...valid.subarray(0, length), ...more)
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
    return bytes
  })

test('the file that is mutated can be read', () => {
  expect(Object.keys(decodeSafetensors(valid).tensors)).toEqual(['a', 'b', 'c', 'd'])
})

test('mutated files, JSON and bytes are read or refused with a FileError', () => {
  const anything = fc.oneof(
    retold,
    spoiled,
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(fc.json(), fc.nat(16)).map(([text, body]) => file(text, body)),
  )
  fc.assert(fc.property(anything, readOrRefuse), { numRuns: 500 })
})

test('what is written is read, or refused when it is written', async () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constantFrom(null, undefined, '\ud800', {}))
  const anything = fc.dictionary(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\udfff', '__metadata__')), value, { maxKeys: 3 })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.constantFrom('a', '', '\ud800', '__metadata__', '__proto__', '\0')),
      anything,
      async (names, metadata) => {
        const tensors = Object.fromEntries(names.map((name) => [name, np.ones([2])]))
        const bytes = await encodeSafetensors(tensors, metadata as never).catch((e: unknown) => e)
        if (bytes instanceof FileError) return
        const read = decodeSafetensors(bytes as Uint8Array)
        expect([Object.keys(read.tensors).sort(), { ...read.metadata }]).toEqual([[...names].sort(), { ...metadata }])
      },
    ),
  )
})

test.each([
  ['members that nobody asked for', `{"a":{"x":[${'0,'.repeat(2e6)}0]}}`],
  ['nesting', `{"a":{"x":${'['.repeat(4e6)}`],
  ['a shape', `{"a":{"dtype":"F32","shape":[${'1,'.repeat(2e6)}1],"data_offsets":[0,4]}}`],
  ['escapes', `{"${'\\"'.repeat(2e6)}`],
  ['a name', `{"${'x'.repeat(4e6)}":1}`],
  ['blanks', `{${' '.repeat(4e6)}`],
])('a long header of %s is refused in time', (_, text) => {
  const begin = performance.now()
  expect(() => decodeSafetensors(file(text))).toThrow(FileError)
  expect(performance.now() - begin).toBeLessThan(20_000) // a second here; what is quadratic takes hours
})
