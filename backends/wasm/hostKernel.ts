/** Functions of the user's in the middle of a program: imported by the generated code, over views of the memory. */
import { type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { HostCall } from '../../src/core/kernel.ts'

/** Calls a function of the user's on views of its arrays. */
export type CallHost = (kernel: HostCall, views: readonly TypedArray[]) => void

/** The kernel as a function of its args' addresses. Views are taken at each call: the memory may have grown. */
export const hostKernel =
  (kernel: HostCall, memory: WebAssembly.Memory, callHost: CallHost) =>
  (...addresses: number[]): void =>
    callHost(
      kernel,
      kernel.args.map((dtype, i) => view(dtype, memory, addresses[i] as number)),
    )

/** The memory from an address on. A key moves as one 64-bit word, and is never computed with. */
const view = (dtype: DType, { buffer }: WebAssembly.Memory, at: number): TypedArray =>
  dtype === 'key' ? (new BigUint64Array(buffer, at) as unknown as TypedArray) : new (typedArrayOf(dtype))(buffer, at)
