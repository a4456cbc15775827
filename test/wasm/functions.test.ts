/** wasm's float32 functions over all of float32: how far they are off what float64 gives for the same argument, in units of its last place. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import { erf, erfc } from '../../backends/reference/functions.ts'
import { type Elementwise, ops, type Traits } from '../../src/core/ops.ts'
import { nn, np } from '../../src/index.ts'
import { pairs, specials } from '../backends/functions.ts'
import { access, apply, elementwise, load, runKernel } from '../backends/harness.ts'

const device = wasm()
const oracle = reference()

const logistic = (x: number): number => 1 / (1 + Math.exp(-x))
/** C's, where JavaScript's gives NaN. */
const pow = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y)

const unary: Partial<Record<Elementwise, (x: number) => number>> = {
  ...{ exp: Math.exp, expm1: Math.expm1, log: Math.log, log1p: Math.log1p, sin: Math.sin, cos: Math.cos, tan: Math.tan },
  ...{ asin: Math.asin, acos: Math.acos, atan: Math.atan, sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh },
  ...{ asinh: Math.asinh, acosh: Math.acosh, atanh: Math.atanh, cbrt: Math.cbrt, logistic, erf, erfc },
}
const bound = (op: Elementwise): number => (ops[op].traits as Traits).ulps?.wasm ?? 0

/** Every `stride`th pattern of bits, and those next to powers of two and zero. */
const sweep = (stride: number): number[] => {
  const words = Uint32Array.from({ length: Math.floor(2 ** 32 / stride) }, (_, i) => i * stride)
  const near = Uint32Array.from({ length: 512 * 5 }, (_, i) => Math.floor(i / 5) * 2 ** 23 + (i % 5) - 2)
  return [...new Float32Array(words.buffer), ...new Float32Array(near.buffer), ...specials]
}
/** The space between float32s at x. */
const ulpOf = (x: number): number => 2 ** (Math.min(Math.max(Math.floor(Math.log2(Math.abs(x))), -126), 127) - 23)
/** Infinity is where the next number would be. A result that is 0 has the sign of what it should be. */
const offBy = (got: number, want: number): number => {
  if (Object.is(got, Math.fround(want))) return 0
  if (Number.isNaN(got) || Number.isNaN(want) || want === 0 || (got === 0 && want / got < 0)) return Infinity
  const bounded = (x: number): number => Math.min(Math.max(x, -(2 ** 128)), 2 ** 128)
  return Math.abs(bounded(got) - bounded(want)) / ulpOf(want)
}

const worstOf = (got: ArrayLike<number>, want: (i: number) => number, at: (i: number) => string, ulps: number): void => {
  let [worst, where] = [0, 0]
  for (let i = 0; i < got.length; i++) {
    const off = offBy(got[i]!, want(i))
    if (!(off <= worst)) [worst, where] = [off, i]
  }
  expect(worst, `of ${at(where)} is ${got[where]}, should be ${want(where)}`).toBeLessThanOrEqual(ulps)
}

describe('float32 functions over all of float32', () => {
  const xs = sweep(20011)
  for (const [op, f] of Object.entries(unary) as [Elementwise, (x: number) => number][])
    test(`${op} within ${bound(op)} ulps`, () =>
      worstOf(
        elementwise(device, op, 'float32', 'float32', xs),
        (i) => f(xs[i]!),
        (i) => `${op} ${xs[i]}`,
        bound(op),
      ))

  // Its product with a sigmoid of few digits, or none, has its own.
  test('silu within 3.5 ulps', () => {
    const finite = xs.filter(Number.isFinite)
    worstOf(
      nn.silu(np.array(finite)).toTyped() as Float32Array,
      (i) => finite[i]! * logistic(finite[i]!),
      (i) => `silu ${finite[i]}`,
      3.5,
    )
  })
})

/** 32-bit words that look random. */
const words = (count: number, seed: number): Uint32Array => {
  let word = seed
  return Uint32Array.from({ length: count }, () => (word = (Math.imul(word, 1664525) + 1013904223) >>> 0))
}
const floats = (count: number, seed: number): number[] => [...new Float32Array(words(count, seed).buffer)]

describe('float32 functions of two operands', () => {
  const special = [...specials, 3, -3, 2.5, 1.5, -1.5, 150, -150, 8388607.5, 2 ** 23 + 1, -(2 ** 23) - 1, 2 ** 24, 2 ** 24 + 2, 2 ** -127]
  const [a, b] = pairs(special)
  const shares = [...words(200000, 3)].map((word) => word / 2 ** 32)
  const base = floats(200000, 1)
  const check = (op: Elementwise, f: (x: number, y: number) => number, x: readonly number[], y: readonly number[]): void =>
    worstOf(
      elementwise(device, op, 'float32', 'float32', x, y),
      (i) => f(x[i]!, y[i]!),
      (i) => `${op} ${x[i]}, ${y[i]}`,
      bound(op),
    )

  test('pow within its bound: to the borders of what is finite, and whole powers of negative numbers', () => {
    const exponents = base.map((x, i) =>
      Math.fround(i % 2 ? (shares[i]! * 300 - 160) / Math.log2(Math.abs(x)) : Math.round(shares[i]! * 40 - 20)),
    )
    check('pow', pow, [...a, ...base, ...base], [...b, ...exponents, ...floats(200000, 7)])
  })
  test('atan2 within its bound', () => {
    const near = base.map((y, i) => Math.fround(y * 2 ** (30 * shares[i]! - 15)))
    check('atan2', Math.atan2, [...a, ...base, ...base], [...b, ...near, ...floats(200000, 7)])
  })
  test('rem is exact', () => {
    const near = base.map((x, i) => Math.fround(x * 2 ** -(35 * shares[i]!)))
    check('rem', (x, y) => x % y, [...a, ...base, ...base], [...b, ...near, ...floats(200000, 7)])
  })
  test('nextafter is the next', () => {
    const [x, y] = [
      [...a, ...base],
      [...b, ...floats(200000, 7)],
    ]
    expect(elementwise(device, 'nextafter', 'float32', 'float32', x, y)).toEqual(
      elementwise(oracle, 'nextafter', 'float32', 'float32', x, y),
    )
  })
})

describe('shifts by lanes of their own', () => {
  const counts = [...Array.from({ length: 36 }, (_, n) => n), 63, 64, 255, 256, 257, 2 ** 31 - 1, -1, -5, -31, -32, -(2 ** 31)]
  const values = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 0x55555555, ...new Int32Array(words(20, 5).buffer)]
  const [n, x] = pairs([...counts, ...values])
  for (const op of ['shl', 'shrLogical', 'shrArithmetic'] as const)
    for (const dtype of ['int32', 'uint32'] as const)
      test(`${op} of ${dtype}`, () =>
        expect(elementwise(device, op, dtype, dtype, x, n)).toEqual(elementwise(oracle, op, dtype, dtype, x, n)))
})

test('the third use of a function in a kernel, which calls a shared one, is as the first', () => {
  const xs = Array.from({ length: 103 }, (_, i) => Math.fround(1 + i / 7))
  const [x, y] = [load('float32', 0, [1]), load('float32', 1, [1])]
  const nested = (times: number): typeof x => (times === 0 ? x : apply('pow', 'float32', nested(times - 1), y))
  const kernel = (times: number) =>
    ({
      kind: 'nest',
      dims: [xs.length],
      inner: 0,
      args: ['float32', 'float32', 'float32'],
      outputs: [{ arg: 2, expr: nested(times), access: access([1]), rowwise: false }],
    }) as const
  const ys = Float32Array.from(xs, (_, i) => 0.5 + (i % 5) / 4)
  const at = (times: number, input: Float32Array): Float32Array =>
    runKernel(device, kernel(times), [input, ys, xs.length])[0] as Float32Array
  const input = Float32Array.from(xs)
  const once = (z: Float32Array): Float32Array => at(1, z)
  expect(at(4, input)).toEqual(once(once(once(once(input)))))
})
