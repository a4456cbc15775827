/** Convolutions, reductions over windows and the layers made of them, against JAX and PyTorch: values, gradients and second derivatives. */
import { describe, expect, test } from 'vitest'
import { read } from '../nn/golden.ts'
import { rounded } from '../../src/core/half.ts'
import { runtime } from '../../src/core/runtime.ts'
import { grad, jit, lax, makeJaxpr, type NdArray, nn, np, ShapeError, vmap } from '../../src/index.ts'

type Nested = number | readonly Nested[]
interface Derived {
  readonly y: Nested
  readonly grads?: readonly Nested[]
  readonly seconds?: readonly Nested[]
}
interface Golden {
  readonly convolutions: readonly (Derived & {
    readonly fn: 'convGeneralDilated' | 'convTranspose'
    readonly lhs: readonly number[]
    readonly rhs: readonly number[]
    readonly options: object
  })[]
  readonly windows: readonly (Derived & {
    readonly shape: readonly number[]
    readonly computation: 'sum' | 'max' | 'min'
    readonly options: lax.ReduceWindowOptions
  })[]
  readonly layers: readonly (Derived & {
    readonly fn: 'conv' | 'patchEmbed' | 'maxPool' | 'avgPool'
    readonly x: readonly number[]
    readonly weight: readonly number[] | null
    readonly options: object
  })[]
}
const golden = read('conv') as Golden

/** As conv.py has it. */
const fill = (shape: readonly number[], seed: number, mod = 23): NdArray => {
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Array.from({ length: size }, (_, i) => (((i * 37 + 11 * seed) % mod) - Math.floor(mod / 2)) / 8)
  return np.array(data, { shape })
}
/** Sums of tens of terms in float32, printed with seven digits. */
const TOLERANCE = 1e-5
const near = (x: NdArray, y: Nested, what: string): void => {
  const want = (Array.isArray(y) ? y.flat(Infinity as 1) : [y]) as readonly number[]
  const got = x.toTyped()
  expect(got.length, what).toBe(want.length)
  const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1)
  want.forEach((v, i) => {
    if (Math.abs(got[i]! - v) > TOLERANCE * scale) expect.fail(`${what}[${i}]: ${got[i]!} where ${v} was expected`)
  })
}
const holds = (
  f: (...xs: NdArray[]) => NdArray,
  args: readonly NdArray[],
  by: readonly NdArray[],
  { y, grads, seconds }: Derived,
): void => {
  near(f(...args), y, 'the value')
  near(jit(f)(...args), y, 'the value under jit')
  const square = (...xs: NdArray[]): NdArray => np.sum(np.square(f(...xs)))
  const first = args.map((_, i) => grad(square, { argnums: i as 0 }) as (...xs: NdArray[]) => NdArray)
  grads?.forEach((g, i) => near(jit(first[i]!)(...args), g, `gradient ${i}`))
  const along = (...xs: NdArray[]): NdArray => first.map((g, i) => np.sum(np.mul(g(...xs), by[i]!))).reduce((a, b) => np.add(a, b))
  seconds?.forEach((g, i) => near(jit(grad(along, { argnums: i as 0 }) as typeof f)(...args), g, `second derivative ${i}`))
}
const title = (fn: string, ...rest: readonly unknown[]): string => `${fn} ${rest.map((r) => JSON.stringify(r)).join(' ')}`

describe('as JAX has it', () => {
  for (const { fn, lhs, rhs, options, ...derived } of golden.convolutions)
    test(title(fn, lhs, rhs, options), () =>
      holds((x, w) => lax[fn](x!, w!, options as never), [fill(lhs, 1), fill(rhs, 2)], [fill(lhs, 3), fill(rhs, 4)], derived),
    )
  for (const { shape, computation, options, ...derived } of golden.windows)
    test(title(computation, shape, options), () => {
      const start = { sum: 0, max: -Infinity, min: Infinity }[computation]
      holds((x) => lax.reduceWindow(x!, start, computation, options), [fill(shape, 1, 5)], [fill(shape, 3)], derived)
    })
})

describe('as PyTorch has it', () => {
  for (const { fn, x, weight, options, ...derived } of golden.layers)
    test(title(fn, x, weight, options), () => {
      if (weight === null) return holds((y) => nn[fn as 'maxPool'](y!, options as never), [fill(x, 1)], [], derived)
      const f = (y?: NdArray, w?: NdArray, b?: NdArray): NdArray => nn[fn as 'conv']({ weight: w!, bias: b! }, y!, ...(fn === 'conv' ? [options] : [])) // prettier-ignore
      return holds(f, [fill(x, 1), fill(weight, 2), fill(weight.slice(0, 1), 3)], [], derived)
    })
})

test('windows are read in place: a convolution is one kernel', () => {
  const [x, w] = [np.ones([1, 4, 12, 12]), np.ones([8, 4, 3, 3])]
  const f = (a: NdArray, b: NdArray): NdArray => lax.conv(a, b, { padding: 'SAME' })
  const { steps } = runtime.engine.lower(makeJaxpr(f)(x, w)).program
  expect(steps.map((step) => (step.kind === 'launch' ? step.kernel.kind : step.kind))).toEqual(['dot'])
})

test('16-bit floats are summed in float32, and vmap over either operand or both is the stacked loop', () => {
  const [x, w] = [fill([3, 2, 2, 6, 6], 1), fill([3, 4, 2, 3, 3], 2)]
  const f = (a: NdArray, b: NdArray): NdArray => lax.conv(a, b)
  const rows = np.stack([0, 1, 2].map((i) => f(x.slice(i), w.slice(i))))
  expect(np.allclose(vmap(f)(x, w), rows).item()).toBe(1)
  const half = nn.conv({ weight: w.slice(0).astype('bfloat16'), bias: np.ones([4]).astype('bfloat16') }, x.slice(0).astype('bfloat16'))
  expect(half.dtype).toBe('bfloat16')
  expect(np.allclose(half.astype('float32'), np.add(f(x.slice(0), w.slice(0)), 1), { rtol: 2 ** -8 }).item()).toBe(1)
})

test('sums at a narrower dtype round once, at their end, however many results there are', () => {
  const x = np.array([[[-1.1299610894941634, 1]]], { dtype: 'float64' })
  for (const outs of [1, 2]) {
    const w = np.ones([outs, 1, 2], 'float64')
    const y = lax.conv(x, w, { preferredElementType: 'float16' })
    expect(y.toArray()).toEqual([Array(outs).fill([rounded(-0.1299610894941634, 'float16')])])
  }
})

test('an initial value takes part in every window', () => {
  const x = np.array([1, 5, 2])
  expect(lax.reduceWindow(x, 1, 'sum', { windowDimensions: [2], padding: [[1, 0]] }).toArray()).toEqual([3, 7, 8])
  expect(lax.reduceWindow(x, 3, 'max', { windowDimensions: [2] }).toArray()).toEqual([5, 5])
})

test('a window without elements has a derivative without elements, however its places lie', () => {
  const [x, w] = [np.ones([1, 1, 1]), np.ones([2, 1, 0])]
  for (const rhsDilation of [[1], [2]])
    for (const padding of [
      [-1, 0],
      [0, 0],
      [2, 1],
    ] as const) {
      const f = (a: NdArray, b: NdArray): NdArray =>
        np.sum(lax.convGeneralDilated(a, b, { windowStrides: [1], padding: [padding], rhsDilation }))
      expect(grad(f, { argnums: [0, 1] })(x, w).map((g) => g.shape)).toEqual([[1, 1, 1], [2, 1, 0]]) // prettier-ignore
    }
})

test('what does not fit is refused by name', () => {
  const [x, w] = [np.ones([1, 4, 8]), np.ones([6, 3, 3])]
  expect(() => lax.conv(x, w)).toThrow(ShapeError)
  expect(() => lax.conv(x, w)).toThrow(/^conv\(f32\[1,4,8\], f32\[6,3,3\]\): 4 features come in, and 3 meet the window/)
  expect(() => nn.conv({ weight: w }, x, { groups: 4 })).toThrow(/^nn\.conv\(.*6 features that come out don't divide into 4 groups/)
  expect(() => nn.patchEmbed({ weight: np.ones([2, 4, 3]) }, x)).toThrow(ShapeError)
})
