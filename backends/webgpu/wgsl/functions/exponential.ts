/** Exponentials and logarithms in float32 within 2 ulps, and what is made of them within 4. NaN is told by its bits, and stays. */
import { LN2_HIGH, LN2_LOW, polynomial, real } from '../text.ts'

/** Names n and r, x = n ln 2 + r with |r| <= ln 2 / 2, of a bounded `x`. */
const reduced = (x: string): string => `let n = floor(${x} * ${real(Math.LOG2E)} + 0.5);
  let r = (${x} - n * ${real(LN2_HIGH)}) - n * ${real(LN2_LOW)};`
/** e^r - 1. */
const near = `(r + r * r * ${polynomial('r', [0.5, 0.166666657, 0.0416664779, 0.00833356567, 0.0013933708, 0.000197442845])})`

/** erf a / a - 1 up to 0.88, of z = a². */
const nearErf = polynomial('z', [0.128379166, -0.376126319, 0.112836815, -0.0268590227, 0.00520072179, -0.000814415806, 8.3922685e-5])

export const exponential = {
  // p · 2^n in two steps, so that the result may be subnormal or infinite; |n| <= 252.
  c_scale: `fn c_scale(p: f32, n: i32) -> f32 {
  let half = n >> 1u;
  return p * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(n - half + 127) << 23u);
}`,
  // e^x · 2^k for small k. e^r = 1 + r + r² q(r)
  c_expk: `fn c_expk(x: f32, k: i32) -> f32 {
  let y = clamp(x, -104.0, 90.0);
  ${reduced('y')}
  let p = 1.0 + (r + r * r * ${polynomial('r', [0.49999994, 0.166665196, 0.04166824, 0.00836882368, 0.00138232135])});
  return select(c_scale(p, i32(n) + k), x, c_isnan(x));
}`,
  c_exp: 'fn c_exp(x: f32) -> f32 { return c_expk(x, 0); }',
  // 2^n (p + 1 - 2^-n) with p = e^r - 1; below 2^-60 the last term doesn't matter.
  c_expm1: `fn c_expm1(x: f32) -> f32 {
  let y = clamp(x, -18.0, 89.0);
  ${reduced('y')}
  let inverse = bitcast<f32>(u32(127 - min(i32(n), 60)) << 23u);
  return select(c_scale(${near} + (1.0 - inverse), i32(n)), x, x == 0.0 || c_isnan(x));
}`,
  // log(1 + f) + k ln 2, with f = exactly or nearly what `near` is, of 1 + f in [sqrt(1/2), sqrt 2): f - (f²/2 - s (f²/2 + R(s²))), s = f / (2 + f)
  c_logsum: `fn c_logsum(f: f32, k: f32, correction: f32) -> f32 {
  let s = f / (2.0 + f);
  let z = s * s;
  let R = z * ${polynomial('z', [0.666667759, 0.399775714, 0.298713505])};
  let half = 0.5 * f * f;
  return k * ${real(LN2_HIGH)} + (f - (half - (s * (half + R) + (k * ${real(LN2_LOW)} + correction))));
}`,
  // Of a positive finite number's bits, which may be subnormal: [k, bits of m] with x = 2^k m and m in [sqrt(1/2), sqrt 2)
  c_split: `fn c_split(bits: u32) -> vec2<i32> {
  let tiny = bits < 0x800000u;
  let normal = i32(select(bits, bitcast<u32>(f32(bits)), tiny));
  let k = (normal - 0x3f3504f3) >> 23u;
  return vec2(select(k, k - 149, tiny), normal - (k << 23u));
}`,
  // What log gives where its argument isn't positive and finite.
  c_logof: `fn c_logof(x: f32, y: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (bits - 1u < 0x7f7fffffu) { return y; }
  if ((bits & 0x7fffffffu) == 0u) { return c_float(0xff800000u); }
  return select(x, c_float(0x7fc00000u), bits > 0x80000000u && bits <= 0xff800000u);
}`,
  c_log: `fn c_log(x: f32) -> f32 {
  let split = c_split(bitcast<u32>(x));
  return c_logof(x, c_logsum(bitcast<f32>(split.y) - 1.0, f32(split.x), 0.0));
}`,
  // Where 1 + x needs no scaling f is x itself; elsewhere what rounding 1 + x lost is put back, relative to it.
  c_log1p: `fn c_log1p(x: f32) -> f32 {
  let u = 1.0 + x;
  let split = c_split(bitcast<u32>(u));
  let lost = select(x - (u - 1.0), 1.0 - (u - x), x >= 1.0);
  let y = select(c_logsum(bitcast<f32>(split.y) - 1.0, f32(split.x), lost / u), c_logsum(x, 0.0, 0.0), split.x == 0);
  return select(c_logof(u, y), x, x == 0.0);
}`,
  // u / (u + 2) with u = e^(2|x|) - 1
  c_tanh: `fn c_tanh(x: f32) -> f32 {
  let y = 2.0 * min(abs(x), 10.0);
  ${reduced('y')}
  let power = bitcast<f32>(u32(i32(n) + 127) << 23u);
  let u = ${near} * power + (power - 1.0);
  return select(c_copysign(u / (u + 2.0), x), x, x == 0.0 || c_isnan(x));
}`,
  c_copysign:
    'fn c_copysign(x: f32, y: f32) -> f32 { return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u)); }',
  // m or 1 - m with m = e^-|x| / (1 + e^-|x|), as its derivative takes it
  c_logistic: `fn c_logistic(x: f32) -> f32 {
  let e = c_exp(-abs(x));
  let m = e / (1.0 + e);
  return select(select(m, 1.0 - m, x > 0.0), x, c_isnan(x));
}`,
  // With E = e^|x| / 2, so that nothing overflows early: E ± 1/(4E); near 0 by u = e^|x| - 1.
  c_cosh: 'fn c_cosh(x: f32) -> f32 { let e = c_expk(abs(x), -1); return e + 0.25 / e; }',
  c_sinh: `fn c_sinh(x: f32) -> f32 {
  let a = abs(x);
  let u = c_expm1(min(a, 2.0));
  let e = c_expk(a, -1);
  return select(c_copysign(select(e - 0.25 / e, 0.5 * (u + u / (u + 1.0)), a < 1.0), x), x, x == 0.0 || c_isnan(x));
}`,
  // log(a + sqrt(a² + 1)), and log 2a where a² is far above 1
  c_asinh: `fn c_asinh(x: f32) -> f32 {
  let a = abs(x);
  let b = min(a, 1e9);
  let y = select(c_log1p(b + b * b / (1.0 + sqrt(b * b + 1.0))), c_log(a) + ${real(Math.LN2)}, a > 1e9);
  return select(c_copysign(y, x), x, x == 0.0 || c_isnan(x));
}`,
  c_acosh: `fn c_acosh(x: f32) -> f32 {
  let t = min(x - 1.0, 1e9);
  let y = select(c_log1p(t + sqrt(t * (t + 2.0))), c_log(x) + ${real(Math.LN2)}, x > 1e9);
  return select(y, select(c_float(0x7fc00000u), x, c_isnan(x)), !(x >= 1.0) || c_isnan(x));
}`,
  c_atanh: `fn c_atanh(x: f32) -> f32 {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits >= 0x3f800000u) { return c_copysign(c_float(select(0x7fc00000u, 0x7f800000u, bits == 0x3f800000u)), x); }
  let a = abs(x);
  return select(c_copysign(0.5 * c_log1p(2.0 * a / (1.0 - a)), x), x, x == 0.0);
}`,
  // Up to 0.88 a polynomial; beyond it erfc(t) = exp(-t p(t)).
  c_erf: `fn c_erf(x: f32) -> f32 {
  let a = min(abs(x), 4.0);
  let z = a * a;
  let small = a + a * ${nearErf};
  let big = 1.0 - c_exp(-a * ${polynomial('a', [1.12844729, 0.636189997, 0.10395395, -0.0209773388, 0.0015849889, 0.000617739395, -0.000247792515, 3.91441827e-5, -2.472495e-6])});
  return select(c_copysign(select(big, small, a < 0.88), x), x, c_isnan(x));
}`,
  // Beyond 1/2: e^(-a²) t p(t) with t = 1 / (1 + a/2), and 2 less that of negative numbers. a² = h² + d, and h has 12 bits, so that h² is exact.
  c_erfc: `fn c_erfc(x: f32) -> f32 {
  let a = min(abs(x), 11.0);
  let z = a * a;
  let small = (1.0 - x) - x * ${nearErf};
  let t = 1.0 / (1.0 + 0.5 * a);
  let far = t * ${polynomial('t', [0.282076925, 0.282564729, 0.241554648, 0.209459484, -0.0439187884, 0.304408312, -0.510433912, 0.295277208, -0.0609774403])};
  let h = c_top(a);
  let d = (a - h) * (a + h);
  let tail = c_exp(-h * h) * (${polynomial('d', [1, -1, 1 / 2, -1 / 6, 1 / 24])} * far);
  return select(select(select(tail, 2.0 - tail, x < 0.0), small, a < 0.5), x, c_isnan(x));
}`,
  // Giles' single precision polynomials in w = -log(1 - x²), as XLA evaluates them.
  c_erfInv: `fn c_erfInv(x: f32) -> f32 {
  let w = -c_log1p(-x * x);
  let v = w - 2.5;
  let t = sqrt(max(w, 5.0)) - 3.0;
  let near = ${polynomial('v', [1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6, -3.5233877e-6, 3.43273939e-7, 2.81022636e-8])};
  let far = ${polynomial('t', [2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257])};
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits >= 0x3f800000u) { return c_copysign(c_float(select(0x7fc00000u, 0x7f800000u, bits == 0x3f800000u)), x); }
  return x * select(far, near, w < 5.0);
}`,
}
