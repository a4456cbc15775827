/** State dicts that are none of the kind are refused with all that is wrong, and parameters that PyTorch hasn't. Values: test/nn/torchBlocks.test.ts. */
import { expect, test } from 'vitest'
import { FileError, fromTorch, type TorchKind, toTorch } from '../../src/io/index.ts'
import { nn, np, random, type NdArray } from '../../src/index.ts'

const lstm = nn.initLstm(random.key(0), { input: 3, hidden: 4, layers: 2, bidirectional: true })
const stack = nn.initTransformer(random.key(0), { width: 4, hidden: 6, encoderLayers: 2, decoderLayers: 1 })
const plain = (x: unknown): unknown => JSON.parse(JSON.stringify(x))
const said = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    expect(error).toBeInstanceOf(FileError)
    return (error as Error).message
  }
  return 'nothing was refused'
}

test('names are PyTorch’s', () => {
  const first = ['weight_ih_l0', 'bias_ih_l0', 'weight_hh_l0', 'bias_hh_l0']
  expect(Object.keys(toTorch('lstm', lstm)).slice(0, 8)).toEqual([...first, ...first.map((name) => `${name}_reverse`)])
  const names = Object.keys(toTorch('transformer', stack, { prefix: 'model.' }))
  for (const name of ['encoder.layers.1.self_attn.in_proj_weight', 'decoder.layers.0.multihead_attn.out_proj.bias', 'decoder.norm.weight'])
    expect(names).toContain(`model.${name}`)
})

test('there and back, below a prefix, among others', () => {
  const tensors = { ...toTorch('transformer', stack, { prefix: 'model.' }), 'head.weight': np.ones([2, 4]) }
  expect(plain(fromTorch('transformer', tensors, { prefix: 'model.' }))).toEqual(plain(stack))
  expect(Object.keys(fromTorch('linear', tensors, { prefix: 'head.' }))).toEqual(['weight'])
  expect(toTorch('linear', { w: np.ones([2, 3]), b: np.zeros([3]) })['weight']!.shape).toEqual([3, 2])
  expect(fromTorch('embedding', { weight: np.ones([5, 2]) }).w.shape).toEqual([5, 2])
  expect(Object.keys(fromTorch('layerNorm', { weight: np.ones([5]), bias: np.ones([5]) }))).toEqual(['scale', 'bias'])
})

test('all that is missing, misshapen or unexpected is told at once', () => {
  const { bias_hh_l1: _, ...rest } = toTorch('lstm', lstm) as Record<string, NdArray>
  const message = said(() => fromTorch('lstm', { ...rest, weight_hh_l0: np.ones([16, 5]), weight_hr_l0: np.ones([2, 4]) }))
  expect(message).toBe(
    'fromTorch: these tensors are no lstm: missing: bias_hh_l1; misshapen: weight_hh_l0 (f32[16,5] for [4H,H] where H is 4); unexpected: weight_hr_l0',
  )
  const wrong = said(() => fromTorch('encoderLayer', toTorch('decoderLayer', stack.decoder.layers[0]!)))
  expect(wrong).toMatch(/^fromTorch: these tensors are no encoderLayer: unexpected: multihead_attn\.in_proj_weight, .*norm3\.bias$/)
  expect(said(() => fromTorch('gru', {}))).toBe('fromTorch: these tensors are no gru: missing: weight_ih_l0, weight_hh_l0')
  expect(said(() => fromTorch('linear', { weight: 3 } as never))).toMatch(/misshapen: weight \(3 for \[O,I\]\)/)
})

test('a layer that is left out is missed', () => {
  const all = Object.entries(toTorch('transformerEncoder', stack.encoder))
  const tensors = Object.fromEntries(all.map(([name, x]) => [name.replace('layers.1.', 'layers.2.'), x]))
  const message = said(() => fromTorch('transformerEncoder', tensors))
  expect(message).toMatch(/missing: layers\.1\.self_attn\.in_proj_weight, .*unexpected: layers\.2\./)
})

test('what PyTorch has no module for is refused', () => {
  const { q, out } = stack.encoder.layers[0]!.selfAttn
  const narrow = { weight: np.ones([2, 4]), bias: np.ones([2]) }
  expect(said(() => toTorch('multiHeadAttention', { q, k: narrow, v: narrow, out }))).toMatch(/no grouped heads/)
  expect(said(() => toTorch('multiHeadAttention', { q, k: { weight: np.ones([4, 4]) }, v: q, out }))).toMatch(/2 have a bias: all or none/)
  expect(() => fromTorch('conv' as TorchKind, {})).toThrow(/the kind is one of linear, layerNorm, .*and got "conv"/)
  expect(() => toTorch('gru', { layers: 3 } as never)).toThrow(/layers is a list/)
})
