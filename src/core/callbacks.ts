/** Functions of the user's as params of ops. */
import type { NdArray } from './array.ts'
import { type Aval, sizeOf } from './aval.ts'
import type { TypedArray } from './dtype.ts'
import { JaxprError } from './errors.ts'
import type { HostCall } from './kernel.ts'
import { Ref, type RefOrId } from './ref.ts'

/** What isn't there: a tangent or a cotangent of zeros. */
type Absent = NdArray | null

/** (primals, a tangent each, or null) to [outs, tangents]. */
export type CustomJvpRule = (
  primals: readonly NdArray[],
  tangents: readonly Absent[],
) => readonly [outs: readonly NdArray[], tangents: readonly Absent[]]

/** `moving` says which operands have a tangent. What residuals there are is the call's own affair, and so is the backward rule that reads them. */
export type CustomVjpRule = (
  primals: readonly NdArray[],
  moving: readonly boolean[],
) => readonly [outs: readonly NdArray[], residuals: readonly NdArray[], backward: BackwardRule]
/** A cotangent for each operand, or null for none, from those of the outs, whose avals these are. */
export type BackwardRule = (residuals: readonly NdArray[], cts: readonly Absent[], outs: readonly Aval[]) => readonly Absent[]

/** Results of operands of which some have a batch axis in front, of this size; and which of them have one. */
export type CustomVmapRule = (
  size: number,
  batched: readonly boolean[],
  operands: readonly NdArray[],
) => readonly [outs: readonly NdArray[], batched: readonly boolean[]]

/** An operand, copied. */
export interface HostArray {
  readonly data: TypedArray
  readonly shape: readonly number[]
}
/** What runs on the host in the middle of a program: of its operands and the shapes of its results, the data of those. */
export type HostFunction = (inputs: readonly HostArray[], outs: readonly (readonly number[])[]) => readonly TypedArray[]

type Rule = CustomJvpRule | CustomVjpRule | BackwardRule | CustomVmapRule
export const ruleOf = <R extends Rule>(rule: RefOrId, name: string): R => {
  if (rule instanceof Ref) return rule.to as R
  throw new JaxprError(`${name}: its rule ${rule} isn't here: a jaxpr that was parsed has only its function`)
}
export const hostFunction = (call: RefOrId): HostFunction => {
  if (call instanceof Ref) return call.to as HostFunction
  throw new JaxprError(`the callback ${call} isn't here: a jaxpr that was parsed has none`)
}
/** Done on views of the arrays of a kernel, whose inputs come first. */
export const callHost = ({ call, inputs, shapes }: HostCall, views: readonly TypedArray[]): void => {
  const given = shapes.slice(0, inputs).map((shape, i): HostArray => ({ shape, data: views[i]!.slice(0, sizeOf(shape)) }))
  hostFunction(call)(given, shapes.slice(inputs)).forEach((y, k) => views[inputs + k]!.set(y))
}
