// The training step in Cotangent, with its public API.
import { np, optim, tree, valueAndGrad } from 'cotangent'
import { gpt } from 'cotangent/models'
import { adamw, model } from '../workload.js'

const { H } = model
export const optimizer = optim.chain(
  optim.clipByGlobalNorm(adamw.clip),
  optim.adamw({ lr: 1, ...adamw, weightDecay: adamw.decay, mask: (params) => tree.map((p) => p.ndim > 1, params) }),
)

export const step = (params, state, tokens, targets, lr) => {
  const [loss, grads] = valueAndGrad((p) => gpt.loss(p, tokens, targets, { heads: H }))(params)
  const [updates, next] = optimizer.update(grads, state, params, { lr })
  return [optim.applyUpdates(params, updates), next, loss]
}

/** `{ shape, data }` at the leaves as arrays. */
export const toArrays = (node) =>
  Array.isArray(node)
    ? node.map(toArrays)
    : node.data
      ? np.array(node.data, { shape: node.shape })
      : Object.fromEntries(Object.entries(node).map(([key, child]) => [key, toArrays(child)]))
