/** Functions whose results are exact: the remainder and the next number, of float32s on four lanes and of float64s. */
import { type Inline2, orLanewise } from './math.ts'
import { SIGN } from './vec.ts'

/** x - n y in float64, exact while the quotient n is below 2^29. */
const rem: Inline2 = (c, x, y) => {
  const { F, D, hold } = c
  const [a, b] = [hold(F.abs(x)), hold(F.abs(y))]
  const r = c.halves((low) => {
    const [x2, y2] = [hold(D.promote_low_f32x4(low(x))), hold(D.promote_low_f32x4(low(y)))]
    return hold(F.demote_f64x2_zero(D.sub(x2, D.mul(D.trunc(D.div(x2, y2)), y2))))
  })
  const kept = hold(c.pick(F.lt(a, b), x, c.copysign(c.join(r), x)))
  return orLanewise(c, 'rem', F.gt(a, F.mul(b, 2 ** 28)), kept, x, y)
}

/** A step of the bits, away from 0 or to it; from 0 to the least number of y's sign. */
const nextafter: Inline2 = (c, x, y) => {
  const { F, I, B } = c
  const away = c.hold(B.xor(F.lt(x, y), I.shr_s(x, 31)))
  const stepped = c.pick(F.eq(x, 0), B.or(B.and(y, SIGN), c.f.constant('i32x4', 1)), I.sub(I.sub(x, 1), I.add(away, away)))
  return c.pick(B.or(F.ne(x, x), F.ne(y, y)), F.add(x, y), c.pick(F.eq(x, y), y, stepped))
}

const view = new DataView(new ArrayBuffer(8))

/** The float64 after x towards y. */
const nextafter64 = (x: number, y: number): number => {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN
  if (x === y) return y
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE
  view.setFloat64(0, x)
  view.setBigInt64(0, view.getBigInt64(0) + (x < y === x > 0 ? 1n : -1n))
  return view.getFloat64(0)
}

export const exact = {
  rem: { lanes: rem, double: (x: number, y: number) => x % y },
  nextafter: { lanes: nextafter, double: nextafter64 },
}
