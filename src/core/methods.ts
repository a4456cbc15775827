/** The methods of an array, as types; floor 4 installs what they do. `MethodTable` is total, so none can be forgotten. */
import type { NdArray, Nested } from './array.ts'
import type { DType, TypedArray } from './dtype.ts'

export type Operand = NdArray | number | boolean
export interface ReduceOptions {
  /** The axis or axes to reduce, negative from the end; all when absent. */
  readonly axis?: number | readonly number[] | undefined
  readonly keepdims?: boolean
}

export interface Methods {
  add(y: Operand): NdArray
  sub(y: Operand): NdArray
  mul(y: Operand): NdArray
  div(y: Operand): NdArray
  pow(y: Operand): NdArray
  neg(): NdArray
  abs(): NdArray
  exp(): NdArray
  log(): NdArray
  sqrt(): NdArray
  sum(options?: ReduceOptions): NdArray
  mean(options?: ReduceOptions): NdArray
  max(options?: ReduceOptions): NdArray
  min(options?: ReduceOptions): NdArray
  reshape(...shape: number[]): NdArray
  transpose(...permutation: number[]): NdArray
  matmul(y: NdArray): NdArray
  astype(dtype: DType): NdArray
  /** The value of an array with one element; reads the device. */
  item(): number
  /** The contents as nested lists; reads the device. */
  toArray(): Nested
  /** A copy of the contents, row-major; reads the device. */
  toTyped(): TypedArray
  dispose(): void
}

export type MethodTable = {
  readonly [K in keyof Methods]: Methods[K] extends (...args: infer A) => infer R ? (x: NdArray, ...args: A) => R : never
}
