// Cotangent's side of every case, with its public API.
import { readFileSync } from 'node:fs'
import { init, jit, nn, np } from 'cotangent'
import { numbers, rows, trainSteps } from '../cases.js'
import { batch, initialParams, learningRate, model } from '../workload.js'
import { optimizer, step, toArrays } from './cotangentStep.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
export const name = `cotangent ${version}`
await init({ device: 'wasm' })

const { B, T } = model
const train = () => {
  let params = toArrays(initialParams())
  let state = optimizer.init(params)
  let done = 0
  const jitted = jit(step, { donateArgnums: [0, 1] })
  const call = () => {
    const { inputs, targets } = batch(done)
    const [x, y] = [inputs, targets].map((tokens) => np.array(tokens, { shape: [B, T] }))
    let loss
    ;[params, state, loss] = jitted(params, state, x, y, learningRate(done++))
    return loss.item()
  }
  const losses = []
  const first = () => losses.push(call())
  return { first, call, answer: () => [...losses, ...Array.from({ length: trainSteps - losses.length }, call)] }
}

/** A jitted function of arrays of these shapes. */
const kernel = (f, ...shapes) => {
  const jitted = jit(f)
  const args = shapes.map((shape, t) => np.array(numbers(shape, t), { shape }))
  return { call: () => jitted(...args).dispose(), answer: () => jitted(...args).toTyped() }
}

export const makers = {
  'train step': train,
  'tiny jitted call, read': () => {
    const jitted = jit((x) => x.mul(2).add(1))
    const x = np.array([1, 2, 3])
    const call = () => jitted(x).toTyped()
    return { call, answer: call }
  },
  'matmul 512': () => kernel(np.matmul, [512, 512], [512, 512]),
  'matmul 1024': () => kernel(np.matmul, [1024, 1024], [1024, 1024]),
  'softmax rows': () => kernel(nn.softmax, rows),
  layerNorm: () => kernel((x, scale) => nn.layerNorm({ scale }, x), rows, [rows[1]]),
  'element-wise chain': () => kernel((x, y) => np.tanh(x.mul(y).add(0.5)).mul(np.exp(y)).sub(x), rows, rows),
}
