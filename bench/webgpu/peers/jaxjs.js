// jax-js in the page. Operands are consumed unless `.ref` keeps them.
import { defaultDevice, init, jit, nn, numpy as np, tree } from '@jax-js/jax'
import { layerNorm, step } from '../../peers/jaxjsStep.js'
import { batch, initialParams, learningRate, model } from '../../workload.js'
import { decoder, decoderArrays, heads, matmuls, numbers, rows } from '../cases.js'

const devices = await init('webgpu')
if (!devices.includes('webgpu')) throw new Error(`jax-js has only ${devices}`)
defaultDevice('webgpu')

const array = ({ shape, data }) => np.array(data).reshape(shape)
const toArrays = (node, leaf = array) =>
  Array.isArray(node)
    ? node.map((child) => toArrays(child, leaf))
    : node.data
      ? leaf(node)
      : Object.fromEntries(Object.entries(node).map(([key, child]) => [key, toArrays(child, leaf)]))

/** A jitted function of these arguments, whose first result is read. */
const caseOf = (f, ...args) => {
  const jitted = jit(f)
  const call = async () => {
    const [first, ...others] = tree.leaves(jitted(...tree.ref(args)))
    const values = await first.data()
    for (const x of others) x.dispose()
    return values
  }
  return { call }
}
const product = (n) => () => caseOf(np.matmul, ...[0, 1].map((t) => array({ shape: [n, n], data: numbers([n, n], t) })))

const decode = ({ x, layers, g, head }) => {
  const { H, D } = decoder
  const grown = layers.map((p) => {
    const [q, k, v] = np.split(np.matmul(layerNorm(p.g1, x.ref), p.qkv), 3, -1).map((y) => y.reshape([1, 1, H, D / H]))
    const [keys, values] = [np.concatenate([p.k, k], 1), np.concatenate([p.v, v], 1)]
    const h = x.add(np.matmul(nn.dotProductAttention(q, keys.ref, values.ref).reshape([1, D]), p.proj))
    x = h.ref.add(np.matmul(nn.gelu(np.matmul(layerNorm(p.g2, h), p.up)), p.down))
    return [keys, values]
  })
  return [np.matmul(layerNorm(g, x), head), grown]
}

const train = () => {
  const { B, T } = model
  const initial = initialParams()
  const zeros = () => toArrays(initial, ({ shape }) => np.zeros(shape))
  const scalar = (x) => np.array(x, { dtype: np.float32 })
  let params = toArrays(initial)
  let state = { t: scalar(0), m: zeros(), v: zeros() }
  let done = 0
  const jitted = jit(step)
  const call = async () => {
    const { inputs, targets } = batch(done)
    const [x, y] = [inputs, targets].map((tokens) => np.array(tokens).reshape([B, T]))
    let loss
    ;[params, state, loss] = jitted(params, state, x, y, scalar(learningRate(done++)))
    return loss.data()
  }
  return { call }
}

export const makers = {
  ...matmuls(product),
  softmax: () => caseOf((x) => nn.softmax(x, -1), array({ shape: rows, data: numbers(rows, 0) })),
  layerNorm: () =>
    caseOf((x, scale) => layerNorm(scale, x), ...[rows, [rows[1]]].map((shape, t) => array({ shape, data: numbers(shape, t) }))),
  attention: () =>
    caseOf((q, k, v) => nn.dotProductAttention(q, k, v, { isCausal: true }), ...[0, 1, 2].map((t) => array({ shape: heads, data: numbers(heads, t) }))), // prettier-ignore
  'decode step': () => caseOf(decode, toArrays(decoderArrays())),
  'train step': train,
}
