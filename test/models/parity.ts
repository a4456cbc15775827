/** What a model of a family must do, on whatever device was chosen: as Transformers says of its tiny twin. */
import { expect } from 'vitest'
import { jit, type NdArray, nn, np, optim, tree, valueAndGrad } from '../../src/index.ts'
import { type EncoderModel, type EncoderParams, type EncoderResult, generateTokens, meanPooled } from '../../src/models/index.ts'
import { arrayOf, golden } from './golden.ts'

export const decoders = [
  ...['gpt2', 'llama', 'llama3', 'llama-bias', 'llama-linear', 'llama-dynamic', 'mistral', 'smollm3', 'qwen2', 'qwen3', 'qwen3-yarn'],
  ...['gemma2', 'gemma3', 'phi3-long', 'phi3-short', 'phi4'],
] as const
export const encoders = [
  ...['bert', 'bert-classify', 'bert-tokens', 'bert-answer', 'bert-base', 'minilm', 'roberta', 'roberta-classify', 'roberta-answer'],
  ...['distilbert', 'distilbert-classify', 'distilbert-tokens', 'modernbert', 'modernbert-classify', 'modernbert-answer', 'vit'],
  ...['t5-encoder', 't5-tokens', 'umt5-encoder', 'mt5-encoder'],
] as const

/** Decoders that write nothing. */
export const readers = [
  ...['llama-classify', 'llama-tokens', 'llama-answer', 'mistral-classify', 'mistral-answer', 'smollm3-answer'],
  ...['qwen2-tokens', 'qwen2-answer', 'qwen3-base', 'qwen3-classify', 'qwen3-answer', 'gemma-tokens', 'gemma2-tokens', 'gemma3-classify'],
  ...['phi3-tokens', 'gpt2-base', 'gpt2-classify', 'gpt2-tokens', 'gpt2-answer'],
] as const

type Check = readonly [what: string, check: () => Promise<void>]
const numberOf = async (x: NdArray): Promise<number> => ((await x.data()) as ArrayLike<number>)[0]!
const inputsOf = (inputs: ReturnType<typeof golden>['expected']['inputs']): Readonly<Record<string, NdArray>> =>
  Object.fromEntries(Object.entries(inputs).map(([key, x]) => [key, arrayOf(x)]))

interface Training<P> {
  readonly params: P
  readonly loss: (p: P) => NdArray
  readonly expected: ReturnType<typeof golden>['expected']
  readonly nameAt: (path: string) => string
  readonly base: string
}
/** Loss, every gradient's norm, and eight steps of AdamW. */
const training = <P extends object>({ params, loss, expected, nameAt, base }: Training<P>): readonly Check[] => [
  [
    'loss and every gradient’s norm within 1e-3',
    async () => {
      const [value, grads] = jit(valueAndGrad(loss))(params)
      expect(Math.abs((await numberOf(value)) / expected.loss - 1)).toBeLessThan(1e-5)
      const paths = tree.paths(grads)
      const norms = new Map<string, number>()
      for (const [i, g] of (tree.leaves(grads) as NdArray[]).entries()) {
        const name = nameAt(paths[i]!)
        norms.set(Object.hasOwn(expected.gradNorms, name) ? name : name.slice(base.length), await numberOf(np.linalg.norm(g.reshape(-1))))
      }
      expect([...norms.keys()].sort()).toEqual(Object.keys(expected.gradNorms).sort())
      for (const [key, norm] of Object.entries(expected.gradNorms)) {
        if (norm === 0) expect(norms.get(key), key).toBeLessThan(1e-4)
        else expect(Math.abs(norms.get(key)! / norm - 1), key).toBeLessThan(1e-3)
      }
    },
  ],
  [
    'eight steps of AdamW',
    async () => {
      const optimizer = optim.adamw({ lr: 1e-3, weightDecay: 0.01 })
      const step = jit((p: P, s: ReturnType<typeof optimizer.init>): readonly [P, typeof s, NdArray] => {
        const [value, grads] = valueAndGrad(loss)(p)
        const [updates, next] = optimizer.update(grads, s, p)
        return [optim.applyUpdates(p, updates), next, value]
      })
      let [p, s] = [params, optimizer.init(params)]
      for (const want of expected.curve) {
        let value
        ;[p, s, value] = step(p, s)
        expect(Math.abs((await numberOf(value)) / want - 1)).toBeLessThan(1e-3)
      }
    },
  ],
]
const close = async (got: NdArray, want: NdArray, where?: NdArray): Promise<void> => {
  const off = np.abs(np.sub(got, want))
  expect(await numberOf(np.max(where === undefined ? off : np.where(where, off, 0)))).toBeLessThan(1e-4)
}

export const decoderChecks = (name: (typeof decoders)[number]): readonly Check[] => {
  const { model, params, expected, nameAt } = golden(name, 'decoder')
  const inputs = inputsOf(expected.inputs) as Readonly<Record<'inputIds' | 'attentionMask' | 'positionIds', NdArray>>
  type Params = typeof params
  const real = inputs.attentionMask.astype('bool')
  /** Next tokens that are real, of tokens that are. */
  const loss = (p: Params): NdArray => {
    const T = inputs.inputIds.shape[1]!
    const counted = np.logicalAnd(real.slice([], [0, T - 1]), real.slice([], [1, T]))
    const each = nn.crossEntropy(model.apply(p, inputs).logits.slice([], [0, T - 1]), inputs.inputIds.slice([], [1, T]))
    return np.sum(np.where(counted, each, 0)).div(np.sum(counted))
  }
  const { prompts, tokens, cached } = expected.greedy
  const continued = async (rows: readonly (readonly number[])[]): Promise<readonly (readonly number[])[]> => {
    const out: number[][] = rows.map(() => [])
    for await (const next of generateTokens(model, params, { inputIds: rows, maxNewTokens: 20 })) next.forEach((id, i) => out[i]!.push(id!))
    return out
  }
  const most = Math.max(...prompts.map((p) => p.length)) + 20
  const next = jit((p: Params, ids: NdArray, mask: NdArray) => np.argmax(model.apply(p, { inputIds: ids, attentionMask: mask }).logits, { axis: -1 })) // prettier-ignore
  return [
    [
      'logits within 1e-4',
      async () => close(jit((p: Params) => model.apply(p, inputs).logits)(params), arrayOf(expected.logits), np.expandDims(real, -1)),
    ],
    ...training({ params, loss, expected, nameAt, base: model.naming.base }),
    [
      'twenty greedy tokens without a cache',
      async () => {
        const rows = prompts.map((prompt) => [...prompt])
        for (let n = 0; n < 20; n++) {
          const padded = rows.map((row) => [...row, ...Array<number>(most - row.length).fill(0)])
          for (const [i, row] of rows.entries()) {
            // One row at a time: where frequencies depend on the longest of a batch, rows would change one another.
            const of = (x: readonly number[]): NdArray => np.array([x as number[]], { dtype: 'int32' })
            const best = (await next(params, of(padded[i]!), of(padded[i]!.map((_, t) => Number(t < row.length)))).data()) as Int32Array
            row.push(best[row.length - 1]!)
          }
        }
        expect(rows.map((row, i) => row.slice(prompts[i]!.length))).toEqual(tokens)
      },
    ],
    [
      'and with one, in a batch of prompts of several lengths',
      async () => {
        // Where frequencies grow with the text, its keys were turned by those of a shorter one, and rows that are longer by more.
        if (cached === undefined) expect(await continued(prompts)).toEqual(tokens)
        else for (const [i, prompt] of prompts.entries()) expect(await continued([prompt])).toEqual([cached[i]])
      },
    ],
  ]
}

export const encoderDecoders = ['t5', 'flan-t5', 'umt5'] as const
export const encoderDecoderChecks = (name: (typeof encoderDecoders)[number]): readonly Check[] => {
  const { model, params, expected, nameAt } = golden(name, 'encoderDecoder')
  const { labels, ...rest } = inputsOf(expected.inputs)
  const inputs = rest as unknown as Parameters<typeof model.apply>[1]
  type Params = typeof params
  const loss = (p: Params): NdArray => nn.crossEntropy(model.apply(p, inputs).logits, labels!, { ignoreIndex: -100, reduction: 'mean' })
  const { prompts, tokens } = expected.greedy
  const answered = async (rows: readonly (readonly number[])[]): Promise<readonly (readonly number[])[]> => {
    const out: number[][] = rows.map(() => [])
    for await (const next of generateTokens(model, params, { inputIds: rows, maxNewTokens: 20 })) next.forEach((id, i) => out[i]!.push(id!))
    return out
  }
  const next = jit((p: Params, read: NdArray, written: NdArray) =>
    np.argmax(model.apply(p, { inputIds: read, decoderInputIds: written }).logits, { axis: -1 }),
  )
  return [
    ['logits within 1e-4', async () => close(jit((p: Params) => model.apply(p, inputs).logits)(params), arrayOf(expected.logits))],
    ...training({ params, loss, expected, nameAt, base: model.naming.base }),
    [
      'twenty greedy tokens without a cache',
      async () => {
        const of = (x: readonly number[]): NdArray => np.array([x as number[]], { dtype: 'int32' })
        for (const [i, prompt] of prompts.entries()) {
          const said = [model.config.start]
          for (let n = 0; n < 20; n++) {
            const best = (await next(params, of(prompt), of([...said, ...Array<number>(20 - n).fill(0)])).data()) as Int32Array
            said.push(best[n]!)
          }
          expect(said.slice(1)).toEqual(tokens[i])
        }
      },
    ],
    [
      'and with one, alone and in a batch of prompts of several lengths',
      async () => {
        expect(await answered(prompts)).toEqual(tokens)
        for (const [i, prompt] of prompts.entries()) expect(await answered([prompt])).toEqual([tokens[i]])
      },
    ],
  ]
}

export const encoderChecks = (
  name: (typeof encoders | typeof readers)[number],
  kind: 'encoder' | 'reader' = 'encoder',
): readonly Check[] => {
  const { model, params, expected, nameAt } = golden(name, kind)
  const { labels, pooledLabels, ...inputs } = inputsOf(expected.inputs) as Readonly<Record<'labels' | 'pooledLabels' | 'inputIds' | 'attentionMask', NdArray>> // prettier-ignore
  type Params = typeof params
  const given = (p: Params): EncoderResult => (model as EncoderModel).apply(p as EncoderParams, inputs)
  const embedded = (p: Params): NdArray => meanPooled(given(p).lastHiddenState, inputs.attentionMask)
  /** Those of where an answer begins and ends are rows, [B,2,T], and pads mean nothing. */
  const logitsOf = ({ logits, startLogits, endLogits }: ReturnType<typeof given>): NdArray =>
    logits ?? np.where(np.expandDims(inputs.attentionMask.astype('bool'), 1), np.stack([startLogits!, endLogits!], 1), -100)
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
    if (name === 'bert-base') return np.add(cross(out.lastHiddenState, labels), cross(out.poolerOutput!, pooledLabels))
    return cross(expected.lastHiddenState === undefined ? logitsOf(out) : out.lastHiddenState, labels)
  }
  const gives = async (): Promise<void> => {
    const { attentionMask } = inputs as { readonly attentionMask?: NdArray }
    const real = attentionMask === undefined ? undefined : np.expandDims(attentionMask.astype('bool'), -1)
    if (expected.embeddings !== undefined) return close(jit(embedded)(params), arrayOf(expected.embeddings))
    const out = jit(given)(params)
    if (expected.poolerOutput !== undefined) await close(out.poolerOutput!, arrayOf(expected.poolerOutput))
    if (expected.lastHiddenState !== undefined) return close(out.lastHiddenState, arrayOf(expected.lastHiddenState), real)
    const logits = logitsOf(out)
    return close(logits, arrayOf(expected.logits), out.logits?.ndim === 3 ? real : undefined)
  }
  return [['what it gives within 1e-4', gives], ...training({ params, loss, expected, nameAt, base: model.naming.base })]
}
