/** What is linear by its parameters, ours or PyTorch's: shared by the layers that have such a part. */
import { NdArray } from '../core/array.ts'
import { dotGeneral } from '../core/constructors.ts'
import { computedIn, type DType, isHalf } from '../core/dtype.ts'
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts'
import { array, type OptionKind, optionsOf, record, type Schema } from '../core/options.ts'
import { refuse, show } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asArray, numeric, promoted, promoteTypes } from '../numpy/promote.ts'
import { Weight, weightKind } from './weight.ts'

/** Ours, or PyTorch's: x w + b, or x weightᵀ + bias. */
export type LinearParams =
  | {
      readonly w: NdArray // [I,O]
      readonly b?: NdArray // [O]
    }
  | {
      readonly weight: NdArray | Weight // [O,I]
      readonly bias?: NdArray // [O]
    }
/** Of either convention: only looking tells which. */
interface EitherLinear {
  readonly w?: NdArray
  readonly b?: NdArray
  readonly weight?: NdArray | Weight
  readonly bias?: NdArray
}
const linearParams: Schema<EitherLinear> = { w: array, b: array, weight: weightKind, bias: array }
/** As a part of other parameters. */
export const linearKind = record(linearParams) as OptionKind<LinearParams>

/** Parameters that were looked at: a matrix [I,O], or [O,I] by rows, and a bias [O]. */
export interface Linear {
  readonly matrix: NdArray | Weight
  readonly byRows: boolean
  readonly bias: NdArray | undefined
}
/** Of one convention, whichever. */
export const linearOf = (what: string, p: LinearParams): Linear => {
  const own: EitherLinear = optionsOf<EitherLinear>(what, linearParams, p, 'parameter')
  const [ours, theirs] = [['w', 'b'] as const, ['weight', 'bias'] as const].map((names) => names.filter((name) => own[name] !== undefined))
  const ways = 'give { w, b } or, as PyTorch has them, { weight, bias }'
  if (ours!.length > 0 && theirs!.length > 0)
    throw new ArgumentError(`${what}: the parameters ${[...ours!, ...theirs!].join(', ')} are of two conventions: ${ways}`)
  const matrix = own.w ?? own.weight
  if (matrix === undefined) throw new ArgumentError(`${what}: the parameter w or weight is needed: ${ways}`)
  return { matrix, byRows: own.w === undefined, bias: own.b ?? own.bias }
}
/** Where its numbers themselves are needed. */
export const denseOf = (what: string, own: Linear): Linear & { readonly matrix: NdArray } => {
  const { matrix } = own
  if (matrix instanceof NdArray) return { ...own, matrix }
  throw new DTypeError(`${what}: a weight ${show(matrix)} isn't an array: make one of it`)
}
/** I and O; null where the matrix is none. */
export const extentsOf = ({ matrix: { shape }, byRows }: Linear): readonly [into: number, out: number] | null =>
  shape.length !== 2 ? null : byRows ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!]
/** The dtype that the layer's result has. */
export const linearDtype = (what: string, { matrix, bias }: Linear, x: NdArray): DType =>
  [matrix, ...(bias === undefined ? [] : [bias])].reduce((a, { dtype }) => promoteTypes(a, dtype).dtype, asArray(what, x).dtype)

/** x weightᵀ with no transposed copy: [...,I], [O,I] -> [...,O]. */
const timesRows = (what: string, x: NdArray, weight: NdArray, preferred: DType | null): NdArray => {
  const [a, m] = promoted(what, [x, weight]).map(numeric) as [NdArray, NdArray]
  if (m.ndim !== 2 || a.ndim === 0 || a.shape.at(-1) !== m.shape[1])
    refuse(ShapeError, what, [m, a], 'a weight [O,I] meets an input [...,I]')
  return dotGeneral(a, m, [[a.ndim - 1], [1]], [[], []], preferred)
}
const timesWeight = (what: string, x: NdArray, weight: Weight, preferred: DType | null): NdArray => {
  const [out, into] = weight.shape
  if (x.ndim === 0 || x.shape.at(-1) !== into) refuse(ShapeError, what, [x], `a weight [${out},${into}] meets an input [...,${into}]`)
  const y = weight.matmul(x, preferred)
  const wanted = [...x.shape.slice(0, -1), out]
  if (!(y instanceof NdArray) || y.shape.join() !== wanted.join())
    throw new ShapeError(`${what}: the weight's matmul gives ${show(y)}, and [${wanted.join(',')}] was expected`)
  return y
}
/** The product without the bias: sums of 16-bit floats are rounded, or `wide`. */
export const linearProduct = (what: string, { matrix, byRows }: Linear, x: NdArray, wide: boolean): NdArray => {
  const to = promoteTypes(asArray(what, x).dtype, matrix.dtype).dtype
  const preferred = wide && isHalf(to) ? computedIn(to) : null
  if (matrix instanceof Weight) return timesWeight(what, asArray(what, x), matrix, preferred)
  if (byRows) return timesRows(what, x, matrix, preferred)
  return np.matmul(x, matrix, preferred === null ? {} : { preferredElementType: preferred })
}
/** x w + b, in float32 where it is of 16-bit floats: whoever calls rounds. [...,I] -> [...,O] */
export const wideLinear = (what: string, own: Linear, x: NdArray): NdArray => {
  const y = linearProduct(what, own, x, true)
  return own.bias === undefined ? y : np.add(y, own.bias)
}
