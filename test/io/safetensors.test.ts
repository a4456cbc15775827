import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DType, type NdArray, np, random } from '../../src/index.ts'
import { decodeSafetensors, encodeSafetensors, FileError, type Tensors } from '../../src/io/index.ts'

/** A file from a header as text (or an object) and the bytes after it. */
const file = (header: unknown, body = 0, length?: bigint): Uint8Array => {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + body)
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
}
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
  fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('__proto__', 'constructor', 'a.b', 'ключ')).filter((k) => k !== '__metadata__'),
  arrays,
  { maxKeys: 5, noNullPrototype: true },
)

test('what is written is read: names, shapes, dtypes, bits, texts', async () => {
  await fc.assert(
    fc.asyncProperty(tensors, fc.dictionary(fc.string(), fc.string(), { maxKeys: 3, noNullPrototype: true }), async (written, metadata) => {
      const read = decodeSafetensors(await encodeSafetensors(written, metadata))
      expect(Object.keys(read.tensors).sort()).toEqual(Object.keys(written).sort())
      expect(read.metadata).toEqual(metadata)
      for (const [name, x] of Object.entries(written)) {
        const y = read.tensors[name]!
        expect([name, y.dtype, y.shape]).toEqual([name, x.dtype, x.shape])
        expect(y.toTyped()).toEqual(x.toTyped())
      }
    }),
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

test('any bytes are read or refused with a FileError', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(fc.json(), fc.nat(16)).map(([json, body]) => file(json, body)),
    fc
      .tuple(fc.array(fc.integer({ min: -4, max: 20 }), { maxLength: 3 }), fc.integer({ min: -4, max: 20 }), fc.nat(20), fc.nat(20))
      .map(([s, b, e, n]) => file({ a: f32(s, b, e) }, n)),
  )
  fc.assert(
    fc.property(anything, (bytes) => {
      try {
        decodeSafetensors(bytes)
      } catch (e) {
        expect(e).toBeInstanceOf(FileError)
      }
    }),
  )
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
    'a dtype not known': [file({ a: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } }, 1), /"F8_E4M3".*can be read/],
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

test('what is no array, or has no place in the format, is refused by name', async () => {
  await expect(encodeSafetensors({ w: [1, 2] as never })).rejects.toThrow('encodeSafetensors: "w" is no array: make one with np.array')
  await expect(encodeSafetensors({ k: random.key(0) })).rejects.toThrow('encodeSafetensors: "k" is a PRNG key: save the seed instead')
})
