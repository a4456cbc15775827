/** Prefix reductions against a plain loop in float64, rows and columns of every length. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emitCumulative } from '../../backends/wasm/cumulative.ts'
import { type DType, isFloat, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Cumulative } from '../../src/core/kernel.ts'
import { random } from './random.ts'
import { inRanges } from './ranges.ts'

const dtypes = ['float32', 'float64', 'int32', 'uint32', 'bool'] as const satisfies readonly DType[]
const ops = ['sum', 'prod', 'max', 'min'] as const
type Shape = Pick<Cumulative, 'outer' | 'n' | 'inner'>

const drawn = (dtype: DType, size: number, special: boolean, seed: number): TypedArray => {
  const draw = random(seed)
  const odd = [0, -0, NaN, Infinity, -Infinity, 2 ** 31 - 1, -(2 ** 31), 3, -3, 0.5]
  const data = new (typedArrayOf(dtype))(size)
  if (dtype === 'bool') return data.map(() => Number(draw() > 0))
  return data.map(() => (special && draw() > 0.8 ? odd[Math.floor((draw() + 1) * 5)]! : isFloat(dtype) ? draw() * 3 : draw() * 2 ** 31))
}

const combine = { sum: (x: number, y: number) => x + y, prod: (x: number, y: number) => x * y, max: Math.max, min: Math.min }

const expected = ({ op, dtype, outer, n, inner, reverse }: Cumulative, x: TypedArray): TypedArray => {
  const out = x.slice()
  for (let line = 0; line < outer * inner; line++) {
    const first = Math.floor(line / inner) * n * inner + (line % inner)
    let carry = 0
    for (let i = 0; i < n; i++) {
      const at = first + (reverse ? n - 1 - i : i) * inner
      carry = i === 0 ? x[at]! : op === 'prod' && !isFloat(dtype) ? Math.imul(carry, x[at]!) : combine[op](carry, x[at]!)
      out[at] = carry
      if (!isFloat(dtype)) carry = out[at]!
    }
  }
  return out
}

const run = (kernel: Cumulative, x: TypedArray, cuts: readonly number[], inPlace: boolean): TypedArray => {
  const args = [x, x.slice().fill(77)]
  const words = inRanges((module) => emitCumulative(module, kernel), kernel.outer * kernel.inner, cuts, args, inPlace ? [0, 0] : [0, 1])
  return new (typedArrayOf(kernel.dtype))(words[1]!.buffer)
}
const kernelOf = (op: Cumulative['op'], dtype: DType, shape: Shape, reverse: boolean): Cumulative => {
  return { kind: 'cumulative', op, dtype, ...shape, reverse, args: [dtype, dtype] }
}

/** float32 sums and products may round once more than the plain loop does; all else is exact. */
const same = ({ dtype, op }: Cumulative, x: number, y: number): boolean =>
  Object.is(x, y) || (dtype === 'float32' && (op === 'sum' || op === 'prod') && Math.abs(x - y) <= 1.3e-7 * Math.abs(y))

const width = fc.oneof(fc.integer({ min: 2, max: 20 }), fc.constantFrom(1, 1, 1, 64), fc.integer({ min: 2040, max: 2060 }))
test('any operation, dtype, shape and direction', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(...ops),
      fc.constantFrom(...dtypes),
      fc.record({
        outer: fc.integer({ min: 1, max: 3 }),
        n: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 60 })),
        inner: width,
      }),
      fc.record({ reverse: fc.boolean(), inPlace: fc.boolean(), special: fc.boolean() }),
      fc.array(fc.nat(), { maxLength: 2 }),
      fc.nat(),
      (op, dtype, shape, { reverse, inPlace, special }, cuts, seed) => {
        if (dtype === 'bool' && (op === 'sum' || op === 'prod')) return
        const kernel = kernelOf(op, dtype, shape, reverse)
        const x = drawn(dtype, shape.outer * shape.n * shape.inner, special, seed)
        const [wanted, got] = [expected(kernel, x), run(kernel, x, cuts, inPlace)]
        const at = got.findIndex((value, i) => !same(kernel, value, wanted[i]!))
        expect(at, `${JSON.stringify(kernel)}: ${got[at]}, expected ${wanted[at]}`).toBe(-1)
      },
    ),
    { numRuns: 150, seed: 42 },
  ))

test('a line has the same bits alone and among others', () => {
  for (const op of ['sum', 'prod'] as const)
    for (const n of [5, 16, 1003]) {
      const x = drawn('float32', 7 * n, false, n).map((v) => v / 3 + 1)
      const all = run(kernelOf(op, 'float32', { outer: 7, n, inner: 1 }, false), x, [3], false)
      const one = run(kernelOf(op, 'float32', { outer: 1, n, inner: 1 }, false), x.slice(4 * n, 5 * n), [], false)
      expect(all.slice(4 * n, 5 * n)).toEqual(one)
    }
})

test('large terms that cancel leave the small ones', () => {
  const x = new Float32Array(64)
  for (let i = 0; i < 64; i += 4) x.set([0.1, 2 ** 31, -(2 ** 31), 0.1], i)
  const sums = run(kernelOf('sum', 'float32', { outer: 1, n: 64, inner: 1 }, false), x, [], false)
  expect(Math.abs(sums[63]! / 3.2 - 1)).toBeLessThan(1e-6)
})
