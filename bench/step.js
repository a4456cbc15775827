// The training step of two builds, one after the other in processes of their own: `node bench/step.js OLD/dist NEW/dist [pairs]`.
// CPU milliseconds of the first call (traced and compiled) and of the steps after it, and the losses, which must agree.
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { adamw, batch, initialParams, learningRate, model } from './workload.js'

const STEPS = 40

const one = async (dist) => {
  const { jit, np, optim, tree, valueAndGrad } = await import(`${dist}/src/index.js`)
  const { gpt } = await import(`${dist}/src/models/index.js`)
  const optimizer = optim.chain(
    optim.clipByGlobalNorm(adamw.clip),
    optim.adamw({
      lr: 1,
      ...only(adamw, ['b1', 'b2', 'eps']),
      weightDecay: adamw.decay,
      mask: (params) => tree.map((p) => p.ndim > 1, params),
    }),
  )
  const step = jit(
    (params, state, x, y, lr) => {
      const [loss, grads] = valueAndGrad((p) => gpt.loss(p, x, y, { heads: model.H }))(params)
      const [updates, next] = optimizer.update(grads, state, params, { lr })
      return [optim.applyUpdates(params, updates), next, loss]
    },
    { donateArgnums: [0, 1] },
  )
  const arrays = (node) =>
    Array.isArray(node) ? node.map(arrays) : node.data ? np.array(node.data, { shape: node.shape }) : Object.fromEntries(Object.entries(node).map(([k, v]) => [k, arrays(v)])) // prettier-ignore
  let params = arrays(initialParams())
  let state = optimizer.init(params)
  const ids = (data) => np.array(data, { shape: [model.B, model.T] })
  const cpu = () => process.cpuUsage().user / 1000
  const times = []
  const losses = []
  for (let i = 0; i <= STEPS; i++) {
    const { inputs, targets } = batch(i)
    const [x, y] = [ids(inputs), ids(targets)]
    const [start, before] = [performance.now(), cpu()]
    let loss
    ;[params, state, loss] = step(params, state, x, y, learningRate(i))
    losses.push(loss.item())
    times.push([performance.now() - start, cpu() - before])
  }
  const [first, ...rest] = times
  const sorted = rest.map(([ms]) => ms).sort((a, b) => a - b)
  return { first: first[1], wall: first[0], best: sorted[0], median: sorted[STEPS / 2], loss: losses.at(-1) }
}
const only = (object, keys) => Object.fromEntries(keys.map((key) => [key, object[key]]))

if (process.argv[2] === '--one') console.log(JSON.stringify(await one(process.argv[3])))
else {
  const builds = process.argv.slice(2, 4).map((dist) => resolve(dist))
  const pairs = Number(process.argv[4] ?? 7)
  const runs = builds.map(() => [])
  for (let i = 0; i < pairs; i++)
    builds.forEach((dist, k) => runs[k].push(JSON.parse(execFileSync(process.execPath, [fileURLToPath(import.meta.url), '--one', dist], { encoding: 'utf8' })))) // prettier-ignore
  const summary = (key) =>
    runs.map((own) => own.map((run) => run[key]).sort((a, b) => a - b)).map((sorted) => [sorted[0], sorted[sorted.length >> 1]])
  for (const key of ['first', 'wall', 'best', 'median']) {
    const [[oldBest, oldMiddle], [newBest, newMiddle]] = summary(key)
    console.log(`${key.padEnd(7)} old ${oldBest.toFixed(1)} (median ${oldMiddle.toFixed(1)}) new ${newBest.toFixed(1)} (${newMiddle.toFixed(1)}) ms: ${(newBest / oldBest).toFixed(3)} (${(newMiddle / oldMiddle).toFixed(3)})`) // prettier-ignore
  }
  console.log(`loss after ${STEPS} steps: ${runs.map((own) => own[0].loss).join(' and ')}`)
}
