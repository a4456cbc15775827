// The one training step that every peer runs: nanoGPT's CPU recipe on parameters and tokens made by an integer hash,
// so that no peer's random generator matters and any language can repeat it.

/** L layers, H heads, D width, T context, B batch, V vocabulary. */
export const model = { L: 4, H: 4, D: 128, T: 64, B: 12, V: 65, eps: 1e-5 }

/** AdamW with decoupled decay on matrices only, after clipping by global norm. */
export const adamw = { b1: 0.9, b2: 0.99, eps: 1e-8, decay: 0.1, clip: 1 }

/** Warms up over 5 steps, so that a learning rate folded into the compiled step would show. */
export const learningRate = (step) => 1e-3 * Math.min(1, (step + 1) / 5)

/** The uint32 at flat index i of tensor t. */
const hash = (i, t) => {
  let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(t + 1, 0x85ebca77)
  h ^= h >>> 16
  h = Math.imul(h, 0x7feb352d)
  h ^= h >>> 15
  h = Math.imul(h, 0x846ca68b)
  return (h ^ (h >>> 16)) >>> 0
}

/** In [-0.04, 0.04). */
export const uniform = (i, t) => Math.fround((Math.fround((hash(i, t) >>> 8) / 2 ** 24) - 0.5) * 0.08)

/**
 * Weights [in, out] for y = x @ w, each leaf `{ shape, data }`, float32. Keys are written sorted: tensors are
 * numbered in that order. The columns of qkv are q, k, v, and each head is a contiguous slice of D/H.
 */
export const initialParams = () => {
  const { L, D, T, V } = model
  let t = 0
  const tensor = (shape, at) => ({ shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => at(i, t)), t: t++ })
  const w = (...shape) => ({ w: tensor(shape, uniform) })
  const scale = () => ({ scale: tensor([D], () => 1) })
  const block = () => ({
    attn: { proj: w(D, D), qkv: w(D, 3 * D) },
    ln1: scale(),
    ln2: scale(),
    mlp: { down: w(4 * D, D), up: w(D, 4 * D) },
  })
  return { blocks: Array.from({ length: L }, block), lnF: scale(), wpe: w(T, D), wte: w(V, D) }
}

/** Inputs and targets of one step, int32 [B,T] in row-major order. Two tokens of three follow from the one before. */
export const batch = (step) => {
  const { B, T, V } = model
  const inputs = new Int32Array(B * T)
  const targets = new Int32Array(B * T)
  for (let b = 0; b < B; b++) {
    for (let j = 0, token = 0; j <= T; j++) {
      token = j % 3 === 0 ? (hash((step * B + b) * (T + 1) + j, 1000) >>> 16) % V : (token * 7 + 3) % V
      if (j < T) inputs[b * T + j] = token
      if (j > 0) targets[b * T + j - 1] = token
    }
  }
  return { inputs, targets }
}
