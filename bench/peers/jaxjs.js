import { init, defaultDevice, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'
import { model, adamw } from '../workload.js'
export const name = 'jax-js 0.1.25'
const { H, D, T, B, V, eps } = model
const V_ = process.env
const layerNorm = (scale, x) => V_.LN === 'manual' ? (() => {
  const c = x.ref.sub(np.mean(x, -1, { keepdims: true }))
  const va = np.mean(np.square(c.ref), -1, { keepdims: true })
  return c.div(np.sqrt(va.add(eps))).mul(scale)
})() : nn.standardize(x, -1, { epsilon: eps }).mul(scale)

const attention = (p, x) => {
  const [q, k, v] = np.split(np.matmul(x, p.qkv.w), 3, -1).map((y) => y.reshape([B, T, H, D / H]))
  if (V_.ATT === 'manual') {
    const tr = (y) => np.transpose(y, [0, 2, 1, 3])
    const s = np.matmul(tr(q), np.transpose(k, [0, 2, 3, 1])).mul(1 / Math.sqrt(D / H))
    const a = nn.softmax(np.where(np.tri(T, T, 0, { dtype: np.bool }), s, -Infinity), -1)
    return np.matmul(np.transpose(np.matmul(a, tr(v)), [0, 2, 1, 3]).reshape([B, T, D]), p.proj.w)
  }
  return np.matmul(nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([B, T, D]), p.proj.w)
}
const block = (p, x) => {
  const h = x.ref.add(attention(p.attn, layerNorm(p.ln1.scale, x)))
  const up = nn.gelu(np.matmul(layerNorm(p.ln2.scale, h.ref), p.mlp.up.w))
  return h.add(np.matmul(up, p.mlp.down.w))
}
const embed = (w, tokens) => V_.EMB === 'onehot' ? np.matmul(nn.oneHot(tokens, V), w) : np.take(w, tokens, 0)
const lossFn = (params, tokens, targets) => {
  let x = embed(params.wte.w.ref, tokens).add(params.wpe.w)
  for (const p of params.blocks) x = block(p, x)
  const logits = np.matmul(layerNorm(params.lnF.scale, x), np.transpose(params.wte.w))
  const lp = nn.logSoftmax(logits, -1)
  if (V_.CE === 'onehot') return lp.mul(nn.oneHot(targets, V)).sum().mul(-1 / (B * T))
  return np.mean(np.takeAlongAxis(lp, targets.reshape([B, T, 1]), -1)).neg()
}
const step = (params, state, tokens, targets, lr) => {
  const [loss, grads] = valueAndGrad(lossFn)(tree.ref(params), tokens, targets)
  const sq = tree.leaves(tree.ref(grads)).map((g) => np.square(g).sum())
  const norm = np.sqrt(sq.reduce((a, b) => a.add(b)))
  const clip = np.minimum(1, np.reciprocal(norm).mul(adamw.clip))
  const t = state.t.add(1)
  const c1 = np.reciprocal(np.subtract(1, np.exp(t.ref.mul(Math.log(adamw.b1)))))
  const c2 = np.reciprocal(np.subtract(1, np.exp(t.ref.mul(Math.log(adamw.b2)))))
  const [ps, td] = tree.flatten(params)
  const gs = tree.leaves(grads), ms = tree.leaves(state.m), vs = tree.leaves(state.v)
  const np_ = [], nm = [], nv = []
  ps.forEach((p, i) => {
    const g = gs[i].mul(clip.ref)
    const m = ms[i].mul(adamw.b1).add(g.ref.mul(1 - adamw.b1))
    const v = vs[i].mul(adamw.b2).add(np.square(g).mul(1 - adamw.b2))
    let u = m.ref.mul(c1.ref).div(np.sqrt(v.ref.mul(c2.ref)).add(adamw.eps))
    if (p.ndim >= 2) u = u.add(p.ref.mul(adamw.decay))
    np_.push(p.sub(u.mul(lr.ref))); nm.push(m); nv.push(v)
  })
  ;[clip, c1, c2, lr].forEach((x) => x.dispose())
  return [tree.unflatten(td, np_), { t, m: tree.unflatten(td, nm), v: tree.unflatten(td, nv) }, loss]
}
const toTree = (n, f) => Array.isArray(n) ? n.map((c) => toTree(c, f)) : n.data ? f(n) : Object.fromEntries(Object.entries(n).map(([k, c]) => [k, toTree(c, f)]))
export const setup = async (data) => {
  await init('wasm'); defaultDevice('wasm')
  let params = toTree(data.params, ({ shape, data }) => np.array(data).reshape(shape))
  let state = { t: np.array(0, {dtype: np.float32}), m: toTree(data.params, ({ shape }) => np.zeros(shape)), v: toTree(data.params, ({ shape }) => np.zeros(shape)) }
  const jstep = jit(step)
  return {
    step(s) {
      const { inputs, targets } = data.batch(s)
      let loss
      ;[params, state, loss] = jstep(params, state, np.array(inputs).reshape([B, T]), np.array(targets).reshape([B, T]), np.array(data.learningRate(s), {dtype: np.float32}))
      return loss.dataSync()[0]
    },
  }
}
export const tiny = () => { const f = jit((x) => x.mul(2).add(1)); let x = np.array([1, 2, 3]); return () => f(x.ref).dataSync() }
