/** Discrete distributions: coins, classes, whole numbers, orders. Bit for bit as `jax.random`. */
import { NdArray } from '../core/array.ts'
import { eqShape, sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { computedIn, type IntDType, isInt, type WideFloat } from '../core/dtype.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { dtypeAmong, extents, flag, type Schema, whole } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { axisOf, refuse, shapeOf, wholeOf } from '../numpy/check.ts'
import { anyArray, asFloat, scalarOf, toShape } from '../numpy/promote.ts'
import { drawShape, gumbelOf, parameter, uniformIn } from './distributions.ts'
import { fused } from '../numpy/fused.ts'
import { keyOf, keys, pick, words } from './keys.ts'

/**
 * true with probability p: key [], p a number or a float array -> bool of the shape (default: p's). As `jax.random.bernoulli`.
 *
 * @throws DTypeError when k isn't a key; ShapeError when p doesn't broadcast to the shape
 * @example random.bernoulli(random.key(42), 0.5, [4]) // [true, false, false, false]
 */
export const bernoulli = /* @__PURE__ */ takes(
  'random.bernoulli',
  3,
  (k: NdArray, p: Operand = 0.5, shape?: readonly number[]): NdArray => {
    const what = 'random.bernoulli'
    const dtype: WideFloat = p instanceof NdArray && p.dtype === 'float64' ? 'float64' : 'float32'
    const chance = parameter(what, p, dtype)
    const of = drawShape(what, shape, chance)
    const draw = (one: NdArray, q: NdArray): NdArray =>
      c.lt(uniformIn(one, of, c.full([], 0, dtype), c.full([], 1, dtype)), q.ndim === 0 ? q : toShape(q, of))
    return fused(what, draw, keyOf(what, k), chance)
  },
)

export interface CategoricalOptions {
  /** The axis of the classes; default the last. */
  readonly axis?: number
  /** [...more, ...the logits' other axes]: so many draws. Default: one for each distribution. */
  readonly shape?: readonly number[]
}
const categoricalOptions: Schema<CategoricalOptions> = { axis: whole, shape: extents }
/**
 * Classes drawn with the probabilities softmax(logits) along an axis: key [], float logits -> int32. As `jax.random.categorical`.
 *
 * @throws DTypeError when k isn't a key; ShapeError when the axis is out of range or the shape doesn't end with the logits' other axes
 * @example random.categorical(random.key(42), np.log(np.array([0.1, 0.2, 0.7])), { shape: [4] }) // [2, 2, 2, 2]
 */
export const categorical = /* @__PURE__ */ takesOptions(
  'random.categorical',
  3,
  categoricalOptions,
  (k: NdArray, logits: Operand, options: CategoricalOptions = {}): NdArray => {
    const what = 'random.categorical'
    const given = asFloat(what, logits)
    const x = c.convertElementType(given, computedIn(given.dtype))
    const { axis = -1, shape } = options
    const at = axisOf(what, x, axis)
    const rows = x.shape.filter((_, d) => d !== at)
    const of = shapeOf(what, shape ?? rows)
    const more = of.slice(0, of.length - rows.length)
    if (!eqShape([...more, ...rows], of)) refuse(ShapeError, what, [k, x], `the shape [${of.join(',')}] must end with [${rows.join(',')}]`)
    const all = [...more, ...x.shape]
    const draw = (one: NdArray, y: NdArray): NdArray =>
      c.argmax(c.add(gumbelOf(one, all, y.dtype as WideFloat), toShape(y, all)), at + more.length)
    return fused(what, draw, keyOf(what, k), x)
  },
)

/** Bounds as integers of the dtype, and whether the upper one was one beyond it: a number may be. */
const bound = (what: string, x: Operand, dtype: IntDType): readonly [NdArray, beyond: boolean] => {
  if (x instanceof NdArray)
    return isInt(x.dtype) ? [c.convertElementType(x, dtype), false] : refuse(DTypeError, what, [x], 'bounds are integers')
  const n = wholeOf(what, x)
  const beyond = n === (dtype === 'int32' ? 2 ** 31 : 2 ** 32)
  return [scalarOf(what, [x], beyond ? n - 1 : n, dtype), beyond]
}
export interface RandintOptions {
  /** Default: int32. */
  readonly dtype?: IntDType
}
const randintOptions: Schema<RandintOptions> = { dtype: dtypeAmong('int32', 'uint32') }
/**
 * Whole numbers in [minval, maxval), nearly evenly: key [] -> int32 or uint32 of the shape. As `jax.random.randint`; an empty range gives minval.
 *
 * @throws DTypeError when k isn't a key or a bound no integer; ShapeError when the bounds don't broadcast to the shape
 * @example random.randint(random.key(42), [8], 0, 10) // [4, 4, 1, 9, 9, 9, 7, 7]
 */
export const randint = /* @__PURE__ */ takesOptions(
  'random.randint',
  5,
  randintOptions,
  (k: NdArray, shape: readonly number[], minval: Operand, maxval: Operand, options: RandintOptions = {}): NdArray => {
    const what = 'random.randint'
    const { dtype = 'int32' } = options
    const [low] = bound(what, minval, dtype)
    const [high, beyond] = bound(what, maxval, dtype)
    const of = drawShape(what, shape, low, high)
    const draw = (one: NdArray, lo: NdArray, hi: NdArray): NdArray => {
      const two = keys(one, [2])
      const [upper, lower] = [words(pick(two, 0), of), words(pick(two, 1), of)]
      const u32 = (value: number): NdArray => c.full([], value, 'uint32')
      const empty = c.le(hi, lo)
      const width = c.convertElementType(c.sub(hi, lo), 'uint32')
      // One beyond the dtype's greatest may wrap to 0, and the remainder by 0 is the dividend, as it should be.
      const span = c.select(empty, u32(1), beyond ? c.add(width, u32(1)) : width)
      const root = c.rem(u32(2 ** 16), span)
      const factor = c.rem(c.mul(root, root), span) // 2^32 modulo the span
      const offset = c.rem(c.add(c.mul(c.rem(upper, span), factor), c.rem(lower, span)), span)
      return c.add(lo, c.convertElementType(offset, dtype))
    }
    const wide = (x: NdArray): NdArray => (x.ndim === 0 && low.ndim + high.ndim === 0 ? x : toShape(x, of))
    return fused(what, draw, keyOf(what, k), wide(low), wide(high))
  },
)

/** Sorted by random words, as many times as collisions of words ask for. */
const shuffle = (k: NdArray, x: NdArray, axis: number): NdArray => {
  const rounds = Math.ceil((3 * Math.log(Math.max(1, sizeOf(x.shape)))) / Math.log(2 ** 32 - 1))
  let [next, y] = [k, x]
  for (let i = 0; i < rounds; i++) {
    const two = keys(next, [2])
    next = pick(two, 0)
    y = c.sort([words(pick(two, 1), y.shape), y], axis)[1]!
  }
  return y
}
export interface PermutationOptions {
  /** The axis to put in another order; default 0. */
  readonly axis?: number
  /** Each line along the axis in an order of its own; default false. */
  readonly independent?: boolean
}
const permutationOptions: Schema<PermutationOptions> = { axis: whole, independent: flag }
/**
 * A random order of the numbers below n, or of an array along an axis: key [] -> int32 [n], or like x. As `jax.random.permutation`.
 *
 * @throws DTypeError when k isn't a key; ShapeError when the axis is out of range
 * @example random.permutation(random.key(42), 8) // [7, 4, 2, 5, 3, 6, 0, 1]
 */
export const permutation = /* @__PURE__ */ takesOptions(
  'random.permutation',
  3,
  permutationOptions,
  (k: NdArray, x: Operand, options: PermutationOptions = {}): NdArray => {
    const what = 'random.permutation'
    keyOf(what, k)
    const { axis = 0, independent = false } = options
    if (typeof x === 'number') {
      const n = wholeOf(what, x, 0)
      return fused(what, (one) => shuffle(one, c.iota([n], 'int32', 0), 0), k)
    }
    const y = anyArray(what, x)
    const at = axisOf(what, y, axis)
    const draw = (one: NdArray, z: NdArray): NdArray => {
      if (z.dtype !== 'key' && (independent || z.ndim === 1)) return shuffle(one, z, at)
      const order = shuffle(one, c.iota([z.shape[at]!], 'int32', 0), 0)
      return c.moveAxis(c.gather(z, [order], [at], 'clip'), 0, at)
    }
    return fused(what, draw, k, y)
  },
)
