/** Every draw of jax.random in the golden file: integers, uniforms and coins bit for bit, the others within stated ulps. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { randomUnwrap } from '../../src/core/constructors.ts'
import { type DType, type HostArray, typedArrayOf } from '../../src/core/dtype.ts'
import { grad, jit, NdArray, np, random, vmap } from '../../src/index.ts'
import { difference } from '../laws/compare.ts'

interface Golden {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: readonly (number | string)[]
}
interface Draw {
  readonly fn: string
  readonly seed: number
  readonly args: {
    readonly shape?: readonly number[]
    readonly dtype?: 'float32' | 'int32' | 'uint32'
    readonly data?: number
    readonly minval?: number
    readonly maxval?: number
    readonly lower?: number
    readonly upper?: number
    readonly p?: number | Golden
    readonly logits?: Golden
    readonly x?: number | Golden
    readonly axis?: number
    readonly independent?: boolean
  }
  readonly out: Golden
}
const draws = (JSON.parse(readFileSync(new URL('../golden/random.json', import.meta.url), 'utf8')) as { readonly cases: readonly Draw[] })
  .cases

const arrayOf = (g: Golden): NdArray =>
  np.array(typedArrayOf(g.dtype).from(g.data.map(Number)) as HostArray, { shape: g.shape, dtype: g.dtype })
const operand = (x: number | Golden): number | NdArray => (typeof x === 'number' ? x : arrayOf(x))
const raw = (k: NdArray): NdArray => randomUnwrap(k)
/** null when the array is the golden one within `ulp`, measured at the size of `scale` or more. */
const mismatch = (got: NdArray, want: Golden, ulp: number, scale = 0): string | null => {
  const head = (x: { readonly dtype: DType; readonly shape: readonly number[] }): string => `${x.dtype}[${x.shape.join(',')}]`
  if (head(got) !== head(want)) return `got ${head(got)}, expected ${head(want)}`
  return difference(got.toTyped(), typedArrayOf(want.dtype).from(want.data.map(Number)), want.dtype, ulp, scale)
}

interface Law {
  readonly draw: (k: NdArray, args: Draw['args']) => NdArray
  readonly ulp?: number
  readonly scale?: number
}
const laws: Readonly<Record<string, Law>> = {
  key: { draw: raw },
  split: { draw: (k, { shape }) => raw(random.split(k, shape)) },
  foldIn: { draw: (k, { data }) => raw(random.foldIn(k, data!)) },
  bits: { draw: (k, { shape }) => random.bits(k, shape) },
  uniform: { draw: (k, { shape, minval = 0, maxval = 1 }) => random.uniform(k, shape, { minval, maxval }) },
  normal: { draw: (k, { shape }) => random.normal(k, shape), ulp: 4 },
  truncatedNormal: { draw: (k, { lower, upper, shape }) => random.truncatedNormal(k, lower!, upper!, shape), ulp: 4 },
  exponential: { draw: (k, { shape }) => random.exponential(k, shape), ulp: 2 },
  // The outer logarithm of a number near 1 keeps the absolute error of the inner one: 2 ulp of 1.
  gumbel: { draw: (k, { shape }) => random.gumbel(k, shape), ulp: 2, scale: 1 },
  bernoulli: { draw: (k, { p, shape }) => random.bernoulli(k, operand(p!), shape) },
  categorical: { draw: (k, { logits, axis = -1, shape }) => random.categorical(k, arrayOf(logits!), shape ? { axis, shape } : { axis }) },
  randint: { draw: (k, { shape, minval, maxval, dtype }) => random.randint(k, shape!, minval!, maxval!, { dtype: dtype as 'int32' }) },
  permutation: { draw: (k, { x, axis = 0, independent = false }) => random.permutation(k, operand(x!), { axis, independent }) },
  chain: { draw: (k) => raw(random.split(random.foldIn(random.split(k).slice(1), 3)).slice(0)) },
  bitsChecksum: {
    draw: (k, { shape }) => {
      let [sum, xor] = [0, 0]
      for (const w of random.bits(k, shape).toTyped()) [sum, xor] = [(sum + w) >>> 0, (xor ^ w) >>> 0]
      return np.array(Uint32Array.of(sum, xor))
    },
  },
}
const inScope = draws.filter((d) => d.args.dtype === undefined || /32$/.test(d.args.dtype))

describe('random draws what jax.random draws', () => {
  test('every function of the golden file has a law', () =>
    expect([...new Set(inScope.map((d) => d.fn))].sort()).toEqual(Object.keys(laws).sort()))
  for (const [fn, { draw, ulp = 0, scale = 0 }] of Object.entries(laws))
    test(fn, () => {
      const wrong = inScope
        .filter((d) => d.fn === fn)
        .flatMap((d) => {
          const off = mismatch(draw(random.key(d.seed), d.args), d.out, ulp, scale)
          return off === null ? [] : [`seed ${d.seed} ${JSON.stringify(d.args).slice(0, 200)}: ${off}`]
        })
      expect(wrong).toEqual([])
    })
})

describe('draws and transforms', () => {
  const k = random.key(7)
  const keys = random.split(k, 5)
  const one: Readonly<Record<string, (key: NdArray) => NdArray>> = {
    split: (key) => raw(random.split(key, 3)),
    foldIn: (key) => raw(random.foldIn(key, 3)),
    uniform: (key) => random.uniform(key, [4], { minval: -1, maxval: 3 }),
    normal: (key) => random.normal(key, [2, 3]),
    truncatedNormal: (key) => random.truncatedNormal(key, -1, 1, [4]),
    bernoulli: (key) => random.bernoulli(key, 0.3, [8]),
    categorical: (key) => random.categorical(key, np.array([0, 1, 2]), { shape: [6] }),
    randint: (key) => random.randint(key, [6], -3, 9),
    permutation: (key) => random.permutation(key, 9),
    gumbel: (key) => random.gumbel(key, [4]),
  }
  for (const [name, f] of Object.entries(one))
    test(`${name}: mapped over keys is the stack of single draws, jitted is eager`, () => {
      const stacked = np.stack([0, 1, 2, 3, 4].map((i) => f(keys.slice(i))))
      expect(vmap(f)(keys).toArray()).toEqual(stacked.toArray())
      expect(jit(f)(k).toArray()).toEqual(f(k).toArray())
    })
  test('foldIn takes a traced step', () => {
    const step = np.array(9, { dtype: 'int32' })
    expect(raw(jit(random.foldIn)(k, step)).toArray()).toEqual(raw(random.foldIn(k, 9)).toArray())
  })
  test('a draw has gradients in its parameters', () => {
    const high = np.array([2, 3])
    const g = grad((h: NdArray) => random.uniform(k, [2], { maxval: h }).sum())(high)
    expect(np.allclose(g, random.uniform(k, [2])).item()).toBe(1)
  })
  test('float64 draws are those of jax.random with 64 bits enabled', () => {
    const key = random.key(42)
    expect(random.uniform(key, [2], { dtype: 'float64' }).toArray()).toEqual([0.4267275666499091, 0.015010069515314584])
    // XLA fuses the multiplication and the addition: half an ulp of the larger bound.
    const wide = random.uniform(key, [2], { minval: -2.5, maxval: 7.25, dtype: 'float64' })
    expect(difference(wide.toTyped(), [1.6605937748366135, -2.353651822225683], 'float64', 1, 7.25)).toBeNull()
    // XLA's float64 inverse of erf is a polynomial with some ulp of its own.
    const z = random.normal(key, [2], { dtype: 'float64' })
    expect(difference(z.toTyped(), [-0.18471174528191162, -2.169824560397754], 'float64', 8)).toBeNull()
  })
  test('bounds beyond the dtype are clipped, and the greatest integer can be drawn', () => {
    expect(random.randint(k, [3], 5, 5).toArray()).toEqual([5, 5, 5])
    const top = random.randint(k, [64], 2 ** 31 - 2, 2 ** 31).toTyped()
    expect(new Set(top)).toEqual(new Set([2 ** 31 - 2, 2 ** 31 - 1]))
  })
})

test('a truncated normal far out has the distribution of its tail, on both sides alike', () => {
  // Means from scipy.stats.truncnorm.
  for (const [low, high, mean] of [
    [5, 6, 5.183147],
    [8, 9, 8.121189],
    [4.5, 1e6, 4.70432],
    [30, 31, 30.03326],
    [8, Infinity, 8.121368],
    [11, 12, 11.089456],
  ] as const)
    // prettier-ignore
    for (const sign of [1, -1]) {
      const [a, b] = sign > 0 ? [low, high] : [-high, -low]
      const z = random.truncatedNormal(random.key(3), a, b, [20_000])
      expect(z.mean().item()).toBeCloseTo(sign * mean, 2)
      expect(new Set(z.toTyped()).size).toBeGreaterThan(4_000)
      expect(z.greater(a).all().item() === 1 && z.less(b).all().item() === 1).toBe(true)
    }
  const each = vmap((l: NdArray) => random.truncatedNormal(random.key(1), l, 1e6))(np.array([3.9, 4.1, 5, 6, 8])).toTyped()
  each.forEach((z, i) => expect(z - [3.9, 4.1, 5, 6, 8][i]!).toBeGreaterThan(0))
  each.forEach((z, i) => expect(z - [3.9, 4.1, 5, 6, 8][i]!).toBeLessThan(1))
  expect(random.truncatedNormal(random.key(3), 11, 12, [20_000], { dtype: 'float64' }).mean().item()).toBeCloseTo(11.089456, 2)
})
