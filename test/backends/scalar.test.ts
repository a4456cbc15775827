/** Special values of every ScalarOp, as JAX defines them, on the reference backend. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { wrap } from '../../backends/reference/scalar.ts'
import type { DType } from '../../src/core/dtype.ts'
import type { ScalarOp } from '../../src/core/kernel.ts'
import { elementwise } from './harness.ts'

const backend = reference()

const named: Readonly<Record<string, number>> = {
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  nan: Number.NaN,
  pi: Math.PI,
  '-pi': -Math.PI,
  'pi/2': Math.PI / 2,
  '1/3': 1 / 3,
  tiny: 2 ** -149,
  '-tiny': -(2 ** -149),
  huge: 3.4028234663852886e38,
  'above 1': 1 + 2 ** -23,
  'below 1': 1 - 2 ** -24,
  'above -1': -1 + 2 ** -24,
  'above 1 (f64)': 1 + 2 ** -52,
  'below -1 (f64)': -1 - 2 ** -52,
  tiny64: Number.MIN_VALUE,
  int: 2 ** 31 - 1,
  '-int': -(2 ** 31),
  uint: 2 ** 32 - 1,
}

/** A cell's number; floats round to their dtype, keys of `named` and hexadecimals are known. */
const number = (cell: string, dtype: DType): number => {
  const x = named[cell] ?? Number(cell)
  if (Number.isNaN(x) && cell !== 'nan') throw new Error(`no number: ${cell}`)
  return dtype === 'float32' ? wrap(dtype)(x) : x
}

/** Each line: operands, an arrow, the result. They must be identical, zeros' signs included. */
const check = (op: ScalarOp, from: DType | readonly DType[], to: DType, ...lines: readonly string[]): void => {
  const rows = lines.map((line) => {
    const [operands, result] = line.split(' -> ')
    return { operands: operands!.split(', '), result: result! }
  })
  const dtypes = typeof from === 'string' ? rows[0]!.operands.map(() => from) : from
  const columns = dtypes.map((dtype, i) => rows.map(({ operands }) => number(operands[i]!, dtype)))
  const results = elementwise(backend, op, to, from, ...columns)
  rows.forEach(({ result }, i) => {
    expect(results[i], `${op} ${lines[i]} in ${to}`).toBe(number(result, to))
  })
}

describe('float to float', () => {
  test('neg, abs, sign', () => {
    check('neg', 'float32', 'float32', '0 -> -0', '-0 -> 0', 'inf -> -inf', 'nan -> nan', '1.5 -> -1.5')
    check('abs', 'float32', 'float32', '-0 -> 0', '-inf -> inf', 'nan -> nan', '-1.5 -> 1.5')
    check('sign', 'float32', 'float32', '-0 -> -0', '0 -> 0', '-inf -> -1', 'nan -> nan', '1e-40 -> 1')
  })
  test('floor, ceil, round half to even', () => {
    check('floor', 'float32', 'float32', '-0.5 -> -1', '-0 -> -0', '2.5 -> 2', 'inf -> inf', 'nan -> nan')
    check('ceil', 'float32', 'float32', '-0.5 -> -0', '2.5 -> 3', '-inf -> -inf')
    check('round', 'float32', 'float32', '0.5 -> 0', '1.5 -> 2', '2.5 -> 2', '-0.5 -> -0', '-1.5 -> -2', '-2.5 -> -2')
    check('round', 'float32', 'float32', '0.49999997 -> 0', '8388609 -> 8388609', '-0 -> -0', 'inf -> inf', 'nan -> nan')
    check('round', 'float64', 'float64', '0.49999999999999994 -> 0', '2251799813685248.5 -> 2251799813685248')
    check('round', 'float64', 'float64', '4503599627370497 -> 4503599627370497')
  })
  test('exp, log and their kin', () => {
    check('exp', 'float32', 'float32', '-inf -> 0', 'inf -> inf', '0 -> 1', '89 -> inf', '-104 -> 0', 'nan -> nan')
    check('expm1', 'float32', 'float32', '-inf -> -1', '-0 -> -0', '1e-10 -> 1e-10')
    check('log', 'float32', 'float32', '0 -> -inf', '-0 -> -inf', '-1 -> nan', '1 -> 0', 'inf -> inf')
    check('log1p', 'float32', 'float32', '-1 -> -inf', '-2 -> nan', '-0 -> -0', '1e-10 -> 1e-10')
    check('sqrt', 'float32', 'float32', '-0 -> -0', '-1 -> nan', 'inf -> inf', '2 -> 1.4142135623730951')
    check('rsqrt', 'float32', 'float32', '0 -> inf', '-0 -> -inf', 'inf -> 0', '-1 -> nan', '4 -> 0.5')
    check('logistic', 'float32', 'float32', '0 -> 0.5', '-inf -> 0', 'inf -> 1', '200 -> 1', '-200 -> 0', 'nan -> nan')
  })
  test('trigonometric and hyperbolic', () => {
    for (const op of ['sin', 'cos', 'tan'] as const) check(op, 'float32', 'float32', 'inf -> nan', '-inf -> nan', 'nan -> nan')
    check('sin', 'float32', 'float32', '-0 -> -0')
    check('asin', 'float32', 'float32', '1 -> pi/2', '2 -> nan', '-0 -> -0')
    check('acos', 'float32', 'float32', '1 -> 0', '-1 -> pi', '-2 -> nan')
    check('atan', 'float32', 'float32', 'inf -> pi/2', '-0 -> -0')
    check('sinh', 'float32', 'float32', 'inf -> inf', '-inf -> -inf', '-0 -> -0', '100 -> inf')
    check('cosh', 'float32', 'float32', '-inf -> inf', '0 -> 1')
    check('tanh', 'float32', 'float32', 'inf -> 1', '-inf -> -1', '-0 -> -0', '20 -> 1')
    check('asinh', 'float32', 'float32', '-inf -> -inf', '-0 -> -0')
    check('acosh', 'float32', 'float32', '1 -> 0', '0.5 -> nan', 'inf -> inf')
    check('atanh', 'float32', 'float32', '1 -> inf', '-1 -> -inf', '2 -> nan', '-0 -> -0')
  })
  test("the rest is JavaScript's, rounded once", () => {
    for (const f of ['sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'tanh', 'asinh', 'atanh'] as const)
      for (const x of [-0.9375, -0.3125, 2 ** -20, 0.1875, 0.6875])
        for (const dtype of ['float32', 'float64'] as const) check(f, dtype, dtype, `${x} -> ${Math[f](x)}`)
  })
  test('erf to float64 accuracy', () => {
    const known = [
      [1e-300, 1.1283791670955126e-300],
      [1e-10, 1.1283791670955126e-10],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [1.9, 0.9927904292352575],
      [2.1, 0.997020533343667],
      [3, 0.9999779095030014],
      [5, 0.9999999999984626],
    ] as const
    const xs = known.map(([x]) => x)
    const results = elementwise(backend, 'erf', 'float64', 'float64', xs)
    for (const [i, [x, y]] of known.entries()) expect(Math.abs(results[i]! / y - 1), `erf(${x})`).toBeLessThan(8e-16)
    check('erf', 'float32', 'float32', '0 -> 0', '-0 -> -0', 'inf -> 1', '-inf -> -1', '-7 -> -1', 'nan -> nan')
  })
  test('erfc to float64 accuracy, far out', () => {
    const known = [[-3, 1.9999779095030015], [1e-10, 0.9999999998871621], [1.4, 0.04771488023735119], [2, 0.004677734981047266], [10, 2.088487583762545e-45], [26, 5.663192408856143e-296]] as const // prettier-ignore
    const results = elementwise(backend, 'erfc', 'float64', 'float64', known.map(([x]) => x)) // prettier-ignore
    for (const [i, [x, y]] of known.entries()) expect(Math.abs(results[i]! / y - 1), `erfc(${x})`).toBeLessThan(1e-14)
    check('erfc', 'float32', 'float32', '0 -> 1', 'inf -> 0', '-inf -> 2', '-7 -> 2', '11 -> 0', 'nan -> nan')
  })
  test('erfInv undoes erf', () => {
    check('erfInv', 'float32', 'float32', '1 -> inf', '-1 -> -inf', '2 -> nan', 'nan -> nan', '0 -> 0', '-0 -> -0')
    const ys = [1e-300, 1e-12, 1e-5, 1e-4, 0.01, 0.3, 0.8, 1.5, 2.5, 4]
    const xs = elementwise(backend, 'erf', 'float64', 'float64', ys)
    const back = elementwise(backend, 'erfInv', 'float64', 'float64', xs)
    // Near 1 a rounding of x moves the inverse by ε / erf'(y).
    for (const [i, y] of ys.entries()) {
      const tolerance = 1e-15 * y + ((2.3e-16 * Math.sqrt(Math.PI) * Math.exp(y * y)) / 2) * Math.min(1, y)
      expect(Math.abs(back[i]! - y), `erfInv(erf(${y}))`).toBeLessThanOrEqual(tolerance)
    }
  })
  test('isFinite', () => {
    check('isFinite', 'float32', 'bool', 'inf -> 0', '-inf -> 0', 'nan -> 0', '3e38 -> 1', '0 -> 1')
  })
})

describe('two floats', () => {
  test('add, sub, mul, div round to the dtype', () => {
    check('add', 'float32', 'float32', '16777216, 1 -> 16777216', 'inf, -inf -> nan', '3e38, 3e38 -> inf')
    check('sub', 'float32', 'float32', '0, 0 -> 0', 'inf, inf -> nan')
    check('mul', 'float32', 'float32', '0, inf -> nan', '-0, 1 -> -0', '0.1, 0.1 -> 0.010000000707805157')
    check('div', 'float32', 'float32', '1, 0 -> inf', '1, -0 -> -inf', '0, 0 -> nan', '1, 3 -> 1/3')
    check('div', 'float64', 'float64', '1, 3 -> 1/3')
  })
  test('rem has the sign of the dividend', () => {
    check('rem', 'float32', 'float32', '5.5, 2 -> 1.5', '-5.5, 2 -> -1.5', '5.5, -2 -> 1.5', '-4, 2 -> -0')
    check('rem', 'float32', 'float32', '1, 0 -> nan', '1, inf -> 1', 'inf, 1 -> nan')
  })
  test('pow as in C', () => {
    check('pow', 'float32', 'float32', '1, nan -> 1', 'nan, 0 -> 1', '-1, inf -> 1', '-1, -inf -> 1', '0, 0 -> 1')
    check('pow', 'float32', 'float32', '-8, 1/3 -> nan', '0, -1 -> inf', '-0, -1 -> -inf', '2, -149 -> tiny')
    check('pow', 'float32', 'float32', '-2, 3 -> -8', '2, inf -> inf', '0.5, inf -> 0')
  })
  test('max and min propagate NaN', () => {
    check('max', 'float32', 'float32', 'nan, 1 -> nan', '1, nan -> nan', '-0, 0 -> 0', '-inf, 3 -> 3')
    check('min', 'float32', 'float32', 'nan, 1 -> nan', '1, nan -> nan', '-0, 0 -> -0', '-inf, 3 -> -inf')
  })
  test('atan2', () => {
    check('atan2', 'float32', 'float32', '0, -1 -> pi', '-0, -1 -> -pi', '0, 1 -> 0', '-0, 1 -> -0', '1, 0 -> pi/2')
    check('atan2', 'float32', 'float32', 'nan, 1 -> nan')
  })
  test('nextafter', () => {
    check('nextafter', 'float32', 'float32', '1, 2 -> above 1', '1, 0 -> below 1', '-1, 0 -> above -1', '1, 1 -> 1')
    check('nextafter', 'float32', 'float32', '0, 1 -> tiny', '0, -1 -> -tiny', '-0, 1 -> tiny', '0, -0 -> -0')
    check('nextafter', 'float32', 'float32', 'tiny, 0 -> 0', '-tiny, 0 -> -0', 'nan, 1 -> nan', '1, nan -> nan')
    check('nextafter', 'float32', 'float32', 'huge, inf -> inf', 'inf, 0 -> huge')
    check('nextafter', 'float64', 'float64', '1, 2 -> above 1 (f64)', '0, 1 -> tiny64', '-1, -2 -> below -1 (f64)')
  })
  test('comparisons are false of NaN, ne is true; zeros are equal', () => {
    for (const op of ['eq', 'lt', 'le', 'gt', 'ge'] as const) check(op, 'float32', 'bool', 'nan, nan -> 0', 'nan, 1 -> 0', '1, nan -> 0')
    check('ne', 'float32', 'bool', 'nan, nan -> 1', '0, -0 -> 0')
    check('eq', 'float32', 'bool', '0, -0 -> 1', 'inf, inf -> 1')
    check('lt', 'float32', 'bool', '-0, 0 -> 0', '-1, 1 -> 1')
  })
})

describe('integers', () => {
  test('arithmetic wraps', () => {
    check('add', 'int32', 'int32', 'int, 1 -> -int')
    check('sub', 'int32', 'int32', '-int, 1 -> int')
    check('mul', 'int32', 'int32', '65536, 65536 -> 0', '123456789, 987654321 -> -67153019')
    check('neg', 'int32', 'int32', '-int -> -int', '0 -> 0')
    check('abs', 'int32', 'int32', '-int -> -int', '-3 -> 3')
    check('sign', 'int32', 'int32', '-7 -> -1', '0 -> 0', '9 -> 1')
    check('add', 'uint32', 'uint32', 'uint, 1 -> 0')
    check('sub', 'uint32', 'uint32', '0, 1 -> uint')
    check('mul', 'uint32', 'uint32', 'uint, uint -> 1')
    check('neg', 'uint32', 'uint32', '1 -> uint')
    check('sign', 'uint32', 'uint32', 'uint -> 1', '0 -> 0')
  })
  test('division truncates; by zero it gives -1, and the remainder the dividend', () => {
    check('div', 'int32', 'int32', '7, 2 -> 3', '-7, 2 -> -3', '7, 0 -> -1', '0, 0 -> -1', '-int, -1 -> -int')
    check('rem', 'int32', 'int32', '7, 3 -> 1', '-7, 3 -> -1', '7, -3 -> 1', '-6, 3 -> 0', '7, 0 -> 7', '-int, -1 -> 0')
    check('div', 'uint32', 'uint32', 'uint, 2 -> int', '5, 0 -> uint')
    check('rem', 'uint32', 'uint32', 'uint, 10 -> 5', '5, 0 -> 5')
  })
  test('pow is repeated multiplication', () => {
    check('pow', 'int32', 'int32', '3, 4 -> 81', '-2, 3 -> -8', '7, 0 -> 1', '0, 0 -> 1', '2, 31 -> -int')
    check('pow', 'int32', 'int32', `3, 40 -> ${BigInt.asIntN(32, 3n ** 40n)}`)
    check('pow', 'uint32', 'uint32', `3, 40 -> ${BigInt.asUintN(32, 3n ** 40n)}`)
  })
  test('max and min compare in their signedness', () => {
    check('max', 'int32', 'int32', '-1, 1 -> 1')
    check('max', 'uint32', 'uint32', 'uint, 1 -> uint')
    check('lt', 'uint32', 'bool', '1, uint -> 1')
    check('lt', 'int32', 'bool', '-1, 1 -> 1')
    check('ge', 'uint32', 'bool', 'uint, int -> 1')
  })
  test('bits', () => {
    check('and', 'uint32', 'uint32', 'uint, 0xf0f0f0f0 -> 0xf0f0f0f0')
    check('or', 'int32', 'int32', '-int, 1 -> -2147483647')
    check('xor', 'uint32', 'uint32', 'uint, 1 -> 0xfffffffe')
    check('not', 'int32', 'int32', '0 -> -1')
    check('not', 'uint32', 'uint32', '0 -> uint')
  })
  test('shifts by 32 or more, or by negative amounts', () => {
    check('shl', 'int32', 'int32', '1, 31 -> -int', '1, 32 -> 0', '1, -1 -> 0', '3, 1 -> 6')
    check('shl', 'uint32', 'uint32', '1, 31 -> 2147483648', '1, 33 -> 0')
    check('shrLogical', 'int32', 'int32', '-1, 1 -> int', '-1, 0 -> -1', '-1, 32 -> 0')
    check('shrLogical', 'uint32', 'uint32', 'uint, 31 -> 1', 'uint, 64 -> 0')
    check('shrArithmetic', 'int32', 'int32', '-8, 1 -> -4', '-8, 40 -> -1', '8, 40 -> 0')
    check('shrArithmetic', 'uint32', 'uint32', 'uint, 4 -> uint', '16, 4 -> 1')
  })
  test('threefry2x32', () => {
    // split(key(42)) = [[1832780943, 270669613], [64467757, 2916123636]]; then two reference vectors of Random123.
    const [zeros, ones] = ['0, 0, 0, 0', 'uint, uint, uint, uint']
    check('threefry0', 'uint32', 'uint32', '0, 42, 0, 0 -> 1832780943', '0, 42, 0, 1 -> 64467757')
    check('threefry1', 'uint32', 'uint32', '0, 42, 0, 0 -> 270669613', '0, 42, 0, 1 -> 2916123636')
    check('threefry0', 'uint32', 'uint32', `${zeros} -> 0x6b200159`, `${ones} -> 0x1cb996fc`)
    check('threefry1', 'uint32', 'uint32', `${zeros} -> 0x99ba4efe`, `${ones} -> 0xbb002be7`)
  })
})

describe('between dtypes', () => {
  test('float to int truncates, saturates, and NaN gives 0', () => {
    for (const from of ['float32', 'float64'] as const) {
      check('cast', from, 'int32', 'nan -> 0', 'inf -> int', '-inf -> -int', '-1.9 -> -1', '3e9 -> int', '-3e9 -> -int')
      check('cast', from, 'uint32', 'nan -> 0', 'inf -> uint', '-1 -> 0', '3e9 -> 3e9', '5e9 -> uint')
    }
  })
  test('int to float rounds, int to int wraps', () => {
    check('cast', 'int32', 'float32', '16777217 -> 16777216', '-5 -> -5')
    check('cast', 'uint32', 'float32', 'uint -> 4294967296')
    check('cast', 'int32', 'uint32', '-1 -> uint')
    check('cast', 'uint32', 'int32', 'uint -> -1')
    check('cast', 'float64', 'float32', '0.1 -> 0.1', '1e300 -> inf')
  })
  test('to and from bool', () => {
    check('cast', 'float32', 'bool', '0.5 -> 1', '-0 -> 0', 'nan -> 1')
    check('cast', 'int32', 'bool', '-2 -> 1', '0 -> 0')
    check('cast', 'bool', 'float32', '1 -> 1', '0 -> 0')
  })
  test('bitcast keeps bits', () => {
    check('bitcast', 'float32', 'uint32', '1 -> 0x3f800000', '-0 -> 0x80000000', 'inf -> 0x7f800000')
    check('bitcast', 'float32', 'int32', '-0 -> -int')
    check('bitcast', 'uint32', 'float32', '0x3f800000 -> 1', '1 -> tiny')
    check('bitcast', 'int32', 'uint32', '-1 -> uint')
  })
  test('logic and select', () => {
    check('not', 'bool', 'bool', '0 -> 1', '1 -> 0')
    check('and', 'bool', 'bool', '0, 1 -> 0', '1, 1 -> 1')
    check('or', 'bool', 'bool', '0, 1 -> 1', '0, 0 -> 0')
    check('xor', 'bool', 'bool', '0, 1 -> 1', '1, 1 -> 0')
    check('max', 'bool', 'bool', '0, 1 -> 1')
    check('eq', 'bool', 'bool', '1, 1 -> 1', '1, 0 -> 0')
    check('select', ['bool', 'float32', 'float32'], 'float32', '1, nan, 2 -> nan', '0, nan, 2 -> 2')
  })
})
