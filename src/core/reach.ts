/** How far a device counts: the loops of a program that a counter of 32 bits can't go through are refused before anything runs. */
import { DeviceError } from './errors.ts'
import type { Kernel } from './kernel.ts'
import type { Program, Step } from './program.ts'

/** An index and the step after it are int32s: no loop of a device is longer. */
export const REACH = 2 ** 31 - 2 ** 16

const product = (dims: readonly number[]): number => dims.reduce((size, n) => size * n, 1)
/** The longest loops of a kernel, as a device counts them: the outer dims as one, and the inner ones each for itself or as one. */
const loopsOf = (kernel: Kernel, extent: number, innerAsOne: boolean): readonly number[] => {
  switch (kernel.kind) {
    case 'nest': {
      const inner = kernel.dims.slice(kernel.dims.length - kernel.inner)
      return [extent * product(kernel.dims.slice(1, kernel.dims.length - kernel.inner)), ...(innerAsOne ? [product(inner)] : inner)]
    }
    case 'dot':
      return [product(kernel.batch), kernel.m, kernel.n, kernel.k]
    case 'cumulative':
    case 'sort':
      return [kernel.outer * kernel.n * kernel.inner]
    default:
      return []
  }
}

export interface Reach {
  readonly device: string
  /** Whether the device counts what is reduced over as one loop. */
  readonly innerAsOne: boolean
}
/** Throws DeviceError where a loop of the program is longer than the device counts. */
export const refuseBeyondReach = (program: Program, reach: Reach): void => {
  const refused = (what: string, length: number): never => {
    throw new DeviceError(`${reach.device}: ${what} of ${length} is longer than the ${REACH} that it counts: do it in parts`)
  }
  const visit = (step: Step): void => {
    switch (step.kind) {
      case 'launch':
        for (const { extent } of step.segments)
          for (const length of loopsOf(step.kernel, extent, reach.innerAsOne))
            if (length > REACH) refused('an array or a reduction', length)
        return
      case 'loop':
        return [...step.cond, ...step.body].forEach(visit)
      case 'repeat':
        if (step.trips > REACH) refused('a loop', step.trips)
        return step.body.forEach(visit)
      case 'branch':
        return step.branches.flat().forEach(visit)
    }
  }
  program.steps.forEach(visit)
}
