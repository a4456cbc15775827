/** Convolutions, and reductions over windows. All throw ShapeError when extents don't fit, DTypeError when dtypes differ. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { atLeast, dtype as dtypeKind, either, flag, list, needed, oneOf, type OptionKind, type Schema, text } from '../core/options.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import { fused } from '../numpy/fused.ts'
import { anyArray, asArray } from '../numpy/promote.ts'
import { convolve, type Monoid, padded, padding as paddingKind, pads as padsKind, type PaddingName, type Pads, padsOf, perAxis, positive, reduceWindows } from '../numpy/windows.ts' // prettier-ignore

export type { PaddingName, Pads } from '../numpy/windows.ts'

/** What each axis is: N (the batch), C (features) and the axes of space for both arrays; O and I (features out and in) and space for the window. */
export type ConvDimensionNumbers = readonly [lhs: string, rhs: string, out: string]
export interface ConvOptions {
  /** One for each axis of space. */
  readonly windowStrides: readonly number[]
  readonly padding: PaddingName | Pads
  /** Distances of the input's elements, with zeros between them; default 1. */
  readonly lhsDilation?: readonly number[]
  /** And of the window's. */
  readonly rhsDilation?: readonly number[]
  /** Default ['NCHW', 'OIHW', 'NCHW'], for as many axes as there are. */
  readonly dimensionNumbers?: ConvDimensionNumbers
  /** Groups of features that meet windows of their own; default 1. */
  readonly featureGroupCount?: number
  /** Groups of the batch that do; default 1. */
  readonly batchGroupCount?: number
  /** The dtype of the sums and of the result; default the operands'. */
  readonly preferredElementType?: DType
}
const axesKind = list(text, 3) as OptionKind<ConvDimensionNumbers>
const convOptions: Schema<ConvOptions> = {
  windowStrides: needed(positive),
  padding: needed(paddingKind),
  lhsDilation: positive,
  rhsDilation: positive,
  dimensionNumbers: axesKind,
  featureGroupCount: atLeast(1),
  batchGroupCount: atLeast(1),
  preferredElementType: dtypeKind,
}

/** For each of two letters, and then for space in the window's order, the axis that it is. */
const axesOf = (what: string, spec: string, letters: string, like: string): number[] => {
  const space = [...like].filter((letter) => !'OI'.includes(letter))
  const axes = [...letters, ...space].map((letter) => spec.indexOf(letter))
  if (axes.includes(-1) || new Set(axes).size !== axes.length || spec.length !== axes.length)
    throw new ArgumentError(`${what}: the axes ${spec} aren't ${letters[0]}, ${letters[1]} and those of space in ${like}, once each`)
  return axes
}
const usual = (rank: number): ConvDimensionNumbers => {
  const space = 'HWDEFGJKLM'.slice(0, rank)
  return [`NC${space}`, `OI${space}`, `NC${space}`]
}
const operandsOf = (what: string, lhs: Operand, rhs: Operand): readonly [NdArray, NdArray, rank: number] => {
  const [x, w] = [asArray(what, lhs), asArray(what, rhs)]
  if (x.ndim !== w.ndim || x.ndim < 2 || x.ndim > 12)
    refuse(ShapeError, what, [x, w], 'both have two axes and those of space, as many of each')
  if (x.dtype !== w.dtype) refuse(DTypeError, what, [x, w], 'both must be of one dtype: convert with astype')
  return [x, w, x.ndim - 2]
}
const general = (what: string, x: NdArray, w: NdArray, rank: number, options: ConvOptions): NdArray => {
  const ones = new Array<number>(rank).fill(1)
  const { windowStrides, padding, lhsDilation = ones, rhsDilation = ones, dimensionNumbers = usual(rank) } = options
  const { featureGroupCount = 1, batchGroupCount = 1, preferredElementType: preferred = null } = options
  for (const [name, ns] of Object.entries({ windowStrides, lhsDilation, rhsDilation })) perAxis(what, name, ns, rank)
  if (typeof padding === 'string' && lhsDilation.some((n) => n > 1))
    throw new ArgumentError(
      `${what}: padding ${padding} isn't told of a dilated input: give [low, high] for each axis, or use convTranspose`,
    )
  const [lhsSpec, rhsSpec, outSpec] = dimensionNumbers
  const out = axesOf(what, outSpec, 'NC', rhsSpec)
  return fused(
    what,
    (a, b) => {
      const first = c.transpose(a, axesOf(what, lhsSpec, 'NC', rhsSpec))
      const second = c.transpose(b, axesOf(what, rhsSpec, 'OI', rhsSpec))
      const pads = padsOf(what, padding, first.shape.slice(2), second.shape.slice(2), windowStrides, rhsDilation)
      const groups = { featureGroups: featureGroupCount, batchGroups: batchGroupCount }
      const y = convolve(what, first, second, { strides: windowStrides, pads, lhsDilation, rhsDilation, ...groups, preferred })
      return c.transpose(y, c.range(rank + 2).map((axis) => out.indexOf(axis))) // prettier-ignore
    },
    x,
    w,
  )
}

/**
 * Sums of products over windows, in any number of dimensions: y[n, o, t] = Σ x[n, c, t·stride + k·dilation - low] · w[o, c, k]. The window isn't
 * turned around. As `lax.conv_general_dilated`; axes are named by letters only.
 *
 * @example lax.convGeneralDilated(np.ones([1, 1, 4]), np.ones([1, 1, 3]), { windowStrides: [1], padding: 'SAME' }) // [[[2, 3, 3, 2]]]
 */
export const convGeneralDilated = /* @__PURE__ */ composedOptions(
  'convGeneralDilated',
  3,
  convOptions,
  (lhs: Operand, rhs: Operand, options: ConvOptions): NdArray => {
    const what = 'convGeneralDilated'
    const [x, w, rank] = operandsOf(what, lhs, rhs)
    return general(what, x, w, rank, options)
  },
)

export interface PlainConvOptions {
  /** One for each axis of space; default 1. */
  readonly windowStrides?: readonly number[]
  /** Default 'VALID'. */
  readonly padding?: PaddingName | Pads
  readonly preferredElementType?: DType
}
const plainOptions: Schema<PlainConvOptions> = { windowStrides: positive, padding: paddingKind, preferredElementType: dtypeKind }
/** The same of [N,C,…space] and [O,C,…window]: [N,O,…places]. As `lax.conv`. @example lax.conv(np.ones([1, 1, 4]), np.ones([1, 1, 3])) // [[[3, 3]]] */
export const conv = /* @__PURE__ */ composedOptions(
  'conv',
  3,
  plainOptions,
  (lhs: Operand, rhs: Operand, options: PlainConvOptions = {}): NdArray => {
    const [x, w, rank] = operandsOf('conv', lhs, rhs)
    return general('conv', x, w, rank, { windowStrides: new Array<number>(rank).fill(1), padding: 'VALID', ...options })
  },
)

export interface ConvTransposeOptions {
  /** One for each axis of space: how far apart the input's elements come to stand. */
  readonly strides: readonly number[]
  /** Of the convolution that this is the transpose of, by name; or of this one. */
  readonly padding: 'SAME' | 'VALID' | Pads
  readonly rhsDilation?: readonly number[]
  /** Default ['NHWC', 'HWIO', 'NHWC'], for one to three axes of space. */
  readonly dimensionNumbers?: ConvDimensionNumbers
  /** The window is turned around and its features exchanged, as where a gradient is taken; default false. */
  readonly transposeKernel?: boolean
  readonly preferredElementType?: DType
}
const transposeOptions: Schema<ConvTransposeOptions> = {
  strides: needed(positive),
  padding: needed(either(oneOf('SAME', 'VALID'), padsKind)),
  rhsDilation: positive,
  dimensionNumbers: axesKind,
  transposeKernel: flag,
  preferredElementType: dtypeKind,
}
const usualTransposed: readonly ConvDimensionNumbers[] = [
  ['NC', 'IO', 'NC'],
  ['NHC', 'HIO', 'NHC'],
  ['NHWC', 'HWIO', 'NHWC'],
  ['NHWDC', 'HWDIO', 'NHWDC'],
]
/** What the transpose of a convolution pads by. */
const transposedPads = (k: number, stride: number, padding: 'SAME' | 'VALID'): Pads[number] => {
  const all = k + stride - 2 + (padding === 'VALID' ? Math.max(k - stride, 0) : 0)
  const low = padding === 'VALID' || stride > k - 1 ? k - 1 : Math.ceil(all / 2)
  return [low, all - low]
}
/**
 * A convolution with fractional strides, which makes its input larger. As `lax.conv_transpose`, without `use_consistent_padding`.
 *
 * @example lax.convTranspose(np.array([[[1], [2]]]), np.ones([2, 1, 1]), { strides: [2], padding: 'VALID' }) // [[[1], [1], [2], [2]]]
 */
export const convTranspose = /* @__PURE__ */ composedOptions(
  'convTranspose',
  3,
  transposeOptions,
  (lhs: Operand, rhs: Operand, options: ConvTransposeOptions): NdArray => {
    const what = 'convTranspose'
    const [x, w, rank] = operandsOf(what, lhs, rhs)
    const { strides, padding, rhsDilation = new Array<number>(rank).fill(1), transposeKernel = false, ...rest } = options
    const { dimensionNumbers = usualTransposed[rank] } = options
    if (dimensionNumbers === undefined) return refuse(ShapeError, what, [x, w], 'dimensionNumbers are needed for so many axes')
    for (const [name, ns] of Object.entries({ strides, rhsDilation })) perAxis(what, name, ns, rank)
    const spec = dimensionNumbers[1]
    const [o, i, ...space] = axesOf(what, spec, 'OI', spec) as [number, number, ...number[]]
    if (spec.length !== w.ndim) refuse(ShapeError, what, [w], `the axes ${spec} are as many as the window has`)
    const dilated = space.map((axis, d) => (w.shape[axis]! - 1) * rhsDilation[d]! + 1)
    const pads = typeof padding === 'string' ? dilated.map((k, d) => transposedPads(k, strides[d]!, padding)) : padding
    const exchanged = c.range(w.ndim).map((axis) => (axis === o ? i : axis === i ? o : axis))
    const turned = (v: NdArray): NdArray => (transposeKernel ? c.transpose(c.rev(v, space), exchanged) : v)
    const all = { windowStrides: strides.map(() => 1), padding: pads, lhsDilation: strides, rhsDilation, dimensionNumbers, ...rest }
    return fused(what, (a, b) => general(what, a, turned(b), rank, all), x, w)
  },
)

export interface ReduceWindowOptions {
  /** One for every axis, as all of these. */
  readonly windowDimensions: readonly number[]
  /** Default 1. */
  readonly windowStrides?: readonly number[]
  /** With the initial value; default 'VALID'. */
  readonly padding?: PaddingName | Pads
  /** Distances of the elements, with the initial value between them; default 1. */
  readonly baseDilation?: readonly number[]
  /** And of a window's. */
  readonly windowDilation?: readonly number[]
}
const reduceWindowOptions: Schema<ReduceWindowOptions> = {
  windowDimensions: needed(positive),
  windowStrides: positive,
  padding: paddingKind,
  baseDilation: positive,
  windowDilation: positive,
}
const monoids: readonly Monoid[] = ['sum', 'max', 'min']
/**
 * The sum, greatest or least of the initial value and each window. The derivative of an extreme is that of the first in the window. As
 * `lax.reduce_window` of `lax.add`, `lax.max` and `lax.min`.
 *
 * @example lax.reduceWindow(np.array([1, 2, 3, 4]), 0, 'sum', { windowDimensions: [2] }) // [3, 5, 7]
 * @example lax.reduceWindow(np.array([1, 4, 3, 2]), -Infinity, 'max', { windowDimensions: [2], windowStrides: [2] }) // [4, 3]
 */
export const reduceWindow = /* @__PURE__ */ composedOptions(
  'reduceWindow',
  4,
  reduceWindowOptions,
  (x: Operand, initialValue: Operand, computation: Monoid, options: ReduceWindowOptions): NdArray => {
    const what = 'reduceWindow'
    if (!monoids.includes(computation)) throw new ArgumentError(`${what}: the computation is one of ${monoids.join(', ')}`)
    const y = asArray(what, x)
    const ones = new Array<number>(y.ndim).fill(1)
    const { windowDimensions: window, windowStrides: strides = ones, padding = 'VALID' } = options
    const { baseDilation = ones, windowDilation: dilation = ones } = options
    for (const [name, ns] of Object.entries({ window, strides, baseDilation, dilation })) perAxis(what, name, ns, y.ndim)
    const start = anyArray(what, initialValue, y)
    const nothing = initialValue === { sum: 0, max: -Infinity, min: Infinity }[computation]
    const extents = y.shape.map((n, d) => Math.max(0, (n - 1) * baseDilation[d]! + 1))
    const pads = padsOf(what, padding, extents, window, strides, dilation)
    const reduced = (a: NdArray, value: NdArray): NdArray => {
      const out = reduceWindows(padded(a, value, pads, baseDilation), computation, { window, strides, dilation })
      if (nothing) return out
      const all = c.broadcastInDim(value, out.shape, [])
      return computation === 'sum' ? c.add(out, all) : computation === 'max' ? c.max(out, all) : c.min(out, all)
    }
    return typeof initialValue === 'number' ? fused(what, (a) => reduced(a, c.lit(a, initialValue)), y) : fused(what, reduced, y, start)
  },
)
