/** The loss of a language model's head, without ever holding all of its logits. */
import { checkpoint } from '../../transforms/checkpoint.ts'
import type { NdArray } from '../core/array.ts'
import { convertElementType, pad, reshape, lit, slice } from '../core/constructors.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { atLeast, number, type Schema } from '../core/options.ts'
import { map } from '../lax/loops.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asFloat } from '../numpy/promote.ts'
import { countedOf, type CrossEntropyOptions, crossEntropyOptions, labelsOf, rowLosses } from './crossEntropy.ts'
import { extentsOf, linearDtype, linearOf, type LinearParams, wideLinear } from './linear.ts'
import { reduced } from './reduction.ts'

export interface LinearCrossEntropyOptions extends CrossEntropyOptions {
  /** Rows whose logits are held at once; default as many as have 2²⁴ logits. */
  readonly chunk?: number
  /** Logits become softcap · tanh(logits / softcap): Gemma 2's. Default: they stay. */
  readonly softcap?: number
}
const linearCrossEntropyOptions: Schema<LinearCrossEntropyOptions> = { chunk: atLeast(1), softcap: number, ...crossEntropyOptions }
/** 64 MiB of float32. */
const LOGITS = 2 ** 24

/**
 * `crossEntropy(linear(p, hidden), labels)` with the same options, chunk by chunk of the rows, each computed again for its derivative: float
 * [...,D], int [...] -> [...]. Memory for logits is a chunk's, in the value and in the gradient, however many rows there are. The logits of
 * 16-bit floats stay float32.
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
    const own = linearOf(what, p)
    const { chunk, softcap } = options
    if (softcap !== undefined && !(softcap > 0)) throw new ArgumentError(`${what}: softcap is positive, and got ${softcap}`)
    const x = asFloat(what, hidden)
    if (x.ndim === 0) refuse(ShapeError, what, [x], 'rows [...,D] are needed')
    const y = labelsOf(what, x, labels)
    const [, V] = extentsOf(own) ?? refuse(ShapeError, what, [own.matrix, x], 'the weight is no matrix')
    const [N, D] = [y.size, x.shape.at(-1)!]

    const losses = (h: NdArray, of: NdArray): NdArray => {
      const z = wideLinear(what, own, h) // [C,V]
      return rowLosses(softcap === undefined ? z : np.mul(np.tanh(np.div(z, softcap)), softcap), of, options)
    }
    const turns = Math.ceil(N / (chunk ?? Math.max(1, Math.floor(LOGITS / Math.max(1, V)))))
    const each = turns <= 1 ? losses(reshape(x, [N, D]), reshape(y, [N])) : inTurns(losses, reshape(x, [N, D]), reshape(y, [N]), turns)
    const all = reduced(reshape(each, y.shape), options.reduction, countedOf(y, options))
    return convertElementType(all, linearDtype(what, own, x))
  },
)

/** f of rows [N,D] and [N], as many turns of equally many; the last may be filled up. */
const inTurns = (f: (h: NdArray, y: NdArray) => NdArray, x: NdArray, y: NdArray, turns: number): NdArray => {
  const [N, D] = x.shape as readonly [number, number]
  const C = Math.ceil(N / turns)
  const more = turns * C - N
  const rows = more === 0 ? x : pad(x, lit(x, 0), [0, 0], [more, 0])
  const labels = more === 0 ? y : pad(y, lit(y, 0), [0], [more])
  const again = checkpoint(f)
  const each = map(([h, l]: readonly [NdArray, NdArray]) => again(h, l), [
    reshape(rows, [turns, C, D]),
    reshape(labels, [turns, C]),
  ] as const)
  return slice(reshape(each, [turns * C]), [0], [N])
}
