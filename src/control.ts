/** Loops and branches: their rules and their code come with them, so that a page without any downloads neither. */
import { bringControl } from '../backends/bring.ts'
import { controlRules } from '../primitives/control.ts'
import { bring } from '../primitives/table.ts'
import type { NdArray } from './core/array.ts'
import type { OpName, OpParams } from './core/ops.ts'
import { bind } from './core/trace.ts'

export const bindControl = <K extends OpName & keyof typeof controlRules>(
  name: K,
  params: OpParams[K],
  inputs: readonly NdArray[],
): NdArray[] => {
  bring(controlRules)
  bringControl()
  return bind(name, params, inputs)
}
