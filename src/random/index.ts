/** `random`: explicit keys and JAX's bits. Threefry-2x32, counters as `jax.random` counts them. */
import type { NdArray } from '../core/array.ts'
import { aval, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import { upload } from '../core/trace.ts'

/** A key from a whole number; like `jax.random.key`. */
export const key = (seed: number): NdArray => c.randomWrap(upload(aval([2], 'uint32'), [0, seed >>> 0]))

const words = (k: NdArray): readonly [NdArray, NdArray] => {
  if (k.ndim !== 0) throw new ShapeError(`random: a single key is needed, and this is key[${k.shape.join(',')}]: use vmap over several`)
  const w = c.randomUnwrap(k)
  return [c.reshape(c.slice(w, [0], [1]), []), c.reshape(c.slice(w, [1], [2]), [])]
}

/** Both words of the block at each counter. */
const block = (k: NdArray, counter: NdArray): readonly [NdArray, NdArray] => {
  const [k0, k1] = words(k)
  const zero = c.full(counter.shape, 0, 'uint32')
  return [c.threefry(0, k0, k1, zero, counter), c.threefry(1, k0, k1, zero, counter)]
}
const keyOf = ([a, b]: readonly [NdArray, NdArray]): NdArray => {
  const column = (x: NdArray): NdArray => c.reshape(x, [...x.shape, 1])
  return c.randomWrap(c.concatenate([column(a), column(b)], a.ndim))
}
const counters = (shape: readonly number[]): NdArray => c.reshape(c.iota([sizeOf(shape)], 'uint32', 0), shape)

/** New keys: an array of `count` (or of a shape). */
export const split = (k: NdArray, count: number | readonly number[] = 2): NdArray =>
  keyOf(block(k, counters(typeof count === 'number' ? [count] : count)))
/** A key from a key and a number. */
export const foldIn = (k: NdArray, data: number): NdArray => keyOf(block(k, c.full([], data >>> 0, 'uint32')))
/** uint32 of uniform bits. */
export const bits = (k: NdArray, shape: readonly number[] = []): NdArray => c.xor(...block(k, counters(shape)))
/** float32 in [minval, maxval). */
export const uniform = (
  k: NdArray,
  shape: readonly number[] = [],
  options: { readonly minval?: number; readonly maxval?: number } = {},
): NdArray => {
  const { minval: lo = 0, maxval: hi = 1 } = options
  const mantissa = c.or(c.shiftRightLogical(bits(k, shape), c.full([], 9, 'uint32')), c.full([], 0x3f800000, 'uint32'))
  const unit = c.sub(c.bitcastConvertType(mantissa, 'float32'), c.full([], 1, 'float32'))
  if (lo === 0 && hi === 1) return unit
  const low = c.full([], lo, 'float32')
  return c.max(low, c.add(c.mul(unit, c.full([], Math.fround(Math.fround(hi) - Math.fround(lo)), 'float32')), low))
}
/** Standard normal float32. */
export const normal = (k: NdArray, shape: readonly number[] = []): NdArray => {
  const u = uniform(k, shape, { minval: -0.9999999403953552, maxval: 1 }) // nextafter(-1, 0)
  return c.mul(c.erfInv(u), c.full([], Math.SQRT2, 'float32'))
}
/** true with probability p. */
export const bernoulli = (k: NdArray, p = 0.5, shape: readonly number[] = []): NdArray => c.lt(uniform(k, shape), c.full([], p, 'float32'))
/** Standard Gumbel float32. */
export const gumbel = (k: NdArray, shape: readonly number[] = []): NdArray => {
  const u = uniform(k, shape, { minval: 1.1754943508222875e-38, maxval: 1 })
  return c.neg(c.log(c.neg(c.log(u))))
}
/** Indices drawn with the probabilities softmax(logits) along the last axis. */
export const categorical = (k: NdArray, logits: NdArray): NdArray => c.argmax(c.add(gumbel(k, logits.shape), logits), logits.ndim - 1)
