/** What is near enough. */
import type { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import type { Operand } from '../core/methods.ts'
import { flag, number, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { numberOf } from './check.ts'
import { asFloat, together } from './promote.ts'
import { all } from './reduce.ts'

export interface CloseOptions {
  /** Relative to |y|; default 1e-5. */
  readonly rtol?: number
  /** Added to it; default 1e-8. */
  readonly atol?: number
  /** Whether NaN is close to NaN; default false. */
  readonly equalNan?: boolean
}
const closeOptions: Schema<CloseOptions> = { rtol: number, atol: number, equalNan: flag }
/** |x - y| ≤ atol + rtol |y|: bool; equal infinities are close. As `jnp.isclose`. @example np.isclose(np.array([1, 1]), np.array([1.000001, 1.1])) // [true, false] */
export const isclose = /* @__PURE__ */ takesOptions(
  'isclose',
  3,
  closeOptions,
  (x: Operand, y: Operand, options: CloseOptions = {}): NdArray => closeness('isclose', x, y, options),
)
const closeness = (what: string, x: Operand, y: Operand, options: CloseOptions): NdArray => {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options
  const [a, b] = together(what, x, y).map((z) => c.widened(asFloat(what, z))) as [NdArray, NdArray]
  const within = c.le(c.abs(c.sub(a, b)), c.add(c.lit(b, numberOf(what, atol)), c.mul(c.abs(b), c.lit(b, numberOf(what, rtol)))))
  const near = c.select(c.and(c.isFinite(a), c.isFinite(b)), within, c.eq(a, b))
  return equalNan ? c.or(near, c.and(c.ne(a, a), c.ne(b, b))) : near
}
/** Whether all are close: bool []. As `jnp.allclose`. @example np.allclose(np.array([1, 2]), np.array([1.000001, 2])) // true */
export const allclose = /* @__PURE__ */ takesOptions(
  'allclose',
  3,
  closeOptions,
  (x: Operand, y: Operand, options: CloseOptions = {}): NdArray => all(closeness('allclose', x, y, options)),
)
