/** How far a device counts: the loops of a program that a counter of 32 bits can't go through are refused before anything runs. */
import { DeviceError } from './errors.ts'
import { loopsOf } from './kernelTraits.ts'
import type { Program, Step } from './program.ts'

/** An index and the step after it are int32s: no loop of a device is longer. */
export const REACH = 2 ** 31 - 2 ** 16

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
