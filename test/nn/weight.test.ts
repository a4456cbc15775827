/** Weights that aren't arrays: a low-rank one beside a frozen base, as models meet it; no model changes for it. */
import { describe, expect, test } from 'vitest'
import { type DType, grad, jit, type NdArray, nn, np, random, tree, vmap } from '../../src/index.ts'
import { fromConfig } from '../../src/models/index.ts'

/** base + up · down, of which the base has no derivative. */
class LowRank extends nn.Weight {
  readonly base: NdArray // [O,I]
  readonly up: NdArray // [O,R]
  readonly down: NdArray // [R,I]
  constructor(base: NdArray, up: NdArray, down: NdArray) {
    super()
    this.base = base
    this.up = up
    this.down = down
  }
  get shape(): readonly [number, number] {
    return [this.up.shape[0]!, this.down.shape[1]!]
  }
  get dtype(): DType {
    return this.base.dtype
  }
  matmul(x: NdArray): NdArray {
    return nn.linear({ weight: this.base }, x).add(nn.linear({ weight: this.up }, nn.linear({ weight: this.down }, x)))
  }
  take(ids: NdArray): NdArray {
    return nn.embedding({ w: this.base }, ids).add(nn.linear({ w: this.down }, nn.embedding({ w: this.up }, ids)))
  }
  get whole(): NdArray {
    return this.base.add(this.up.matmul(this.down))
  }
}
tree.registerNode(LowRank, ({ base, up, down }) => [[up, down], base], (base, [up, down]) => new LowRank(base as NdArray, up as NdArray, down as NdArray)) // prettier-ignore
const drawn = (i: number, ...shape: number[]): NdArray => random.normal(random.foldIn(random.key(3), i), shape)
const lowRank = (O: number, I: number, i: number): LowRank => new LowRank(drawn(i, O, I), drawn(i + 1, O, 2), drawn(i + 2, 2, I))
const close = (a: NdArray, b: NdArray): void => expect(np.max(np.abs(np.sub(a, b))).item()).toBeLessThan(1e-4)

describe('a linear layer and an embedding', () => {
  const [w, x, bias] = [lowRank(5, 4, 0), drawn(9, 3, 4), drawn(10, 5)]
  test('multiply by it, eagerly, jitted, batched', () => {
    const want = nn.linear({ weight: w.whole, bias }, x)
    close(nn.linear({ weight: w, bias }, x), want)
    close(jit(nn.linear)({ weight: w, bias }, x), want)
    close(vmap((row: NdArray) => nn.linear({ weight: w, bias }, row))(x), want)
    close(nn.embedding({ w }, np.array([4, 0], { dtype: 'int32' })), np.take(w.whole, np.array([4, 0], { dtype: 'int32' }), { axis: 0 }))
  })
  test('its children have gradients, and its base has none', () => {
    const f = (p: { readonly weight: LowRank }): NdArray => np.sum(np.square(nn.linear(p, x)))
    const { weight } = grad(f)({ weight: w })
    expect(weight).toBeInstanceOf(LowRank)
    expect(tree.leaves(weight)).toHaveLength(2)
    const dense = grad((m: NdArray) => np.sum(np.square(nn.linear({ weight: m }, x))))(w.whole)
    close(weight.up, dense.matmul(w.down.T))
    close(weight.down, w.up.T.matmul(dense))
  })
  test('what doesn’t fit is refused by the layer', () => {
    expect(() => nn.linear({ weight: w }, drawn(11, 3, 5))).toThrow(/nn.linear\(f32\[3,5\]\): a weight \[5,4\] meets an input \[...,4\]/)
    class Odd extends LowRank {
      override matmul(y: NdArray): NdArray {
        return y
      }
    }
    expect(() => nn.linear({ weight: new Odd(w.base, w.up, w.down) }, x)).toThrow(
      /the weight's matmul gives f32\[3,4\], and \[3,5\] was expected/,
    )
    expect(() => nn.linear({ w } as never, x)).toThrow(/w is an array/)
  })
})

test('a model takes them in any place, its embedding and head among them', () => {
  const config = { model_type: 'llama', vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2, tie_word_embeddings: true } // prettier-ignore
  const model = fromConfig(config)
  if (model.kind !== 'decoder') throw new Error('a decoder was expected')
  const params = model.init(random.key(1))
  const weights = { q: lowRank(8, 8, 20), up: lowRank(12, 8, 30), embed: lowRank(11, 8, 40) }
  const put = (of: (w: LowRank) => NdArray | LowRank): typeof params => ({
    ...params,
    embed: { w: of(weights.embed) },
    layers: params.layers.map((p) => ({ ...p, attn: { ...p.attn, q: { weight: of(weights.q) } }, mlp: { ...p.mlp, up: { weight: of(weights.up) } } })), // prettier-ignore
  })
  const inputs = { inputIds: np.array([[1, 2, 3, 10]], { dtype: 'int32' }) }
  const run = jit((p: typeof params) => model.apply(p, inputs).logits)
  close(run(put((w) => w)), run(put((w) => w.whole)))
})
