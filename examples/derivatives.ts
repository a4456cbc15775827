/** Derivatives beyond the gradient: of each example, along a direction twice, and of a fixed point. */
import { grad, jvp, lax, type NdArray, np, vmap } from '../src/index.ts'

/**
 * The gradient of each example by itself, in one program: for clipping as differential privacy wants it, or to see which examples pull hardest.
 * `loss` takes parameters, an input and a target; `xs` and `ys` have an axis of examples in front.
 */
export const perExampleGradients = <P>(loss: (params: P, x: NdArray, y: NdArray) => NdArray) =>
  vmap((params: P, x: NdArray, y: NdArray) => (grad as (f: typeof loss) => (params: P, x: NdArray, y: NdArray) => P)(loss)(params, x, y), {
    inAxes: [null, 0, 0],
  })

/** H v, where H is the second derivative of f at x: forward over reverse, with no matrix, for about the cost of two gradients. */
export const hessianVectorProduct = (f: (x: NdArray) => NdArray, x: NdArray, v: NdArray): NdArray => jvp(grad(f), [x], [v])[1]

export interface FixedPointOptions {
  /** It ends when a turn moves no element by more, relative to 1 where that is larger. Default 1e-6. */
  readonly tolerance?: number
  /** And after so many turns in any case. Default 1000. */
  readonly maxTurns?: number
}
/**
 * The x for which x = f(x), by iteration, in any number of turns: its derivative in what f closes over is that of the equation, not of the iteration, so it
 * keeps nothing of the turns. f must pull points together near x.
 */
export const fixedPoint = (
  f: (x: NdArray) => NdArray,
  start: NdArray,
  { tolerance = 1e-6, maxTurns = 1000 }: FixedPointOptions = {},
): NdArray => {
  const settle = (g: (x: NdArray) => NdArray, from: NdArray): NdArray => {
    const moves = (x: NdArray, last: NdArray): NdArray =>
      np.max(np.abs(x.sub(last)).sub(np.maximum(np.abs(x), 1).mul(tolerance))).greater(0)
    return lax.whileLoop(
      ([x, last, turn]) => np.logicalAnd(moves(x, last), turn.less(maxTurns)),
      ([x, , turn]) => [g(x), x, turn.add(1)] as const,
      [g(from), from, np.zeros([], 'int32')] as const,
    )[0]
  }
  return lax.customRoot(
    (x: NdArray) => x.sub(f(x)),
    start,
    (_residual, from) => settle(f, from),
    (linear, y) => {
      // linear(v) = v - f'(x) v, so that v = y + v - linear(v).
      const solve = (h: (v: NdArray) => NdArray, b: NdArray): NdArray => settle((v) => b.add(v).sub(h(v)), b)
      return lax.customLinearSolve(linear, y, solve, { transposeSolve: solve })
    },
  )
}
