/**
 * Element-wise functions and their first derivatives over all float32s, not only around 1: every magnitude, both signs, subnormals and
 * infinities, against float64 formulas.
 */
import { describe, expect, test } from 'vitest'
import { aval } from '../../src/core/aval.ts'
import type { NdArray } from '../../src/core/array.ts'
import { trace } from '../../src/core/trace.ts'
import type { DType } from '../../src/core/dtype.ts'
import { grad, jit, nn, np } from '../../src/index.ts'
import { type Ulps, tailUlps } from '../../src/testing/rounding.ts'
import { closed, type Device, run } from './harness.ts'
import { ones, twos } from './oracle.ts'

const COUNT = 3000
/** Fractions of 1 that fill it evenly. */
const spread = (i: number, step: number): number => (i * step) % 1
/** Of either sign, the exponent even over [from, to]. */
const sized = (i: number, from: number, to: number, step: number): number =>
  (i % 2 === 0 ? 1 : -1) * 2 ** (from + (to - from) * spread(i, step))
const specials = [0, 1, 2, 0.5, Infinity, 2 ** -149, 2 ** -126, 3.4028234663852886e38, 1 - 2 ** -24, 1 + 2 ** -23, 16, 88.7, 88.73, 103.9]
const signed = specials.flatMap((x) => [x, -x])
const golden = 0.6180339887498949
const xs = [
  ...signed,
  ...Array.from({ length: COUNT }, (_, i) => sized(i, -149, 128, golden)),
  ...Array.from({ length: COUNT }, (_, i) => sized(i, -10, 7, golden)),
].map(Math.fround)
/** Beside them: of any size, of their own, and so near that they nearly cancel. */
const ys = [
  ...signed.map((_, i) => signed[(i * 5 + 2) % signed.length]!),
  ...Array.from({ length: COUNT }, (_, i) => sized(i * 3 + (i >> 1), -149, 128, 0.7548776662466927)),
  ...Array.from({ length: COUNT }, (_, i) => sized(i, -10, 7, golden) * (i % 3 === 0 ? -1 : 1) * (1 + (i % 5) * 2 ** (-2 * (i % 11)))),
].map(Math.fround)

const MAX = 2 ** 128
/** Below it all is one: of values what a subnormal on the way loses, of derivatives (whose squares overflow before) the subnormals. */
const LEAST = { value: 2 ** -140, derivative: 2 ** -126 } as const
const ulp = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23)
const bounded = (x: number): number => Math.min(Math.max(x, -MAX), MAX)
/** How far off, in units of what is allowed. */
const excess = (got: number, want: number, allowed: Ulps, moved: number, least: number): number => {
  if (Number.isNaN(want) || Number.isNaN(got)) return Number.isNaN(want) && Number.isNaN(got) ? 0 : Infinity
  const to = bounded(want)
  const slack =
    Math.max(0.5, allowed.ulps) * (to === 0 ? 0 : ulp(Math.min(Math.abs(to), MAX / 2))) + (allowed.argument ?? 0) * moved * 2 ** -24
  return Math.abs(bounded(got) - to) / (slack + least)
}
/** What f moves by when its argument does, relative to the argument: x f'(x). */
const move = (f: (x: number) => number, x: number): number => {
  const by = (f(x * (1 + 2 ** -20)) - f(x)) * 2 ** 20
  return Number.isFinite(by) ? Math.abs(by) : 0
}

const values = (
  device: Device,
  f: (xs: readonly NdArray[]) => NdArray[],
  ...columns: readonly (readonly number[])[]
): readonly (readonly number[])[] => {
  const type = aval([xs.length], 'float32')
  const jaxpr = closed(trace(columns.map(() => type), f, 'law', { kind: 'jit' })) // prettier-ignore
  return run(device, jaxpr, columns.map((data) => ({ aval: type, data }))).map((y) => y.data as readonly number[]) // prettier-ignore
}
interface Wanted {
  readonly what: keyof typeof LEAST
  readonly got: readonly number[]
  readonly want: (i: number) => number
  readonly moved: (i: number) => number
}
/** The worst place is within what is allowed. `domain`: where the function is a number. */
const isRight = ({ what, got, want, moved }: Wanted, allowed: Ulps, domain: (i: number) => boolean): void => {
  let [most, at] = [0, 0]
  got.forEach((y, i) => {
    const by = what === 'value' || domain(i) ? excess(y, want(i), allowed, allowed.argument === undefined ? 0 : moved(i), LEAST[what]) : 0
    if (by > most) [most, at] = [by, i]
  })
  expect(most, `${what} at ${xs[at]}, ${ys[at]}: ${got[at]}, right ${want(at)}`).toBeLessThanOrEqual(1)
}

const sum =
  (f: (...xs: NdArray[]) => NdArray) =>
  (...zs: NdArray[]): NdArray =>
    f(...zs).sum()

describe.each(['reference', 'wasm'] as const)('on %s', (device) => {
  test.each(Object.keys(ones))('%s', (name) => {
    const { f, exact, slope } = ones[name]!
    const outs = values(device, ([x]) => [f(x!), grad(sum(f))(x!)], xs)
    const domain = (i: number): boolean => !Number.isNaN(exact(xs[i]!))
    ;[exact, slope].forEach((g, k) =>
      isRight(
        { what: k === 0 ? 'value' : 'derivative', got: outs[k]!, want: (i) => g(xs[i]!), moved: (i) => move(g, xs[i]!) },
        tailUlps(name)[k]!,
        domain,
      ),
    )
  })
  test.each(Object.keys(twos))('%s', (name) => {
    const { f, exact, slopes } = twos[name]!
    const outs = values(device, ([x, y]) => [f(x!, y!), ...grad(sum(f), { argnums: [0, 1] as const })(x!, y!)], xs, ys)
    const normal = (x: number): boolean => tailUlps(name)[1].normal !== true || x === 0 || Math.abs(x) >= 2 ** -126
    const domain = (i: number): boolean => normal(xs[i]!) && normal(ys[i]!) && !Number.isNaN(exact(xs[i]!, ys[i]!))
    ;[exact, ...slopes].forEach((g, k) => {
      const moved = (i: number): number => move((x) => g(x, ys[i]!), xs[i]!) + move((y) => g(xs[i]!, y), ys[i]!)
      const wanted: Wanted = { what: k === 0 ? 'value' : 'derivative', got: outs[k]!, want: (i) => g(xs[i]!, ys[i]!), moved }
      isRight(wanted, tailUlps(name)[Math.min(k, 1)]!, domain)
    })
  })
})

describe('of other dtypes', () => {
  const names = ['nn.softplus', 'nn.logSigmoid', 'nn.mish', 'nn.elu', 'nn.softSign', 'nn.gelu, exact', 'erfc', 'tanh', 'logistic', 'asin']
  const zs = Array.from({ length: 400 }, (_, i) => Math.fround(sized(i, -12, 5, golden)))
  const both = (name: string, dtype: DType): readonly (readonly number[])[] => {
    const { f } = ones[name]!
    const x = np.array(zs, { dtype })
    return [f(x), grad(sum(f))(x)].map((y) => y.toArray() as number[])
  }
  test.each(names)('%s of float64 within 1e-12', (name) => {
    const { exact, slope } = ones[name]!
    both(name, 'float64').forEach((ys, k) =>
      ys.forEach((y, i) => {
        const [g, x] = [k === 0 ? exact : slope, zs[i]!]
        if (!Number.isNaN(exact(x)))
          expect(Math.abs(y - g(x)), `${k} at ${x}: ${y}`).toBeLessThanOrEqual(1e-12 * Math.abs(g(x)) + 1e-15 * move(g, x))
      }),
    )
  })
  // Op by op each is rounded to 8 or 11 bits, so the tail has a few of them right, and isn't 0.
  test.each(names)('%s of 16-bit floats', (name) => {
    const { exact } = ones[name]!
    for (const [dtype, epsilon, least] of [
      ['bfloat16', 2 ** -8, 1e-37],
      ['float16', 2 ** -11, 1e-6],
    ] as const) {
      const x = np.array(zs, { dtype })
      const inputs = x.toArray() as number[]
      ;(jit(ones[name]!.f)(x).toArray() as number[]).forEach((y, i) => {
        const want = exact(inputs[i]!)
        if (Number.isNaN(want)) return
        expect(Math.abs(y - want), `${dtype} at ${inputs[i]}: ${y}`).toBeLessThanOrEqual(
          2 * epsilon * (Math.abs(want) + 2 ** -7 * move(exact, inputs[i]!)) + least,
        )
      })
    }
  })
})

describe('sums of exponentials', () => {
  const logits = np.array([[20, 0, 0], [0, 30, -2], [1, 1, 1]]) // prettier-ignore
  const others = [2 * Math.exp(-20), Math.exp(-30) + Math.exp(-32), 2]
  const near = (got: NdArray, want: readonly number[]): void =>
    (got.toArray() as number[]).forEach((y, i) => expect(y / want[i]!).toBeCloseTo(1, 6))
  test('a certain class costs what the others leave', () => {
    const labels = np.array([0, 1, 2], { dtype: 'int32' })
    near(nn.crossEntropy(logits, labels), others.map(Math.log1p))
    near(
      np.takeAlongAxis(nn.logSoftmax(logits), np.expandDims(labels, 1), 1).ravel(),
      others.map((x) => -Math.log1p(x)),
    )
    near(np.logsumexp(logits.sub(np.max(logits, { axis: 1, keepdims: true })), { axis: 1 }), others.map(Math.log1p))
  })
  test('and its derivatives are the softmax', () => {
    const f = (x: NdArray): NdArray => np.logsumexp(x, { axis: 1 }).sum()
    expect(np.allclose(grad(f)(logits), nn.softmax(logits)).item()).toBe(1)
    const along = np.array([[1, -2, 3], [0.5, 1, 2], [1, 0, -1]]) // prettier-ignore
    const curvature = (g: (x: NdArray) => NdArray): NdArray => grad((x: NdArray) => g(x).mul(along).sum())(logits)
    expect(
      np
        .allclose(
          curvature(grad(f)),
          curvature((x) => nn.softmax(x)),
        )
        .item(),
    ).toBe(1)
  })
  test('infinities are what they were', () => {
    expect(np.logsumexp(np.array([-Infinity, -Infinity])).item()).toBe(-Infinity)
    expect(np.logsumexp(np.array([-Infinity, 3])).item()).toBe(3)
    expect(np.logsumexp(np.array([Infinity, 3])).item()).toBe(Infinity)
    expect(np.logaddexp(-Infinity, -Infinity).item()).toBe(-Infinity)
    expect(grad((x: NdArray) => nn.softplus(x))(np.array(-Infinity)).item()).toBe(0)
  })
})
