// Cotangent in the page. Its arrays are places in slabs that are bound whole, so the bytes that its kernels move come from `explain`.
import { explain, init, jit, nn, np, tree } from 'cotangent'
import { optimizer, step, toArrays } from '../../peers/cotangentStep.js'
import { batch, initialParams, learningRate, model } from '../../workload.js'
import { decoder, decoderArrays, heads, matmuls, numbers, rows } from '../cases.js'

await init({ device: 'webgpu' })

/** A jitted function of these arguments, whose first result is read. */
const caseOf = (f, ...args) => {
  const jitted = jit(f)
  const call = async () => {
    const [first, ...others] = tree.leaves(jitted(...args))
    const values = await first.data()
    for (const x of [first, ...others]) x.dispose()
    return values
  }
  const bytes = async () => {
    const { bytesRead, bytesWritten } = await explain(jitted)(...args)
    return bytesRead + bytesWritten
  }
  return { call, bytes }
}
const product = (n) => () => caseOf(np.matmul, ...[0, 1].map((t) => toArrays({ shape: [n, n], data: numbers([n, n], t) })))

const decode = ({ x, layers, g, head }) => {
  const { H, D, eps } = decoder
  const width = D / H
  const grown = layers.map((p) => {
    const qkv = np.reshape(np.matmul(nn.layerNorm({ scale: p.g1 }, x, { eps }), p.qkv), [1, 1, 3 * H, width])
    const [q, k, v] = np.split(qkv, 3, 2)
    const [keys, values] = [np.concatenate([p.k, k], 1), np.concatenate([p.v, v], 1)]
    const h = np.add(x, np.matmul(np.reshape(nn.dotProductAttention(q, keys, values), [1, D]), p.proj))
    x = np.add(h, np.matmul(nn.gelu(np.matmul(nn.layerNorm({ scale: p.g2 }, h, { eps }), p.up)), p.down))
    return [keys, values]
  })
  return [np.matmul(nn.layerNorm({ scale: g }, x, { eps }), head), grown]
}

const train = () => {
  const { B, T } = model
  let params = toArrays(initialParams())
  let state = optimizer.init(params)
  let done = 0
  const jitted = jit(step, { donateArgnums: [0, 1] })
  const inputs = () => {
    const { inputs, targets } = batch(done)
    return [inputs, targets].map((tokens) => np.array(tokens, { shape: [B, T] }))
  }
  const call = async () => {
    let loss
    ;[params, state, loss] = jitted(params, state, ...inputs(), learningRate(done++))
    return loss.data()
  }
  const bytes = async () => {
    const { bytesRead, bytesWritten } = await explain(jitted)(params, state, ...inputs(), learningRate(done))
    return bytesRead + bytesWritten
  }
  return { call, bytes }
}

export const makers = {
  ...matmuls(product),
  softmax: () => caseOf((x) => nn.softmax(x), toArrays({ shape: rows, data: numbers(rows, 0) })),
  layerNorm: () =>
    caseOf((x, scale) => nn.layerNorm({ scale }, x), ...[rows, [rows[1]]].map((shape, t) => toArrays({ shape, data: numbers(shape, t) }))),
  attention: () =>
    caseOf((q, k, v) => nn.dotProductAttention(q, k, v, { causal: true }), ...[0, 1, 2].map((t) => toArrays({ shape: heads, data: numbers(heads, t) }))), // prettier-ignore
  'decode step': () => caseOf(decode, toArrays(decoderArrays())),
  'train step': train,
}
