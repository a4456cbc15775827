/** Decoders of every family against Transformers: logits, loss, every gradient, a training curve, greedy tokens with and without cache. */
import { describe, expect, test } from 'vitest'
import { jit, type NdArray, nn, np, optim, tree, valueAndGrad } from '../../src/index.ts'
import { arrayOf, golden } from './golden.ts'

const names = [
  ...['gpt2', 'llama', 'llama3', 'llama-bias', 'llama-linear', 'llama-dynamic', 'mistral', 'smollm3', 'qwen2', 'qwen3', 'qwen3-yarn'],
  ...['gemma2', 'gemma3', 'phi3-long', 'phi3-short', 'phi4'],
]

describe.each(names)('%s', (name) => {
  const { model, params, expected, nameAt } = golden(name, 'decoder')
  const inputs = Object.fromEntries(Object.entries(expected.inputs).map(([key, x]) => [key, arrayOf(x)])) as Record<'inputIds' | 'attentionMask' | 'positionIds', NdArray> // prettier-ignore
  type Params = typeof params
  const logits = jit((p: Params) => model.apply(p, inputs).logits)
  const real = inputs.attentionMask.astype('bool')
  /** Next tokens that are real, of tokens that are. */
  const loss = (p: Params): NdArray => {
    const T = inputs.inputIds.shape[1]!
    const counted = np.logicalAnd(real.slice([], [0, T - 1]), real.slice([], [1, T]))
    const each = nn.crossEntropy(model.apply(p, inputs).logits.slice([], [0, T - 1]), inputs.inputIds.slice([], [1, T]))
    return np.sum(np.where(counted, each, 0)).div(np.sum(counted))
  }

  test('logits within 1e-4', () => {
    const [got, want] = [logits(params), arrayOf(expected.logits)]
    const off = np.where(np.expandDims(real, -1), np.abs(np.sub(got, want)), 0)
    expect(np.max(off).item()).toBeLessThan(1e-4)
  })
  test('loss and every gradient’s norm within 1e-3', () => {
    const [value, grads] = jit(valueAndGrad(loss))(params)
    expect(Math.abs(value.item() / expected.loss - 1)).toBeLessThan(1e-5)
    const paths = tree.paths(grads)
    const norms = Object.fromEntries((tree.leaves(grads) as NdArray[]).map((g, i) => [nameAt(paths[i]!), np.linalg.norm(g.reshape(-1)).item()])) // prettier-ignore
    expect(Object.keys(norms).sort()).toEqual(Object.keys(expected.gradNorms).sort())
    for (const [key, norm] of Object.entries(expected.gradNorms)) expect(Math.abs(norms[key]! / norm - 1), key).toBeLessThan(1e-3)
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
  test('twenty greedy tokens, without a cache', () => {
    const { prompts, tokens } = expected.greedy
    const most = Math.max(...prompts.map((p) => p.length)) + 20
    const next = jit((p: Params, ids: NdArray, mask: NdArray) =>
      np.argmax(model.apply(p, { inputIds: ids, attentionMask: mask }).logits, { axis: -1 }),
    )
    prompts.forEach((prompt, i) => {
      const ids = [...prompt]
      for (let n = 0; n < 20; n++) {
        const padded = [...ids, ...Array<number>(most - ids.length).fill(0)]
        const mask = padded.map((_, t) => Number(t < ids.length))
        const of = (x: readonly number[]): NdArray => np.array([x as number[]], { dtype: 'int32' })
        ids.push(
          next(params, of(padded), of(mask))
            .slice(0, ids.length - 1)
            .item(),
        )
      }
      expect(ids.slice(prompt.length)).toEqual(tokens[i])
    })
  })
  test('and with one, in a batch of prompts of several lengths', () => {
    const { prompts, tokens, cached } = expected.greedy
    // Where frequencies grow with the text, its keys were turned by those of a shorter one, and rows that are longer by more.
    if (cached !== undefined) expect(prompts.map((p) => continued([p])[0])).toEqual(cached)
    else expect(continued(prompts)).toEqual(tokens)
  })
  const continued = (prompts: readonly (readonly number[])[]): readonly (readonly number[])[] => {
    const longest = Math.max(...prompts.map((p) => p.length))
    const of = (rows: readonly (readonly number[])[]): NdArray => np.array(rows as number[][], { dtype: 'int32' })
    const cache = model.cache(prompts.length, longest + 20)
    const run = jit((p: Params, ids: NdArray, mask: NdArray, c: typeof cache) => {
      const out = model.apply(p, { inputIds: ids, attentionMask: mask }, { cache: c })
      const last = np.sub(np.sum(mask, { axis: 1 }), 1)
      const picked = np.takeAlongAxis(np.argmax(out.logits, { axis: -1 }), np.expandDims(last, 1), 1)
      return { next: picked, cache: out.cache! }
    })
    const padded = prompts.map((p) => [...p, ...Array<number>(longest - p.length).fill(0)])
    const mask = prompts.map((p) => padded[0]!.map((_, t) => Number(t < p.length)))
    let state = run(params, of(padded), of(mask), cache)
    const out: number[][] = prompts.map(() => [])
    for (let n = 0; n < 20; n++) {
      const next = state.next.toArray() as number[][]
      next.forEach(([token], i) => out[i]!.push(token!))
      state = run(params, state.next, of(prompts.map(() => [1])), state.cache)
    }
    return out
  }
})
