/** The outputs of a contraction, evaluated over rectangles of finished sums. */
import type { Dot, Expr } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder } from './assembler.ts'
import { callWith } from './dotIndex.ts'
import type { Place } from './dotOperand.ts'
import type { DotPlan } from './dotPlan.ts'
import { blockAccess, emitSweep, mapIndex } from './dotSweep.ts'

/** Writes the outputs for sums that begin at (row, column). */
export type Finish = (f: FunctionBuilder, place: Place, row: Local, height: Local, column: Local, width: Local, sums: Local) => void

export const emitEpilogue = (module: ModuleBuilder, kernel: Dot, plan: DotPlan, pitch: number): Finish => {
  const rectangle = { outer: plan.rowDim, lane: plan.columnDim, pitch }
  const sum: Expr = {
    kind: 'load',
    dtype: 'float32',
    arg: kernel.args.length,
    access: { ...blockAccess(kernel.batch.length, rectangle), guards: [] },
  }
  const outputs = kernel.outputs.map((output) => ({ ...output, expr: mapIndex(output.expr, (affine) => affine, sum) }))
  const evaluate = emitSweep(module, 'epilogue', kernel, rectangle, outputs)
  return (f, { args, batch }, ...rectangleAndSums) => callWith(f, evaluate, [...args, ...batch, ...rectangleAndSums])
}
