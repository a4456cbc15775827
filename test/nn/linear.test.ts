/** A linear layer by either convention: { w, b }, or PyTorch's { weight, bias }, whose matrix is the transpose. */
import { expect, test } from 'vitest'
import { grad, jit, makeJaxpr, nn, np, random, vmap, type NdArray } from '../../src/index.ts'
import { HALVES } from '../laws/halves.ts'

const [x, w, b] = [[2, 3, 4], [4, 5], [5]].map((shape, i) => random.normal(random.key(i), shape)) as [NdArray, NdArray, NdArray]
const near = (got: NdArray, want: NdArray): void => {
  expect(got.shape).toEqual(want.shape)
  expect(np.max(np.abs(got.sub(want))).item()).toBeLessThan(2e-6) // sums of some 6 products
}

test('is the other form, and so are its gradients', () => {
  const wide = random.normal(random.key(3), [2, 3, 5])
  const ours = (own: { readonly w: NdArray; readonly b: NdArray; readonly x: NdArray }): NdArray => nn.linear({ w: own.w, b: own.b }, own.x)
  const theirs = (own: { readonly weight: NdArray; readonly bias: NdArray; readonly x: NdArray }): NdArray =>
    nn.linear({ weight: own.weight, bias: own.bias }, own.x)
  const [p, q] = [
    { w, b, x },
    { weight: w.T, bias: b, x },
  ]
  near(theirs(q), ours(p))
  near(jit(theirs)(q), ours(p))
  near(nn.linear({ weight: w.T }, x), nn.linear({ w }, x))
  near(vmap((row: NdArray) => nn.linear({ weight: q.weight, bias: b }, row))(x), ours(p))
  const [of, want] = [
    grad((own: typeof q) => np.sum(np.mul(theirs(own), wide)))(q),
    grad((own: typeof p) => np.sum(np.mul(ours(own), wide)))(p),
  ]
  near(of.weight.T, want.w)
  near(of.bias, want.b)
  near(of.x, want.x)
})

test('makes no transposed copy', () => {
  const { eqns } = makeJaxpr((weight: NdArray) => nn.linear({ weight }, x))(w.T)
  expect(eqns.map(({ op }) => op.name)).toEqual(['dotGeneral'])
})

test.each(HALVES)('%s: the sum with the bias is rounded once', (half) => {
  const [y, m] = [np.sin(np.arange(240)).reshape(6, 40).astype(half), np.sin(np.arange(2000)).reshape(50, 40).astype(half)]
  const bias = nn.linear({ weight: m }, y).slice(0).neg() // takes most of the product away
  const wide = (z: NdArray): NdArray => z.astype('float32')
  const want = nn.linear({ weight: wide(m), bias: wide(bias) }, wide(y)).astype(half)
  const got = nn.linear({ weight: m, bias }, y)
  expect(got.dtype).toBe(half)
  expect(np.allclose(wide(got), wide(want), { rtol: half === 'float16' ? 2 ** -10 : 2 ** -7, atol: 1e-6 }).item()).toBe(1)
})

test('a mix of the two, neither, and what does not fit are refused', () => {
  const call = (p: object) => () => nn.linear(p as { readonly w: NdArray }, x)
  expect(call({ w, bias: b })).toThrow(/the parameters w, bias are of two conventions/)
  expect(call({ w, weight: w.T })).toThrow(/the parameters w, weight are of two conventions/)
  expect(call({ b })).toThrow(/w or weight is needed/)
  expect(call({ weight: w })).toThrow(/nn\.linear\(f32\[4,5\], f32\[2,3,4\]\): a weight \[O,I\] meets an input \[\.\.\.,I\]/)
  expect(call({ weight: w.T, scale: 1 })).toThrow(/there is no parameter scale/)
})
