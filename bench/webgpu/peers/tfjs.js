// TensorFlow.js in the page, on its WebGPU backend. It has no jit: operations run as they are called. Its GPU memory is counted by hand, so each
// call is in a tidy.
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js'
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
import '@tensorflow/tfjs-backend-webgpu'
import { adamw, batch, initialParams, learningRate, model } from '../../workload.js'
import { decoder, decoderArrays, heads, matmuls, numbers, rows } from '../cases.js'

await tf.setBackend('webgpu')
await tf.ready()

const tensor = ({ shape, data }) => tf.tensor(data, shape)
const mapLeaves = (node, leaf) =>
  Array.isArray(node)
    ? node.map((child) => mapLeaves(child, leaf))
    : node.data || node instanceof tf.Tensor
      ? leaf(node)
      : Object.fromEntries(Object.entries(node).map(([key, child]) => [key, mapLeaves(child, leaf)]))

/** A function of these arguments, whose first result is read. */
const caseOf = (f, ...args) => {
  const call = async () => {
    const [first, ...others] = tf.tidy(() => [f(...args)].flat(Infinity))
    const values = await first.data()
    for (const x of [first, ...others]) x.dispose()
    return values
  }
  return { call }
}
const product = (n) => () => caseOf(tf.matMul, ...[0, 1].map((t) => tensor({ shape: [n, n], data: numbers([n, n], t) })))

const layerNorm = (scale, x, eps = 1e-5) => {
  const { mean, variance } = tf.moments(x, -1, true)
  return x.sub(mean).mul(variance.add(eps).rsqrt()).mul(scale)
}
const gelu = (x) =>
  x.mul(0.5).mul(
    x
      .add(x.square().mul(x).mul(0.044715))
      .mul(Math.sqrt(2 / Math.PI))
      .tanh()
      .add(1),
  )
/** [B,T,H,D] each; `mask` is added to the scores. */
const attend = (q, k, v, mask) => {
  const [Q, K, V] = [q, k, v].map((x) => x.transpose([0, 2, 1, 3]))
  const scores = tf.matMul(Q, K, false, true).mul(1 / Math.sqrt(q.shape[3]))
  return tf.matMul(tf.softmax(mask ? scores.add(mask) : scores), V).transpose([0, 2, 1, 3])
}
/** 0 where a key may be seen, else -1e9, [T,T]. */
const causal = (T) =>
  tf.tensor(
    Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)),
    [T, T],
  )

const decode = ({ x, layers, g, head }) => {
  const { H, D } = decoder
  const grown = layers.map((p) => {
    const [q, k, v] = tf.split(tf.matMul(layerNorm(p.g1, x), p.qkv), 3, -1).map((y) => y.reshape([1, 1, H, D / H]))
    const [keys, values] = [tf.concat([p.k, k], 1), tf.concat([p.v, v], 1)]
    const h = x.add(tf.matMul(attend(q, keys, values).reshape([1, D]), p.proj))
    x = h.add(tf.matMul(gelu(tf.matMul(layerNorm(p.g2, h), p.up)), p.down))
    return [keys, values]
  })
  return [tf.matMul(layerNorm(g, x), head), grown]
}

const train = () => {
  const { B, D, H, T, V, eps } = model
  const params = mapLeaves(initialParams(), (x) => tensor(x).variable())
  const leaves = []
  mapLeaves(params, (x) => leaves.push(x))
  const moments = [0, 1].map(() => leaves.map((p) => tf.zeros(p.shape).variable()))
  const mask = causal(T)
  const dense = (x, w) => tf.matMul(x.reshape([B * T, -1]), w)
  const block = (p, x) => {
    const [q, k, v] = tf.split(dense(layerNorm(p.ln1.scale, x, eps), p.attn.qkv.w), 3, -1).map((y) => y.reshape([B, T, H, D / H]))
    const h = x.add(dense(attend(q, k, v, mask), p.attn.proj.w))
    return h.add(dense(gelu(dense(layerNorm(p.ln2.scale, h, eps), p.mlp.up.w)), p.mlp.down.w))
  }
  const lossOf = (tokens, targets) => {
    // A product, since gather's gradient gives other losses here.
    const embedded = tf.matMul(tf.oneHot(tokens.reshape([B * T]), V), params.wte.w)
    let x = embedded
      .reshape([B, T, D])
      .add(params.wpe.w)
      .reshape([B * T, D])
    for (const p of params.blocks) x = block(p, x)
    const logits = tf.matMul(layerNorm(params.lnF.scale, x, eps), params.wte.w, false, true)
    return tf
      .logSoftmax(logits)
      .mul(tf.oneHot(targets.reshape([B * T]), V))
      .sum()
      .mul(-1 / (B * T))
  }
  let done = 0
  const step = (tokens, targets, lr, t) =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => lossOf(tokens, targets), leaves)
      const gs = leaves.map((p) => grads[p.name])
      const norm = tf.addN(gs.map((g) => g.square().sum())).sqrt()
      const clip = tf.minimum(1, tf.div(adamw.clip, norm))
      const [c1, c2] = [adamw.b1, adamw.b2].map((b) => 1 / (1 - b ** t))
      leaves.forEach((p, i) => {
        const [m, v] = moments.map((all) => all[i])
        const g = gs[i].mul(clip)
        m.assign(m.mul(adamw.b1).add(g.mul(1 - adamw.b1)))
        v.assign(v.mul(adamw.b2).add(g.square().mul(1 - adamw.b2)))
        const u = m.mul(c1).div(v.mul(c2).sqrt().add(adamw.eps))
        p.assign(p.sub((p.rank >= 2 ? u.add(p.mul(adamw.decay)) : u).mul(lr)))
      })
      return value
    })
  const call = async () => {
    const { inputs, targets } = batch(done)
    const [x, y] = [inputs, targets].map((tokens) => tf.tensor(tokens, [B, T], 'int32'))
    const loss = step(x, y, learningRate(done), ++done)
    const values = await loss.data()
    for (const z of [x, y, loss]) z.dispose()
    return values
  }
  return { call }
}

export const makers = {
  ...matmuls(product),
  softmax: () => caseOf((x) => tf.softmax(x), tensor({ shape: rows, data: numbers(rows, 0) })),
  layerNorm: () =>
    caseOf((x, scale) => layerNorm(scale, x), ...[rows, [rows[1]]].map((shape, t) => tensor({ shape, data: numbers(shape, t) }))),
  attention: () => {
    const mask = causal(heads[1])
    return caseOf((q, k, v) => attend(q, k, v, mask), ...[0, 1, 2].map((t) => tensor({ shape: heads, data: numbers(heads, t) })))
  },
  'decode step': () => caseOf(decode, mapLeaves(decoderArrays(), tensor)),
  'train step': train,
}
