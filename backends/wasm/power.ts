/** Powers and cube roots: float32 on four lanes, float64 by the host. */
import type { Local } from './assembler.ts'
import { expNear, type Inline, type Inline2, ROUND64, scale, SMALLEST_NORMAL } from './math.ts'
import { type Calculator, SIGN, type Vec } from './vec.ts'

/** log2((1 + s) / (1 - s)) = s P(s²), within 2^-37 for |s| <= 3 - 2 sqrt 2 */
const LOG2 = [2.885390081790142, 0.9617966732662248, 0.5770836003447654, 0.4116717449415299, 0.34074899605734044]

/** 2^(y log2 |x|) where log2 |x| is finite, with the exponent in float64: faster than in two float32s, and nearer. */
const positivePower = (c: Calculator, x: Local, y: Local): Vec => {
  const { F, I, D, B, hold, double } = c
  // |x| = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2))
  const a = hold(F.abs(x))
  const tiny = hold(F.lt(a, SMALLEST_NORMAL))
  const normal = hold(c.pick(tiny, F.mul(a, 2 ** 23), a))
  const shift = hold(I.shr_s(I.sub(normal, 0x3f3504f3), 23))
  const f = hold(F.sub(I.sub(normal, I.shl(shift, 23)), 1))
  const k = hold(I.sub(shift, B.and(tiny, 23)))
  const [low, upper] = c.halves((at) => {
    const f2 = hold(D.promote_low_f32x4(at(f)))
    const s = hold(D.div(f2, D.add(f2, 2)))
    const log2 = double.fma(s, double.poly(hold(D.mul(s, s)), LOG2), D.convert_low_i32x4_s(at(k)))
    const e = hold(D.pmin(D.pmax(D.mul(log2, D.promote_low_f32x4(at(y))), -200), 200))
    const t = hold(D.add(e, ROUND64))
    return { t, r: hold(F.demote_f64x2_zero(D.mul(D.sub(e, D.sub(t, ROUND64)), Math.LN2))) }
  })
  const r = hold(c.join([low.r, upper.r]))
  return scale(c, expNear(c, r), hold(c.lanes(low.t, upper.t, 0, 2, 4, 6)))
}

/** C's pow, given |x|^y. */
const specialPower = (c: Calculator, x: Local, y: Local, size: Local): Vec => {
  const { F, B, hold } = c
  const a = hold(F.abs(x))
  const half = hold(F.mul(y, 0.5))
  const whole = hold(F.eq(F.trunc(y), y))
  const negative = B.and(whole, B.and(F.ne(F.trunc(half), half), B.and(x, SIGN)))
  const real = c.pick(B.andnot(F.lt(x, 0), whole), Number.NaN, size)
  const zero = hold(F.eq(a, 0))
  const endless = B.andnot(c.f.constant('f32x4', Infinity), B.xor(zero, F.lt(y, 0)))
  const signed = B.or(c.pick(B.or(zero, F.eq(a, Infinity)), endless, real), negative)
  const nan = B.or(F.ne(x, x), F.ne(y, y))
  const one = B.or(B.or(F.eq(y, 0), F.eq(x, 1)), B.and(F.eq(a, 1), F.eq(F.abs(y), Infinity)))
  return c.pick(one, 1, c.pick(nan, F.add(x, y), signed))
}

const pow: Inline2 = (c, x, y) => {
  const { f, F, B } = c
  const out = c.hold(positivePower(c, x, y))
  f.push(B.any_true(B.not(B.and(B.and(F.gt(x, 0), F.lt(x, Infinity)), F.lt(F.abs(y), Infinity)))))
  f.if(() => f.set(out, specialPower(c, x, y, out)))
  return out
}

/** From a third of the exponent, by Halley's step and Newton's, scaled so that neither the cube nor the square underflows. */
const cbrt: Inline = (c, x) => {
  const { F, I, B, hold } = c
  const a = hold(F.abs(x))
  const small = hold(F.lt(a, 1))
  const s = hold(F.mul(a, c.pick(small, 2 ** 24, 2 ** -24)))
  const guess = hold(I.add(I.trunc_sat_f32x4_s(F.mul(F.convert_i32x4_s(s), 1 / 3)), 709958130))
  const cube = hold(F.mul(F.mul(guess, guess), guess))
  const t = hold(F.mul(guess, F.div(F.add(F.add(s, s), cube), F.add(s, F.add(cube, cube)))))
  const root = F.add(t, F.mul(F.sub(F.div(s, F.mul(t, t)), t), 1 / 3))
  const y = c.copysign(F.mul(root, c.pick(small, 2 ** -8, 2 ** 8)), x)
  return c.pick(B.and(F.gt(a, 0), F.lt(a, Infinity)), y, x)
}

/** C's pow, where JavaScript's gives NaN for 1 and -1 to infinite powers. */
const pow64 = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y)

export const powers = { pow: { lanes: pow, double: pow64 }, cbrt: { lanes: cbrt, double: Math.cbrt } }
