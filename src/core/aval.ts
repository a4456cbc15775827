/** Abstract values: what is known of an array while a function is traced. */
import { type DType, shortName } from './dtype.ts'

export interface Aval {
  readonly shape: readonly number[]
  readonly dtype: DType
  /** Came from a JS number, so it takes the dtype of what it meets. */
  readonly weak: boolean
}

export const aval = (shape: readonly number[], dtype: DType, weak = false): Aval => ({ shape, dtype, weak })

export const sizeOf = (shape: readonly number[]): number => {
  let size = 1
  for (const extent of shape) size *= extent
  return size
}

export const eqShape = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export const eqAval = (a: Aval, b: Aval): boolean => a.dtype === b.dtype && a.weak === b.weak && eqShape(a.shape, b.shape)

/** `f32[2,3]`, as jaxprs and errors show it; a weak type is marked with `*` where it matters (`~` in cache keys is the same bit). */
export const showAval = (a: Aval): string => `${shortName[a.dtype]}[${a.shape.join(',')}]`

export const showAvals = (avals: readonly Aval[]): string => avals.map(showAval).join(', ')

/** Row-major strides in elements. */
export const rowMajor = (shape: readonly number[]): number[] => {
  const strides = new Array<number>(shape.length)
  for (let i = shape.length - 1, s = 1; i >= 0; s *= shape[i]!, i--) strides[i] = s
  return strides
}

/** A key array is, on a device, its words along one more last axis: layout ops on it keep that axis where it is. */
export const physical = (a: Aval): { readonly shape: readonly number[]; readonly dtype: DType } =>
  a.dtype === 'key' ? { shape: [...a.shape, 2], dtype: 'uint32' } : a
