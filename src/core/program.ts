/**
 * A program: kernels over numbered buffers, and the loops and branches around them, with a place for every buffer.
 * It is data, made once by lowering and compiled by a backend.
 */
import type { DType } from './dtype.ts'
import type { Kernel } from './kernel.ts'

/** Where a buffer lives while the program runs. Arena offsets are in bytes and come from the memory plan. */
export type FixedPlace =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'output'; readonly index: number }
  | { readonly kind: 'arena'; readonly offset: number }
export type Place =
  | FixedPlace
  /** A part of buffer `of` that moves: in trip i of the `repeat` step that counts as `counter`, from its element start + step·i on. */
  | { readonly kind: 'slice'; readonly of: number; readonly counter: number; readonly start: number; readonly step: number }

export interface Buffer {
  readonly dtype: DType
  /** Elements; may be 0. */
  readonly size: number
  readonly place: Place
}

/** One run of a kernel: a buffer for each of its args, and the extent of a nest's first dim (1 for other kinds). */
export interface Segment {
  readonly buffers: readonly number[]
  readonly extent: number
}

export type Step =
  /** The same code over several sets of buffers: independent of one another, so any order or all at once. */
  | {
      readonly kind: 'launch'
      readonly kernel: Kernel
      readonly segments: readonly Segment[]
      /** It and the launch before it are independent, and so of all in an unbroken line of such: any order, or all at once. */
      readonly beside?: boolean
    }
  /** Runs `cond`, and while the bool scalar `test` holds then, `body` and `cond` again. */
  | { readonly kind: 'loop'; readonly cond: readonly Step[]; readonly test: number; readonly body: readonly Step[] }
  /** Runs `body` so many times, one after the other. No two steps of a program share a `counter`. */
  | { readonly kind: 'repeat'; readonly trips: number; readonly counter: number; readonly body: readonly Step[] }
  /** Runs the branch that the int32 scalar `index` selects, clamped to the last. */
  | { readonly kind: 'branch'; readonly index: number; readonly branches: readonly (readonly Step[])[] }

export type LaunchStep = Step & { readonly kind: 'launch' }
/** The launches of steps, and of those inside loops and branches, in the order of the text. */
export const launchesIn = (steps: readonly Step[]): readonly LaunchStep[] =>
  steps.flatMap((step) => {
    switch (step.kind) {
      case 'launch':
        return [step]
      case 'loop':
        return launchesIn([...step.cond, ...step.body])
      case 'repeat':
        return launchesIn(step.body)
      case 'branch':
        return launchesIn(step.branches.flat())
    }
  })

/** All buffers that a step reads or writes. */
export const buffersOf = (step: Step): readonly number[] => {
  switch (step.kind) {
    case 'launch':
      return step.segments.flatMap(({ buffers }) => buffers)
    case 'loop':
      return [step.test, ...[...step.cond, ...step.body].flatMap(buffersOf)]
    case 'repeat':
      return step.body.flatMap(buffersOf)
    case 'branch':
      return [step.index, ...step.branches.flat().flatMap(buffersOf)]
  }
}

export interface Program {
  readonly buffers: readonly Buffer[]
  /** The buffer of each argument. */
  readonly inputs: readonly number[]
  /** The buffer of each result: placed as an output, or as a donated input whose memory it takes over. */
  readonly outputs: readonly number[]
  readonly steps: readonly Step[]
  readonly arenaBytes: number
  /** It calls the host for what that does: it isn't dropped where nobody reads its results. */
  readonly effects: boolean
}
