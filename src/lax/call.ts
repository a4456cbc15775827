/** How every function of `lax` binds its primitive: strict operands (only scalars broadcast, nothing promotes) and params checked at run time. */
import { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import type { Op, OpName, OpParams } from '../core/ops.ts'
import { badOp } from '../core/ops.ts'
import { bind } from '../core/trace.ts'
import { takes } from '../core/takes.ts'
import { refuse } from '../numpy/check.ts'
import { anyArray } from '../numpy/promote.ts'

/** All results of the primitive. A JS number among the operands takes the dtype of the first array, where it can. */
export const calls = <K extends OpName>(name: K, params: OpParams[K], operands: readonly Operand[]): NdArray[] => {
  const beside = operands.find((x) => x instanceof NdArray)
  const bad = badOp({ name, params } as Op, operands.length)
  if (bad !== null) refuse(DTypeError, name, operands, bad)
  return bind(
    name,
    params,
    operands.map((x) => anyArray(name, x, beside)),
  )
}
/** The only result. */
export const call = <K extends OpName>(name: K, params: OpParams[K], ...operands: readonly Operand[]): NdArray =>
  calls(name, params, operands)[0]!

type NoParams = { [K in OpName]: keyof OpParams[K] extends never ? K : never }[OpName]
export const unary = (name: NoParams) => takes(name, 1, (x: Operand): NdArray => call(name, {}, x))
export const binary = (name: NoParams) => takes(name, 2, (x: Operand, y: Operand): NdArray => call(name, {}, x, y))
