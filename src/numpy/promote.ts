/** JAX's promotion lattice for the dtypes that are there, weak types included, and operands made ready for a primitive. */
import { NdArray } from '../core/array.ts'
import { aval, eqShape } from '../core/aval.ts'
import { broadcastInDim, convertElementType, lit, min, range } from '../core/constructors.ts'
import { type DType, isFloat, isHalf, rangeOf } from '../core/dtype.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { userScalar } from '../core/trace.ts'
import { int32Of, refuse } from './check.ts'

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

/** A number as an integer dtype; uint32 takes what int32 holds as well, wrapped, as in JAX. */
const held = (what: string, value: number, dtype: DType, beside: NdArray): number => {
  if (dtype !== 'int32' && dtype !== 'uint32') return value
  return value >= rangeOf.int32[0] && value <= rangeOf[dtype][1]
    ? value
    : refuse(DTypeError, what, [beside, value], `${value} is beyond ${dtype}: convert with astype`)
}

/** A number joins an array as the array's own dtype where it can hold it: `int + 1` stays int, `int + 0.5` is float32. */
const scalar = (what: string, value: number | boolean, beside: NdArray | undefined): NdArray => {
  if (typeof value === 'boolean') return userScalar(value ? 1 : 0, aval([], 'bool'))
  const d = beside?.dtype
  const dtype =
    d !== undefined && (isFloat(d) || (d !== 'bool' && d !== 'key' && Number.isInteger(value)))
      ? d
      : d === 'bool' && Number.isInteger(value)
        ? 'int32'
        : 'float32'
  return userScalar(beside === undefined ? value : held(what, value, dtype, beside), aval([], dtype, true))
}

/** An array that may hold keys. */
export const anyArray = (what: string, x: unknown, beside?: NdArray): NdArray =>
  x instanceof NdArray
    ? x.deleted
      ? x.concrete(what) // refuses
      : x
    : typeof x === 'number' || typeof x === 'boolean'
      ? scalar(what, x, beside)
      : refuse(DTypeError, what, [x], 'an array or a number is needed: make one with np.array')

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
  const y = asArray(what, typeof x === 'number' && Number.isInteger(x) ? userScalar(int32Of(what, x), aval([], 'int32')) : x)
  if (isFloat(y.dtype) || y.dtype === 'bool') return refuse(DTypeError, what, [x], "indices are integers: convert with astype('int32')")
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

/** Operands at the dtype that they promote to; numbers take it where they can. */
export const promoted = (what: string, operands: readonly Operand[], as = asArray): NdArray[] => {
  const beside = operands.find((x): x is NdArray => x instanceof NdArray)
  const xs = operands.map((x) => as(what, x, beside))
  const to = xs
    .map((x) => x.aval)
    .reduce((a, b) => {
      if ((a.dtype === 'key') !== (b.dtype === 'key')) refuse(DTypeError, what, operands, "keys and numbers don't mix")
      const p = promoteTypes(a.dtype, b.dtype, a.weak, b.weak)
      return aval([], p.dtype, p.weak)
    })
  return xs.map((x) => (x.dtype === to.dtype ? x : convertElementType(x, to.dtype, to.weak)))
}

/** Operands at one dtype and, scalars aside, at one shape. */
export const together = (what: string, ...operands: readonly Operand[]): NdArray[] => {
  const xs = promoted(what, operands)
  const shape = broadcastShapes(what, xs)
  return xs.map((x) => (x.ndim === 0 ? x : toShape(x, shape)))
}
