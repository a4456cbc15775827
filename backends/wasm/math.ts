/**
 * float32 functions on four lanes, within 2 ulp, written inline where they are called: each leaves its result on the stack.
 * What hides the latency of one vector is the next one, so chains are kept short: fused multiply-adds where the engine has them.
 */
import type { Local } from './assembler.ts'
import type { Calculator, Vec } from './vec.ts'

export type Inline = (c: Calculator, x: Local) => Vec

/** ln 2 = high + low, where n · high is exact for any exponent n. */
const LN2_HIGH = 0.693145751953125
const LN2_LOW = 0.0000014286068203094173
const SMALLEST_NORMAL = 2 ** -126
const SIGN = 0x80000000
/** 1's bits. */
const ONE = 0x3f800000

/** Adding it rounds a float32 below 2^22 to an integer, found in the low bits. */
const ROUND32 = 1.5 * 2 ** 23

/** p · 2^n in two steps, so that the result may be subnormal or infinite. `t`: n + ROUND32. */
const scale = ({ F, I, hold }: Calculator, p: Vec, t: Local): Vec => {
  const half = hold(I.shl(I.shr_s(t, 1), 23))
  const rest = I.sub(I.shl(t, 23), half)
  return F.mul(F.mul(p, I.add(half, ONE)), I.add(rest, ONE))
}

/** x = n ln 2 + r with |r| <= ln 2 / 2; t is n + ROUND32. */
const reduceExp = ({ F, fma, hold }: Calculator, x: Local): { readonly t: Local; readonly r: Local } => {
  const t = hold(fma(x, Math.LOG2E, ROUND32))
  const n = hold(F.sub(t, ROUND32))
  return { t, r: hold(fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))) }
}

export const exp = (c: Calculator, x: Vec): Vec => {
  const { F, fma } = c
  const { t, r } = reduceExp(c, c.hold(F.pmin(F.pmax(x, -104), 89)))
  // e^r = 1 + r + r² q(r)
  const q = c.poly(r, [0.49999994, 0.166665196, 0.04166824, 0.00836882368, 0.00138232135])
  return scale(c, F.add(fma(F.mul(r, r), q, r), 1), t)
}

/** e^r - 1 for |r| <= ln 2 / 2. */
const expm1Near = (c: Calculator, r: Local): Vec =>
  c.fma(c.F.mul(r, r), c.poly(r, [0.5, 0.166666657, 0.0416664779, 0.00833356567, 0.0013933708, 0.000197442845]), r)

const expm1: Inline = (c, x) => {
  const { F, I } = c
  const { t, r } = reduceExp(c, c.hold(F.pmin(F.pmax(x, -18), 89)))
  const p = expm1Near(c, r)
  // 2^n (p + 1 - 2^-n); below 2^-60 the last term doesn't matter
  const inverse = I.sub(ONE, I.shl(F.pmin(t, ROUND32 + 60), 23))
  return keepZero(c, x, scale(c, F.add(p, F.sub(1, inverse)), t))
}

/** log of (1 + extra) · 2^k · m where m's bits are in `bits`; `x` decides the special cases. */
const logValue = (c: Calculator, x: Local, positive: Local, exponent: Vec | null, correction: Vec | null): Vec => {
  const { F, I, B, hold } = c
  // k so that m is in [sqrt(1/2), sqrt(2))
  const k = hold(I.shr_s(I.sub(positive, 0x3f3504f3), 23))
  const m = I.sub(positive, I.shl(k, 23))
  const kf = hold(exponent === null ? F.convert_i32x4_s(k) : F.sub(F.convert_i32x4_s(k), exponent))
  const fraction = hold(F.sub(m, 1))
  // log(1+f) = f - (f²/2 - s (f²/2 + R)), s = f/(2+f)
  const s = hold(F.div(fraction, F.add(fraction, 2)))
  const z = hold(F.mul(s, s))
  const R = F.mul(z, c.poly(z, [0.666667759, 0.399775714, 0.298713505]))
  const half = hold(F.mul(F.mul(fraction, fraction), 0.5))
  const low = correction === null ? F.mul(kf, LN2_LOW) : F.add(F.mul(kf, LN2_LOW), correction)
  const sum = F.add(F.add(F.sub(F.add(F.mul(s, F.add(half, R)), low), half), fraction), F.mul(kf, LN2_HIGH))
  const y = hold(sum)
  const special = B.or(F.lt(x, 0), c.pick(F.eq(x, 0), -Infinity, x))
  return c.pick(B.and(F.gt(x, 0), F.lt(x, Infinity)), y, special)
}

export const log: Inline = (c, x) => {
  const { F, B } = c
  const tiny = c.hold(F.lt(x, SMALLEST_NORMAL))
  const positive = c.hold(c.pick(tiny, F.mul(x, 2 ** 23), x))
  return logValue(c, x, positive, B.and(tiny, c.f.constant('f32x4', 23)), null)
}

export const log1p: Inline = (c, x) => {
  const { F } = c
  const u = c.hold(F.add(x, 1))
  // what rounding 1 + x lost, relative to u: from the smaller operand
  const lost = c.pick(F.ge(x, 1), F.sub(1, F.sub(u, x)), F.sub(x, F.sub(u, 1)))
  const y = logValue(c, u, u, null, c.hold(F.div(lost, u)))
  // near 0: x - x²/2 is exact enough, and keeps -0 and subnormals; infinity would have lost a NaN
  return c.pick(F.lt(F.abs(x), 2 ** -12), F.sub(x, F.mul(F.mul(x, x), 0.5)), y)
}

/** π/2 in three parts: n · part is exact for |n| < 2^30. */
const HALF_PI = [1.570796251296997, 7.549789415861596e-8, 5.390302858158119e-15]
/** Adding it to a float64 leaves the nearest integer in the low bits. */
const ROUND64 = 1.5 * 2 ** 52
/** Beyond this the engine's own Math functions are asked, lane by lane. */
const REDUCIBLE = 1.6e9

/** x = n π/2 + r for two float64 lanes: t's low words hold n. */
const reduceTrig = (c: Calculator, x: Vec): { readonly t: Local; readonly r: Local } => {
  const { D } = c
  const x2 = c.hold(x)
  const t = c.hold(D.add(D.mul(x2, 2 / Math.PI), ROUND64))
  const n = c.hold(D.sub(t, ROUND64))
  const r = HALF_PI.reduce<Vec>((rest, part) => D.sub(rest, D.mul(n, part)), x2)
  return { t, r: c.hold(r) }
}

export const high = (c: Calculator, x: Vec): Vec => {
  const held = c.hold(x)
  return c.lanes(held, held, 2, 3, 2, 3)
}

/** A host's function of float64 or i32 for each lane: what is too rare for a vector form. */
export const lanewise = ({ f }: Calculator, type: 'f64' | 'i32', name: string, ...args: Local[]): Vec => {
  const { module } = f
  const scalar = module.importFunction(name, Array(args.length).fill(type), [type])
  const handle = module.once(`lanes ${name}`, () => {
    const g = module.func(`lanes_${name}`, Array(args.length).fill('v128'), ['v128'])
    const { f32x4: F, i32x4: I } = g
    const out = g.local('v128')
    for (let lane = 0; lane < 4; lane++) {
      const values = g.params.map((x) => (type === 'i32' ? I.extract_lane(x, lane) : g.f64.promote_f32(F.extract_lane(x, lane))))
      const y = (): void => g.call(scalar, ...values)
      g.set(out, type === 'i32' ? I.replace_lane(out, y, lane) : F.replace_lane(out, g.f32.demote_f64(y), lane))
    }
    g.get(out)
    return g
  })
  return () => f.call(handle, ...args)
}

/** y where every |x| is small enough, else the engine's answer for those that aren't. */
const orLanewise = (c: Calculator, name: string, x: Local, y: Local): Vec => {
  const { f, F, B } = c
  const far = c.hold(F.gt(F.abs(x), REDUCIBLE))
  f.push(B.any_true(far))
  f.if(() => f.set(y, B.bitselect(lanewise(c, 'f64', name, x), y, far)))
  return y
}

/** -0 gives -0. */
const keepZero = ({ F, B }: Calculator, x: Local, y: Vec): Vec => B.or(y, B.and(x, F.eq(x, 0)))

/** cos x is sin (x + π/2): a quadrant on. */
const sinOrCos =
  (name: 'sin' | 'cos'): Inline =>
  (c, x) => {
    const { F, I, D, B, hold, fma, poly } = c
    const low = reduceTrig(c, D.promote_low_f32x4(x))
    const upper = reduceTrig(c, D.promote_low_f32x4(high(c, x)))
    const r = hold(c.lanes(F.demote_f64x2_zero(low.r), F.demote_f64x2_zero(upper.r), 0, 1, 4, 5))
    const n = c.lanes(low.t, upper.t, 0, 2, 4, 6)
    const quadrant = hold(name === 'sin' ? n : I.add(n, 1))
    const z = hold(F.mul(r, r))
    const sine = fma(F.mul(r, z), poly(z, [-0.166666552, 0.0083321901, -0.000195184504]), r)
    const cosine = fma(F.mul(z, z), poly(z, [0.0416666456, -0.0013887313, 2.44329694e-5]), fma(z, -0.5, 1))
    const odd = I.ne(B.and(quadrant, 1), 0)
    const sign = I.shl(B.and(quadrant, 2), 30)
    const y = B.xor(c.pick(odd, cosine, sine), sign)
    return orLanewise(c, name, x, hold(name === 'sin' ? keepZero(c, x, y) : y))
  }

/** tanh a = u / (u + 2) with u = e^(2a) - 1 = 2^n (e^r - 1) + 2^n - 1. */
const tanh: Inline = (c, x) => {
  const { F, I, B } = c
  const a = c.hold(F.pmin(F.abs(x), 10))
  const { t, r } = reduceExp(c, c.hold(F.add(a, a)))
  const power = c.hold(I.add(I.shl(t, 23), ONE))
  const u = c.hold(c.fma(expm1Near(c, r), power, F.sub(power, 1)))
  return B.or(F.div(u, F.add(u, 2)), B.and(x, SIGN))
}

const logistic: Inline = (c, x) => {
  const { F } = c
  // 1/(1+e) where x >= 0, else e/(1+e), with e = exp(-|x|) <= 1; what rounding 1+e lost is put back
  const e = c.hold(exp(c, F.neg(F.abs(x))))
  const s = c.hold(F.add(e, 1))
  const y = c.hold(F.div(c.pick(F.lt(x, 0), e, 1), s))
  return F.sub(y, F.mul(y, F.sub(e, F.sub(s, 1))))
}

const erf: Inline = (c, x) => {
  const { F, B } = c
  const a = c.hold(F.pmin(F.abs(x), 4))
  const z = c.hold(F.mul(a, a))
  const near = [0.128379166, -0.376126319, 0.112836815, -0.0268590227, 0.00520072179, -0.000814415806, 8.3922685e-5]
  const small = c.hold(c.fma(a, c.poly(z, near), a))
  // erfc(t) = exp(-t p(t)) for 0.87 <= t <= 4
  const far = [
    1.12844729, 0.636189997, 0.10395395, -0.0209773388, 0.0015849889, 0.000617739395, -0.000247792515, 3.91441827e-5, -2.472495e-6,
  ]
  const big = F.sub(1, exp(c, F.neg(F.mul(a, c.poly(a, far)))))
  return B.or(c.pick(F.lt(a, 0.88), small, big), B.and(x, SIGN))
}

/** Giles' single precision polynomials, as XLA evaluates them. */
const erfInv: Inline = (c, x) => {
  const { F } = c
  const w = c.hold(F.neg(log1p(c, c.hold(F.neg(F.mul(x, x))))))
  const near = c.hold(F.lt(w, 5))
  const v = c.hold(c.pick(near, F.sub(w, 2.5), F.sub(F.sqrt(w), 3)))
  const pairs = [
    [1.50140941, 2.83297682],
    [0.246640727, 1.00167406],
    [-0.00417768164, 0.00943887047],
    [-0.00125372503, -0.0076224613],
    [0.00021858087, 0.00573950773],
    [-4.39150654e-6, -0.00367342844],
    [-3.5233877e-6, 0.00134934322],
    [3.43273939e-7, 0.000100950558],
    [2.81022636e-8, -0.000200214257],
  ] as const
  const p = c.poly(
    v,
    pairs.map(([a, b]) => c.pick(near, a, b)),
  )
  return c.pick(F.eq(F.abs(x), 1), F.mul(x, Infinity), F.mul(p, x))
}

/** By operation. */
export const inlined: Readonly<Record<string, Inline>> = {
  ...{ exp, expm1, log, log1p, tanh, logistic, erf, erfInv },
  sin: sinOrCos('sin'),
  cos: sinOrCos('cos'),
}
