/** Functions by operation: of float32s on four lanes, and of a float64, which the host computes. Generated code imports the latter by name. */
import { error } from './error.ts'
import { exact } from './exact.ts'
import { hyperbolic } from './hyperbolic.ts'
import { exponential } from './math.ts'
import { powers } from './power.ts'
import { trigonometric } from './trigonometric.ts'

export const functions = { ...exponential, ...trigonometric, ...hyperbolic, ...powers, ...error, ...exact }
export type FunctionName = keyof typeof functions
export const functionNames = Object.keys(functions) as FunctionName[]
