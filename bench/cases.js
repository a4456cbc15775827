// What is measured: how often each case is called, and how near the peers' answers must be before anything is timed.
import { uniform } from './workload.js'

/**
 * `rounds` alternate between the peers, `calls` are timed in each; `first`: making the case and its first call is a figure too.
 * Answers agree where |a - b| <= absolute + relative |b|: a float32 sum of k products rounds k times, each by up to 2^-24 of a partial
 * sum of size sqrt(k)/3, and the worst of k² such sums is about 5 deviations off; losses drift apart by rounding, step by step.
 */
export const cases = {
  'train step': { first: true, rounds: 8, calls: 5, relative: 2e-5, absolute: 0 },
  'tiny jitted call, read': { rounds: 6, calls: 3000, relative: 1e-6, absolute: 0 },
  'matmul 512': { rounds: 6, calls: 20, relative: 1e-5, absolute: 5e-5 },
  'matmul 1024': { rounds: 6, calls: 4, relative: 1e-5, absolute: 1e-4 },
  'softmax rows': { rounds: 6, calls: 20, relative: 1e-5, absolute: 1e-9 },
  layerNorm: { rounds: 6, calls: 20, relative: 1e-4, absolute: 1e-5 },
  'element-wise chain': { rounds: 6, calls: 20, relative: 1e-5, absolute: 1e-6 },
}

export const rows = [2048, 512] // of softmax, layerNorm and the element-wise chain
export const trainSteps = 10 // whose losses are compared

/** Numbers in [-1, 1) by hash, for array t. */
export const numbers = (shape, t) => Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => 25 * uniform(i, t))
