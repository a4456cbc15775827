/** Initializers draw what JAX's draw from the same key, and are spread as PyTorch's. */
import { describe, expect, test } from 'vitest'
import { type NdArray, nn, np, random } from '../../src/index.ts'
import { close, load, read, type Stored } from './golden.ts'

interface Case {
  readonly fn: string
  readonly options: object
  readonly shape: readonly number[]
  readonly out: Stored
}
type Named = Readonly<Record<string, (...options: readonly object[]) => nn.initializers.Initializer>>
const { jax, torch } = read('initializers') as Readonly<Record<'jax' | 'torch', readonly Case[]>>

describe('JAX’s, from key 42', () => {
  jax.forEach(({ fn, options, shape, out }) =>
    test(`${fn} ${JSON.stringify(options)} [${shape.join()}]`, () => {
      const got = (nn.initializers as unknown as Named)[fn]!(options)(random.key(42), shape)
      // Normal draws are within 4 ulp of JAX's; orthogonal ones are sums of products of them.
      if (/uniform/i.test(`${fn}${JSON.stringify(options)}`)) expect(got.toArray()).toEqual(load(out).toArray())
      else close(got, out, fn.endsWith('rthogonal') ? 2e-6 : 5e-7, fn)
    }),
  )
})
test.each(torch)('PyTorch’s $fn $options', ({ fn, options, shape, out }) => {
  expect(
    (nn.torchInitializers as unknown as Named)[fn]!(...(Object.keys(options).length > 0 ? [options] : []))(random.key(0), shape).toArray(),
  ).toEqual(load(out).toArray())
})

const [OUT, IN] = [64, 48] as const
const most = (x: NdArray): number => np.max(np.abs(x)).item()
/** Within three standard errors, which are σ/√2n for normal draws, and less for narrower ones. */
const spreadIs = (x: NdArray, sigma: number): void => expect(Math.abs(np.std(x).item() / sigma - 1)).toBeLessThan(3 / Math.sqrt(2 * x.size))

describe('PyTorch’s, of draws', () => {
  const own = nn.torchInitializers
  const key = random.key(5)
  const five = Math.sqrt(5)
  test.each([
    ['xavierUniform', own.xavierUniform({ gain: 2 }), 2 * Math.sqrt(2 / (IN + OUT))],
    ['kaimingUniform, a linear layer’s', own.kaimingUniform({ a: five }), 1 / Math.sqrt(3 * IN)],
    ['kaimingUniform', own.kaimingUniform({ mode: 'fanOut', nonlinearity: 'tanh' }), 5 / 3 / Math.sqrt(OUT)],
  ] as const)('%s', (_, init, sigma) => {
    const x = init(key, [OUT, IN])
    spreadIs(x, sigma)
    const bound = Math.sqrt(3) * sigma
    expect(most(x)).toBeLessThanOrEqual(bound)
    expect(most(x)).toBeGreaterThan(0.99 * bound)
  })
  test.each([
    ['xavierNormal', own.xavierNormal(), Math.sqrt(2 / (IN + OUT))],
    ['kaimingNormal', own.kaimingNormal(), Math.sqrt(2 / IN)],
    ['kaimingNormal, relu', own.kaimingNormal({ nonlinearity: 'relu', mode: 'fanOut' }), Math.sqrt(2 / OUT)],
    ['kaimingNormal, selu', own.kaimingNormal({ nonlinearity: 'selu' }), 3 / 4 / Math.sqrt(IN)],
  ] as const)('%s isn’t truncated', (_, init, sigma) => {
    const x = init(key, [OUT, IN])
    spreadIs(x, sigma)
    expect(most(x)).toBeGreaterThan(3 * sigma)
  })
  test('fans count a window’s places', () => {
    spreadIs(own.kaimingNormal()(key, [16, 8, 5, 5]), Math.sqrt(2 / 200))
    spreadIs(own.kaimingNormal({ mode: 'fanOut' })(key, [16, 8, 5, 5]), Math.sqrt(2 / 400))
  })
  test('truncNormal’s bounds are numbers', () => {
    const x = own.truncNormal({ mean: 1, stddev: 3, lower: -2, upper: 2 })(key, [OUT, IN])
    expect([np.min(x).item(), np.max(x).item()].map((v) => v >= -2 && v <= 2)).toEqual([true, true])
    const narrow = own.truncNormal({ stddev: 0.02 })(key, [OUT, IN])
    spreadIs(narrow, 0.02)
    expect(most(narrow)).toBeGreaterThan(0.06)
  })
  test('orthogonal: rows, or columns, at right angles', () => {
    const near = (x: NdArray, n: number, by: number): void => expect(most(np.sub(x, np.eye(n).mul(by)))).toBeLessThan(1e-5)
    const wide = own.orthogonal({ gain: 2 })(key, [8, 4, 3]).reshape(8, 12)
    near(wide.matmul(wide.T), 8, 4)
    const tall = own.orthogonal()(key, [OUT, IN])
    near(tall.T.matmul(tall), IN, 1)
  })
  test('sparse: as many zeros in each column', () => {
    const x = own.sparse({ sparsity: 0.3, stddev: 2 })(key, [OUT, IN])
    expect(np.sum(np.equal(x, 0), { axis: 0 }).toArray()).toEqual(Array(IN).fill(20))
  })
})
test('shapes that have no fans are refused', () => {
  expect(() => nn.initializers.heUniform()(random.key(0), [3])).toThrow(/nn.initializers.heUniform: \[3\] has no axis -2/)
  expect(() => nn.torchInitializers.kaimingUniform()(random.key(0), [3])).toThrow(/kaimingUniform: \[3\] isn't out, in and a field/)
  expect(() => nn.initializers.deltaOrthogonal()(random.key(0), [3, 4, 2])).toThrow(/out which is no less/)
  expect(() => nn.torchInitializers.dirac({ groups: 3 })(random.key(0), [4, 2, 3])).toThrow(/out, which 3 groups divide/)
})
test('numbers that mean nothing are refused by name', () => {
  const own = nn.torchInitializers
  expect(() => own.truncNormal({ lower: 2, upper: -2 })(random.key(0), [3])).toThrow(/truncNormal: lower is below upper, and got 2 and -2/)
  for (const sparsity of [-1, 1.5, NaN]) expect(() => own.sparse({ sparsity })).toThrow(/sparse: sparsity is a number from 0 to 1/)
  for (const base of [-2, 0]) expect(() => nn.sinusoidalPositions(3, 8, { base })).toThrow(/base is a number above 0/)
})

test('no variance is below 0, nor without end', () => {
  const { varianceScaling } = nn.initializers
  for (const scale of [-1, NaN, Infinity])
    expect(() => varianceScaling({ scale, mode: 'fanIn', distribution: 'normal' })).toThrow(/^nn.initializers.varianceScaling: scale is a number of 0 or more, and got (-1|NaN|Infinity)$/) // prettier-ignore
  expect(most(varianceScaling({ scale: 0, mode: 'fanIn', distribution: 'uniform' })(random.key(0), [2, 2]))).toBe(0)
})
