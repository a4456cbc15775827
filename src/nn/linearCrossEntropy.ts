/** The loss of a language model's head, without ever holding all of its logits. */
import { checkpoint } from '../../transforms/checkpoint.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { atLeast, number, type Schema } from '../core/options.ts'
import { map } from '../lax/loops.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { logOfSum, sumBelow0 } from '../numpy/logSum.ts'
import { asFloat } from '../numpy/promote.ts'
import { countedOf, type CrossEntropyOptions, crossEntropyOptions, labelsOf } from './crossEntropy.ts'
import { denseOf, extentsOf, linearDtype, linearOf, type LinearParams, wideLinear } from './linear.ts'
import { reduced } from './reduction.ts'

export interface LinearCrossEntropyOptions extends CrossEntropyOptions {
  /** Classes whose logits are held at once, at most; default as many as make 2²⁴ logits. */
  readonly chunk?: number
  /** Logits become softcap · tanh(logits / softcap): Gemma 2's. Default: they stay. */
  readonly softcap?: number
}
const linearCrossEntropyOptions: Schema<LinearCrossEntropyOptions> = { chunk: atLeast(1), softcap: number, ...crossEntropyOptions }
/** 64 MiB of float32. */
const LOGITS = 2 ** 24

/**
 * `crossEntropy(linear(p, hidden), labels)` with the same options, a chunk of the classes after the other, each computed again for its
 * derivative: float [...,D], int [...] -> [...]. Memory for logits is a chunk's, in the value and in the gradient, however many classes there
 * are. A `weight` [V,D], PyTorch's, is read as it is; a `w` [D,V] is transposed first. Logits of 16-bit floats are float32.
 *
 * @example nn.linearCrossEntropy({ weight: np.eye(2) }, np.array([[0, 0]]), np.array([1], { dtype: 'int32' })) // [0.6931472]
 * @throws ShapeError when the labels aren't of the rows' shape, or the parameters don't fit
 */
export const linearCrossEntropy = /* @__PURE__ */ composedOptions(
  'nn.linearCrossEntropy',
  4,
  linearCrossEntropyOptions,
  (p: LinearParams, hidden: NdArray, labels: Operand, options: LinearCrossEntropyOptions = {}): NdArray => {
    const what = 'nn.linearCrossEntropy'
    const { softcap, labelSmoothing: smooth = 0, reduction } = options
    if (softcap !== undefined && !(softcap > 0)) throw new ArgumentError(`${what}: softcap is positive, and got ${softcap}`)
    const x = asFloat(what, hidden)
    if (x.ndim === 0) refuse(ShapeError, what, [x], 'rows [...,D] are needed')
    const y = labelsOf(what, x, labels)
    const own = denseOf(what, linearOf(what, p))
    const { matrix, byRows, bias } = own
    const [D, V] = extentsOf(own) ?? refuse(ShapeError, what, [matrix, x], 'the weight is no matrix')
    if (D !== x.shape.at(-1) || V === 0 || (bias !== undefined && bias.shape.join() !== `${V}`))
      refuse(ShapeError, what, [matrix, ...(bias === undefined ? [] : [bias]), x], 'a weight [V,D] and a bias [V] meet rows [...,D]')

    const [rows, wanted] = [c.reshape(x, [y.size, D]), c.reshape(y, [y.size])] // [N,D], [N]
    const piece = ({ matrix, bias, first }: Piece): Sums => {
      const z = wideLinear(what, { matrix, byRows: true, bias: bias ?? undefined }, rows) // [N,C]
      const capped = softcap === undefined ? z : np.mul(np.tanh(np.div(z, softcap)), softcap)
      return sumsOf(capped, c.sub(wanted, first), smooth !== 0)
    }
    const table = byRows ? matrix : c.transpose(matrix, [1, 0])
    const size = evenly(V, options.chunk ?? Math.max(1, Math.floor(LOGITS / Math.max(1, y.size))))
    const { top, others, ties, picked, total } = together(inPieces(piece, table, bias ?? null, size))
    const target = total === null ? picked : np.add(np.mul(picked, 1 - smooth), np.mul(total, smooth / V))
    const losses = c.reshape(np.add(np.sub(top, target), logOfSum(others, ties)), y.shape)
    const counted = countedOf(y, options)
    const all = reduced(counted === undefined ? losses : np.where(counted, losses, 0), reduction, counted)
    return c.convertElementType(all, linearDtype(what, own, x))
  },
)

/** Some of the classes: their rows [C,D] and biases [C], and the number of the first. */
interface Piece {
  readonly matrix: NdArray
  readonly bias: NdArray | null
  readonly first: NdArray
}
/** Of every row over some classes, [N] each: the greatest logit, Σ e^(z - top) of the others, how many are it, the label's, and the sum. */
interface Sums {
  readonly top: NdArray
  readonly others: NdArray
  readonly ties: NdArray
  readonly picked: NdArray
  readonly total: NdArray | null
}
const sumsOf = (z: NdArray, labels: NdArray, total: boolean): Sums => {
  const top = c.stopGradient(c.reduceMax(z, [1]))
  const finite = c.isFinite(top)
  const [others, ties] = sumBelow0(np.sub(z, np.expandDims(c.select(finite, top, c.lit(top, 0)), 1)), [1])
  const hit = np.equal(c.iota(z.shape, 'int32', 1), np.expandDims(labels, 1))
  const picked = np.sum(np.where(hit, z, 0), { axis: 1 })
  return { top: c.select(finite, top, c.lit(top, -Infinity)), others, ties, picked, total: total ? np.sum(z, { axis: 1 }) : null }
}
/** The sums of all pieces, from those of each, [K,N]. */
const together = ({ top: tops, others, ties, picked, total }: Sums): Sums => {
  const greatest = c.reduceMax(tops, [0])
  const top = c.select(c.isFinite(greatest), greatest, c.lit(greatest, 0)) // [N]
  const below = np.sub(tops, top) // [K,N]
  const first = np.equal(below, 0)
  return {
    top,
    others: np.sum(np.where(first, others, np.mul(np.exp(below), np.add(others, ties))), { axis: 0 }),
    ties: np.sum(np.where(first, ties, 0), { axis: 0 }),
    picked: np.sum(picked, { axis: 0 }),
    total: total && np.sum(total, { axis: 0 }),
  }
}

/** The largest divisor of n up to `most`, unless it is below a sixteenth of that: then `most` itself, and a rest remains. */
const evenly = (n: number, most: number): number => {
  if (most >= n) return n
  for (let size = most; 16 * size >= most; size--) if (n % size === 0) return size
  return most
}
/** f of pieces of so many classes, one after the other and the rest last: [K,N] of each sum. */
const inPieces = (f: (piece: Piece) => Sums, matrix: NdArray, bias: NdArray | null, size: number): Sums => {
  const [V, D] = matrix.shape as readonly [number, number]
  const K = Math.floor(V / size)
  const of = (from: number, to: number): Piece => ({
    matrix: c.slice(matrix, [from, 0], [to, D]),
    bias: bias && c.slice(bias, [from], [to]),
    first: c.full([], from, 'int32'),
  })
  const alone = (sums: Sums): Sums => mapped(sums, (s) => c.reshape(s, [1, ...s.shape]))
  if (K === 1 && size === V) return alone(f({ matrix, bias, first: c.full([], 0, 'int32') }))
  const again: (piece: Piece) => Sums = checkpoint(f)
  const [even, evenBias] = size * K === V ? [matrix, bias] : [of(0, size * K).matrix, of(0, size * K).bias]
  const all = map((piece: Piece) => again(piece), {
    matrix: c.reshape(even, [K, size, D]),
    bias: evenBias && c.reshape(evenBias, [K, size]),
    first: np.mul(c.iota([K], 'int32', 0), size),
  })
  if (size * K === V) return all
  const rest = alone(again(of(size * K, V)))
  return mapped(all, (s, name) => c.concatenate([s, rest[name]!], 0))
}
const mapped = (sums: Sums, f: (x: NdArray, name: keyof Sums) => NdArray): Sums => ({
  ...{ top: f(sums.top, 'top'), others: f(sums.others, 'others'), ties: f(sums.ties, 'ties'), picked: f(sums.picked, 'picked') },
  total: sums.total && f(sums.total, 'total'),
})
