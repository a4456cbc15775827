/** Rotary position embeddings (Su et al. 2021) with the ways of stretching them that released models use. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { array, atLeast, needed, number, option, optionsOf, type Schema } from '../core/options.ts'
import { show } from '../core/show.ts'
import { composed, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asFloat, asIndex } from '../numpy/promote.ts'

/** How the frequencies of a model that was trained on `context` positions are stretched to more of them. */
export type RopeScaling =
  /** All divided by the factor (Chen et al. 2023). */
  | { readonly kind: 'linear'; readonly factor: number }
  /** The base grows with what is beyond the context ("NTK-aware", bloc97 2023). */
  | { readonly kind: 'dynamic'; readonly factor: number; readonly context: number }
  /** The slow ones divided, the fast ones kept, a ramp between them (Peng et al. 2023). */
  | {
      readonly kind: 'yarn'
      readonly factor: number
      readonly context: number
      /** Of the cosines and sines; default 0.1 ln factor + 1. */
      readonly attentionFactor?: number
      /** Turns within the context above which a frequency is kept; default 32. */
      readonly fast?: number
      /** Turns below which it is divided whole; default 1. */
      readonly slow?: number
      /** Whether the ramp begins and ends at whole frequencies; default true. */
      readonly truncate?: boolean
    }
  /** A divisor for each frequency, one list within the context and one beyond (Ding et al. 2024). */
  | {
      readonly kind: 'longrope'
      readonly short: readonly number[]
      readonly long: readonly number[]
      readonly context: number
      readonly attentionFactor: number
    }
  /** By wavelength: long ones divided, short ones kept, a ramp between them (Llama 3.1). */
  | { readonly kind: 'llama3'; readonly factor: number; readonly context: number; readonly low: number; readonly high: number }

export interface Rope {
  /** θ: frequency i is base^(-2i/dims). */
  readonly base: number
  /** How many of a head's numbers turn, from the first on; even. */
  readonly dims: number
  /** Of which so many have a frequency above 0, counted in pairs, and the exponent's divisor is `dims`; default all ("proportional", Gemma 4). */
  readonly turning?: number
  readonly scaling?: RopeScaling
}
/** Cosines and sines of every position's angles: float32 [...,dims/2] each. */
export interface Rotation {
  readonly cos: NdArray
  readonly sin: NdArray
}

const { log, PI } = Math
/** base^(-2i/dims), stretched; what depends on how far positions go is a function of the greatest plus 1. */
const frequencies = ({ base, dims, turning = dims / 2, scaling }: Rope, furthest: () => NdArray): NdArray | readonly number[] => {
  const powers = (of: number): number[] => c.range(dims / 2).map((i) => (i < turning ? of ** ((-2 * i) / dims) : 0))
  const plain = powers(base)
  switch (scaling?.kind) {
    case undefined:
      return plain
    case 'linear':
      return plain.map((f) => f / scaling.factor)
    case 'dynamic': {
      const reach = np.maximum(furthest(), scaling.context)
      const grown = np.sub(np.mul(reach, scaling.factor / scaling.context), scaling.factor - 1)
      return np.mul(np.array(plain), np.pow(grown, np.array(c.range(dims / 2).map((i) => (-2 * i) / Math.max(dims - 2, 1)))))
    }
    case 'yarn': {
      const { factor, context, fast = 32, slow = 1, truncate = true } = scaling
      const at = (turns: number): number => (dims * log(context / (turns * 2 * PI))) / (2 * log(base))
      const [first, last] = truncate ? [Math.floor(at(fast)), Math.ceil(at(slow))] : [at(fast), at(slow)]
      const [low, high] = [Math.max(first, 0), Math.min(last, dims - 1)]
      return plain.map((f, i) => {
        const divided = Math.min(Math.max((i - low) / (high === low ? 0.001 : high - low), 0), 1)
        return (f / factor) * divided + f * (1 - divided)
      })
    }
    case 'longrope': {
      const of = (factors: readonly number[]): NdArray => np.array(plain.map((f, i) => f / factors[i]!))
      return np.where(np.greater(furthest(), scaling.context), of(scaling.long), of(scaling.short))
    }
    case 'llama3': {
      const { factor, context, low, high } = scaling
      return plain.map((f) => {
        const turns = (context * f) / (2 * PI) // within the context
        const kept = Math.min(Math.max((turns - low) / (high - low), 0), 1)
        return (1 - kept) * (f / factor) + kept * f
      })
    }
  }
}
const amplitude = (scaling: RopeScaling | undefined): number =>
  scaling?.kind === 'longrope'
    ? scaling.attentionFactor
    : scaling?.kind === 'yarn'
      ? (scaling.attentionFactor ?? (scaling.factor <= 1 ? 1 : 0.1 * log(scaling.factor) + 1))
      : 1

const KINDS: readonly unknown[] = ['linear', 'dynamic', 'yarn', 'longrope', 'llama3'] satisfies readonly RopeScaling['kind'][]
const isScaling = (x: unknown): x is RopeScaling =>
  typeof x === 'object' && x !== null && KINDS.includes((x as { readonly kind?: unknown }).kind)
const rotationOptions: Schema<Rotation> = { cos: needed(array), sin: needed(array) }
const ropeOptions: Schema<Rope> = {
  base: needed(number),
  dims: needed(atLeast(2)),
  turning: atLeast(0),
  scaling: option(ArgumentError, `an object whose kind is one of ${KINDS.join(', ')}`, isScaling),
}
/**
 * What turns queries and keys at these positions: int [...] -> cosines and sines [...,dims/2], float32.
 *
 * @example nn.rotary(np.arange(2), { base: 10000, dims: 2 }).cos // [[1], [0.5403023]]
 * @throws ShapeError when the dims are odd; ArgumentError for a rope that isn't one
 */
export const rotary = /* @__PURE__ */ composed('nn.rotary', 2, (positions: NdArray, rope: Rope): Rotation => {
  const { dims, scaling } = optionsOf('nn.rotary', ropeOptions, rope)
  if (dims % 2 !== 0) throw new ShapeError(`nn.rotary: dims ${dims} is odd, and pairs are turned`)
  const at = np.astype(asIndex('nn.rotary', positions), 'float32')
  const turns = frequencies(rope, () => np.add(np.max(at), 1))
  const angles = np.mul(np.expandDims(at, -1), Array.isArray(turns) ? np.array(turns as number[]) : (turns as NdArray)) // [...,dims/2]
  const wide = amplitude(scaling)
  const [cos, sin] = [np.cos(angles), np.sin(angles)]
  return wide === 1 ? { cos, sin } : { cos: np.mul(cos, wide), sin: np.mul(sin, wide) }
})

/**
 * x with the first dims of every head turned, number i with number i + dims/2, as released models have it: [B,T,H,D] with a rotation of [B,T]
 * (or [T]) -> [B,T,H,D]. Computed in float32.
 *
 * @example nn.rotate(np.ones([1, 1, 1, 2]), nn.rotary(np.zeros([1, 1], 'int32'), { base: 10000, dims: 2 })) // [[[[1, 1]]]]
 * @throws ShapeError when the rotation has other positions than x, or turns more than a head has
 */
export const rotate = /* @__PURE__ */ composed('nn.rotate', 2, (x: NdArray, rotation: Rotation): NdArray => {
  const given = asFloat('nn.rotate', x)
  const { cos, sin } = optionsOf('nn.rotate', rotationOptions, rotation)
  const [half, D] = [cos.shape.at(-1) ?? 0, given.shape.at(-1) ?? 0]
  if (given.ndim < 3 || 2 * half > D || cos.shape.join() !== sin.shape.join())
    refuse(
      ShapeError,
      'nn.rotate',
      [given, cos, sin],
      `pairs of ${show(D)} numbers a head are turned by cosines and sines of at most half as many`,
    )
  const part = (from: number, to: number): NdArray =>
    c.slice(given, [...given.shape.slice(0, -1).map(() => 0), from], [...given.shape.slice(0, -1), to])
  const [a, b] = [c.widened(part(0, half)), c.widened(part(half, 2 * half))]
  const [p, q] = [np.expandDims(cos, -2), np.expandDims(sin, -2)] // over the heads
  const turned = [np.sub(np.mul(a, p), np.mul(b, q)), np.add(np.mul(b, p), np.mul(a, q))]
  const rest = 2 * half < D ? [part(2 * half, D)] : []
  return np.concatenate([...turned.map((y) => c.convertElementType(y, given.dtype)), ...rest], -1)
})
