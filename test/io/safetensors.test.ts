import vm from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DType, type NdArray, np, random } from '../../src/index.ts'
import { decodeSafetensors, encodeSafetensors, FileError, type Tensors } from '../../src/io/index.ts'
import { file } from './file.ts'

const f32 = (shape: readonly unknown[], begin: number, end: number): unknown => ({ dtype: 'F32', shape, data_offsets: [begin, end] })
const arrays: fc.Arbitrary<NdArray> = fc
  .tuple(
    fc.constantFrom<DType>('float32', 'float64', 'int32', 'uint32', 'bool'),
    fc.array(fc.nat(4), { maxLength: 3 }),
    fc.infiniteStream(fc.integer()),
  )
  .map(([dtype, shape, numbers]) => {
    const size = shape.reduce((n, m) => n * m, 1)
    const values = Float64Array.from({ length: size }, () => numbers.next().value! / (dtype.startsWith('float') ? 7 : 1))
    const x = np.array(values, { shape, dtype: 'float64' })
    return dtype === 'bool'
      ? np.greater(x, 0)
      : np.array(dtype === 'int32' ? Int32Array.from(values) : dtype === 'uint32' ? Uint32Array.from(values) : values, { shape, dtype })
  })
const tensors: fc.Arbitrary<Tensors> = fc.dictionary(
  fc
    .oneof(fc.string({ maxLength: 8, unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'a.b', 'ключ'))
    .filter((k) => k !== '__metadata__'),
  arrays,
  { maxKeys: 5, noNullPrototype: true },
)

test('what is written is read: names, shapes, dtypes, bits, texts', async () => {
  await fc.assert(
    fc.asyncProperty(
      tensors,
      fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), { maxKeys: 3, noNullPrototype: true }),
      async (written, metadata) => {
        const read = decodeSafetensors(await encodeSafetensors(written, metadata))
        expect(Object.keys(read.tensors).sort()).toEqual(Object.keys(written).sort())
        expect(read.metadata).toEqual(metadata)
        for (const [name, x] of Object.entries(written)) {
          const y = read.tensors[name]!
          expect([name, y.dtype, y.shape]).toEqual([name, x.dtype, x.shape])
          expect(y.toTyped()).toEqual(x.toTyped())
        }
      },
    ),
  )
})

test('equal contents give equal bytes, and every tensor starts at a multiple of its element', async () => {
  const [a, b, c] = [np.greater(np.ones([3]), 0), np.ones([2]), np.zeros([1], 'float64')]
  const bytes = await encodeSafetensors({ a, b, c })
  expect(await encodeSafetensors({ c, b, a })).toEqual(bytes)
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  expect(length % 8).toBe(0)
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
    c: { dtype: 'F64', shape: [1], data_offsets: [0, 8] },
    b: { dtype: 'F32', shape: [2], data_offsets: [8, 16] },
    a: { dtype: 'BOOL', shape: [3], data_offsets: [16, 19] },
  })
})

test('a tensor that lies askew in the file is read', () => {
  const bytes = file({ a: { dtype: 'BOOL', shape: [1], data_offsets: [0, 1] }, b: f32([1], 1, 5) }, 5)
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, 2.5, true)
  expect(decodeSafetensors(bytes).tensors['b']!.toArray()).toEqual([2.5])
})

test('every truncation of a file is refused, and so is a byte too many', async () => {
  const bytes = await encodeSafetensors({ a: np.ones([2, 2]), b: np.zeros([3], 'int32') }, { step: '1' })
  for (let n = 0; n < bytes.length; n++) expect(() => decodeSafetensors(bytes.subarray(0, n), 'cut')).toThrow(FileError)
  expect(() => decodeSafetensors(Uint8Array.of(...bytes, 0), 'long')).toThrow("long can't be read: 1 bytes follow its last tensor")
})

describe('a header that lies is refused with what is wrong', () => {
  const cases: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
    'a huge length': [file('{}', 0, 2n ** 63n), /9223372036854775808 bytes long.*no safetensors file/],
    'a length past the end': [file('{}', 0, 3n), /truncated: its header ends at byte 11, and it has 10/],
    'no JSON': [file('{"a":'), /isn't JSON/],
    'a list': [file([]), /isn't a JSON object/],
    'the same bytes twice': [file({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 8), /"b" overlaps the one before it at byte 0/],
    'an overlap': [file({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8), /"b" overlaps the one before it at byte 4/],
    'a hole': [file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), /no tensor covers its bytes 4 to 8/],
    'tensors past the end': [file({ a: f32([4], 0, 16) }, 12), /truncated: its tensors end at byte 16 of their part, which has 12/],
    'a shape that isn’t its bytes': [file({ a: f32([3], 0, 4) }, 4), /F32\[3\] is 12 bytes long/],
    'a shape that overflows': [file({ a: f32([2 ** 40, 2 ** 40, 0.5], 0, 4) }, 4), /isn't a list of sizes/],
    'a product that overflows': [file({ a: f32([2 ** 52, 2 ** 52], 0, 4) }, 4), /bytes 0 to 4/],
    'a negative size': [file({ a: f32([-1], 0, 4) }, 4), /isn't a list of sizes/],
    'offsets turned round': [file({ a: f32([1], 4, 0) }, 4), /takes bytes 4 to 0/],
    'a dtype not known': [file({ a: { dtype: 'F128', shape: [1], data_offsets: [0, 16] } }, 16), /"F128".*can be read/],
    'a dtype that is known and can’t be read': [
      file({ a: { dtype: 'C64', shape: [1], data_offsets: [0, 8] } }, 8),
      /tensor "a": nothing here holds the numbers of C64: leave it out with names/,
    ],
    'half a byte': [file({ a: { dtype: 'F4', shape: [3], data_offsets: [0, 1] } }, 1), /F4\[3\] is 1.5 bytes long/],
    'a nested dtype': [
      file(`{"a":{"dtype":${'['.repeat(1e5)}${']'.repeat(1e5)},"shape":[],"data_offsets":[0,4]}}`, 4),
      /dtype that isn't a text/,
    ],
    'a nested shape': [file(`{"a":{"dtype":"F32","shape":${'['.repeat(1e5)}${']'.repeat(1e5)}}}`, 4), /isn't a list of sizes/],
    'a nested member that nobody asked for': [file(`{"a":{"x":${'['.repeat(1e5)}${']'.repeat(1e5)}}}`, 4), /nests deeper than 128/],
    'a rank beyond NumPy’s': [file({ a: f32(Array(65).fill(1), 0, 4) }, 4), /isn't a list of sizes, 64 at most/],
    'a size as a float': [file('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4), /isn't a list of sizes/],
    'a size past 2^53': [file('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4), /isn't a list of sizes/],
    'a product past 2^53, times nothing': [file({ a: f32([2 ** 40, 2 ** 40, 0], 0, 0) }), /bytes 0 to 0/],
    'three offsets': [file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,4]}}', 4), /aren't two byte positions/],
    'one offset': [file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0]}}', 4), /aren't two byte positions/],
    'no dtype': [file('{"a":{"shape":[],"data_offsets":[0,4]}}', 4), /lacks its dtype/],
    'a tensor twice': [file('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{}}'), /its header has "a" twice/],
    'a dtype twice': [file('{"a":{"dtype":"F32","dtype":"I32","shape":[],"data_offsets":[0,4]}}', 4), /tensor "a" has "dtype" twice/],
    'metadata twice': [file('{"__metadata__":{},"__metadata__":{}}'), /has "__metadata__" twice/],
    'a text twice': [file('{"__metadata__":{"a":"1","\\u0061":"2"}}'), /has "a" twice/],
    'half a surrogate pair': [file('{"__metadata__":{"a":"\\ud800"}}'), /half a surrogate pair/],
    'a byte-order mark': [file('\ufeff{}'), /doesn't begin with \{/],
    'a blank before it': [file(' {}'), /doesn't begin with \{/],
    'two objects': [file('{}{}'), /isn't JSON at character 2/],
    'a comma too many': [file('{"__metadata__":{},}'), /isn't JSON at character 19/],
    'no header': [file(''), /isn't a JSON object/],
    'bytes that aren’t UTF-8': [Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0x7d), /isn't JSON in UTF-8/],
    'a dtype of Object’s': [file({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 1] } }, 1), /"toString".*can be read/],
    'metadata of numbers': [file({ __metadata__: { step: 1 } }), /__metadata__.*strings/],
  }
  for (const [what, [bytes, message]] of Object.entries(cases))
    test(what, () => {
      const reading = (): unknown => decodeSafetensors(bytes, 'x.safetensors')
      expect(reading).toThrow(FileError)
      expect(reading).toThrow(/^x\.safetensors can't be read: /)
      expect(reading).toThrow(message)
    })
})

test('null metadata, members that nobody asked for, and blanks are taken as the format’s own library takes them', () => {
  const read = decodeSafetensors(
    file('{ "__metadata__" : null , "a" : {"x":[{"y":-1.5e3},"\\"]"],"shape":[ ],"data_offsets":[0,4],"dtype":"I32"} }  ', 4),
  )
  expect([read.metadata, read.tensors['a']!.toArray()]).toEqual([{}, 0])
})

test('bytes are taken as a buffer, a Buffer, or a view of one, wherever it starts', async () => {
  const bytes = await encodeSafetensors({ a: np.array([1, 2]) }, { k: 'v' })
  const within = new Uint8Array(bytes.length + 3)
  within.set(bytes, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  const forms = [
    bytes.buffer,
    Buffer.from(bytes),
    within.subarray(3),
    new DataView(within.buffer, 3),
    shared,
    shared.buffer,
    vm.runInNewContext('new Uint8Array(b).buffer', { b: bytes }),
  ]
  for (const form of forms) expect(decodeSafetensors(form as ArrayBuffer).tensors['a']!.toArray()).toEqual([1, 2])
  const gone = bytes.slice()
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  for (const none of ['text', null, 3, {}, [1], gone.buffer, gone]) expect(() => decodeSafetensors(none as never)).toThrow(FileError)
})

describe('what readers refuse isn’t written, by name', () => {
  const a = np.array([1])
  const cases: Readonly<Record<string, readonly [tensors: unknown, metadata: unknown, message: RegExp]>> = {
    'a number as metadata': [{ a }, { step: 5 }, /the metadata "step" is a number, .*String\(x\)/],
    'an absent text': [{ a }, { step: undefined }, /the metadata "step" is a undefined/],
    'a map as metadata': [{ a }, new Map([['a', 'b']]), /the metadata isn't a plain object.*Object.fromEntries/],
    'a list as metadata': [{ a }, ['b'], /isn't a plain object/],
    'null as metadata': [{ a }, null, /isn't a plain object/],
    'half a pair in a text': [{ a }, { k: 'x\udc00' }, /the metadata "k" has half a surrogate pair.*toWellFormed/],
    'half a pair in a key': [{ a }, { '\ud800': 'x' }, /half a surrogate pair/],
    'half a pair in a name': [{ 'w\ud83d': a }, {}, /the name "w\\ud83d" has half a surrogate pair/],
    'the reserved name': [{ __metadata__: a }, {}, /"__metadata__" is a reserved name/],
    'a rank beyond NumPy’s': [{ a: np.ones(Array<number>(65).fill(1)) }, {}, /"a" has 65 axes, and readers take 64: reshape/],
    'a header over 100 MB': [{ a }, { text: 'x'.repeat(100_000_001) }, /header would be 1000000\d\d bytes long.*shorten the metadata/],
    'a header past any string': [{ a }, { text: '\u0001'.repeat(95_000_000) }, /header would be Infinity bytes long/],
    'a list of arrays': [[a], {}, /no plain object of arrays.*toNamed/],
    'no tensors': [null, {}, /no plain object of arrays/],
  }
  for (const [what, [tensors, metadata, message]] of Object.entries(cases))
    test(what, async () => {
      const writing = encodeSafetensors(tensors as never, metadata as never)
      await expect(writing).rejects.toThrow(FileError)
      await expect(writing).rejects.toThrow(message)
    })
})

test('what is no array, or has no place in the format, is refused by name', async () => {
  await expect(encodeSafetensors({ w: [1, 2] as never })).rejects.toThrow('encodeSafetensors: "w" is no array: make one with np.array')
  await expect(encodeSafetensors({ k: random.key(0) })).rejects.toThrow('encodeSafetensors: "k" is a PRNG key: save the seed instead')
})
