/**
 * Special functions and random bits: what generated code makes of them comes with the functions that use them. float32 as in `math.ts`,
 * float64 by the host.
 */
import { exp, type Inline, type Inline2, log1p } from './math.ts'
import type { Functions } from './ops.ts'
import { threefry } from './threefry.ts'
import { SIGN } from './vec.ts'

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

/** A step of the bits, away from 0 or to it; from 0 to the least number of y's sign. */
const next: Inline2 = (c, x, y) => {
  const { F, I, B } = c
  const away = c.hold(B.xor(F.lt(x, y), I.shr_s(x, 31)))
  const stepped = c.pick(F.eq(x, 0), B.or(B.and(y, SIGN), c.f.constant('i32x4', 1)), I.sub(I.sub(x, 1), I.add(away, away)))
  return c.pick(B.or(F.ne(x, x), F.ne(y, y)), F.add(x, y), c.pick(F.eq(x, y), y, stepped))
}

/** erf x for 0 <= x <= 3: (2/√π) e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms positive. */
const erfSeries = (x: number): number => {
  let [term, sum] = [x, x]
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** erfc x for x >= 2, by its continued fraction. */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let n = 100; n >= 1; n--) tail = x + n / 2 / tail
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail)
}

const erf64 = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0)) return x
  return Math.sign(x) * (a < 2 ? erfSeries(a) : 1 - erfcFraction(a))
}

/** Halley's steps on erf, or on erfc where erf is flat, from Winitzki's estimate, which has no digits for tiny x. */
const erfInv64 = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0 && a < 1)) return a === 1 ? x * Infinity : a > 1 ? Number.NaN : x
  const l = Math.log1p(-a * a)
  const t = 2 / (Math.PI * 0.147) + l / 2
  let y = a < 1e-4 ? (a * Math.sqrt(Math.PI)) / 2 : Math.sqrt(Math.sqrt(t * t - l / 0.147) - t)
  for (let i = 0; i < 4; i++) {
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-y * y)
    const error = y < 2 ? erfSeries(y) - a : 1 - a - erfcFraction(y)
    const step = error / slope
    y -= step / (1 + y * step)
  }
  return Math.sign(x) * y
}

const view = new DataView(new ArrayBuffer(8))

/** The float64 after x towards y. */
const nextafter = (x: number, y: number): number => {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN
  if (x === y) return y
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE
  view.setFloat64(0, x)
  view.setBigInt64(0, view.getBigInt64(0) + (x < y === x > 0 ? 1n : -1n))
  return view.getFloat64(0)
}

export const special: Functions = {
  inlined: { logistic, erf, erfInv, nextafter: next },
  host: { erf: erf64, erfInv: erfInv64, nextafter, logistic: (x) => 1 / (1 + Math.exp(-x)) },
  paired: { threefry0: threefry, threefry1: threefry },
}
