// The training step in jax-js. Operands are consumed unless `.ref` keeps them. The forms are the fastest of those that gave the right
// losses: its own standardize, dotProductAttention and take; a one-hot product for the loss, since takeAlongAxis has no gradient.
import { nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'
import { adamw, model } from '../workload.js'

const { B, D, H, T, V, eps } = model

export const layerNorm = (scale, x) => nn.standardize(x, -1, { epsilon: eps }).mul(scale)

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

export const step = (params, state, tokens, targets, lr) => {
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
