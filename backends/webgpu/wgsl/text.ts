/** What emitters write of numbers, vectors and repetitions. */

export const components = ['x', 'y', 'z', 'w'] as const
export const times = <T>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i))

export const real = (x: number): string => `${Math.fround(x)}f`

/** c0 + x (c1 + x (c2 + …)). */
export const polynomial = (x: string, coefficients: readonly number[]): string =>
  coefficients.reduceRight((rest, c) => (rest === '' ? real(c) : `(${real(c)} + ${x} * ${rest})`), '')

/** ln 2 = high + low, where n · high is exact for any exponent n. */
export const LN2_HIGH = 0.693145751953125
export const LN2_LOW = 0.0000014286068203094173
