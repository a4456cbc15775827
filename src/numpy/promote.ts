/** JAX's promotion lattice for the dtypes that are there, weak types included, and operands made ready for a primitive. */
import { NdArray } from '../core/array.ts'
import { type Aval, aval, eqShape } from '../core/aval.ts'
import { broadcastInDim, convertElementType, lit, min, range } from '../core/constructors.ts'
import { type DType, isFloat, isHalf, isInt, rangeOf } from '../core/dtype.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { userScalar } from '../core/trace.ts'
import { refuse } from './check.ts'

const order: readonly DType[] = ['bool', 'uint32', 'int32', 'float16', 'bfloat16', 'float32', 'float64', 'key']
const kind = (d: DType): number => (d === 'bool' ? 0 : isFloat(d) ? 2 : 1)

/** The dtype that two meet at. A weak one takes the other's unless it is of a higher kind (a weak float and an int: float32). */
export const promoteTypes = (a: DType, b: DType, weakA = false, weakB = false): { readonly dtype: DType; readonly weak: boolean } => {
  const weak = weakA && weakB
  if (weakA !== weakB && kind(a) !== kind(b)) return kind(a) > kind(b) ? { dtype: a, weak: weakA } : { dtype: b, weak: weakB }
  if (weakA && !weakB) return { dtype: b, weak: false }
  if (weakB && !weakA) return { dtype: a, weak: false }
  // Neither 16-bit float holds the other's numbers.
  return { dtype: a !== b && isHalf(a) && isHalf(b) ? 'float32' : order.indexOf(a) >= order.indexOf(b) ? a : b, weak }
}

/** The value at the dtype: integers drop the fraction. What an integer dtype can't hold is refused, as in JAX, and never wraps. */
export const fitting = (what: string, args: readonly unknown[], value: number, dtype: DType): number => {
  if (!isInt(dtype)) return dtype === 'bool' ? Number(value !== 0) : value
  const [least, most] = rangeOf[dtype]
  const whole = Math.trunc(value) + 0
  return whole >= least && whole <= most
    ? whole
    : refuse(DTypeError, what, args, `${dtype} holds ${least} to ${most}, and ${value} isn't there: convert to a float dtype with astype`)
}
const isHost = (x: unknown): x is number | boolean => typeof x === 'number' || typeof x === 'boolean'
/** A user's number as a scalar of the dtype, exactly. */
export const scalarOf = (what: string, args: readonly unknown[], value: number | boolean, dtype: DType, weak = false): NdArray =>
  isHost(value)
    ? userScalar(fitting(what, args, Number(value), dtype), aval([], dtype, weak))
    : refuse(DTypeError, what, args, 'a number or a boolean is needed')

/** A negative number beside uint32, where only the result modulo 2^32 matters: its two's complement, as in JAX. */
export const modular = (x: Operand, beside: Operand): Operand =>
  typeof x === 'number' && x < 0 && x >= -(2 ** 31) && beside instanceof NdArray && beside.dtype === 'uint32' ? x + 2 ** 32 : x

/** A number joins an array as the array's own dtype where it can hold it: `int + 1` stays int, `int + 0.5` is float32. */
const joining = (value: number | boolean, beside: DType | undefined): Aval => {
  if (typeof value === 'boolean') return aval([], 'bool')
  const whole = Number.isInteger(value) && beside !== undefined && beside !== 'key'
  const dtype = beside !== undefined && isFloat(beside) ? beside : !whole ? 'float32' : beside === 'bool' ? 'int32' : beside
  return aval([], dtype, true)
}

/** An array that may hold keys. */
export const anyArray = (what: string, x: unknown, beside?: NdArray): NdArray => {
  if (x instanceof NdArray) return x.deleted ? x.concrete(what) : x // refuses
  if (!isHost(x)) return refuse(DTypeError, what, [x], 'an array or a number is needed: make one with np.array')
  const { dtype, weak } = joining(x, beside?.dtype)
  return scalarOf(what, beside === undefined ? [x] : [beside, x], x, dtype, weak)
}

/** An array of numbers or booleans. */
export const asArray = (what: string, x: unknown, beside?: NdArray): NdArray => {
  const y = anyArray(what, x, beside)
  return y.dtype === 'key' ? refuse(DTypeError, what, [x], 'a key has no arithmetic: use random.*') : y
}

/** At least float32: for functions whose results are never whole. */
export const asFloat = (what: string, x: unknown): NdArray => {
  const y = asArray(what, x)
  return isFloat(y.dtype) ? y : convertElementType(y, 'float32', y.aval.weak)
}

/** Integers, as int32: indices and the like. */
export const asIndex = (what: string, x: unknown): NdArray => {
  const y = asArray(what, typeof x === 'number' && Number.isInteger(x) ? scalarOf(what, [x], x, 'int32') : x)
  if (isFloat(y.dtype) || y.dtype === 'bool')
    return refuse(
      DTypeError,
      what,
      [x],
      x instanceof NdArray ? "indices are integers: convert with astype('int32')" : 'a whole number is needed',
    )
  return convertElementType(y.dtype === 'uint32' ? min(y, lit(y, rangeOf.int32[1])) : y, 'int32') // beyond int32 is outside, not negative
}

/** NumPy's broadcasting of shapes: from the right, extents equal or 1. `xs` are what is shown when they don't fit. */
export const broadcastLists = (
  what: string,
  shapes: readonly (readonly number[])[],
  xs: readonly unknown[] = shapes,
): readonly number[] => {
  const rank = Math.max(0, ...shapes.map((s) => s.length))
  return range(rank).map((d) => {
    let n = 1
    for (const s of shapes) {
      const m = s[d - rank + s.length]
      if (m === undefined || m === 1 || m === n) continue
      if (n !== 1) refuse(ShapeError, what, xs, `shapes don't broadcast (axis ${d}: ${n} against ${m})`)
      n = m
    }
    return n
  })
}
export const broadcastShapes = (what: string, xs: readonly NdArray[]): readonly number[] =>
  broadcastLists(
    what,
    xs.map((x) => x.shape),
    xs,
  )

/** As NumPy's: axes are added in front, extents of 1 repeat. The shape is known to fit. */
export const toShape = (x: NdArray, shape: readonly number[]): NdArray =>
  eqShape(x.shape, shape)
    ? x
    : broadcastInDim(
        x,
        shape,
        range(x.ndim).map((d) => d + shape.length - x.ndim),
      )

/** Operands at the dtype that they promote to; a number takes it at once, so that nothing is lost on the way. */
export const promoted = (what: string, operands: readonly Operand[], as = asArray): NdArray[] => {
  const meet = (avals: readonly Aval[]): Aval =>
    avals.reduce((a, b) => {
      if ((a.dtype === 'key') !== (b.dtype === 'key')) refuse(DTypeError, what, operands, "keys and numbers don't mix")
      const { dtype, weak } = promoteTypes(a.dtype, b.dtype, a.weak, b.weak)
      return aval([], dtype, weak)
    })
  const xs = operands.map((x) => (isHost(x) ? x : as(what, x)))
  const arrays = xs.flatMap((x) => (isHost(x) ? [] : [x.aval]))
  const beside = arrays.length > 0 ? meet(arrays).dtype : undefined
  const own = xs.map((x) => (isHost(x) ? joining(x, beside) : x.aval))
  const { dtype, weak } = meet(own)
  return xs.map((x, i) =>
    isHost(x) ? scalarOf(what, operands, x, dtype, own[i]!.weak || weak) : x.dtype === dtype ? x : convertElementType(x, dtype, weak),
  )
}
/** A value as x's dtype, whatever it is. */
export const likened = (what: string, x: NdArray, value: Operand): NdArray =>
  isHost(value) && x.dtype !== 'key'
    ? scalarOf(what, [x, value], value, x.dtype, x.aval.weak)
    : convertElementType(promoted(what, [x, value], anyArray)[1]!, x.dtype, x.aval.weak)

/** Operands at one dtype and, scalars aside, at one shape. */
export const together = (what: string, ...operands: readonly Operand[]): NdArray[] => oneShape(what, promoted(what, operands))
/** Arrays at one shape, scalars aside. */
export const oneShape = (what: string, xs: readonly NdArray[]): NdArray[] => {
  const shape = broadcastShapes(what, xs)
  return xs.map((x) => (x.ndim === 0 ? x : toShape(x, shape)))
}
/** A bool as int32, to count with. */
export const numeric = (x: NdArray): NdArray => (x.dtype === 'bool' ? convertElementType(x, 'int32') : x)
