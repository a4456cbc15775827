/**
 * Exponentials and logarithms of float32s on four lanes, within 2 ulp, written inline where they are called: each leaves its result on the
 * stack. What hides the latency of one vector is the next one, so chains are kept short: fused multiply-adds where the engine has them.
 */
import type { Local } from './assembler.ts'
import type { Calculator, Vec } from './vec.ts'

export type Inline = (c: Calculator, x: Local) => Vec
export type Inline2 = (c: Calculator, x: Local, y: Local) => Vec

/** ln 2 = high + low, where n · high is exact for any exponent n. */
const LN2_HIGH = 0.693145751953125
const LN2_LOW = 0.0000014286068203094173
export const SMALLEST_NORMAL = 2 ** -126
/** 1's bits. */
export const ONE = 0x3f800000

/** Adding it rounds a float32 below 2^22 to an integer, found in the low bits. */
const ROUND32 = 1.5 * 2 ** 23

/** Adding it to a float64 leaves the nearest integer in the low bits. */
export const ROUND64 = 1.5 * 2 ** 52

/** p · 2^n in two steps, so that the result may be subnormal or infinite. `t`: n in its low bits. */
export const scale = ({ F, I, hold }: Calculator, p: Vec, t: Local): Vec => {
  const half = hold(I.shl(I.shr_s(t, 1), 23))
  const rest = I.sub(I.shl(t, 23), half)
  return F.mul(F.mul(p, I.add(half, ONE)), I.add(rest, ONE))
}

/** x = n ln 2 + r with |r| <= ln 2 / 2; t is n + ROUND32. */
export const reduceExp = ({ F, fma, hold }: Calculator, x: Local): { readonly t: Local; readonly r: Local } => {
  const t = hold(fma(x, Math.LOG2E, ROUND32))
  const n = hold(F.sub(t, ROUND32))
  return { t, r: hold(fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))) }
}

/** e^r = 1 + r + r² q(r) for |r| <= ln 2 / 2. */
export const expNear = (c: Calculator, r: Local): Vec => {
  const q = c.poly(r, [0.49999994, 0.166665196, 0.04166824, 0.00836882368, 0.00138232135])
  return c.F.add(c.fma(c.F.mul(r, r), q, r), 1)
}

export const exp = (c: Calculator, x: Vec): Vec => {
  const { F } = c
  const { t, r } = reduceExp(c, c.hold(F.pmin(F.pmax(x, -104), 89)))
  return scale(c, expNear(c, r), t)
}

/** e^r - 1 for |r| <= ln 2 / 2. */
export const expm1Near = (c: Calculator, r: Local): Vec =>
  c.fma(c.F.mul(r, r), c.poly(r, [0.5, 0.166666657, 0.0416664779, 0.00833356567, 0.0013933708, 0.000197442845]), r)

export const expm1: Inline = (c, x) => {
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

/** y, but the engine's own answer for the lanes of `far`. */
export const orLanewise = (c: Calculator, name: string, far: Vec, y: Local, ...args: Local[]): Vec => {
  const { f, B } = c
  const mask = c.hold(far)
  f.push(B.any_true(mask))
  f.if(() => f.set(y, B.bitselect(lanewise(c, 'f64', name, ...args), y, mask)))
  return y
}

/** -0 gives -0. */
export const keepZero = ({ F, B }: Calculator, x: Local, y: Vec): Vec => B.or(y, B.and(x, F.eq(x, 0)))

export const exponential = {
  exp: { lanes: exp, double: Math.exp },
  expm1: { lanes: expm1, double: Math.expm1 },
  log: { lanes: log, double: Math.log },
  log1p: { lanes: log1p, double: Math.log1p },
}
