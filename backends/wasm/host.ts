/**
 * Functions of float64 and of 32-bit integers that generated code imports: JavaScript's Math, and what it lacks.
 */

/** Repeated squaring, wrapping; `n` is unsigned. */
const power = (x: number, n: number): number => {
  let [product, square] = [1, x]
  for (let rest = n; rest !== 0; rest >>>= 1) {
    if (rest & 1) product = Math.imul(product, square)
    square = Math.imul(square, square)
  }
  return product
}

/** C's pow, where JavaScript's gives NaN for 1 and -1 to infinite powers. */
const pow = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y)

const names = 'exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh cbrt atan2'
export type HostFunction = (x: number, y: number) => number
/** By name; `special.ts` brings more. */
export const hostFunctions: Record<string, HostFunction> = {
  ...Object.fromEntries(names.split(' ').map((name) => [name, Math[name as 'atan2']])),
  pow,
  rem: (x, y) => x % y,
  // Of integers. A negative power is the reciprocal, truncated.
  int_pow: (x, n) => (n >= 0 ? power(x, n) : Math.abs(x) === 1 ? power(x, n & 1) : 0),
  uint_pow: power,
}
