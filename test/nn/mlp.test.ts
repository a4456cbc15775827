/** MLPs, plain and gated, are their formulas; and what a call of them can't be. */
import { expect, test } from 'vitest'
import { type NdArray, nn, np, random } from '../../src/index.ts'

const drawn = (i: number, shape: readonly number[]): NdArray => random.normal(random.foldIn(random.key(3), i), shape)
const [D, F] = [4, 6] as const
const x = drawn(0, [2, 3, D])
const [gate, up] = [1, 3].map((i) => ({ weight: drawn(i, [F, D]), bias: drawn(i + 1, [F]) })) as [nn.LinearParams, nn.LinearParams]
const down = { weight: drawn(5, [D, F]) }
const close = (a: NdArray, b: NdArray): void => expect(np.max(np.abs(np.sub(a, b))).item()).toBeLessThan(1e-5)

test('an mlp has relu inside, or what it is told', () => {
  close(nn.mlp({ up, down }, x), nn.linear(down, nn.relu(nn.linear(up, x))))
  close(nn.mlp({ up, down }, x, { activation: 'gelu' }), nn.linear(down, nn.gelu(nn.linear(up, x), { approximate: false })))
  close(nn.mlp({ up, down }, x, { activation: np.sin }), nn.linear(down, np.sin(nn.linear(up, x))))
})
test('a gated one multiplies, and takes both matrices as one', () => {
  const by = (f: (y: NdArray) => NdArray): NdArray => nn.linear(down, np.mul(f(nn.linear(gate, x)), nn.linear(up, x)))
  const params = { gate, up, down }
  close(nn.gatedMlp(params, x), by(nn.silu))
  close(nn.gatedMlp(params, x, { activation: 'geluTanh' }), by(nn.gelu))
  close(nn.gatedMlp(params, x, { activation: 'relu' }), by(nn.relu))
  const [a, b] = [gate, up] as readonly { readonly weight: NdArray; readonly bias: NdArray }[]
  const gateUp = { weight: np.concatenate([a!.weight, b!.weight]), bias: np.concatenate([a!.bias, b!.bias]) }
  close(nn.gatedMlp({ gateUp, down }, x), by(nn.silu))
})
test('an activation that isn’t known, and a gate that isn’t there or is there twice, are refused', () => {
  expect(() => nn.mlp({ up, down }, x, { activation: 'swish' as never })).toThrow(/nn.mlp: activation is one of "relu".*"silu"/)
  for (const p of [{ down }, { up, down }, { gate, up, gateUp: up, down }])
    expect(() => nn.gatedMlp(p, x)).toThrow(/nn.gatedMlp: give { gate, up, down }, or { gateUp, down }/)
})
test('widths that differ, an odd one of both, and an activation that changes the shape are refused', () => {
  const wide = (n: number) => ({ weight: np.ones([n, D]) })
  expect(() => nn.gatedMlp({ gateUp: wide(5), down }, x)).toThrow(
    /nn.gatedMlp: split\(f32\[2,3,5\], 2\): 5 elements don't make 2 equal parts/,
  )
  expect(() => nn.gatedMlp({ gate: wide(1), up, down }, x)).toThrow(/nn.gatedMlp: the gate gives f32\[2,3,1\] and up f32\[2,3,6\]/)
  for (const call of [(o: nn.MlpOptions) => nn.mlp({ up, down }, x, o), (o: nn.MlpOptions) => nn.gatedMlp({ gate, up, down }, x, o)])
    expect(() => call({ activation: (y) => y.sum() })).toThrow(
      /nn\.\w+: the activation makes f32\[\].* of f32\[2,3,6\]: it keeps the shape/,
    )
})
