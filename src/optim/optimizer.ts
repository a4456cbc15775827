/** What an optimizer is: {init, update}, both pure. `update` turns gradients into what is to be added to the parameters. */
import { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { operand, type Schema } from '../core/options.ts'
import { composed, composedOptions, refuse } from '../numpy/check.ts'

/** A tree of arrays that only its optimizer reads; pass it through jit like any other. */
export type OptState = unknown
/** A number, a scalar array, or a function of the step counted from 0: a schedule of `optim`, or one of your own made of `np`. */
export type LearningRate = Operand | ((step: NdArray) => Operand)

export interface UpdateOptions {
  /** This step's learning rate, instead of the optimizer's own: as an array argument of jit it can change without a new program. */
  readonly lr?: Operand
}
export const updateOptions: Schema<UpdateOptions> = { lr: operand }
export interface Optimizer {
  readonly init: (params: unknown) => OptState
  readonly update: <T>(grads: T, state: OptState, params: T, options?: UpdateOptions) => readonly [updates: T, state: OptState]
}

/** Refusals of its update are told as the optimizer's. */
export const optimizer = (what: string, init: Optimizer['init'], update: Optimizer['update']): Optimizer => ({
  init: composed(`optim.${what}.init`, 1, init),
  update: composedOptions(`optim.${what}.update`, 4, updateOptions, update),
})
export const stateless = (what: string, update: <T>(grads: T, params: T, options: UpdateOptions) => T): Optimizer =>
  optimizer(
    what,
    () => [],
    (grads, state, params, options = {}) => [update(grads, params, options), state],
  )

export const isScalar = (x: unknown): x is number | NdArray => typeof x === 'number' || (x instanceof NdArray && x.ndim === 0)
export const isRate = (lr: unknown): lr is LearningRate => isScalar(lr) || typeof lr === 'function'
export const rateOf = (what: string, lr: unknown): LearningRate =>
  isRate(lr) ? lr : refuse(DTypeError, what, [{ lr }], 'lr is a number, a scalar array or a schedule')
