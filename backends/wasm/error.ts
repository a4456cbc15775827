/** The error function, its complement and its inverse: float32 on four lanes, float64 by series. */
import { exp, type Inline, log1p } from './math.ts'

/** erf a = a + a p(a²) up to 0.88. */
const NEAR = [0.128379166, -0.376126319, 0.112836815, -0.0268590227, 0.00520072179, -0.000814415806, 8.3922685e-5]

const erf: Inline = (c, x) => {
  const { F } = c
  const a = c.hold(F.pmin(F.abs(x), 4))
  const z = c.hold(F.mul(a, a))
  const small = c.hold(c.fma(a, c.poly(z, NEAR), a))
  // erfc(t) = exp(-t p(t)) for 0.87 <= t <= 4
  const far = [
    1.12844729, 0.636189997, 0.10395395, -0.0209773388, 0.0015849889, 0.000617739395, -0.000247792515, 3.91441827e-5, -2.472495e-6,
  ]
  const big = F.sub(1, exp(c, F.neg(F.mul(a, c.poly(a, far)))))
  return c.copysign(c.pick(F.lt(a, 0.88), small, big), x)
}

/** Beyond 1/2: e^(-a²) t p(t) with t = 1 / (1 + a/2), and 2 less that of negative numbers. a² = h² + d, of which h has 12 bits, so that h² is exact. */
const erfc: Inline = (c, x) => {
  const { F, B } = c
  const a = c.hold(F.pmin(F.abs(x), 11))
  const t = c.hold(F.div(1, F.add(F.mul(a, 0.5), 1)))
  const far = [0.282076925, 0.282564729, 0.241554648, 0.209459484, -0.0439187884, 0.304408312, -0.510433912, 0.295277208, -0.0609774403]
  const h = c.hold(B.and(a, 0xfffff000))
  const d = c.hold(F.mul(F.sub(a, h), F.add(a, h)))
  const rest = c.poly(d, [1, -1, 1 / 2, -1 / 6, 1 / 24]) // e^-d of d < 0.06
  const tail = c.hold(F.mul(exp(c, F.neg(F.mul(h, h))), F.mul(rest, F.mul(t, c.poly(t, far)))))
  const small = F.sub(F.sub(1, x), F.mul(x, c.poly(c.hold(F.mul(x, x)), NEAR)))
  return c.pick(F.lt(a, 0.5), small, c.pick(F.lt(x, 0), F.sub(2, tail), tail))
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

/** erf x for 0 <= x <= 3: (2/√π) e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms positive. */
const erfSeries = (x: number): number => {
  let [term, sum] = [x, x]
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** erfc x for x >= 1.5, by its continued fraction; x² = h² + (x - h)(x + h), where h² is exact. */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let n = 100; n >= 1; n--) tail = x + n / 2 / tail
  const h = Math.fround(x)
  return (Math.exp(-h * h) * Math.exp(-(x - h) * (x + h))) / (Math.sqrt(Math.PI) * tail)
}

const erf64 = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0)) return x
  return Math.sign(x) * (a < 2 ? erfSeries(a) : 1 - erfc64(a))
}

const erfc64 = (x: number): number => (x >= 1.5 ? (x > 28 ? 0 : erfcFraction(x)) : 1 - erf64(x))

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

export const error = {
  erf: { lanes: erf, double: erf64 },
  erfc: { lanes: erfc, double: erfc64 },
  erfInv: { lanes: erfInv, double: erfInv64 },
}
