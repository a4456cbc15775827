// jax-js's side of every case. Operands are consumed unless `.ref` keeps them. The forms are the fastest of those that gave the right
// losses: its own standardize, dotProductAttention and take; a one-hot product for the loss, since takeAlongAxis has no gradient.
// It has one thread here too: it starts workers only where a global Worker exists, and Node has none.
import { readFileSync } from 'node:fs'
import { defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'
import { numbers, rows, trainSteps } from '../cases.js'
import { adamw, batch, initialParams, learningRate, model } from '../workload.js'

const { version } = JSON.parse(readFileSync(new URL('../node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8'))
export const name = `jax-js ${version}`
if (typeof Worker !== 'undefined') throw new Error('jax-js would start workers, but one thread is what is measured')
await init('wasm')
defaultDevice('wasm')

const { B, D, H, T, V, eps } = model

const layerNorm = (scale, x) => nn.standardize(x, -1, { epsilon: eps }).mul(scale)

const attention = (p, x) => {
  const [q, k, v] = np.split(np.matmul(x, p.qkv.w), 3, -1).map((y) => y.reshape([B, T, H, D / H]))
  return np.matmul(nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([B, T, D]), p.proj.w)
}

const block = (p, x) => {
  const h = x.ref.add(attention(p.attn, layerNorm(p.ln1.scale, x)))
  const up = nn.gelu(np.matmul(layerNorm(p.ln2.scale, h.ref), p.mlp.up.w))
  return h.add(np.matmul(up, p.mlp.down.w))
}

const lossOf = (params, tokens, targets) => {
  let x = np.take(params.wte.w.ref, tokens, 0).add(params.wpe.w)
  for (const p of params.blocks) x = block(p, x)
  const logits = np.matmul(layerNorm(params.lnF.scale, x), np.transpose(params.wte.w))
  return nn
    .logSoftmax(logits, -1)
    .mul(nn.oneHot(targets, V))
    .sum()
    .mul(-1 / (B * T))
}

const step = (params, state, tokens, targets, lr) => {
  const [loss, grads] = valueAndGrad(lossOf)(tree.ref(params), tokens, targets)
  const squares = tree.leaves(tree.ref(grads)).map((g) => np.square(g).sum())
  const norm = np.sqrt(squares.reduce((a, b) => a.add(b)))
  const clip = np.minimum(1, np.reciprocal(norm).mul(adamw.clip))
  const t = state.t.add(1)
  const correction = (b) => np.reciprocal(np.subtract(1, np.exp(t.ref.mul(Math.log(b)))))
  const [c1, c2] = [correction(adamw.b1), correction(adamw.b2)]
  const [ps, def] = tree.flatten(params)
  const [gs, ms, vs] = [grads, state.m, state.v].map(tree.leaves)
  const next = ps.map((p, i) => {
    const g = gs[i].mul(clip.ref)
    const m = ms[i].mul(adamw.b1).add(g.ref.mul(1 - adamw.b1))
    const v = vs[i].mul(adamw.b2).add(np.square(g).mul(1 - adamw.b2))
    const u = m.ref.mul(c1.ref).div(np.sqrt(v.ref.mul(c2.ref)).add(adamw.eps))
    const decayed = p.ndim >= 2 ? u.add(p.ref.mul(adamw.decay)) : u
    return { p: p.sub(decayed.mul(lr.ref)), m, v }
  })
  for (const x of [clip, c1, c2, lr]) x.dispose()
  const [newParams, m, v] = ['p', 'm', 'v'].map((key) =>
    tree.unflatten(
      def,
      next.map((leaf) => leaf[key]),
    ),
  )
  return [newParams, { t, m, v }, loss]
}

const toArrays = (node, leaf) =>
  Array.isArray(node)
    ? node.map((child) => toArrays(child, leaf))
    : node.data
      ? leaf(node)
      : Object.fromEntries(Object.entries(node).map(([key, child]) => [key, toArrays(child, leaf)]))

const train = () => {
  const initial = initialParams()
  const zeros = () => toArrays(initial, ({ shape }) => np.zeros(shape))
  const scalar = (x) => np.array(x, { dtype: np.float32 })
  let params = toArrays(initial, ({ shape, data }) => np.array(data).reshape(shape))
  let state = { t: scalar(0), m: zeros(), v: zeros() }
  let done = 0
  const jitted = jit(step)
  const call = () => {
    const { inputs, targets } = batch(done)
    const [x, y] = [inputs, targets].map((tokens) => np.array(tokens).reshape([B, T]))
    let loss
    ;[params, state, loss] = jitted(params, state, x, y, scalar(learningRate(done++)))
    return loss.dataSync()[0]
  }
  const losses = []
  const first = () => losses.push(call())
  return { first, call, answer: () => [...losses, ...Array.from({ length: trainSteps - losses.length }, call)] }
}

/** A jitted function of arrays of these shapes. Work is lazy: a call is over when its result is ready. */
const kernel = (f, ...shapes) => {
  const jitted = jit(f)
  const args = shapes.map((shape, t) => np.array(numbers(shape, t)).reshape(shape))
  const refs = () => args.map((x) => x.ref)
  const call = async () => {
    const y = jitted(...refs())
    await y.blockUntilReady()
    y.dispose()
  }
  return { call, answer: () => jitted(...refs()).dataSync() }
}

export const makers = {
  'train step': train,
  'tiny jitted call, read': () => {
    const jitted = jit((x) => x.mul(2).add(1))
    const x = np.array([1, 2, 3])
    const call = () => jitted(x.ref).dataSync()
    return { call, answer: call }
  },
  'matmul 512': () => kernel(np.matmul, [512, 512], [512, 512]),
  'matmul 1024': () => kernel(np.matmul, [1024, 1024], [1024, 1024]),
  'softmax rows': () => kernel((x) => nn.softmax(x, -1), rows),
  layerNorm: () => kernel((x, scale) => layerNorm(scale, x), rows, [rows[1]]),
  'element-wise chain': () => kernel((x, y) => np.tanh(x.ref.mul(y.ref).add(0.5)).mul(np.exp(y)).sub(x), rows, rows),
}
