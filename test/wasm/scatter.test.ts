/** Scatters against a plain loop: rows named twice or not at all, out of range, in the operand's own memory. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emitScatter } from '../../backends/wasm/scatter.ts'
import { type DType, isFloat, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Scatter } from '../../src/core/kernel.ts'
import { random } from './random.ts'
import { inRanges } from './ranges.ts'

const dtypes = ['float32', 'float64', 'int32', 'uint32', 'bool', 'key'] as const satisfies readonly DType[]
const combines = {
  set: (_: number, y: number) => y,
  add: (x: number, y: number) => x + y,
  mul: (x: number, y: number) => x * y,
  max: Math.max,
  min: Math.min,
}

const drawn = (dtype: DType, size: number, seed: number): TypedArray => {
  const draw = random(seed)
  const odd = [0, -0, NaN, Infinity, -Infinity, 2 ** 31 - 1, -(2 ** 31)]
  const data = new (typedArrayOf(dtype))(dtype === 'key' ? 2 * size : size)
  if (dtype === 'bool') return data.map(() => Number(draw() > 0))
  return data.map(() => (draw() > 0.7 ? odd[Math.floor((draw() + 1) * 3.5)]! : isFloat(dtype) ? draw() * 3 : draw() * 2 ** 31))
}

const expected = ({ combine, dtype, rows, rest, count }: Scatter, [x, index, updates]: readonly TypedArray[]): TypedArray => {
  const out = x!.slice()
  const width = dtype === 'key' ? 2 * rest : rest
  const f = combine === 'mul' && !isFloat(dtype) ? Math.imul : combines[combine]
  for (let u = 0; u < count; u++)
    if (index![u]! >= 0 && index![u]! < rows)
      for (let j = 0; j < width; j++) out[index![u]! * width + j] = f(out[index![u]! * width + j]!, updates![u * width + j]!)
  return out
}

test('any combination, dtype and shape', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(...(Object.keys(combines) as Scatter['combine'][])),
      fc.constantFrom(...dtypes),
      fc.record({ rows: fc.integer({ min: 1, max: 40 }), rest: fc.integer({ min: 1, max: 13 }), count: fc.nat(60) }),
      fc.boolean(),
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.nat(),
      (combine, dtype, shape, inPlace, cuts, seed) => {
        if ((dtype === 'bool' && (combine === 'add' || combine === 'mul')) || (dtype === 'key' && combine !== 'set')) return
        const { rows, rest, count } = shape
        const kernel: Scatter = { kind: 'scatter', combine, dtype, ...shape, args: [dtype, 'int32', dtype, dtype] }
        const draw = random(seed)
        const index = Int32Array.from({ length: count }, () => (draw() > 0.9 ? draw() * 2 ** 31 : Math.floor(draw() * rows * 1.2)))
        const inputs = [drawn(dtype, rows * rest, seed + 1), index, drawn(dtype, count * rest, seed + 2)]
        const wanted = expected(kernel, inputs)
        const args = [...inputs, inputs[0]!.slice().fill(77)]
        const words = inRanges((module) => emitScatter(module, kernel), rows, cuts, args, inPlace ? [0, 1, 2, 0] : [0, 1, 2, 3])
        const got = new (typedArrayOf(dtype))(words[3]!.buffer)
        const at = got.findIndex((value, i) => !Object.is(value, wanted[i]))
        expect(at, `${JSON.stringify(kernel)}: ${got[at]}, expected ${wanted[at]}`).toBe(-1)
      },
    ),
    { numRuns: 400, seed: 42 },
  ))
