/**
 * Sine, cosine and tangent of every float32, and their inverses. An argument's multiple of π/2 is found by integer products with the bits of
 * 2/π, as many as matter, so that large arguments and those next to a zero keep their digits.
 */
import { polynomial, real } from '../text.ts'

const ASIN = [0.166666657, 0.0750009418, 0.0445994027, 0.0311006624, 0.0171492379, 0.0336908475]
const ATAN = [-0.333333313, 0.199997395, -0.142785683, 0.110337645, -0.0865688026, 0.0625016913, -0.0358715393, 0.0135077713, -0.00238699722] // prettier-ignore
const HALF_PI = Math.fround(Math.PI / 2)
const HALF_PI_LOW = Math.PI / 2 - HALF_PI

const nan = (x: string, y: string): string => `select(${y}, c_float(0x7fc00000u), (bitcast<u32>(${x}) & 0x7fffffffu) >= 0x7f800000u)`

export const trigonometric = {
  c_mulhi: `fn c_mulhi(x: u32, y: u32) -> u32 {
  let x1 = x >> 16u; let x0 = x & 0xffffu;
  let y1 = y >> 16u; let y0 = y & 0xffffu;
  let mid = x1 * y0 + ((x0 * y0) >> 16u);
  return x1 * y1 + (mid >> 16u) + ((x0 * y1 + (mid & 0xffffu)) >> 16u);
}`,
  // 0, and then the bits of 2/π.
  c_two_over_pi: `const c_two_over_pi = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);`,
  // |x| = m 2^(e-23), m of 24 bits. Bits of 2/π from 2^(25-e) up give multiples of 4 quadrants, so the 96 bits below them are multiplied:
  // the product's top two bits are the quadrant, the others the fraction of one, which is rounded to -1/2…1/2, normalised and times π/2.
  c_quadrant: `struct Quadrant { n: u32, r: f32 }
fn c_quadrant(x: f32) -> Quadrant {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits <= 0x3f490fdbu) { return Quadrant(0u, abs(x)); }
  let shift = (bits >> 23u) - 120u;
  let m = (bits & 0x7fffffu) | 0x800000u;
  let at = min(shift >> 5u, 4u);
  let by = shift & 31u;
  var table = c_two_over_pi;
  let a = table[at]; let b = table[at + 1u]; let c = table[at + 2u]; let d = table[at + 3u];
  let low = (32u - by) & 31u;
  let w0 = select((a << by) | (b >> low), a, by == 0u);
  let w1 = select((b << by) | (c >> low), b, by == 0u);
  let w2 = select((c << by) | (d >> low), c, by == 0u);
  let p2 = m * w2;
  let p1 = m * w1 + c_mulhi(m, w2);
  let p0 = m * w0 + c_mulhi(m, w1) + select(0u, 1u, p1 < m * w1);
  var f0 = (p0 << 2u) | (p1 >> 30u);
  var f1 = (p1 << 2u) | (p2 >> 30u);
  let up = f0 >> 31u;
  if (up == 1u) { f0 = ~f0 + select(0u, 1u, f1 == 0u); f1 = 0u - f1; }
  let zeros = countLeadingZeros(f0);
  let t = select((f0 << (zeros & 31u)) | select(0u, f1 >> ((32u - zeros) & 31u), zeros > 0u), f1, zeros > 31u);
  let r = f32(c_mulhi(t, 0xc90fdaa2u)) * bitcast<f32>((96u - zeros) << 23u);
  return Quadrant((p0 >> 30u) + up, select(r, -r, up == 1u));
}`,
  // Of |r| <= π/4.
  c_sine: `fn c_sine(r: f32) -> f32 { let z = r * r; return r + r * z * ${polynomial('z', [-0.166666552, 0.0083321901, -0.000195184504])}; }`,
  c_cosine: `fn c_cosine(r: f32) -> f32 {
  let z = r * r;
  return (1.0 - 0.5 * z) + z * z * ${polynomial('z', [0.0416666456, -0.0013887313, 2.44329694e-5])};
}`,
  c_sin: `fn c_sin(x: f32) -> f32 {
  let q = c_quadrant(x);
  let y = select(c_sine(q.r), c_cosine(q.r), (q.n & 1u) == 1u);
  let signs = ((q.n & 2u) << 30u) ^ (bitcast<u32>(x) & 0x80000000u);
  return ${nan('x', 'bitcast<f32>(bitcast<u32>(y) ^ signs)')};
}`,
  c_cos: `fn c_cos(x: f32) -> f32 {
  let q = c_quadrant(x);
  let y = select(c_cosine(q.r), c_sine(q.r), (q.n & 1u) == 1u);
  let signs = ((q.n + 1u) & 2u) << 30u;
  return ${nan('x', 'bitcast<f32>(bitcast<u32>(y) ^ signs)')};
}`,
  c_tan: `fn c_tan(x: f32) -> f32 {
  let q = c_quadrant(x);
  let s = c_sine(q.r);
  let c = c_cosine(q.r);
  let y = select(s / c, -c / s, (q.n & 1u) == 1u);
  return ${nan('x', 'bitcast<f32>(bitcast<u32>(y) ^ (bitcast<u32>(x) & 0x80000000u))')};
}`,
  // Of 0 <= a <= 1/2.
  c_arcsine: `fn c_arcsine(a: f32) -> f32 { let z = a * a; return a + a * z * ${polynomial('z', ASIN)}; }`,
  // Beyond 1/2: π/2 - 2 asin sqrt((1 - a) / 2)
  c_asin: `fn c_asin(x: f32) -> f32 {
  let a = abs(x);
  let far = 2.0 * c_arcsine(sqrt(max(0.5 - 0.5 * a, 0.0)));
  let y = select(${real(HALF_PI)} - (far - ${real(HALF_PI_LOW)}), c_arcsine(a), a <= 0.5);
  return select(c_copysign(y, x), c_float(0x7fc00000u), (bitcast<u32>(x) & 0x7fffffffu) > 0x3f800000u);
}`,
  c_acos: `fn c_acos(x: f32) -> f32 {
  let a = abs(x);
  let far = 2.0 * c_arcsine(sqrt(max(0.5 - 0.5 * a, 0.0)));
  let around = ${real(HALF_PI)} - (c_copysign(c_arcsine(a), x) - ${real(HALF_PI_LOW)});
  let y = select(select(far, ${real(2 * HALF_PI)} - (far - ${real(2 * HALF_PI_LOW)}), x < 0.0), around, a <= 0.5);
  return select(y, c_float(0x7fc00000u), (bitcast<u32>(x) & 0x7fffffffu) > 0x3f800000u);
}`,
  // Of 0 <= t <= 1.
  c_arctangent: `fn c_arctangent(t: f32) -> f32 { let z = t * t; return t + t * z * ${polynomial('z', ATAN)}; }`,
  c_atan: `fn c_atan(x: f32) -> f32 {
  let a = abs(x);
  let t = c_arctangent(select(a, 1.0 / a, a > 1.0));
  return select(c_copysign(select(t, ${real(HALF_PI)} - (t - ${real(HALF_PI_LOW)}), a > 1.0), x), x, c_isnan(x));
}`,
  // By the smaller over the larger; two infinities are as steep as 1.
  c_atan2: `fn c_atan2(y: f32, x: f32) -> f32 {
  if (c_isnan(x) || c_isnan(y)) { return x + y; }
  let a = abs(x);
  let b = abs(y);
  let infinite = min(bitcast<u32>(a), bitcast<u32>(b)) == 0x7f800000u;
  let steep = b > a;
  let top = select(b, a, steep);
  let under = select(a, b, steep);
  let quotient = select(c_quotient(top, under), 1.0, infinite);
  let t = c_arctangent(select(quotient, 0.0, under == 0.0));
  let first = select(t, ${real(HALF_PI)} - (t - ${real(HALF_PI_LOW)}), steep);
  let left = bitcast<u32>(x) >> 31u == 1u;
  return c_copysign(select(first, ${real(2 * HALF_PI)} - (first - ${real(2 * HALF_PI_LOW)}), left), y);
}`,
  // 0 <= x <= y: a divisor beyond 2^126 may not be divided by as it is.
  c_quotient: `fn c_quotient(x: f32, y: f32) -> f32 {
  let by = select(1.0, 0.25, y > 1e30);
  return (x * by) / (y * by);
}`,
}
