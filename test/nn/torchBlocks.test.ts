/** Recurrent layers, attention by heads and Transformers are PyTorch's, with its state dicts: values, and the gradients of everything. */
import { expect, test } from 'vitest'
import { fromTorch, type TorchKind, toTorch } from '../../src/io/index.ts'
import { grad, jit, nn, np, tree, vmap, type NdArray } from '../../src/index.ts'
import { close, loadTree, read, type StoredTree } from './golden.ts'

interface Block {
  readonly kind: TorchKind
  readonly note: string
  readonly options: Readonly<Record<string, unknown>>
  readonly state: StoredTree
  readonly inputs: StoredTree
  readonly outs: StoredTree
  readonly grads: StoredTree
}
type Named = Readonly<Record<string, NdArray>>
type Call = (p: never, xs: Named, options: object) => Named

/** A call by the names of a block's inputs: arrays in order, the others options. */
const block =
  (f: (...args: never[]) => NdArray, ...names: readonly string[]): Call =>
  (p, xs, options) => {
    const others = Object.fromEntries(Object.entries(xs).filter(([name]) => !names.includes(name)))
    const args = names.map((name) => xs[name] ?? xs['query']) as never[]
    return { output: f(p, ...args, { ...others, ...options } as never) }
  }
const start = ({ h, c, lengths }: Named, both: boolean): object => ({
  ...(h && { state: both ? { h, c } : h }),
  ...(lengths && { lengths }),
})
const simple =
  (f: typeof nn.gru): Call =>
  (p, xs, options) => {
    const { output, state } = f(p, xs['x']!, { ...start(xs, false), ...options })
    return { output, h: state }
  }
const calls: Partial<Readonly<Record<TorchKind, Call>>> = {
  rnn: simple(nn.rnn),
  gru: simple(nn.gru),
  lstm: (p, xs, options) => {
    const { output, state } = nn.lstm(p, xs['x']!, { ...start(xs, true), ...options })
    return { output, ...state }
  },
  multiHeadAttention: block(nn.multiHeadAttention, 'query', 'key', 'value'),
  encoderLayer: block(nn.encoderLayer, 'x'),
  decoderLayer: block(nn.decoderLayer, 'x', 'memory'),
  transformerEncoder: block(nn.transformerEncoder, 'x'),
  transformer: block(nn.transformer, 'source', 'target'),
}
/** As in torch_blocks.py. */
const weighted = (outs: Named): NdArray =>
  Object.values(outs)
    .map((out) => np.sum(np.mul(out, np.mod(np.arange(out.size), 7).mul(0.5).add(0.5).reshape(out.shape))))
    .reduce((a, b) => a.add(b))
const at = (dtype: 'float16', xs: Named): Named =>
  Object.fromEntries(Object.entries(xs).map(([k, x]) => [k, x.dtype === 'float32' ? x.astype(dtype) : x]))

const TOLERANCE = 5e-6 // a few sums of some ten terms, one after another
const { blocks } = read('torch_blocks') as { readonly blocks: readonly Block[] }

blocks.forEach((b, i) =>
  test(`${i} ${b.kind} ${b.note} ${JSON.stringify(b.options)}`, () => {
    const [state, inputs] = [loadTree(b.state), loadTree(b.inputs)]
    const params = fromTorch(b.kind, state) as never
    const call = (p: never, xs: Named): Named => calls[b.kind]!(p, xs, b.options)
    for (const f of [call, jit(call)]) for (const [k, out] of Object.entries(f(params, inputs))) close(out, b.outs[k]!, TOLERANCE, k)

    const back = toTorch(b.kind, params)
    expect(Object.keys(back).sort()).toEqual(Object.keys(state).sort())
    for (const [name, x] of Object.entries(back)) expect(x.toArray(), name).toEqual(state[name]!.toArray())

    const moving = Object.fromEntries(Object.keys(b.grads).flatMap((k) => (inputs[k] ? [[k, inputs[k]]] : [])))
    const loss = ([p, xs]: readonly [never, Named]): NdArray => weighted(call(p, { ...inputs, ...xs }))
    const [dp, dx] = grad(loss)([params, moving])
    const grads: Named = { ...toTorch(b.kind, dp), ...dx }
    expect(Object.keys(grads).sort()).toEqual(Object.keys(b.grads).sort())
    for (const [k, g] of Object.entries(b.grads)) close(grads[k]!, g, TOLERANCE, `gradient in ${k}`)

    const twice = Object.fromEntries(Object.entries(inputs).map(([k, x]) => [k, np.stack([x, x])]))
    const stacked = vmap((xs: Named) => call(params, xs))(twice)
    for (const [k, out] of Object.entries(stacked)) close(out.slice(1), b.outs[k]!, TOLERANCE, `${k} under vmap`)

    const half = tree.map((x: NdArray) => x.astype('float16'), params) as never
    for (const [k, out] of Object.entries(call(half, at('float16', inputs)))) {
      expect(out.dtype).toBe('float16')
      close(out.astype('float32'), b.outs[k]!, 6e-3, `${k} at float16`)
    }
    const [hp, hx] = grad(loss)([half, at('float16', moving)])
    for (const [k, g] of Object.entries({ ...toTorch(b.kind, hp), ...hx })) {
      expect(g.dtype).toBe('float16')
      close(g.astype('float32'), b.grads[k]!, 1e-2, `gradient in ${k} at float16`)
    }
  }),
)
