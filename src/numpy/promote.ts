/** JAX's promotion lattice for the dtypes that are there, weak types included, and operands made ready for a primitive. */
import { NdArray } from '../core/array.ts'
import { aval, eqShape, showAval } from '../core/aval.ts'
import { broadcastInDim, convertElementType, range } from '../core/constructors.ts'
import { type DType, isFloat } from '../core/dtype.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { userScalar } from '../core/trace.ts'

const order: Readonly<Record<DType, number>> = { bool: 0, uint32: 1, int32: 2, float32: 3, float64: 4, key: 9 }

/** The dtype that two meet at. A weak one takes the other's unless it is of a higher kind (a weak float and an int: float32). */
export const promoteTypes = (a: DType, b: DType, weakA = false, weakB = false): { readonly dtype: DType; readonly weak: boolean } => {
  const weak = weakA && weakB
  const kind = (d: DType): number => (d === 'bool' ? 0 : isFloat(d) ? 2 : 1)
  if (weakA !== weakB && kind(a) !== kind(b)) {
    const higher = kind(a) > kind(b) ? ([a, weakA] as const) : ([b, weakB] as const)
    return { dtype: higher[0], weak: higher[1] }
  }
  if (weakA && !weakB) return { dtype: b, weak: false }
  if (weakB && !weakA) return { dtype: a, weak: false }
  return { dtype: order[a] >= order[b] ? a : b, weak }
}

/** A number joins an array as the array's own dtype where it can hold it: `int + 1` stays int, `int + 0.5` is float32. */
const scalar = (value: number | boolean, beside: NdArray | undefined): NdArray => {
  if (typeof value === 'boolean') return userScalar(value ? 1 : 0, aval([], 'bool'))
  const d = beside?.dtype
  const dtype =
    d !== undefined && (isFloat(d) || (d !== 'bool' && d !== 'key' && Number.isInteger(value)))
      ? d
      : d === 'bool' && Number.isInteger(value)
        ? 'int32'
        : 'float32'
  return userScalar(value, aval([], dtype, true))
}

export const asArray = (x: Operand, what: string, beside?: NdArray): NdArray => {
  if (x instanceof NdArray) return x
  if (typeof x === 'number' || typeof x === 'boolean') return scalar(x, beside)
  throw new TreeError(`${what} got ${typeof x}: operands must be arrays or numbers (make one with np.array)`)
}

/** NumPy's broadcasting of shapes: from the right, extents equal or 1. */
export const broadcastLists = (what: string, shapes: readonly (readonly number[])[]): readonly number[] => {
  const rank = Math.max(0, ...shapes.map((s) => s.length))
  return range(rank).map((d) => {
    let n = 1
    for (const s of shapes) {
      const m = s[d - rank + s.length]
      if (m === undefined || m === 1 || m === n) continue
      if (n !== 1)
        throw new ShapeError(
          `${what}(${shapes.map((t) => `[${t.join(',')}]`).join(', ')}): shapes don't broadcast (axis ${d}: ${n} against ${m})`,
        )
      n = m
    }
    return n
  })
}
export const broadcastShapes = (what: string, xs: readonly NdArray[]): readonly number[] =>
  broadcastLists(
    what,
    xs.map((x) => x.shape),
  )

export const broadcastTo = (x: NdArray, shape: readonly number[]): NdArray =>
  eqShape(x.shape, shape)
    ? x
    : broadcastInDim(
        x,
        shape,
        range(x.ndim).map((d) => d + shape.length - x.ndim),
      )

/** Operands at one dtype and, scalars aside, at one shape. */
export const together = (what: string, ...operands: readonly Operand[]): NdArray[] => {
  const beside = operands.find((x): x is NdArray => x instanceof NdArray)
  const xs = operands.map((x) => asArray(x, what, beside))
  const to = xs
    .map((x) => x.aval)
    .reduce((a, b) => {
      const p = promoteTypes(a.dtype, b.dtype, a.weak, b.weak)
      return aval([], p.dtype, p.weak)
    })
  const shape = broadcastShapes(what, xs)
  return xs.map((x) => {
    const y = x.ndim === 0 ? x : broadcastTo(x, shape)
    return y.aval.dtype === to.dtype ? y : convertElementType(y, to.dtype, y.aval.weak && to.weak)
  })
}

/** At least float32: for functions whose results are never whole. */
export const asFloat = (x: Operand, what: string): NdArray => {
  const y = asArray(x, what)
  return isFloat(y.dtype) ? y : convertElementType(y, 'float32', y.aval.weak)
}

/** Axes from the options' form: absent is all, negative from the end. */
export const axesOf = (what: string, x: NdArray, axis: number | readonly number[] | undefined): number[] => {
  const given = axis === undefined ? range(x.ndim) : typeof axis === 'number' ? [axis] : axis
  return given.map((a) => axisOf(what, x, a))
}

export const axisOf = (what: string, x: NdArray, axis: number): number => {
  const at = axis < 0 ? axis + x.ndim : axis
  if (!(Number.isInteger(axis) && at >= 0 && at < x.ndim))
    throw new ShapeError(`${what}(${showAval(x.aval)}): axis ${axis} is out of range for rank ${x.ndim}`)
  return at
}
