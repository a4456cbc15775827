/** The methods of an array, as types; floor 4 installs what they do. The tables are total, so none can be forgotten. */
import type { NdArray, Nested } from './array.ts'
import type { DType, HostArray } from './dtype.ts'

export type Operand = NdArray | number | boolean
export interface ReduceOptions {
  /** The axis or axes to reduce, negative from the end; all when absent. */
  readonly axis?: number | readonly number[] | undefined
  readonly keepdims?: boolean
}
interface AxisOptions {
  readonly axis?: number
}

/** [start, stop, step]; a part that is null or missing is open, and negative ones count from the end. */
export type Slice = readonly [start?: number | null, stop?: number | null, step?: number | null]
/** One axis: a whole number, a slice, an integer array; null makes a new one, '...' stands for those that are left. */
export type Index = number | Slice | null | '...' | NdArray
/** A place in an array, to read or to replace; values broadcast to it. */
export interface Place {
  get(): NdArray
  set(value: Operand): NdArray
  add(value: Operand): NdArray
  mul(value: Operand): NdArray
  min(value: Operand): NdArray
  max(value: Operand): NdArray
}

export interface Methods {
  add(y: Operand): NdArray
  sub(y: Operand): NdArray
  mul(y: Operand): NdArray
  div(y: Operand): NdArray
  mod(y: Operand): NdArray
  pow(y: Operand): NdArray
  neg(): NdArray
  abs(): NdArray
  exp(): NdArray
  log(): NdArray
  sqrt(): NdArray
  square(): NdArray
  round(options?: { readonly decimals?: number }): NdArray
  clip(min?: Operand | null, max?: Operand | null): NdArray
  equal(y: Operand): NdArray
  notEqual(y: Operand): NdArray
  less(y: Operand): NdArray
  lessEqual(y: Operand): NdArray
  greater(y: Operand): NdArray
  greaterEqual(y: Operand): NdArray
  sum(options?: ReduceOptions): NdArray
  prod(options?: ReduceOptions): NdArray
  mean(options?: ReduceOptions): NdArray
  var(options?: ReduceOptions & { readonly ddof?: number }): NdArray
  std(options?: ReduceOptions & { readonly ddof?: number }): NdArray
  max(options?: ReduceOptions): NdArray
  min(options?: ReduceOptions): NdArray
  any(options?: ReduceOptions): NdArray
  all(options?: ReduceOptions): NdArray
  argmax(options?: AxisOptions): NdArray
  argmin(options?: AxisOptions): NdArray
  cumsum(options?: AxisOptions): NdArray
  cumprod(options?: AxisOptions): NdArray
  sort(options?: AxisOptions & { readonly descending?: boolean }): NdArray
  argsort(options?: AxisOptions & { readonly descending?: boolean }): NdArray
  /** Extents, or one list of them. */
  reshape(...shape: number[] | [readonly number[]]): NdArray
  ravel(): NdArray
  transpose(...permutation: number[] | [readonly number[]]): NdArray
  swapaxes(i: number, j: number): NdArray
  squeeze(axis?: number | readonly number[]): NdArray
  matmul(y: Operand): NdArray
  dot(y: Operand): NdArray
  take(indices: Operand, options?: AxisOptions & { readonly mode?: 'fill' | 'clip' | 'wrap' }): NdArray
  /** The elements at these indices: `x.slice(0, [1, 3])` is NumPy's `x[0, 1:3]`. */
  slice(...indices: Index[]): NdArray
  /** The place at these indices: `x.at(0).set(1)` is x with its first row replaced. */
  at(...indices: Index[]): Place
  astype(dtype: DType): NdArray
  /** The value of an array with one element; reads the device. */
  item(): number
  /** The contents as nested lists; reads the device. */
  toArray(): Nested
  /** A copy of the contents, row-major; 16-bit floats come as float32. Reads the device. */
  toTyped(): HostArray
  /** As `toTyped`, once the device has it: `const [loss] = await x.data()`. The one way on webgpu. */
  data(): Promise<HostArray>
  dispose(): void
  /** Along the first axis: `const [a, b] = random.split(key)`. */
  [Symbol.iterator](): Iterator<NdArray>
}
export interface Getters {
  /** The axes in reverse. */
  readonly T: NdArray
}

export type MethodTable = {
  readonly [K in keyof Methods]: Methods[K] extends (...args: infer A) => infer R ? (x: NdArray, ...args: A) => R : never
}
export type GetterTable = { readonly [K in keyof Getters]: (x: NdArray) => Getters[K] }
