/** Element types that the library lacks: read where their values fit, cast where that is asked for, and never wrapped. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DTypeError } from '../../src/index.ts'
import { decodeSafetensors, type FileDType, FileError, type ReadOptions } from '../../src/io/index.ts'
import { file } from './file.ts'

const tensor = (dtype: string, data: ArrayBufferView, width: number): Uint8Array => {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return file({ a: { dtype, shape: [bytes.length / width], data_offsets: [0, bytes.length] } }, bytes)
}
const read = (bytes: Uint8Array, options?: ReadOptions): readonly [string, unknown] => {
  const a = decodeSafetensors(bytes, 'f', options).tensors['a']!
  return [a.dtype, a.toArray()]
}

test('narrow integers and floats of 8 bits become the 32-bit dtype of their kind', () => {
  expect(read(tensor('I8', Int8Array.of(-128, 127), 1))).toEqual(['int32', [-128, 127]])
  expect(read(tensor('I16', Int16Array.of(-32768, 5), 2))).toEqual(['int32', [-32768, 5]])
  expect(read(tensor('U8', Uint8Array.of(0, 255), 1))).toEqual(['uint32', [0, 255]])
  expect(read(tensor('U16', Uint16Array.of(65535), 2))).toEqual(['uint32', [65535]])
  expect(read(tensor('F8_E4M3', Uint8Array.of(0x38, 0x7e, 0xff, 0x01, 0x88, 0x80), 1))).toEqual([
    'float32',
    [1, 448, NaN, 2 ** -9, -(2 ** -6), -0],
  ])
  expect(read(tensor('F8_E5M2', Uint8Array.of(0x3c, 0x7b, 0x7c, 0xfd, 0x81), 1))).toEqual([
    'float32',
    [1, 57344, Infinity, NaN, -(2 ** -16)],
  ])
})

test('integers of 64 bits are read exactly or refused with the one that doesn’t fit', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.bigInt({ min: -(2n ** 32n), max: 2n ** 33n }),
          fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
          fc.bigInt({ min: -9n, max: 9n }),
        ),
      ),
      (xs) => {
        for (const [dtype, data, least, most] of [
          ['I64', BigInt64Array.from(xs), -(2n ** 31n), 2n ** 31n - 1n],
          ['U64', BigUint64Array.from(xs), 0n, 2n ** 32n - 1n],
        ] as const) {
          const bytes = tensor(dtype, data, 8)
          const at = data.findIndex((x: bigint) => x < least || x > most)
          if (at < 0) expect(read(bytes)[1]).toEqual([...data].map(Number))
          else expect(() => read(bytes)).toThrow(`f can't be read: tensor "a": element ${at} is ${data[at]}, which `)
          expect(read(bytes, { cast: { [dtype]: 'float64' } })).toEqual(['float64', [...data].map(Number)])
        }
      },
    ),
  )
  expect(() => read(tensor('I64', BigInt64Array.of(2n ** 53n + 1n), 8))).toThrow(FileError)
})

describe('cast', () => {
  test('rounds floats, and takes integers and truth values for numbers', () => {
    expect(read(tensor('F64', Float64Array.of(0.1), 8), { cast: { F64: 'float32' } })).toEqual(['float32', [Math.fround(0.1)]])
    expect(read(tensor('F32', Float32Array.of(1 / 3), 4), { cast: { F32: 'float16' } })).toEqual(['float16', [0.333251953125]])
    expect(read(tensor('BF16', Uint16Array.of(0x3f80), 2), { cast: { BF16: 'float16' } })).toEqual(['float16', [1]])
    expect(read(tensor('U16', Uint16Array.of(3, 2049), 2), { cast: { U16: 'float16' } })).toEqual(['float16', [3, 2048]])
    expect(read(tensor('BOOL', Uint8Array.of(0, 1, 7), 1), { cast: { BOOL: 'float32' } })).toEqual(['float32', [0, 1, 1]])
    expect(read(tensor('I64', BigInt64Array.of(2n ** 31n), 8), { cast: { I64: 'uint32' } })).toEqual(['uint32', [2 ** 31]])
  })
  test('refuses what doesn’t fit, by tensor, element and way out', () => {
    expect(() => read(tensor('I32', Int32Array.of(1, -1), 4), { cast: { I32: 'uint32' } })).toThrow(
      `f can't be read: tensor "a": element 1 is -1, which uint32 doesn't hold: read it with cast: { I32: 'float64' }, or without it by names`,
    )
    expect(() => read(tensor('U32', Uint32Array.of(2 ** 31), 4), { cast: { U32: 'int32' } })).toThrow(FileError)
  })
  test.each<[object, RegExp]>([
    [{ F32: 'int32' }, /F32 can't be read as "int32": choose float64, float32, float16, bfloat16/],
    [{ I64: 'int64' }, /I64 can't be read as "int64"/],
    [{ I32: 'bool' }, /can't be read as "bool"/],
    [{ I32: 'key' }, /can't be read as "key"/],
    [{ float32: 'float16' }, /no dtype "float32"/],
    [{ C64: 'float32' }, /C64 can't be read/],
  ])('%o is none', (cast, message) => {
    const reading = (): unknown => read(tensor('F32', Float32Array.of(1), 4), { cast })
    expect(reading).toThrow(DTypeError)
    expect(reading).toThrow(message)
  })
})

describe('names', () => {
  const zeros = (dtype: FileDType, begin: number, end: number): object => ({ dtype, shape: [1], data_offsets: [begin, end] })
  const bytes = file({ z: zeros('C64', 0, 8), w: zeros('F32', 8, 12), n: zeros('I64', 12, 20) }, 20)
  const namesOf = (options?: ReadOptions): string[] => Object.keys(decodeSafetensors(bytes, 'f', options).tensors).sort()
  test('choose tensors by name, or by what the file says of them; what isn’t chosen can’t be in the way', () => {
    expect(() => namesOf()).toThrow('tensor "z": nothing here holds')
    expect(namesOf({ names: ['n', 'w'] })).toEqual(['n', 'w'])
    expect(namesOf({ names: (_, { dtype, shape }) => dtype === 'F32' && shape.length === 1 })).toEqual(['w'])
    expect(namesOf({ names: [] })).toEqual([])
  })
  test('that aren’t there are refused', () => {
    expect(() => namesOf({ names: ['w', 'v'] })).toThrow('f can\'t be read: it has no tensor "v", but "z", "w", "n"')
  })
})
