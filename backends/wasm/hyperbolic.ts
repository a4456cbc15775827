/**
 * Hyperbolic functions of float32s on four lanes, and their inverses, within 3 ulp.
 */
import type { Local } from './assembler.ts'
import { expm1Near, expNear, type Inline, log1p, ONE, reduceExp, scale } from './math.ts'
import type { Calculator, Vec } from './vec.ts'

/** tanh a = u / (u + 2) with u = e^(2a) - 1 = 2^n (e^r - 1) + 2^n - 1. */
export const tanh: Inline = (c, x) => {
  const { F, I } = c
  const a = c.hold(F.pmin(F.abs(x), 10))
  const { t, r } = reduceExp(c, c.hold(F.add(a, a)))
  const power = c.hold(I.add(I.shl(t, 23), ONE))
  const u = c.hold(c.fma(expm1Near(c, r), power, F.sub(power, 1)))
  return c.copysign(F.div(u, F.add(u, 2)), x)
}

/** E = e^a / 2, which overflows no sooner than what is made of it, and 1 / 4E = e^-a / 2. */
const halfExp = (c: Calculator, a: Local): { readonly up: Local; readonly down: Vec } => {
  const { F, I, hold } = c
  const { t, r } = reduceExp(c, hold(F.pmin(a, 90)))
  const up = hold(scale(c, expNear(c, r), hold(I.sub(t, 1))))
  return { up, down: F.div(0.25, up) }
}
const cosh: Inline = (c, x) => {
  const { up, down } = halfExp(c, c.hold(c.F.abs(x)))
  return c.F.add(up, down)
}
const sinh: Inline = (c, x) => {
  const { F, hold } = c
  const a = hold(F.abs(x))
  const { up, down } = halfExp(c, a)
  const z = hold(F.mul(a, a))
  const near = c.fma(F.mul(a, z), c.poly(z, [0.166666672, 0.00833331048, 0.000198428956, 2.78221319e-6]), a)
  return c.copysign(c.pick(F.lt(a, 1), near, F.sub(up, down)), x)
}

/** Beyond it x² ± 1 is x². */
const LARGE = 1e9
/** log(1 + x), or log 2x of what is large. */
const logTwice = (c: Calculator, large: Local, x: Vec): Vec => c.F.add(log1p(c, c.hold(x)), c.B.and(large, c.f.constant('f32x4', Math.LN2)))

/** log(a + sqrt(a² + 1)) */
const asinh: Inline = (c, x) => {
  const { F, hold } = c
  const a = hold(F.abs(x))
  const large = hold(F.gt(a, LARGE))
  const z = hold(F.mul(a, a))
  const inner = F.add(a, F.div(z, F.add(F.sqrt(F.add(z, 1)), 1)))
  return c.copysign(logTwice(c, large, c.pick(large, a, inner)), x)
}
/** log(x + sqrt(x² - 1)) */
const acosh: Inline = (c, x) => {
  const { F, hold } = c
  const large = hold(F.gt(x, LARGE))
  const t = hold(F.sub(x, 1))
  const inner = F.add(t, F.sqrt(F.mul(t, F.add(t, 2))))
  return c.pick(F.lt(x, 1), Number.NaN, logTwice(c, large, c.pick(large, x, inner)))
}
/** log((1 + a) / (1 - a)) / 2 */
const atanh: Inline = (c, x) => {
  const { F, hold } = c
  const a = hold(F.abs(x))
  return c.copysign(F.mul(log1p(c, hold(F.div(F.add(a, a), F.sub(1, a)))), 0.5), x)
}

/**
 * m or 1 - m, as its derivative takes it, with m = e^r / (2^-n + e^r) where -|x| = n ln 2 + r; both are 2^-24 of that, so that 2^-n is
 * finite.
 */
const logistic: Inline = (c, x) => {
  const { F, I } = c
  const { t, r } = reduceExp(c, c.hold(F.pmax(F.neg(F.abs(x)), -104)))
  const p = c.hold(F.mul(expNear(c, r), 2 ** -24))
  const m = c.hold(F.div(p, F.add(p, I.sub(ONE - (24 << 23), I.shl(t, 23)))))
  return c.pick(F.gt(x, 0), F.sub(1, m), m)
}
const logistic64 = (x: number): number => {
  const e = Math.exp(-Math.abs(x))
  const m = e / (1 + e)
  return x > 0 ? 1 - m : m
}

export const hyperbolic = {
  tanh: { lanes: tanh, double: Math.tanh },
  sinh: { lanes: sinh, double: Math.sinh },
  cosh: { lanes: cosh, double: Math.cosh },
  asinh: { lanes: asinh, double: Math.asinh },
  acosh: { lanes: acosh, double: Math.acosh },
  atanh: { lanes: atanh, double: Math.atanh },
  logistic: { lanes: logistic, double: logistic64 },
}
