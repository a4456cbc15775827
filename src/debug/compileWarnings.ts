/** Warnings of functions that are compiled again and again. */
import { warnings } from '../../transforms/jit.ts'
import { ShapeError } from '../core/errors.ts'
import { takes } from '../core/takes.ts'

/**
 * After how many compilations of one jitted function a warning says which argument changed each time, from what to what (`explain` says it too);
 * false for none. Default 8.
 *
 * @throws ShapeError when it is no whole number from 2 on
 * @example debug.compileWarnings(8) // undefined
 */
export const compileWarnings = /* @__PURE__ */ takes('debug.compileWarnings', 1, (after: number | false): void => {
  if (after !== false && !(Number.isInteger(after) && after >= 2))
    throw new ShapeError(`debug.compileWarnings: false, or a whole number from 2 on is needed, and this is ${String(after)}`)
  warnings.after = after === false ? Infinity : after
})
