/** Where elements stand, and contractions. All throw ShapeError when axes or extents don't fit. */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { composed, dtypeOf, numberOf, refuse } from '../numpy/check.ts'
import { asIndex, scalarOf } from '../numpy/promote.ts'
import { call } from './call.ts'
import { dtype as dtypeKind, type Schema } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { isDense, isListOf } from '../core/params.ts'

/** x with its axes at `broadcastDimensions` of the shape, repeated along the others. As `lax.broadcast_in_dim`. @example lax.broadcastInDim(np.array([1, 2]), [2, 2], [0]) // [[1, 1], [2, 2]] */
export const broadcastInDim = /* @__PURE__ */ takes(
  'broadcastInDim',
  3,
  (x: Operand, shape: readonly number[], broadcastDimensions: readonly number[]): NdArray =>
    call('broadcastInDim', { shape, broadcastDimensions }, x),
)
/** The same elements, row-major, at another shape. As `lax.reshape`. @example lax.reshape(np.array([1, 2]), [2, 1]) // [[1], [2]] */
export const reshape = /* @__PURE__ */ takes('reshape', 2, (x: Operand, shape: readonly number[]): NdArray => call('reshape', { shape }, x))
/** Axes in another order. As `lax.transpose`. @example lax.transpose(np.array([[1, 2], [3, 4]]), [1, 0]) // [[1, 3], [2, 4]] */
export const transpose = /* @__PURE__ */ takes('transpose', 2, (x: Operand, permutation: readonly number[]): NdArray =>
  call('transpose', { permutation }, x),
)
/** The other way round along these axes. As `lax.rev`. @example lax.rev(np.array([1, 2, 3]), [0]) // [3, 2, 1] */
export const rev = /* @__PURE__ */ takes('rev', 2, (x: Operand, dimensions: readonly number[]): NdArray => call('rev', { dimensions }, x))
/** A window from `start` up to, not including, `limit` of every axis. As `lax.slice`. @example lax.slice(np.arange(6), [1], [6], [2]) // [1, 3, 5] */
export const slice = /* @__PURE__ */ takes(
  'slice',
  4,
  (
    x: Operand,
    startIndices: readonly number[],
    limitIndices: readonly number[],
    strides: readonly number[] = isDense(startIndices) ? startIndices.map(() => 1) : [],
  ): NdArray => call('slice', { startIndices, limitIndices, strides }, x),
)
/**
 * A value before, after and between the elements: [low, high, interior] for every axis; negative ones take away. As `lax.pad`.
 *
 * @example lax.pad(np.array([1, 2]), 0, [[1, 0, 1]]) // [0, 1, 0, 2]
 */
export const pad = /* @__PURE__ */ takes(
  'pad',
  3,
  (x: Operand, value: Operand, config: readonly (readonly [low: number, high: number, interior: number])[]): NdArray => {
    if (!isListOf(config, Array.isArray))
      refuse(ShapeError, 'pad', [x, value, config], 'the padding is [low, high, interior] for every axis')
    return call('pad', { lo: config.map((c) => c[0]), hi: config.map((c) => c[1]), interior: config.map((c) => c[2]) }, x, value)
  },
)
/** One after the other along an axis. As `lax.concatenate`. @example lax.concatenate([np.array([1]), np.array([2, 3])], 0) // [1, 2, 3] */
export const concatenate = /* @__PURE__ */ takes('concatenate', 2, (xs: readonly NdArray[], dimension: number): NdArray =>
  isDense(xs)
    ? call('concatenate', { dimension }, ...(xs as readonly NdArray[]))
    : refuse(ShapeError, 'concatenate', [xs], 'a list of arrays is needed'),
)
/** 0, 1, 2 and so on. As `lax.iota`. @example lax.iota('int32', 3) // [0, 1, 2] */
export const iota = /* @__PURE__ */ takes('iota', 2, (dtype: DType, size: number): NdArray => iotaOf('iota', dtype, [size], 0))
/** Each element's place along an axis. As `lax.broadcasted_iota`. @example lax.broadcastedIota('int32', [2, 2], 1) // [[0, 1], [0, 1]] */
export const broadcastedIota = /* @__PURE__ */ composed(
  'broadcastedIota',
  3,
  (dtype: DType, shape: readonly number[], dimension: number): NdArray => iotaOf('broadcastedIota', dtype, shape, dimension),
)
const iotaOf = (what: string, dtype: DType, shape: readonly number[], dimension: number): NdArray =>
  call('iota', { shape, dtype: dtypeOf(what, dtype), dimension })
/** One value everywhere. As `lax.full`. @example lax.full([2], 7, 'int32') // [7, 7] */
export const full = /* @__PURE__ */ composed('full', 3, (shape: readonly number[], value: number, dtype: DType = 'float32'): NdArray => {
  const of = dtypeOf('full', dtype)
  return broadcastInDim(scalarOf('full', [value, of], numberOf('full', value), of), shape, [])
})

const starts = (what: string, indices: readonly Operand[]): NdArray[] =>
  isDense(indices)
    ? indices.map((i) => asIndex(what, i))
    : refuse(ShapeError, what, [indices], 'a list of scalar indices, one for every axis, is needed')
/** A window at places known only at run time, moved to fit where it sticks out. As `lax.dynamic_slice`. @example lax.dynamicSlice(np.arange(5), [np.array(9, { dtype: 'int32' })], [2]) // [3, 4] */
export const dynamicSlice = /* @__PURE__ */ takes(
  'dynamicSlice',
  3,
  (x: Operand, startIndices: readonly Operand[], sliceSizes: readonly number[]): NdArray =>
    call('dynamicSlice', { sliceSizes }, x, ...starts('dynamicSlice', startIndices)),
)
/** x with a window replaced, placed as dynamicSlice does. As `lax.dynamic_update_slice`. @example lax.dynamicUpdateSlice(np.zeros([3]), np.ones([2]), [1]) // [0, 1, 1] */
export const dynamicUpdateSlice = /* @__PURE__ */ takes(
  'dynamicUpdateSlice',
  3,
  (x: Operand, update: Operand, startIndices: readonly Operand[]): NdArray =>
    call('dynamicUpdateSlice', {}, x, update, ...starts('dynamicUpdateSlice', startIndices)),
)

/** [[axes of lhs to sum over, axes of rhs], [batch axes of lhs, of rhs]]. */
export type DotDimensionNumbers = readonly [
  contract: readonly [lhs: readonly number[], rhs: readonly number[]],
  batch: readonly [lhs: readonly number[], rhs: readonly number[]],
]
export interface DotOptions {
  /** The dtype of the sums and of the result; default the operands'. */
  readonly preferredElementType?: DType
}
const dotOptions: Schema<DotOptions> = { preferredElementType: dtypeKind }
/**
 * Sums of products over some axes, element by element along batch axes: [...batch, ...rest of lhs, ...rest of rhs]. As `lax.dot_general`.
 *
 * @example lax.dotGeneral(np.array([[1, 2], [3, 4]]), np.array([1, 1]), [[[1], [0]], [[], []]]) // [3, 7]
 */
export const dotGeneral = /* @__PURE__ */ takesOptions(
  'dotGeneral',
  4,
  dotOptions,
  (lhs: Operand, rhs: Operand, dimensionNumbers: DotDimensionNumbers, options: DotOptions = {}): NdArray => {
    const { preferredElementType: preferred = null } = options
    if (!Array.isArray(dimensionNumbers))
      refuse(ShapeError, 'dotGeneral', [lhs, rhs, dimensionNumbers], 'axes to contract and batch are needed')
    const [contract, batch] = dimensionNumbers
    return call('dotGeneral', { contract, batch, preferred }, lhs, rhs)
  },
)
