/** What generated code imports of the host: functions of float64, and powers of integers. */
import { functionNames, functions } from './functions.ts'

/** Repeated squaring, wrapping; `n` is unsigned. */
const power = (x: number, n: number): number => {
  let [product, square] = [1, x]
  for (let rest = n; rest !== 0; rest >>>= 1) {
    if (rest & 1) product = Math.imul(product, square)
    square = Math.imul(square, square)
  }
  return product
}

export const hostFunctions = {
  ...Object.fromEntries(functionNames.map((name) => [name, functions[name].double])),
  // A negative power is the reciprocal, truncated.
  int_pow: (x: number, n: number) => (n >= 0 ? power(x, n) : Math.abs(x) === 1 ? power(x, n & 1) : 0),
  uint_pow: power,
}
