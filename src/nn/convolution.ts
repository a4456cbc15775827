/** Convolutions and pooling in PyTorch's layout: [B,C,L], [B,C,H,W] and so on. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { isFloat, isHalf } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { array, atLeast, flag, needed, optionsOf, type Schema } from '../core/options.ts'
import { composed, composedOptions, refuse } from '../numpy/check.ts'
import { fused } from '../numpy/fused.ts'
import * as np from '../numpy/index.ts'
import { asArray, asFloat, numeric, promoted, promoteTypes } from '../numpy/promote.ts'
import { convolve, each, eachOf, evenPadding, type EvenPadding, padded, padsOf, reduceWindows, type Windows } from '../numpy/windows.ts'

export interface ConvParams {
  readonly weight: NdArray // [O,C/groups,…window]
  readonly bias?: NdArray // [O]
}
const convParams: Schema<ConvParams> = { weight: needed(array), bias: array }
export interface ConvOptions {
  /** Of all axes of space, or one for each; default 1. */
  readonly strides?: number | readonly number[]
  /** So much on both sides of all axes, a number or [low, high] for each, or by name; default 0. */
  readonly padding?: EvenPadding
  /** Distances of the window's elements; default 1. */
  readonly dilation?: number | readonly number[]
  /** Of features that meet windows of their own; default 1. */
  readonly groups?: number
}
const convOptions: Schema<ConvOptions> = { strides: each, padding: evenPadding, dilation: each, groups: atLeast(1) }

/** Operands at the dtype they meet at, f's result with a bias for each feature along `axis`, rounded once. */
const withBias = (
  what: string,
  x: NdArray,
  { weight, bias }: ConvParams,
  axis: (rank: number) => number,
  f: (x: NdArray, w: NdArray, preferred: 'float32' | null) => NdArray,
): NdArray => {
  const [a, w] = promoted(what, [asArray(what, x), weight]).map(numeric) as [NdArray, NdArray]
  if (bias === undefined) return fused(what, (y, v) => f(y, v, null), a, w)
  const wide = isHalf(a.dtype)
  if (bias.ndim !== 1 || bias.shape[0] !== w.shape[0]) refuse(ShapeError, what, [bias, w], 'a bias [O] meets a weight [O,…]')
  return fused(
    what,
    (y, v, b) => {
      const out = f(y, v, wide ? 'float32' : null)
      const along = np.add(out, c.broadcastInDim(b, out.shape, [axis(out.ndim)]))
      return wide ? c.convertElementType(along, promoteTypes(a.dtype, b.dtype).dtype) : along
    },
    a,
    w,
    bias,
  )
}

/**
 * Σ x · weight over windows, and a bias: [B,C,…space] -> [B,O,…places], in any number of dimensions. As `torch.nn.functional.conv1d`, `conv2d`, `conv3d`.
 *
 * @example nn.conv({ weight: np.ones([1, 1, 3]) }, np.array([[[1, 2, 3, 4]]]), { padding: 1 }) // [[[3, 6, 9, 7]]]
 * @throws ShapeError when extents don't fit
 */
export const conv = /* @__PURE__ */ composedOptions(
  'nn.conv',
  3,
  convOptions,
  (p: ConvParams, x: NdArray, options: ConvOptions = {}): NdArray => {
    const what = 'nn.conv'
    const own = optionsOf(what, convParams, p, 'parameter')
    const { strides: stride = 1, padding = 0, dilation: dilated = 1, groups = 1 } = options
    const y = asArray(what, x)
    const rank = y.ndim - 2
    if (rank < 0 || own.weight.ndim !== y.ndim)
      refuse(ShapeError, what, [own.weight, y], 'a weight [O,C,…window] meets an input [B,C,…space]')
    const [strides, dilation] = [eachOf(what, 'strides', stride, rank), eachOf(what, 'dilation', dilated, rank)]
    const pads = padsOf(what, padding, y.shape.slice(2), own.weight.shape.slice(2), strides, dilation)
    const shared = { strides, pads, rhsDilation: dilation, lhsDilation: strides.map(() => 1), featureGroups: groups, batchGroups: 1 }
    return withBias(what, y, own, () => 1, (a, w, preferred) => convolve(what, a, w, { ...shared, preferred })) // prettier-ignore
  },
)

export interface PoolOptions {
  /** Of all axes of space, or one for each. */
  readonly window: number | readonly number[]
  /** Default the window. */
  readonly strides?: number | readonly number[]
  /** As `nn.conv` has it; default 0. */
  readonly padding?: EvenPadding
}
const poolOptions: Schema<PoolOptions> = { window: needed(each), strides: each, padding: evenPadding }
/** x padded, and its windows over all axes. */
const pooled = (
  what: string,
  x: NdArray,
  { window: size, strides: step = size, padding = 0 }: PoolOptions,
  dilated: number | readonly number[],
  f: (x: NdArray, windows: Windows, pad: (y: NdArray, value: number) => NdArray) => NdArray,
): NdArray => {
  const y = asArray(what, x)
  const rank = y.ndim - 2
  if (rank < 0) refuse(ShapeError, what, [y], 'an input [B,C,…space] is needed')
  const [window, strides, dilation] = [
    eachOf(what, 'window', size, rank),
    eachOf(what, 'strides', step, rank),
    eachOf(what, 'dilation', dilated, rank),
  ]
  const pads = padsOf(what, padding, y.shape.slice(2), window, strides, dilation)
  const pad = (v: NdArray, value: number): NdArray => padded(v, c.lit(v, value), [[0, 0], [0, 0], ...pads], v.shape.map(() => 1)) // prettier-ignore
  const all = (ns: readonly number[]): readonly number[] => [1, 1, ...ns]
  return fused(what, (v) => f(v, { window: all(window), strides: all(strides), dilation: all(dilation) }, pad), y)
}

export interface MaxPoolOptions extends PoolOptions {
  /** Distances of the window's elements; default 1. */
  readonly dilation?: number | readonly number[]
}
/**
 * The greatest of each window: [B,C,…space] -> [B,C,…places]; padding is never it. The derivative is that of the first. As
 * `torch.nn.functional.max_pool2d`.
 *
 * @example nn.maxPool(np.array([[[1, 3, 2, 4]]]), { window: 2 }) // [[[3, 4]]]
 */
export const maxPool = /* @__PURE__ */ composedOptions(
  'nn.maxPool',
  2,
  { ...poolOptions, dilation: each } as Schema<MaxPoolOptions>,
  (x: NdArray, options: MaxPoolOptions): NdArray => {
    const { dilation = 1, ...rest } = options
    return pooled('nn.maxPool', x, rest, dilation, (y, windows, pad) =>
      reduceWindows(pad(y, isFloat(y.dtype) ? -Infinity : y.dtype === 'int32' ? -(2 ** 31) : 0), 'max', windows),
    )
  },
)

export interface AvgPoolOptions extends PoolOptions {
  /** Whether the zeros of the padding are among those averaged; default true. */
  readonly countIncludePad?: boolean
}
/**
 * The mean of each window: [B,C,…space] -> [B,C,…places]. As `torch.nn.functional.avg_pool2d`.
 *
 * @example nn.avgPool(np.array([[[1, 3, 2, 4]]]), { window: 2 }) // [[[2, 3]]]
 */
export const avgPool = /* @__PURE__ */ composedOptions(
  'nn.avgPool',
  2,
  { ...poolOptions, countIncludePad: flag } as Schema<AvgPoolOptions>,
  (x: NdArray, options: AvgPoolOptions): NdArray => {
    const { countIncludePad = true, ...rest } = options
    return pooled('nn.avgPool', asFloat('nn.avgPool', x), rest, 1, (y, windows, pad) =>
      c.roundedOnce((v) => {
        const sums = (of: NdArray): NdArray => reduceWindows(pad(of, 0), 'sum', windows)
        const count = windows.window.reduce((n, k) => n * k, 1)
        return c.div(sums(v), countIncludePad ? c.lit(v, count) : sums(c.full(v.shape, 1, v.dtype)))
      })(y),
    )
  },
)

/**
 * Patches that don't overlap, each through one linear map: [B,C,H,W] -> [B,H/P·W/P,O], with a weight [O,C,P,P]; the convolution whose stride is its
 * window. Dosovitskiy et al. 2020.
 *
 * @example nn.patchEmbed({ weight: np.ones([1, 1, 2, 2]) }, np.ones([1, 1, 2, 4])) // [[[4], [4]]]
 * @throws ShapeError when the space isn't whole patches
 */
export const patchEmbed = /* @__PURE__ */ composed('nn.patchEmbed', 2, (p: ConvParams, x: NdArray): NdArray => {
  const what = 'nn.patchEmbed'
  const own = optionsOf(what, convParams, p, 'parameter')
  const [y, { weight }] = [asArray(what, x), own]
  const [O, C, ...window] = weight.shape as [number, number, ...number[]]
  const [B, channels, ...space] = y.shape as [number, number, ...number[]]
  if (y.ndim < 3 || weight.ndim !== y.ndim || channels !== C || space.some((n, d) => !(window[d]! > 0) || n % window[d]! !== 0))
    refuse(ShapeError, what, [weight, y], 'a weight [O,C,…window] meets an input [B,C,…space] of whole windows')
  const places = space.map((n, d) => n / window[d]!)
  return withBias(what, y, own, () => 2, (a, w, preferred) => {
    const patches = c.reshape(a, [B, C, ...space.flatMap((_, d) => [places[d]!, window[d]!])]) // [B,C,H/P,P,W/P,P]
    const inside = [1, ...space.map((_, d) => 3 + 2 * d)]
    const out = c.dotGeneral(patches, w, [inside, c.range(w.ndim).slice(1)], [[], []], preferred) // [B,H/P,W/P,O]
    return c.reshape(out, [B, places.reduce((n, m) => n * m, 1), O])
  }) // prettier-ignore
})
