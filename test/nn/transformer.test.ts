/** What holds of attention by heads and of Transformers beside PyTorch's values: grouped heads, masks, dropout, refusals. */
import { describe, expect, test } from 'vitest'
import { grad, nn, np, random, tree, type NdArray } from '../../src/index.ts'

const normal = (i: number, ...shape: readonly number[]): NdArray => random.normal(random.key(i), shape)
const apart = (a: NdArray, b: NdArray): number => np.max(np.abs(a.sub(b))).item()
const params = nn.initTransformer(random.key(0), { width: 8, hidden: 12, encoderLayers: 2, decoderLayers: 2 })
const [source, target] = [normal(1, 2, 5, 8), normal(2, 2, 4, 8)]

describe('multiHeadAttention', () => {
  const heads = 4
  const own = { q: { w: normal(3, 8, 8) }, k: { w: normal(4, 8, 8) }, v: { w: normal(5, 8, 8) }, out: { w: normal(6, 8, 8) } }
  const attend = (options: object = {}, p: nn.AttentionParams = own): NdArray =>
    nn.multiHeadAttention(p, target, source, source, { heads, ...options })
  test('fewer heads of k and v serve several of q each', () => {
    const few = { ...own, k: { w: normal(7, 8, 4) }, v: { w: normal(8, 8, 4) } } // 2 heads of width 2
    const repeated = (w: NdArray): { readonly w: NdArray } => ({ w: np.repeat(w.reshape(8, 2, 2), 2, { axis: 1 }).reshape(8, 8) })
    expect(apart(attend({}, few), attend({}, { ...own, k: repeated(few.k.w), v: repeated(few.v.w) }))).toBeLessThan(1e-5)
  })
  test('true hides: of a mask, of padded keys, and both', () => {
    const last = np.array([false, false, false, false, true])
    const cut = nn.multiHeadAttention(own, target, source.slice([], [0, 4]), source.slice([], [0, 4]), { heads })
    expect(apart(attend({ attnMask: last }), cut)).toBeLessThan(1e-5)
    expect(apart(attend({ keyPaddingMask: np.stack([last, last]) }), cut)).toBeLessThan(1e-5)
    expect(apart(attend({ attnMask: np.where(last, -Infinity, 0) }), cut)).toBeLessThan(1e-5)
    const first = np.array([true, false, false, false, false])
    const within = nn.multiHeadAttention(own, target, source.slice([], [1, 4]), source.slice([], [1, 4]), { heads })
    expect(apart(attend({ attnMask: np.where(first, -Infinity, 0), keyPaddingMask: np.stack([last, last]) }), within)).toBeLessThan(1e-5)
  })
  test('a query whose keys are all hidden gets the mean of the values, and no gradient is NaN', () => {
    const none = { attnMask: np.ones([4, 5], 'bool') }
    const mean = nn.linear(own.out, np.mean(nn.linear(own.v, source), { axis: 1, keepdims: true }))
    expect(apart(attend(none), np.broadcastTo(mean, [2, 4, 8]))).toBeLessThan(1e-5)
    for (const g of tree.leaves(grad((p: nn.AttentionParams) => np.sum(attend(none, p)))(own)) as NdArray[])
      expect(Number.isFinite(np.sum(g).item())).toBe(true)
  })
  test('what does not fit is refused', () => {
    expect(() => attend({ heads: 3 })).toThrow(/3 heads don't divide the widths of q, k and v, which are 8, 8 and 8/)
    expect(() => attend({ attnMask: np.ones([3, 5], 'bool') })).toThrow(/the mask is \[T,S\].*\[2,4,4,5\] here/)
    expect(() => attend({ keyPaddingMask: np.ones([4], 'bool') })).toThrow(/the mask of padded keys is \[B,S\], \[2,5\] here/)
    expect(() => nn.multiHeadAttention(own, target, source, target, { heads })).toThrow(/a value for each key/)
    expect(() => attend({}, { ...own, q: {} } as never)).toThrow(/w or weight is needed/)
  })
})

describe('transformer', () => {
  const options = { heads: 2, causal: true }
  const run = (more: object = {}, to = target): NdArray => nn.transformer(params, source, to, { ...options, ...more })
  test('is its encoder and its decoder', () => {
    const memory = nn.transformerEncoder(params.encoder, source, { heads: 2 })
    expect(apart(run(), nn.transformerDecoder(params.decoder, target, memory, options))).toBe(0)
  })
  test('a causal target sees nothing later', () => {
    const changed = np.at(target, [], 3).set(9)
    expect(apart(run().slice([], [0, 3]), run({}, changed).slice([], [0, 3]))).toBe(0)
    expect(apart(run({ causal: false }).slice([], 0), run({ causal: false }, changed).slice([], 0))).toBeGreaterThan(1e-3)
  })
  test('dropout changes it by its key alone, and a rate of 0 nothing', () => {
    const at = (rate: number, seed: number): NdArray => run({ dropout: { rate, key: random.key(seed) } })
    expect(apart(at(0, 1), run())).toBe(0)
    expect(apart(at(0.1, 1), at(0.1, 1))).toBe(0)
    expect(apart(at(0.1, 1), at(0.1, 2))).toBeGreaterThan(1e-3)
  })
  test('initial matrices are spread as Glorot and Bengio’s', () => {
    const { selfAttn, linear1, norm1 } = nn.initTransformer(random.key(0), { width: 32, hidden: 64 }).encoder.layers[0]!
    const weight = (p: nn.LinearParams): NdArray => ('weight' in p ? (p.weight as NdArray) : p.w)
    expect(np.std(weight(selfAttn.q)).item()).toBeCloseTo(Math.sqrt(2 / 128), 2)
    expect(np.std(weight(selfAttn.out)).item()).toBeCloseTo(Math.sqrt(2 / 64), 2)
    expect(np.std(weight(linear1)).item()).toBeCloseTo(Math.sqrt(2 / 96), 2)
    expect([np.min(norm1.scale!).item(), np.max(norm1.bias!).item()]).toEqual([1, 0])
  })
  test('what does not fit is refused, as the call’s own', () => {
    expect(() => run({ heads: 3 })).toThrow(/^nn\.transformer.*3 heads don't divide/)
    expect(() => nn.encoderLayer(params.encoder.layers[0]!, source.slice(0), { heads: 2 })).toThrow(/nn\.encoderLayer\(f32\[5,8\]\): the input is \[B,T,E\]/)
    expect(() => nn.encoderLayer(params.encoder.layers[0]!, source, {} as never)).toThrow(/the option heads is needed/)
    expect(() => nn.decoderLayer(params.encoder.layers[0] as never, target, source, { heads: 2 })).toThrow(/the parameter crossAttn is needed/)
  }) // prettier-ignore
})
