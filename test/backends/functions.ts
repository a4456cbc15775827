/** The float32 functions of one operand whose results may be off by some ulps, and points over their whole range. */
import { type Elementwise, ops, ulpsOf } from '../../src/core/ops.ts'

export const functions = (Object.keys(ops) as (keyof typeof ops)[]).filter(
  (name): name is Elementwise => 'scalar' in ops[name] && ops[name].operands[1] === 1 && ulpsOf(name) > 0,
)

export const specials: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  2,
  -2,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  88.7,
  88.73,
  -87.4,
  -103.9,
  -104.1,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  1 - 2 ** -24,
  -1 + 2 ** -24,
  1 + 2 ** -23,
].map(Math.fround)

/** Numbers of either sign, of every magnitude between two powers of two. */
export const between = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.fround((i % 2 ? 1 : -1) * 2 ** (from + ((to - from) * (i + 0.37)) / count)))
/** What is special, all magnitudes, and many where functions bend. */
export const points: readonly number[] = [...specials, ...between(-126, 127.9, 10_000), ...between(-20, 7, 20_000)]

const bits = new Int32Array(1)
const float = new Float32Array(bits.buffer)

/** The number of float32s between two; NaN only equals NaN, and zeros are one. */
export const ulpsBetween = (x: number, y: number): number => {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) && Number.isNaN(y) ? 0 : Number.POSITIVE_INFINITY
  const place = (z: number): number => {
    float[0] = z
    return bits[0]! < 0 ? -(bits[0]! & 0x7fffffff) : bits[0]!
  }
  return Math.abs(place(x) - place(y))
}

/** Every pair of numbers, as two columns. */
export const pairs = (xs: readonly number[]): readonly [number[], number[]] => [xs.flatMap((x) => xs.map(() => x)), xs.flatMap(() => xs)]
