/** Keys and raw bits: threefry-2x32 with counters as `jax.random` counts them. */
import { NdArray } from '../core/array.ts'
import { aval, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { upload } from '../core/trace.ts'
import { takes } from '../core/takes.ts'
import { refuse, shapeOf, wholeOf } from '../numpy/check.ts'
import { fused } from '../numpy/fused.ts'
import { asIndex, scalarOf } from '../numpy/promote.ts'

/** A single key. */
export const keyOf = (what: string, k: unknown): NdArray =>
  !(k instanceof NdArray) || k.dtype !== 'key'
    ? refuse(DTypeError, what, [k], 'a key is needed: make one with random.key(seed)')
    : k.ndim > 0
      ? refuse(ShapeError, what, [k], 'a single key is needed: take one with k.slice(i), or use vmap over several')
      : k

/**
 * A key from a whole number of any size, modulo 2^32: [] of dtype key. As `jax.random.key`.
 *
 * @throws ShapeError when the seed isn't a whole number
 * @example random.bits(random.key(42)) // 2098992034
 */
export const key = /* @__PURE__ */ takes('random.key', 1, (seed: number): NdArray =>
  upload(aval([], 'key'), [0, wholeOf('random.key', Number.isInteger(seed) ? seed % 2 ** 32 : seed) >>> 0]),
)

/** Both words of the block at each counter. */
const block = (k: NdArray, counter: NdArray): readonly [NdArray, NdArray] => {
  const words = c.randomUnwrap(k)
  const word = (i: number): NdArray => c.reshape(c.slice(words, [i], [i + 1]), [])
  const [k0, k1] = [word(0), word(1)]
  const zero = c.full(counter.shape, 0, 'uint32')
  return [c.threefry(0, k0, k1, zero, counter), c.threefry(1, k0, k1, zero, counter)]
}
const wrap = ([a, b]: readonly [NdArray, NdArray]): NdArray => {
  const column = (x: NdArray): NdArray => c.reshape(x, [...x.shape, 1])
  return c.randomWrap(c.concatenate([column(a), column(b)], a.ndim))
}
const counters = (shape: readonly number[]): NdArray => c.reshape(c.iota([sizeOf(shape)], 'uint32', 0), shape)

/** Two uint32 of uniform bits for each element. */
export const twoWords = (k: NdArray, shape: readonly number[]): readonly [NdArray, NdArray] => block(k, counters(shape))
/** One uint32 of uniform bits for each element. */
export const words = (k: NdArray, shape: readonly number[]): NdArray => c.xor(...twoWords(k, shape))
/** New keys in an array of this shape. */
export const keys = (k: NdArray, shape: readonly number[]): NdArray => wrap(twoWords(k, shape))
/** One of some keys. */
export const pick = (ks: NdArray, i: number): NdArray => c.reshape(c.slice(ks, [i], [i + 1]), [])

/**
 * New keys that know nothing of one another: key [] -> key [count], or of a shape. As `jax.random.split`.
 *
 * @throws DTypeError when k isn't a key; ShapeError when it is several, or the count isn't whole
 * @example random.bits(random.split(random.key(42)).slice(0)) // 2277453133
 */
export const split = /* @__PURE__ */ takes('random.split', 2, (k: NdArray, count: number | readonly number[] = 2): NdArray => {
  const shape = shapeOf('random.split', typeof count === 'number' ? [count] : count)
  return fused('random.split', (one) => keys(one, shape), keyOf('random.split', k))
})

/**
 * A key from a key and a whole number or an integer scalar, such as a step's: key [] -> key []. As `jax.random.fold_in`.
 *
 * @throws DTypeError when k isn't a key, or the data no integer
 * @example random.bits(random.foldIn(random.key(42), 7)) // 2635269230
 */
export const foldIn = /* @__PURE__ */ takes('random.foldIn', 2, (k: NdArray, data: Operand): NdArray => {
  const what = 'random.foldIn'
  const word =
    typeof data === 'number'
      ? scalarOf(what, [k, data], wholeOf(what, data), 'uint32')
      : data instanceof NdArray && data.dtype === 'uint32'
        ? data
        : c.convertElementType(asIndex(what, data), 'uint32')
  if (word.ndim > 0) refuse(ShapeError, what, [k, data], 'the data are a scalar: use vmap over several')
  return fused(what, (one, n) => wrap(block(one, n)), keyOf(what, k), word)
})

/**
 * Uniform bits: key [] -> uint32 of the shape. As `jax.random.bits`.
 *
 * @throws DTypeError when k isn't a key; ShapeError when it is several, or the shape isn't one
 * @example random.bits(random.key(42), [2]) // [2098992034, 2919706841]
 */
export const bits = /* @__PURE__ */ takes('random.bits', 2, (k: NdArray, shape: readonly number[] = []): NdArray => {
  const of = shapeOf('random.bits', shape)
  return fused('random.bits', (one) => words(one, of), keyOf('random.bits', k))
})
