/** Sorts of every length, against JavaScript's stable sort of the places, bit by bit. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emitSort } from '../../backends/wasm/sort.ts'
import { type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Sort } from '../../src/core/kernel.ts'
import { random } from './random.ts'
import { inRanges } from './ranges.ts'

const dtypes = ['float32', 'float64', 'int32', 'uint32', 'bool'] as const satisfies readonly DType[]
const orders = ['any bits', 'few', 'equal', 'rising', 'falling', 'special'] as const
type Order = (typeof orders)[number]

const floats = [0, -0, 1, -1, Infinity, -Infinity, NaN, 1e-40, -1e-40, 5e-324, 3e38, -3e38]
const integers = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1, 255, 256]

const drawn = (dtype: DType, size: number, order: Order, seed: number): TypedArray => {
  const draw = random(seed)
  const data = new (typedArrayOf(dtype))(size)
  const words = new Uint32Array(data.buffer)
  if (dtype === 'bool') return data.map(() => Number(draw() > 0))
  // NaNs of every sign and payload among them
  if (order === 'any bits') words.forEach((_, i) => (words[i] = draw() < -0.9 ? 0xffffffff - i : (draw() + 1) * 2 ** 31))
  if (order === 'few') data.forEach((_, i) => (data[i] = Math.round(draw() * 3)))
  if (order === 'rising') data.forEach((_, i) => (data[i] = i - size / 2))
  if (order === 'falling') data.forEach((_, i) => (data[i] = size / 2 - i))
  if (order === 'special') {
    const values = dtype.startsWith('float') ? floats : integers
    data.forEach((_, i) => (data[i] = values[Math.floor(((draw() + 1) / 2) * values.length)]!))
  }
  return data
}

const compare = (x: number, y: number): number =>
  x === y ? 0 : Number.isNaN(x) ? Number(!Number.isNaN(y)) : x < y || Number.isNaN(y) ? -1 : 1

/** The words of every output. */
const expected = ({ outer, n, inner, keys }: Sort, inputs: readonly TypedArray[]): Uint32Array[] => {
  const outs = inputs.map(({ buffer }) => new Uint32Array(buffer.slice(0)))
  for (let line = 0; line < outer * inner; line++) {
    const first = Math.floor(line / inner) * n * inner + (line % inner)
    const places = Array.from({ length: n }, (_, i) => first + i * inner)
    const sorted = places.toSorted((a, b) => {
      let order = 0
      for (let k = 0; k < keys && order === 0; k++) order = compare(inputs[k]![a]!, inputs[k]![b]!)
      return order
    })
    inputs.forEach(({ buffer }, k) => {
      const from = new Uint32Array(buffer)
      const width = from.length / inputs[k]!.length
      places.forEach((to, i) => {
        for (let word = 0; word < width; word++) outs[k]![to * width + word] = from[sorted[i]! * width + word]!
      })
    })
  }
  return outs
}

const firstDifference = (a: Uint32Array, b: Uint32Array): number => a.findIndex((word, i) => word !== b[i])

const check = (
  shape: Pick<Sort, 'outer' | 'n' | 'inner' | 'keys'>,
  inputs: readonly TypedArray[],
  of: readonly DType[],
  cuts: readonly number[],
): void => {
  const kernel: Sort = { kind: 'sort', ...shape, args: [...of, ...of] }
  const blank = inputs.map((input) => input.slice().fill(77))
  const words = inRanges((module) => emitSort(module, kernel), shape.outer * shape.inner, cuts, [...inputs, ...blank])
  const wanted = expected(kernel, inputs)
  inputs.forEach((input, k) => {
    expect(firstDifference(words[k]!, new Uint32Array(input.buffer)), `input ${k} of ${JSON.stringify(kernel)}`).toBe(-1)
    expect(firstDifference(words[inputs.length + k]!, wanted[k]!), `output ${k} of ${JSON.stringify(kernel)}`).toBe(-1)
  })
}

const operand = fc.record({ dtype: fc.constantFrom(...dtypes), order: fc.constantFrom(...orders) })
const length = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 120, max: 140 }), fc.integer({ min: 1, max: 1200 }))

test('any operands, keys, lengths and strides', () =>
  fc.assert(
    fc.property(
      fc.array(operand, { minLength: 1, maxLength: 3 }),
      fc.nat(2),
      fc.record({ outer: fc.integer({ min: 1, max: 3 }), n: length, inner: fc.integer({ min: 1, max: 4 }) }),
      fc.array(fc.nat(), { maxLength: 2 }),
      fc.nat(),
      (operands, keys, shape, cuts, seed) => {
        const size = shape.outer * shape.n * shape.inner
        const inputs = operands.map(({ dtype, order }, k) => drawn(dtype, size, order, seed + k))
        const of = operands.map(({ dtype }) => dtype)
        check({ ...shape, keys: 1 + (keys % operands.length) }, inputs, of, cuts)
      },
    ),
    { numRuns: 150, seed: 42 },
  ))

test.each(orders)('a hundred thousand: %s', (order) => {
  const n = 100_000
  const places = Int32Array.from({ length: n }, (_, i) => i)
  for (const dtype of ['float32', 'int32'] as const)
    check({ outer: 1, n, inner: 1, keys: 1 }, [drawn(dtype, n, order, 7), places], [dtype, 'int32'], [])
})
