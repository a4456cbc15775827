/** What holds of recurrent layers beside PyTorch's values: lengths, dropout, both conventions, 16 bits, refusals. */
import { describe, expect, test } from 'vitest'
import { makeJaxpr, nn, np, random, tree, type NdArray } from '../../src/index.ts'
import { HALVES } from '../laws/halves.ts'

const sizes = { input: 3, hidden: 4, layers: 2, bidirectional: true }
const x = random.normal(random.key(0), [3, 5, 3])
const run = {
  rnn: (options: nn.RecurrentOptions = {}, of = x) => nn.rnn(nn.initRnn(random.key(1), sizes), of, options),
  gru: (options: nn.RecurrentOptions = {}, of = x) => nn.gru(nn.initGru(random.key(1), sizes), of, options),
  lstm: (options: nn.RecurrentOptions = {}, of = x) => nn.lstm(nn.initLstm(random.key(1), sizes), of, options),
}
const leaves = (of: unknown): NdArray[] => tree.leaves(of) as NdArray[]
const apart = (a: unknown, b: unknown): number =>
  Math.max(...leaves(a).map((y, i) => np.max(np.abs(y.astype('float32').sub(leaves(b)[i]!.astype('float32')))).item()))

describe.each(Object.entries(run))('%s', (_, f) => {
  test('a row with a length is the row cut there, outputs 0 beyond', () => {
    const lengths = [4, 1, 5]
    const { output, state } = f({ lengths: np.array(lengths, { dtype: 'int32' }) })
    lengths.forEach((n, b) => {
      const alone = f({}, x.slice([b, b + 1], [0, n]))
      expect(apart(output.slice([b, b + 1], [0, n]), alone.output)).toBeLessThan(1e-6)
      expect(np.sum(np.abs(output.slice(b, [n, 5]))).item()).toBe(0)
      expect(
        apart(
          tree.map((s: NdArray) => s.slice([], [b, b + 1]), state),
          alone.state,
        ),
      ).toBeLessThan(1e-6)
    })
  })
  test('a row of no steps keeps its state', () => {
    const { output, state } = f({ lengths: np.zeros([3], 'int32') })
    expect(leaves([output, state]).map((y) => np.max(np.abs(y)).item())).toEqual(leaves([output, state]).map(() => 0))
  })
  test('dropout is between layers, by its key', () => {
    const at = (rate: number, seed: number): NdArray => f({ dropout: { rate, key: random.key(seed) } }).output
    expect(apart(at(0, 1), f().output)).toBe(0)
    expect(apart(at(0.5, 1), at(0.5, 1))).toBe(0)
    expect(apart(at(0.5, 1), at(0.5, 2))).toBeGreaterThan(1e-3)
  })
})

test('what comes of the inputs is one contraction, outside the loop', () => {
  const { eqns } = makeJaxpr((y: NdArray) => nn.gru(nn.initGru(random.key(1), { input: 3, hidden: 4 }), y).output)(x)
  expect(eqns.filter(({ op }) => op.name === 'dotGeneral').length).toBe(1)
  expect(eqns.filter(({ op }) => op.name === 'scan').length).toBe(1)
})

test('either convention of a linear layer', () => {
  const turned = tree.map((y: NdArray) => np.transpose(y), nn.initGru(random.key(1), { input: 3, hidden: 4 }))
  const ours = (p: nn.LinearParams): nn.LinearParams => ('weight' in p ? { w: p.weight as NdArray, b: p.bias! } : p)
  const { ih, hh } = turned.layers[0]!.forward
  const other = nn.gru({ layers: [{ forward: { ih: ours(ih), hh: ours(hh) } }] }, x)
  expect(apart(nn.gru(nn.initGru(random.key(1), { input: 3, hidden: 4 }), x), other)).toBeLessThan(1e-6)
})

test.each(HALVES)('%s: float32’s results on the same numbers, rounded once', (half) => {
  const to = <T>(of: T, dtype: 'float32' | typeof half): T => tree.map((y: NdArray) => y.astype(dtype), of) as T
  const p = to(nn.initLstm(random.key(1), sizes), half)
  const [got, want] = [nn.lstm(p, x.astype(half)), nn.lstm(to(p, 'float32'), x.astype(half).astype('float32'))]
  expect(leaves(got).map((y) => y.dtype)).toEqual([half, half, half])
  expect(apart(got, to(want, half))).toBeLessThan(half === 'float16' ? 5e-4 : 4e-3) // at most a place of numbers below 1
})

test('initial parameters are uniform in ±1/√H', () => {
  const p = nn.initLstm(random.key(0), { input: 8, hidden: 64 })
  for (const y of leaves(p)) {
    expect(np.max(np.abs(y)).item()).toBeLessThanOrEqual(1 / 8)
    expect(np.std(y).item()).toBeCloseTo(1 / 8 / Math.sqrt(3), 2)
  }
  const bare = nn.initGru(random.key(0), { input: 8, hidden: 4, bias: false })
  expect(leaves(bare).map((y) => y.shape)).toEqual([[12, 4], [12, 8]]) // prettier-ignore
})

test('what does not fit is refused, by the place', () => {
  const p = nn.initGru(random.key(1), { input: 3, hidden: 4 })
  expect(() => nn.gru(p, x.slice(0))).toThrow(/nn\.gru\(f32\[5,3\]\): the input is \[B,T,I\]/)
  expect(() => nn.gru(p, np.ones([1, 2, 9]))).toThrow(/layers\[0\]\.forward\.ih gets 9 features/)
  expect(() => nn.lstm(p, x)).toThrow(/layers\[0\]\.forward\.ih doesn't make 4 gates of the width 4/)
  expect(() => nn.gru({ layers: [] }, x)).toThrow(/layers is empty/)
  expect(() => nn.gru(p, x, { state: np.ones([3, 4]) })).toThrow(/the state is \[layers · directions, B, H\], \[1,3,4\] here/)
  expect(() => nn.gru(p, x, { lengths: np.ones([2], 'int32') })).toThrow(/a length for each of 3 rows/)
  const { forward } = p.layers[0]!
  expect(() => nn.gru({ layers: [{ forward, backward: { ...forward, hh: {} as nn.LinearParams } }] }, x)).toThrow(
    /layers\[0\]\.backward\.hh: the parameter w or weight is needed/,
  )
})
