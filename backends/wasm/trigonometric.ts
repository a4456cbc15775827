/**
 * Sine, cosine, tangent and their inverses of float32s on four lanes, within 2 ulp. Arguments are reduced in float64.
 */
import type { Local } from './assembler.ts'
import { type Inline, type Inline2, keepZero, orLanewise, ROUND64 } from './math.ts'
import type { Calculator, Vec } from './vec.ts'

/** π/2 in three parts: n · part is exact for |n| < 2^30. */
const PARTS = [1.570796251296997, 7.549789415861596e-8, 5.390302858158119e-15]
/** Beyond this the engine's own Math functions are asked, lane by lane. */
const REDUCIBLE = 1.6e9

/** x = n π/2 + r */
const reduced = (c: Calculator, x: Local): { readonly r: Local; readonly n: Local } => {
  const { F, D, hold } = c
  const [low, upper] = c.halves((at) => {
    const x2 = hold(D.promote_low_f32x4(at(x)))
    const t = hold(D.add(D.mul(x2, 2 / Math.PI), ROUND64))
    const n = hold(D.sub(t, ROUND64))
    return { t, r: hold(F.demote_f64x2_zero(PARTS.reduce<Vec>((rest, part) => D.sub(rest, D.mul(n, part)), x2))) }
  })
  return { r: hold(c.join([low.r, upper.r])), n: hold(c.lanes(low.t, upper.t, 0, 2, 4, 6)) }
}

const isOdd = ({ I, B }: Calculator, n: Vec): Vec => I.ne(B.and(n, 1), 0)
const isFar = ({ F }: Calculator, x: Local): Vec => F.gt(F.abs(x), REDUCIBLE)

/** cos x is sin (x + π/2): a quadrant on. */
const sinOrCos =
  (name: 'sin' | 'cos'): Inline =>
  (c, x) => {
    const { F, I, B, hold, fma, poly } = c
    const { r, n } = reduced(c, x)
    const z = hold(F.mul(r, r))
    const sine = fma(F.mul(r, z), poly(z, [-0.166666552, 0.0083321901, -0.000195184504]), r)
    const cosine = fma(F.mul(z, z), poly(z, [0.0416666456, -0.0013887313, 2.44329694e-5]), fma(z, -0.5, 1))
    const quadrant = hold(name === 'sin' ? n : I.add(n, 1))
    const sign = I.shl(B.and(quadrant, 2), 30)
    const y = B.xor(c.pick(isOdd(c, quadrant), cosine, sine), sign)
    return orLanewise(c, name, isFar(c, x), hold(name === 'sin' ? keepZero(c, x, y) : y), x)
  }

const TAN = [0.333333492, 0.133326754, 0.0540589131, 0.0212862082, 0.010827438, 9.82794008e-5, 0.00437264983]
/** tan r, or -1 / tan r a quadrant on. */
const tan: Inline = (c, x) => {
  const { F, hold } = c
  const { r, n } = reduced(c, x)
  const z = hold(F.mul(r, r))
  const t = hold(c.fma(F.mul(r, z), c.poly(z, TAN), r))
  const odd = hold(isOdd(c, n))
  const y = F.div(c.pick(odd, -1, t), c.pick(odd, t, 1))
  return orLanewise(c, 'tan', isFar(c, x), hold(keepZero(c, x, y)), x)
}

/** π/2 = HALF_PI + LOW */
const HALF_PI = Math.fround(Math.PI / 2)
const LOW = Math.PI / 2 - HALF_PI
/** π/2 - y, or π - y. */
const from = ({ F }: Calculator, halves: 1 | 2, y: Vec): Vec => F.sub(halves * HALF_PI, F.sub(y, halves * LOW))

/** For 0 <= a <= 9/16. */
const arcsine = (c: Calculator, a: Local): Local => {
  const z = c.hold(c.F.mul(a, a))
  const p = c.poly(z, [0.166666314, 0.0750209764, 0.0442322008, 0.034010686, 0.00674290489, 0.047483433])
  return c.hold(c.fma(c.F.mul(a, z), p, a))
}
/** Beyond 9/16 asin a is π/2 - 2 asin sqrt((1 - a) / 2): whether |x| is, and the arcsine of it or of that root. */
const arcsines = (c: Calculator, x: Local): { readonly beyond: Local; readonly y: Local } => {
  const { F, hold } = c
  const a = hold(F.abs(x))
  const beyond = hold(F.gt(a, 0.5625))
  return { beyond, y: arcsine(c, hold(c.pick(beyond, F.sqrt(F.mul(F.sub(1, a), 0.5)), a))) }
}
const asin: Inline = (c, x) => {
  const { beyond, y } = arcsines(c, x)
  return c.copysign(c.pick(beyond, from(c, 1, c.F.add(y, y)), y), x)
}
const acos: Inline = (c, x) => {
  const { F } = c
  const { beyond, y } = arcsines(c, x)
  const twice = c.hold(F.add(y, y))
  return c.pick(beyond, c.pick(F.lt(x, 0), from(c, 2, twice), twice), from(c, 1, c.copysign(y, x)))
}

const ATAN = [-0.333333313, 0.199997395, -0.142785683, 0.110337645, -0.0865688026, 0.0625016913, -0.0358715393, 0.0135077713, -0.00238699722] // prettier-ignore
/** The angle of (a, b), neither of them negative, by the smaller over the larger: equal ones are as steep as 1, and zeros flat. */
const angle = (c: Calculator, b: Local, a: Local): Local => {
  const { F, B, hold } = c
  // NaN if either is
  const [top, under] = [hold(F.pmin(b, a)), hold(F.pmax(a, b))]
  const one = B.and(F.gt(top, 0), c.f.constant('f32x4', 1))
  const q = hold(c.pick(F.eq(top, under), one, F.div(top, under)))
  const z = hold(F.mul(q, q))
  const t = hold(c.fma(F.mul(q, z), c.poly(z, ATAN), q))
  return hold(c.pick(F.gt(b, a), from(c, 1, t), t))
}
const atan: Inline = (c, x) => c.copysign(angle(c, c.hold(c.F.abs(x)), c.f.constant('f32x4', 1)), x)
const atan2: Inline2 = (c, y, x) => {
  const { F, I, hold } = c
  const t = angle(c, hold(F.abs(y)), hold(F.abs(x)))
  return c.copysign(c.pick(I.lt_s(x, 0), from(c, 2, t), t), y)
}

export const trigonometric = {
  sin: { lanes: sinOrCos('sin'), double: Math.sin },
  cos: { lanes: sinOrCos('cos'), double: Math.cos },
  tan: { lanes: tan, double: Math.tan },
  asin: { lanes: asin, double: Math.asin },
  acos: { lanes: acos, double: Math.acos },
  atan: { lanes: atan, double: Math.atan },
  atan2: { lanes: atan2, double: Math.atan2 },
}
