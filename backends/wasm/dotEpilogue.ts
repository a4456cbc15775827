/** The outputs of a contraction, evaluated over rectangles of finished sums. */
import { mapAffines } from '../../src/core/expressions.ts'
import type { Dot, Expr } from '../../src/core/kernel.ts'
import type { FunctionHandle, ModuleBuilder } from './assembler.ts'
import type { DotPlan } from './dotPlan.ts'
import { blockAccess, emitSweep } from './dotSweep.ts'

/** A function (args…, batch…, row, height, column, width, sums). */
export const emitEpilogue = (module: ModuleBuilder, kernel: Dot, plan: DotPlan, pitch: number): FunctionHandle => {
  const rectangle = { outer: plan.rowDim, lane: plan.columnDim, pitch, outerDigits: [], laneDigits: [] }
  const access = { ...blockAccess(kernel.batch.length, rectangle), guards: [] }
  const sum: Expr = { kind: 'load', dtype: 'float32', arg: kernel.args.length, access }
  const place = mapAffines((affine) => affine, sum)
  const outputs = kernel.outputs.map((output) => ({ ...output, expr: place(output.expr) }))
  return emitSweep(module, 'epilogue', kernel, rectangle, outputs)
}
