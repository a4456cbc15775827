/** Convolutions and reductions over windows, as `lax` and `nn` share them: padding, groups and dilation, around primitives that know none. */
import { customJvp } from '../../transforms/custom.ts'
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { atLeast, either, list, oneOf, option, type OptionKind } from '../core/options.ts'
import { isListOf } from '../core/params.ts'
import { refuse } from './check.ts'

/** Before and after an axis; negative ones take away. */
export type Pads = readonly (readonly [low: number, high: number])[]
/** So much that there is a place for every `stride` elements, the odd one after (or before, `SAME_LOWER`); none; or as given. */
export type PaddingName = 'SAME' | 'VALID' | 'SAME_LOWER'
const isPair = (x: unknown): x is Pads[number] => isListOf(x, Number.isSafeInteger) && x.length === 2
const named = oneOf('SAME', 'VALID', 'SAME_LOWER')
export const pads: OptionKind<Pads> = option(ShapeError, 'a list of [low, high] for each axis of space', (x) => isListOf(x, isPair))
export const padding: OptionKind<PaddingName | Pads> = either(named, pads)
/** Or the same before and after, of an axis or of all. */
export type EvenPadding = PaddingName | number | readonly (number | Pads[number])[]
export const evenPadding: OptionKind<EvenPadding> = either(
  either(named, atLeast(0)),
  option(ShapeError, 'a list of numbers or [low, high]', (x) => isListOf(x, (n) => Number.isSafeInteger(n) || isPair(n))),
)
export const positive: OptionKind<readonly number[]> = list(atLeast(1))
/** One for all axes of space, or one for each. */
export const each: OptionKind<number | readonly number[]> = either(atLeast(1), positive)
export const eachOf = (what: string, name: string, n: number | readonly number[], rank: number): readonly number[] =>
  typeof n === 'number' ? new Array<number>(rank).fill(n) : perAxis(what, name, n, rank)
export const perAxis = <T>(what: string, name: string, ns: readonly T[], rank: number): readonly T[] =>
  ns.length === rank ? ns : refuse(ShapeError, what, [ns], `${name} has one for each of ${rank} axes`)

const reachOf = (window: readonly number[], dilation: readonly number[]): number[] =>
  window.map((k, d) => Math.max(0, (k - 1) * dilation[d]! + 1))
/** The padding of axes of these extents under windows. As `lax.padtype_to_pads`. */
export const padsOf = (
  what: string,
  given: EvenPadding,
  extents: readonly number[],
  window: readonly number[],
  strides: readonly number[],
  dilation: readonly number[],
): Pads => {
  if (typeof given === 'number') return extents.map(() => [given, given])
  if (typeof given !== 'string') return perAxis(what, 'padding', given, extents.length).map((p) => (typeof p === 'number' ? [p, p] : p))
  if (given === 'VALID') return extents.map(() => [0, 0])
  return reachOf(window, dilation).map((reach, d) => {
    const [n, stride] = [extents[d]!, strides[d]!]
    const all = Math.max(0, (Math.ceil(n / stride) - 1) * stride + reach - n)
    const less = Math.floor(all / 2)
    return given === 'SAME' ? [less, all - less] : [all - less, less]
  })
}

export const padded = (x: NdArray, value: NdArray, pads: Pads, dilation: readonly number[]): NdArray => {
  const [lo, hi, interior] = [pads.map(([low]) => low), pads.map(([, high]) => high), dilation.map((n) => n - 1)]
  return [...lo, ...hi, ...interior].every((n) => n === 0) ? x : c.pad(x, value, lo, hi, interior)
}

export interface Convolution {
  readonly strides: readonly number[]
  readonly pads: Pads
  readonly lhsDilation: readonly number[]
  readonly rhsDilation: readonly number[]
  readonly featureGroups: number
  readonly batchGroups: number
  readonly preferred: DType | null
}
/** [N,C,…space], [O,I,…window] -> [N,O,…places]; each group of features, or of the batch, gives a group of O. */
export const convolve = (what: string, x: NdArray, w: NdArray, p: Convolution): NdArray => {
  const { strides, pads, lhsDilation, rhsDilation, featureGroups, batchGroups, preferred } = p
  const groups = featureGroups * batchGroups
  const no = (reason: string): never => refuse(ShapeError, what, [x, w], reason)
  if (featureGroups > 1 && batchGroups > 1) no('features or the batch are in groups, not both')
  const [N, C, O, I] = [x.shape[0]!, x.shape[1]!, w.shape[0]!, w.shape[1]!]
  if (N % batchGroups !== 0) no(`a batch of ${N} doesn't divide into ${batchGroups} groups`)
  if (O % groups !== 0) no(`${O} features that come out don't divide into ${groups} groups`)
  if (C !== I * featureGroups) no(`${C} features come in, and ${I} meet the window, in ${featureGroups} groups`)
  const none = [...lhsDilation, 1, 1].map((): Pads[number] => [0, 0])
  const xs = padded(x, c.lit(x, 0), none, [1, 1, ...lhsDilation])
  const space = xs.shape.slice(2)
  const grouped =
    batchGroups > 1 ? c.reshape(xs, [groups, N / groups, C, ...space]) : c.moveAxis(c.reshape(xs, [N, groups, C / groups, ...space]), 1, 0)
  const weights = c.reshape(w, [groups, O / groups, I, ...w.shape.slice(2)])
  const over = { strides, dilation: rhsDilation, lo: pads.map(([low]) => low), hi: pads.map(([, high]) => high) }
  const out = c.moveAxis(c.convGeneralDilated(grouped, weights, over, preferred), 0, 1)
  return c.reshape(out, [out.shape[0]!, O, ...out.shape.slice(3)])
}

export type Monoid = 'sum' | 'max' | 'min'
export interface Windows {
  readonly window: readonly number[]
  readonly strides: readonly number[]
  readonly dilation: readonly number[]
}
const overWindows = (x: NdArray, { window, strides, dilation }: Windows): NdArray => c.windows(x, window, strides, dilation)
const windowAxes = (x: NdArray): number[] => c.range(x.ndim).map((d) => x.ndim + d)

/** The greatest or the least of each window; the tangent is that of the first of them. */
const extremes: (x: NdArray, of: string) => NdArray = /* @__PURE__ */ customJvp(
  (x: NdArray, of: string): NdArray => extremesOf(x, JSON.parse(of) as Extremes),
  (of: string, [x], [dx]) => {
    const p = JSON.parse(of) as Extremes
    const [all, out, axes] = [overWindows(x, p), extremes(x, of), windowAxes(x)]
    const spread = (y: NdArray): NdArray => c.broadcastInDim(y, all.shape, c.range(x.ndim))
    const places = axes.reduce<NdArray>(
      (sum, d) => {
        const place = c.iota(all.shape, 'int32', d)
        return c.add(c.mul(sum, c.lit(sum, all.shape[d]!)), place)
      },
      c.full(all.shape, 0, 'int32'),
    )
    const first = c.reduceMin(c.select(c.eq(all, spread(out)), places, c.full(all.shape, 2 ** 31 - 1, 'int32')), axes)
    const moved = overWindows(dx, p)
    return [out, c.reduceSum(c.select(c.eq(places, spread(first)), moved, c.zerosLike(moved.aval)), axes)]
  },
  { nondiffArgnums: [1] },
)
interface Extremes extends Windows {
  readonly max: boolean
}
const extremesOf = (x: NdArray, p: Extremes): NdArray => (p.max ? c.reduceMax : c.reduceMin)(overWindows(x, p), windowAxes(x))

/** Over windows of all axes of an array that is padded. */
export const reduceWindows = (x: NdArray, monoid: Monoid, { window, strides, dilation }: Windows): NdArray =>
  monoid === 'sum'
    ? c.reduceSum(overWindows(x, { window, strides, dilation }), windowAxes(x))
    : extremes(x, JSON.stringify({ window, strides, dilation, max: monoid === 'max' } satisfies Extremes))
