/**
 * A derivative written by hand, with a fault planted in it, and how the laws find it: they shrink the arguments to where the fault shows.
 *.
 */
import fc from 'fast-check'
import { customVjp, type NdArray, np } from '../../src/index.ts'
import { arrays, checkGrads } from '../../src/testing/index.ts'

type Elementwise = (x: NdArray) => NdArray

/** Huber's loss: x²/2 near zero, |x| - 1/2 beyond 1. */
const huber: Elementwise = (x) => np.where(np.abs(x).less(1), np.square(x).mul(0.5), np.abs(x).sub(0.5))
const withRule = (slope: Elementwise): Elementwise =>
  customVjp(
    (x: NdArray) => huber(x),
    (x: NdArray) => [huber(x), x] as const,
    (x, ct) => [ct.mul(slope(x))],
  )

export const rules: Readonly<Record<string, Elementwise>> = {
  right: withRule((x) => np.clip(x, -1, 1)),
  /** It forgets the lower side. */
  planted: withRule((x) => np.minimum(x, 1)),
}

/** Where its derivative is a difference quotient; not at ±1, where the second derivative jumps. */
export const isRight = (f: Elementwise): fc.IProperty<[NdArray]> =>
  fc.property(arrays({ shape: [2], between: [-4, 4] }), (x) => {
    fc.pre(x.toTyped().every((v) => Math.abs(Math.abs(v) - 1) > 1e-3))
    checkGrads((y: NdArray) => f(y), [x], { modes: ['reverse'] })
  })

export interface Caught {
  readonly runs: number
  readonly x: readonly number[]
  readonly message: string
}
export const hunt = (f: Elementwise, runs = 200, seed = 1): Caught | null => {
  const { failed, counterexample, numRuns, errorInstance } = fc.check(isRight(f), { numRuns: runs, seed })
  return failed ? { runs: numRuns, x: Array.from(counterexample![0].toTyped()), message: (errorInstance as Error).message } : null
}

export const report = (): string =>
  Object.entries(rules)
    .map(([name, f]) => {
      const found = hunt(f)
      return found === null
        ? `${name}: its gradient holds`
        : `${name}: caught after ${found.runs} cases, at [${found.x.join(', ')}]: ${found.message}`
    })
    .join('\n')
