/** Encoders of every family, with their heads, against Transformers: what they give, the loss, every gradient, a training curve. */
import { describe, expect, test } from 'vitest'
import { jit, type NdArray, nn, np, optim, tree, valueAndGrad } from '../../src/index.ts'
import { meanPooled } from '../../src/models/index.ts'
import { arrayOf, golden } from './golden.ts'

const names = ['bert', 'bert-classify', 'bert-base', 'minilm', 'roberta', 'roberta-classify', 'distilbert', 'distilbert-classify', 'modernbert', 'vit'] // prettier-ignore

describe.each(names)('%s', (name) => {
  const { model, params, expected, nameAt } = golden(name, 'encoder')
  const { labels, pooledLabels, ...rest } = Object.fromEntries(Object.entries(expected.inputs).map(([key, x]) => [key, arrayOf(x)])) as Record<string, NdArray> // prettier-ignore
  const inputs = rest as Parameters<typeof model.apply>[1]
  type Params = typeof params
  const given = (p: Params) => model.apply(p, inputs)
  const embedded = (p: Params): NdArray => meanPooled(given(p).lastHiddenState, inputs.attentionMask!)
  /** Over the labels that aren't -100. */
  const cross = (logits: NdArray, of: NdArray): NdArray => nn.crossEntropy(logits, of, { ignoreIndex: -100, reduction: 'mean' })
  const loss = (p: Params): NdArray => {
    if (name === 'minilm') {
      const e = embedded(p)
      return cross(
        e
          .slice([0, 2])
          .matmul(e.slice([2, 4]).T)
          .mul(expected.scale!),
        np.arange(2),
      )
    }
    const out = given(p)
    if (name === 'bert-base') return np.add(cross(out.lastHiddenState, labels!), cross(out.poolerOutput!, pooledLabels!))
    return cross(out.logits!, labels!)
  }
  const close = (got: NdArray, want: NdArray, where?: NdArray): void => {
    const off = np.abs(np.sub(got, want))
    expect(np.max(where === undefined ? off : np.where(where, off, 0)).item()).toBeLessThan(1e-4)
  }

  test('what it gives within 1e-4', () => {
    const real = inputs.attentionMask === undefined ? undefined : np.expandDims(inputs.attentionMask.astype('bool'), -1)
    if (expected.embeddings !== undefined) return close(jit(embedded)(params), arrayOf(expected.embeddings))
    const out = jit(given)(params)
    if (expected.poolerOutput !== undefined) close(out.poolerOutput!, arrayOf(expected.poolerOutput))
    if (expected.lastHiddenState !== undefined) return close(out.lastHiddenState, arrayOf(expected.lastHiddenState), real)
    close(out.logits!, arrayOf(expected.logits), out.logits!.ndim === 3 ? real : undefined)
  })
  test('loss and every gradient’s norm within 1e-3', () => {
    const [value, grads] = jit(valueAndGrad(loss))(params)
    expect(Math.abs(value.item() / expected.loss - 1)).toBeLessThan(1e-5)
    const paths = tree.paths(grads)
    const norms = Object.fromEntries((tree.leaves(grads) as NdArray[]).map((g, i) => [nameAt(paths[i]!), np.linalg.norm(g.reshape(-1)).item()])) // prettier-ignore
    for (const [key, norm] of Object.entries(expected.gradNorms)) {
      const got = norms[key] ?? norms[`${model.naming.base}${key}`]
      if (norm === 0) expect(got, key).toBeLessThan(1e-4)
      else expect(Math.abs(got! / norm - 1), key).toBeLessThan(1e-3)
    }
    expect(Object.keys(norms)).toHaveLength(Object.keys(expected.gradNorms).length)
  })
  test('eight steps of AdamW', () => {
    const optimizer = optim.adamw({ lr: 1e-3, weightDecay: 0.01 })
    const step = jit((p: Params, s: ReturnType<typeof optimizer.init>): readonly [Params, typeof s, NdArray] => {
      const [value, grads] = valueAndGrad(loss)(p)
      const [updates, next] = optimizer.update(grads, s, p)
      return [optim.applyUpdates(p, updates), next, value]
    })
    let [p, s] = [params, optimizer.init(params)]
    const curve = expected.curve.map(() => {
      let value
      ;[p, s, value] = step(p, s)
      return value.item()
    })
    curve.forEach((value, i) => expect(Math.abs(value / expected.curve[i]! - 1)).toBeLessThan(1e-3))
  })
})
