/** Switches of the block that no family here has yet, by their formulas. */
import { expect, test } from 'vitest'
import { grad, type NdArray, nn, np, random } from '../../src/index.ts'
import { block, blockOf, type BlockConfig, drawing } from '../../src/models/block.ts'
import { emptyCache } from '../../src/models/cache.ts'

const [B, T, D, H, K, d] = [2, 5, 8, 4, 2, 6] as const
const norm = { kind: 'rms', eps: 1e-6, offset: 0, bias: false } as const
const sized = { heads: H, kvHeads: K, headDim: d, scale: null, softcap: null, bias: false, outBias: false, norms: true } as const
const configOf = (more: Partial<BlockConfig['attention']>): BlockConfig => ({
  ...{ width: D, inOut: false, norm, place: 'pre', attention: { ...sized, fused: false, ...more } },
  mlp: { width: 12, activation: 'silu', gated: true, fused: false, bias: false },
})
const seeing = { causal: true, window: null, mask: null, bias: null, cache: null, across: null }
const rotation = nn.rotary(np.arange(T).reshape(1, T), { base: 100, dims: d })
const x = random.normal(random.key(1), [B, T, D])
const weightOf = (p: nn.LinearParams | undefined): NdArray => (p as { readonly weight: NdArray }).weight

/** Everything written out, head by head. */
const plain = (p: ReturnType<typeof blockOf>, y: NdArray, { valueNorm, gate }: BlockConfig['attention']): NdArray => {
  const h = nn.rmsNorm(p.attnNorm!, y)
  const { attn } = p
  const wq = weightOf(attn.q).reshape(H, -1, D)
  const headed = (w: NdArray): NdArray => np.einsum('btc,hdc->bthd', h, w)
  const turned = (q: NdArray, own: { readonly scale: NdArray }): NdArray => nn.rotate(nn.rmsNorm(own, q), rotation)
  const q = turned(headed(wq.slice([], [0, d])), attn.qNorm!)
  const k = turned(headed(weightOf(attn.k).reshape(K, d, D)), attn.kNorm!)
  const v0 = headed(weightOf(attn.v).reshape(K, d, D))
  const v = valueNorm === true ? v0.div(np.sqrt(np.mean(np.square(v0), { axis: -1, keepdims: true }).add(1e-6))) : v0
  const mixed = nn.dotProductAttention(q, k, v, { causal: true, ...(attn.sinks === undefined ? {} : { sinks: attn.sinks }) })
  const gated = gate === true ? mixed.mul(nn.sigmoid(headed(wq.slice([], [d, 2 * d])))) : mixed
  const own = y.add(nn.linear(attn.o, gated.reshape(B, T, H * d)))
  return own.add(nn.gatedMlp(p.mlp as nn.GatedMlpParams, nn.rmsNorm(p.mlpNorm, own)))
}
const close = (a: NdArray, b: NdArray): void => expect(np.max(np.abs(np.sub(a, b))).item()).toBeLessThan(1e-5)

test.each([{ valueNorm: true }, { gate: true }, { sinks: true }, { valueNorm: true, gate: true, sinks: true }])('%o', (more) => {
  const config = configOf(more)
  const drawn = blockOf(drawing(random.key(2), 0.5, 'float32'), config)
  const p = 'sinks' in more ? { ...drawn, attn: { ...drawn.attn, sinks: random.normal(random.key(3), [H]) } } : drawn
  const f = (y: NdArray): NdArray => block(p, y, config, { ...seeing, rotation })[0]
  const g = (y: NdArray): NdArray => plain(p, y, config.attention)
  close(f(x), g(x))
  const slope = (h: typeof f) => grad((y: NdArray) => np.sum(np.sin(h(y))))(x)
  close(slope(f), slope(g))

  const cache = emptyCache(B, T, [null], K, d, 'float32')
  const rows = np.full([B], T, 'int32')
  close(block(p, x, config, { ...seeing, rotation, cache: { ...cache.layers[0]!, lengths: cache.lengths, valid: rows } })[0], f(x))
})
test('a matrix of queries, keys and values holds gates too', () => {
  const config = configOf({ gate: true, norms: false })
  const p = blockOf(drawing(random.key(2), 0.5, 'float32'), config)
  const qkv = { weight: np.concatenate([weightOf(p.attn.q), weightOf(p.attn.k), weightOf(p.attn.v)]) }
  const { q: _q, k: _k, v: _v, ...rest } = p.attn
  const run = (own: typeof p) => block(own, x, config, { ...seeing, rotation })[0]
  close(run({ ...p, attn: { ...rest, qkv } }), run(p))
  const fused = blockOf(drawing(random.key(2), 0.5, 'float32'), configOf({ gate: true, fused: true }))
  expect(weightOf(fused.attn.qkv).shape).toEqual(qkv.weight.shape)
})

test('nn.multiHeadAttention with the same switches gives what the block does', () => {
  const config = configOf({ valueNorm: true, gate: true, sinks: true, softcap: 2, scale: 0.3 })
  const drawn = blockOf(drawing(random.key(2), 0.5, 'float32'), config)
  const { q, k, v, o, qNorm, kNorm } = drawn.attn
  const sinks = random.normal(random.key(3), [H])
  const both = weightOf(q).reshape(H, 2, d, D)
  const rows = (i: number) => ({ weight: both.slice([], [i, i + 1]).reshape(H * d, D) })
  const p = { q: rows(0), k: k!, v: v!, out: o, qNorm: qNorm!, kNorm: kNorm!, vNorm: {}, gate: rows(1), sinks }
  const h = nn.rmsNorm(drawn.attnNorm!, x)
  const mixed = nn.multiHeadAttention(p, h, h, h, { heads: H, causal: true, window: [2, 0], softcap: 2, scale: 0.3, rotation })
  const own = x.add(mixed)
  const y = block({ ...drawn, attn: { ...drawn.attn, sinks } }, x, config, { ...seeing, window: 3, rotation })[0]
  close(own.add(nn.gatedMlp(drawn.mlp as nn.GatedMlpParams, nn.rmsNorm(drawn.mlpNorm, own))), y)
})
