/**
 * How hard the suite tries. `npm run test:quick`: without other processes or WebGPU, few cases, while one writes. `npm test`: every kernel and
 * every law, the same cases each time, so that a change is what turns it red. `npm run test:nightly`: new cases, and the largest.
 */
import { inject } from 'vitest'

export type Effort = 'quick' | 'normal' | 'nightly'
declare module 'vitest' {
  interface ProvidedContext {
    /** From vitest's `--mode`. */
    readonly effort: Effort
  }
}

const effort = inject('effort')
export const nightly = effort === 'nightly'
export const quick = effort === 'quick'

/** How many cases to try, of what is normally tried `n` times. */
export const tries = (n: number): number => Math.ceil(n * { quick: 0.1, normal: 1, nightly: 20 }[effort])

/** Where the search begins; `SEED=… npm run test:nightly` repeats one. */
export const seed = nightly ? Number(process.env['SEED'] ?? Date.now() % 2 ** 31) : 42

/** Of kernels that a software adapter compiles for seconds: all at night, else the one whose turn it is, so that neighbouring tests share them out. */
export const inTurn = <T>(all: readonly T[], turn: number): readonly T[] => (nightly ? all : [all[turn % all.length]!])
