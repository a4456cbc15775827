// jax-js's side of every case. Operands are consumed unless `.ref` keeps them.
// It has one thread here too: it starts workers only where a global Worker exists, and Node has none.
import { readFileSync } from 'node:fs'
import { defaultDevice, init, jit, nn, numpy as np } from '@jax-js/jax'
import { numbers, rows, trainSteps } from '../cases.js'
import { batch, initialParams, learningRate, model } from '../workload.js'
import { layerNorm, step } from './jaxjsStep.js'

const { version } = JSON.parse(readFileSync(new URL('../node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8'))
export const name = `jax-js ${version}`
if (typeof Worker !== 'undefined') throw new Error('jax-js would start workers, but one thread is what is measured')
await init('wasm')
defaultDevice('wasm')

const { B, T } = model

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
