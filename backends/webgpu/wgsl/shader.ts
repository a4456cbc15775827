/**
 * What a kernel becomes: compute passes over numbered arrays, as text. An emitter writes the body of one workgroup; `module.ts` puts bindings,
 * places and library functions around it.
 *
 *   In a body: `group` (this workgroup's number), `lane` (the invocation's number in it) and `subgroupId` (its subgroup's), u32; `extent` (the launch's, u32); `span` (the pass's, u32).
 *   Library functions start with c_ (`library.ts`) and are defined where a text names them.
 *   Index arithmetic is i32, and `group`, `extent`, `span` and what is computed from them alone are uniform, so barriers may depend on them.
 */
import type { DType } from '../../../src/core/dtype.ts'
import type { Dot, Kernel } from '../../../src/core/kernel.ts'
import type { DotPlan, Room } from './dotPlan.ts'

/** An array that only the passes of one kernel see. */
export interface Scratch {
  readonly dtype: DType
  /** Elements, for each of a launch's extent. */
  readonly size: number
}

export interface Pass {
  /** Module-scope text: workgroup variables, functions without memory access. */
  readonly declarations: string
  readonly body: string
  /** Invocations of a workgroup, along one dimension. */
  readonly workgroupSize: number
  readonly groups: (extent: number) => number
  /** Memory is bound as vectors, so nothing is stored but four words at once. */
  readonly wide?: boolean
  /** The same with memory bound as vectors, where it can be: so it goes into one dispatch with others that are. */
  readonly widened?: () => Pass
  /** A number that isn't part of the code: the length of what is reduced. */
  readonly span?: number
  /** Copies one array to another, and does nothing else: where both lie in one place it isn't needed. */
  readonly copies?: readonly [from: number, to: number]
}

export interface Shader {
  /** One after the other; each sees what those before it wrote. */
  readonly passes: readonly Pass[]
  /** Numbered on from the kernel's args. */
  readonly scratch: readonly Scratch[]
}

/** How a body reaches an array: `at` is an i32 expression, the element's number. A bool is a WGSL bool, a 16-bit float the u32 of its bits. */
export interface Memory {
  readonly load: (arg: number, at: string) => string
  /** Not of a 16-bit float, which shares its word with another. */
  readonly store: (arg: number, at: string, value: string) => string
  /** Four elements from a place that is a multiple of four. */
  readonly load4: (arg: number, at: string) => string
  readonly store4: (arg: number, at: string, value: string) => string
  /** Two 16-bit floats at a place that is a multiple of two: the first in the low bits of a u32. */
  readonly load2: (arg: number, at: string) => string
  readonly store2: (arg: number, at: string, bits: string) => string
  /** Whether two arrays lie in one place. */
  readonly same: (a: number, b: number) => string
}

/** What the device offers, as far as code depends on it. */
export interface Features extends Room {
  /** Invocations that a subgroup has at least; 1 where the device has no subgroups. */
  readonly subgroup: number
  /** Which way to compute a contraction, of those that fit: the first is the cheapest by the cost model. */
  readonly choose: (kernel: Dot, plans: readonly DotPlan[]) => DotPlan
}

export type Emit<K extends Kernel> = (kernel: K, memory: Memory, features: Features) => Shader

export const typeOf = (dtype: DType): 'f32' | 'i32' | 'u32' | 'bool' => {
  switch (dtype) {
    case 'float32':
      return 'f32'
    case 'int32':
      return 'i32'
    case 'bool':
      return 'bool'
    case 'uint32':
    case 'key':
    case 'float16':
    case 'bfloat16':
      return 'u32'
    case 'float64':
      throw new Error('internal: WGSL has no float64')
  }
}
