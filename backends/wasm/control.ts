/** Loops and branches of a program as those of its function `run`. */
import type { Step } from '../../src/core/program.ts'
import type { Surroundings } from './module.ts'

export const control = (step: Exclude<Step, { readonly kind: 'launch' }>, around: Surroundings): void => {
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
