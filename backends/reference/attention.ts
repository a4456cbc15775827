/**
 * Attention and its gradient, score by score in float64. D = out · ct, dS = P · (dP - D), as in the flash attention papers.
 */
import { isHalf, type TypedArray } from '../../src/core/dtype.ts'
import type { Attention, AttentionGrad, AttentionShape, Strided } from '../../src/core/kernel.ts'
import { read, write } from './expr.ts'
import type { Run } from './nest.ts'
import { bitcast, threefry, widen } from './functions.ts'

const at = ({ strides, offset }: Strided, ...index: readonly number[]): number => index.reduce((sum, i, d) => sum + i * strides[d]!, offset)

/** Reads an operand at four indices. */
const reader =
  (buffers: readonly TypedArray[], strided: Strided) =>
  (...index: readonly number[]): number =>
    read(buffers[strided.arg]!, at(strided, ...index))

const toFloat = bitcast('uint32', 'float32')

/** uniform01 of the 32 bits at position i. */
const uniform = (k0: number, k1: number, i: number): number => {
  const [b0, b1] = threefry(k0, k1, 0, i)
  return toFloat((((b0 ^ b1) >>> 9) | 0x3f800000) >>> 0) - 1
}

/** Scores of a row (-Infinity where hidden), their derivatives by the uncapped ones, and the factors of dropout. */
const rows = (shape: AttentionShape, buffers: readonly TypedArray[]) => {
  const { heads, group, queries, keys, headDim, scale, softcap, left, right, dropout } = shape
  const [q, k] = [reader(buffers, shape.query), reader(buffers, shape.key)]
  const bias = shape.bias && reader(buffers, shape.bias)
  const mask = shape.mask && reader(buffers, shape.mask)
  const product = (b: number, h: number, i: number, j: number): number => {
    let sum = 0
    for (let d = 0; d < headDim; d++) sum += q(b, h, i, d) * k(b, Math.floor(h / group), j, d)
    return sum * scale
  }
  const score = (b: number, h: number, i: number, j: number): number => {
    if ((left !== null && j - i < -left) || (right !== null && j - i > right)) return Number.NEGATIVE_INFINITY
    if (mask?.(b, h, i, j) === 0) return Number.NEGATIVE_INFINITY
    const scaled = product(b, h, i, j)
    return (softcap === null ? scaled : softcap * Math.tanh(scaled / softcap)) + (bias?.(b, h, i, j) ?? 0)
  }
  const slope = (b: number, h: number, i: number, j: number): number =>
    softcap === null ? 1 : 1 - Math.tanh(product(b, h, i, j) / softcap) ** 2
  const keep = (b: number, h: number, i: number, j: number): number => {
    if (dropout === null) return 1
    const words = buffers[dropout.arg]!
    const position = ((b * heads + h) * queries + i) * keys + j
    return uniform(words[0]!, words[1]!, position) < Math.fround(1 - dropout.rate) ? 1 / (1 - dropout.rate) : 0
  }
  const over = (f: (b: number, h: number, i: number, j: number) => number) => (b: number, h: number, i: number) =>
    Array.from({ length: keys }, (_, j) => f(b, h, i, j))
  return { scores: over(score), slopes: over(slope), keeps: over(keep) }
}

const forEachRow = (shape: AttentionShape, body: (b: number, h: number, i: number) => void): void => {
  for (let b = 0; b < shape.batch; b++) for (let h = 0; h < shape.heads; h++) for (let i = 0; i < shape.queries; i++) body(b, h, i)
}

/** Buffers with 16-bit floats as numbers. */
const widened = ({ args }: Attention, buffers: readonly TypedArray[]): readonly TypedArray[] =>
  buffers.map((buffer, i) => (isHalf(args[i]!) ? Float32Array.from(buffer as Uint16Array, widen(args[i])) : buffer))

export const attention =
  (kernel: Attention): Run =>
  (given) => {
    const buffers = widened(kernel, given)
    const { group, valueDim } = kernel
    const { scores, keeps } = rows(kernel, buffers)
    const v = reader(buffers, kernel.value)
    const writes: (() => void)[] = []
    const put = (to: Strided, x: number, ...index: readonly number[]): void => {
      writes.push(() => write(buffers[to.arg]!, at(to, ...index), x))
    }
    forEachRow(kernel, (b, h, i) => {
      const s = scores(b, h, i)
      const max = s.reduce((x, y) => Math.max(x, y), Number.NEGATIVE_INFINITY)
      const hidden = max === Number.NEGATIVE_INFINITY
      const e = s.map((x) => (hidden ? 0 : Math.exp(x - max)))
      const sum = e.reduce((x, y) => x + y, 0)
      const keep = keeps(b, h, i)
      for (let d = 0; d < valueDim; d++) {
        let out = 0
        for (const [j, x] of e.entries()) if (x !== 0) out += (x / sum) * keep[j]! * v(b, Math.floor(h / group), j, d)
        put(kernel.out, out, b, h, i, d)
      }
      put(kernel.lse, hidden ? Number.NEGATIVE_INFINITY : max + Math.log(sum), b, h, i, 0)
    })
    for (const run of writes) run()
  }

export const attentionGrad =
  (kernel: AttentionGrad): Run =>
  (buffers) => {
    const { batch, heads, group, queries, keys, headDim, valueDim, scale } = kernel
    const { scores, slopes, keeps } = rows(kernel, buffers)
    const operand = (strided: Strided) => reader(buffers, strided)
    const [q, k, v, out, lse, ct] = [kernel.query, kernel.key, kernel.value, kernel.out, kernel.lse, kernel.ct].map(operand)
    const kvHeads = Math.floor(heads / group)
    const dq = new Float64Array(batch * heads * queries * headDim)
    const dk = new Float64Array(batch * kvHeads * keys * headDim)
    const dv = new Float64Array(batch * kvHeads * keys * valueDim)
    forEachRow(kernel, (b, h, i) => {
      const kv = Math.floor(h / group)
      const [s, slope, keep, l] = [scores(b, h, i), slopes(b, h, i), keeps(b, h, i), lse!(b, h, i, 0)]
      let dotted = 0
      for (let d = 0; d < valueDim; d++) dotted += out!(b, h, i, d) * ct!(b, h, i, d)
      for (let j = 0; j < keys; j++) {
        const p = s[j] === Number.NEGATIVE_INFINITY ? 0 : Math.exp(s[j]! - l)
        if (p === 0) continue
        let dp = 0
        for (let d = 0; d < valueDim; d++) {
          dp += ct!(b, h, i, d) * v!(b, kv, j, d) * keep[j]!
          dv[((b * kvHeads + kv) * keys + j) * valueDim + d]! += p * keep[j]! * ct!(b, h, i, d)
        }
        const ds = p * (dp - dotted) * slope[j]! * scale
        for (let d = 0; d < headDim; d++) {
          dq[((b * heads + h) * queries + i) * headDim + d]! += ds * k!(b, kv, j, d)
          dk[((b * kvHeads + kv) * keys + j) * headDim + d]! += ds * q!(b, h, i, d)
        }
      }
    })
    const put = (to: Strided, from: Float64Array, [n1, n2, n3]: readonly [number, number, number]): void =>
      from.forEach((x, i) => {
        const [d, rest] = [i % n3, Math.floor(i / n3)]
        write(buffers[to.arg]!, at(to, Math.floor(rest / n2 / n1), Math.floor(rest / n2) % n1, rest % n2, d), x)
      })
    put(kernel.dQuery, dq, [heads, queries, headDim])
    put(kernel.dKey, dk, [kvHeads, keys, headDim])
    put(kernel.dValue, dv, [kvHeads, keys, valueDim])
  }
