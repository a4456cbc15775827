/** What an argument must be. Each refuses in one sentence: the call on its avals, what is wrong, the way out. */
import { NdArray } from '../core/array.ts'
import { showAval } from '../core/aval.ts'
import { range } from '../core/constructors.ts'
import { byteWidth, type DType } from '../core/dtype.ts'
import { CotangentError, DTypeError, ShapeError, TreeError } from '../core/errors.ts'

/** An argument as messages show it: `f32[2,3]`, `"a"`, `[2,-1]`. */
export const show = (x: unknown): string =>
  x instanceof NdArray
    ? showAval(x.aval)
    : Array.isArray(x)
      ? `[${x.slice(0, 8).map(show).join(',')}${x.length > 8 ? ',…' : ''}]`
      : typeof x === 'string'
        ? JSON.stringify(x)
        : typeof x === 'object' && x !== null
          ? `{${Object.entries(x)
              .slice(0, 4)
              .map(([k, v]) => `${k}: ${typeof v === 'object' ? '…' : show(v)}`)
              .join(', ')}}`
          : typeof x === 'function'
            ? 'a function'
            : String(x)

export const refuse = (Kind: new (message: string) => CotangentError, what: string, args: readonly unknown[], reason: string): never => {
  throw new Kind(`${what}(${args.map(show).join(', ')}): ${reason}`)
}

/** Non-negative whole extents. */
export const shapeOf = (what: string, shape: unknown): readonly number[] =>
  Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0)
    ? (shape as readonly number[])
    : refuse(ShapeError, what, [shape], 'a shape is a list of non-negative whole numbers')

export const dtypeOf = (what: string, dtype: unknown): DType =>
  typeof dtype === 'string' && Object.hasOwn(byteWidth, dtype) && dtype !== 'key'
    ? (dtype as DType)
    : refuse(DTypeError, what, [dtype], `a dtype is one of ${Object.keys(byteWidth).slice(0, -1).join(', ')}`)

export const wholeOf = (what: string, n: unknown, least = -Infinity): number =>
  Number.isSafeInteger(n) && (n as number) >= least
    ? (n as number)
    : refuse(ShapeError, what, [n], `a whole number${least === -Infinity ? '' : ` of at least ${least}`} is needed`)

/** A whole number that int32 holds: what devices count and index with. */
export const int32Of = (what: string, n: unknown): number =>
  wholeOf(what, n) === ((n as number) | 0) ? (n as number) : refuse(ShapeError, what, [n], `${String(n)} is beyond int32`)
/** A whole number, beyond int32 the nearest: for places that are outside there anyway. */
export const clampedOf = (what: string, n: unknown): number =>
  Number.isInteger(n) || Math.abs(n as number) === Infinity ? Math.min(Math.max(n as number, -(2 ** 31)), 2 ** 31 - 1) : wholeOf(what, n)

export const numberOf = (what: string, x: unknown): number =>
  typeof x === 'number' ? x : refuse(DTypeError, what, [x], 'a JavaScript number is needed')

/** Options are an object, or absent. */
export const optionsOf = <T extends object>(what: string, options: T | undefined): Partial<T> =>
  options === undefined
    ? {}
    : typeof options === 'object' && options !== null && !Array.isArray(options) && !((options as object) instanceof NdArray)
      ? options
      : refuse(TreeError, what, ['…', options], 'options are an object, such as { axis: 0 }')

/** The axis counted from the front. `rank`: where it isn't the array's, as for an axis that is to be made. */
export const axisOf = (what: string, x: NdArray, axis: unknown, rank = x.ndim): number => {
  const at = Number.isInteger(axis) ? (axis as number) + ((axis as number) < 0 ? rank : 0) : -1
  return at >= 0 && at < rank ? at : refuse(ShapeError, what, [x], `axis ${show(axis)} is out of range for rank ${rank}`)
}

/** Axes from the options' form: absent is all. */
export const axesOf = (what: string, x: NdArray, axis: number | readonly number[] | undefined): number[] => {
  if (axis === undefined) return range(x.ndim)
  const axes = (Array.isArray(axis) ? axis : [axis]).map((a) => axisOf(what, x, a))
  return new Set(axes).size === axes.length ? axes : refuse(ShapeError, what, [x], `an axis is repeated in ${show(axis)}`)
}

/** f, whose refusals are told as the call's own: `nn.linear: matmul(f32[2], f32[3]): …`. */
export const naming =
  <A extends readonly unknown[], R>(what: string, f: (...args: A) => R): ((...args: A) => R) =>
  (...args) => {
    try {
      return f(...args)
    } catch (error) {
      if (!(error instanceof CotangentError) || error.message.startsWith(what)) throw error
      throw new (error.constructor as new (message: string) => CotangentError)(`${what}: ${error.message}`)
    }
  }
