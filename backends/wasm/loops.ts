/** Loops and branches of a program as those of its function `run`. */
import type { Step } from '../../src/core/program.ts'
import type { FunctionBuilder, Local } from './assembler.ts'

/** What is around a loop or a branch. */
export interface Surroundings {
  readonly run: FunctionBuilder
  /** By the counter of each `repeat` around. */
  readonly trips: Map<number, Local>
  readonly emitSteps: (steps: readonly Step[]) => void
  readonly pushAddress: (buffer: number) => void
}

export const emitControl = (step: Exclude<Step, { readonly kind: 'launch' }>, around: Surroundings): void => {
  const { run, trips, emitSteps, pushAddress } = around
  switch (step.kind) {
    case 'loop':
      return run.while(
        () => {
          emitSteps(step.cond)
          run.push(run.i32.load(() => pushAddress(step.test)))
        },
        () => emitSteps(step.body),
      )
    case 'repeat':
      return run.for('i32', 0, step.trips, 1, (trip) => {
        trips.set(step.counter, trip)
        emitSteps(step.body)
        trips.delete(step.counter)
      })
    case 'branch': {
      const index = run.hold(
        'i32',
        run.i32.load(() => pushAddress(step.index)),
      )
      const from = (i: number): void => {
        const steps = step.branches[i]
        if (steps === undefined) return
        if (i === step.branches.length - 1) return emitSteps(steps)
        run.push(run.i32.eq(index, i))
        run.if(
          () => emitSteps(steps),
          () => from(i + 1),
        )
      }
      return from(0)
    }
  }
}
