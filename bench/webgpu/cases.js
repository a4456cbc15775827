// What is measured in the page: shapes, and how near the answers must be before anything is timed (as in ../cases.js).
import { numbers, rows } from '../cases.js'

export { numbers, rows }

/** GPT-2 small's shape: one token after `past` others. A small vocabulary, since logits are one more matmul like the others. */
export const decoder = { L: 12, H: 12, D: 768, past: 512, V: 1024, eps: 1e-5 }

/** Weights of the decoder by name, and its caches, [1, past, H, D/H] each. */
export const decoderArrays = () => {
  const { L, H, D, past, V } = decoder
  let t = 0
  const small = (shape) => ({ shape, data: numbers(shape, t++).map((x) => 0.04 * x) })
  const one = (shape) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1) })
  const layers = Array.from({ length: L }, () => ({
    ...{ g1: one([D]), qkv: small([D, 3 * D]), proj: small([D, D]), g2: one([D]), up: small([D, 4 * D]), down: small([4 * D, D]) },
    ...{ k: small([1, past, H, D / H]), v: small([1, past, H, D / H]) },
  }))
  return { x: small([1, D]), layers, g: one([D]), head: small([D, V]) }
}

export const heads = [2, 512, 8, 64] // [B,T,H,D] of causal attention

/** A case for each size of matmul. */
export const matmuls = (of) => Object.fromEntries([256, 512, 1024, 2048].map((n) => [`matmul ${n}`, of(n)]))

export const cases = {
  ...matmuls((n) => ({ calls: n > 1024 ? 1 : 3, rounds: 2, relative: 1e-5, absolute: 2e-6 * n })),
  softmax: { calls: 3, rounds: 2, relative: 1e-4, absolute: 1e-8 },
  layerNorm: { calls: 3, rounds: 2, relative: 1e-4, absolute: 1e-4 },
  attention: { calls: 2, rounds: 2, relative: 1e-4, absolute: 1e-5 },
  'decode step': { calls: 2, rounds: 2, relative: 1e-3, absolute: 1e-4 },
  'train step': { calls: 1, rounds: 2, relative: 1e-4, absolute: 0 },
}
/** Steps whose losses are compared; each call is one more. */
export const trainSteps = 3
