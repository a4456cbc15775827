/** Powers, cube roots, remainders and neighbours of float32s, and powers of integers. */
import { polynomial, real } from '../text.ts'

/** log2 e in two floats, the first of 12 bits. */
const LOG2E_HIGH = 1.4423828125
const LOG2E_LOW = Math.LOG2E - LOG2E_HIGH

export const power = {
  // Its first 12 bits: products of such are exact.
  c_top: 'fn c_top(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }',
  // log2 of a positive finite number as two floats, the first of 12 bits, together good for 2^-31: k + (2 s + s³ R(s²)) log2 e, where
  // s = f / (2 + f) is two floats as well.
  c_log2: `fn c_log2(bits: u32) -> vec2<f32> {
  let split = c_split(bits);
  let k = f32(split.x);
  let f = bitcast<f32>(split.y) - 1.0;
  let under = c_top(2.0 + f);
  let s = f / (2.0 + f);
  let high = c_top(s);
  let low = ((f - high * under) - high * (f - (under - 2.0))) / (2.0 + f);
  let z = s * s;
  let rest = 2.0 * low + s * z * ${polynomial('z', [0.666666687, 0.400001228, 0.285507262, 0.233329877])};
  let first = 2.0 * high * ${real(LOG2E_HIGH)};
  let second = 2.0 * high * ${real(LOG2E_LOW)} + rest * ${real(Math.LOG2E)};
  let top = c_top(k + (first + second));
  return vec2(top, second - ((top - k) - first));
}`,
  // 2^(y log2 x) with the exponent in two floats.
  c_pow_f32: `fn c_pow_f32(x: f32, y: f32) -> f32 {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  let size = bitcast<u32>(y) & 0x7fffffffu;
  if (size == 0u || bitcast<u32>(x) == 0x3f800000u) { return 1.0; }
  if (bits > 0x7f800000u || size > 0x7f800000u) { return x + y; }
  if (bits == 0x3f800000u && size == 0x7f800000u) { return 1.0; }
  let a = abs(y);
  let whole = a >= 8388608.0 || floor(a) == a;
  let odd = whole && a < 16777216.0 && (u32(min(a, 16777216.0)) & 1u) == 1u;
  let negative = bitcast<u32>(x) >> 31u == 1u;
  let sign = select(0u, 0x80000000u, negative && odd);
  if (bits == 0u || bits == 0x7f800000u) {
    let vanishes = (bits == 0u) != (bitcast<u32>(y) >> 31u == 1u);
    return c_float(sign | select(0x7f800000u, 0u, vanishes));
  }
  if (negative && !whole) { return c_float(0x7fc00000u); }
  let log = c_log2(bits);
  let exponent = clamp(y, -1e30, 1e30);
  let high = c_top(exponent);
  let first = high * log.x;
  let second = (exponent - high) * log.x + exponent * log.y;
  let sum = clamp(first + second, -160.0, 160.0);
  let n = floor(sum + 0.5);
  let r = clamp((first - n) + second, -0.6, 0.6) * ${real(Math.LN2)};
  let p = 1.0 + (r + r * r * ${polynomial('r', [0.49999994, 0.166665196, 0.04166824, 0.00836882368, 0.00138232135])});
  return bitcast<f32>(bitcast<u32>(c_scale(p, i32(n))) | sign);
}`,
  // By Halley's step and Newton's from a third of the exponent, of x / 8^k in [0.7, 5.7].
  c_cbrt: `fn c_cbrt(x: f32) -> f32 {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits == 0u || bits >= 0x7f800000u) { return x; }
  let split = c_split(bits);
  let k = (split.x + 150) / 3 - 50;
  let s = bitcast<f32>(split.y + ((split.x - 3 * k) << 23u));
  let guess = bitcast<f32>(bitcast<u32>(s) / 3u + 709958130u);
  let cube = guess * guess * guess;
  let t = guess * (s + s + cube) / (s + cube + cube);
  return c_copysign(c_scale(t + (s / (t * t) - t) * ${real(1 / 3)}, k), x);
}`,
  // By squaring, wrapping. To a negative power: 1 of 1, ±1 of -1, else 0, as truncated.
  c_pow_u32: `fn c_pow_u32(x: u32, y: u32) -> u32 {
  var result = 1u;
  var square = x;
  for (var n = y; n > 0u; n >>= 1u) {
    if ((n & 1u) == 1u) { result *= square; }
    square *= square;
  }
  return result;
}`,
  c_pow_i32: `fn c_pow_i32(x: i32, y: i32) -> i32 {
  if (y >= 0) { return bitcast<i32>(c_pow_u32(bitcast<u32>(x), bitcast<u32>(y))); }
  if (x == 1) { return 1; }
  return select(0, select(1, -1, (y & 1) != 0), x == -1);
}`,
  // The remainder of a division by hand, eight bits of the quotient at a time: exact.
  c_rem_f32: `fn c_rem_f32(x: f32, y: f32) -> f32 {
  let a = bitcast<u32>(x) & 0x7fffffffu;
  let b = bitcast<u32>(y) & 0x7fffffffu;
  if (a >= 0x7f800000u || b > 0x7f800000u || b == 0u) { return c_float(0x7fc00000u); }
  if (a < b) { return x; }
  let by = c_mantissa(b);
  var r = c_mantissa(a) % by;
  let least = max(b >> 23u, 1u);
  for (var left = max(a >> 23u, 1u) - least; left > 0u;) {
    let step = min(left, 8u);
    r = (r << step) % by;
    left -= step;
  }
  return c_copysign(c_scale(f32(r), i32(least) - 150), x);
}`,
  c_mantissa: 'fn c_mantissa(bits: u32) -> u32 { return (bits & 0x7fffffu) | select(0x800000u, 0u, bits < 0x800000u); }',
  // A step of the bits, towards y; from 0 to the least number of y's sign.
  c_nextafter: `fn c_nextafter(x: f32, y: f32) -> f32 {
  if (c_isnan(x) || c_isnan(y)) { return c_float(0x7fc00000u); }
  let a = c_order(x);
  let b = c_order(y);
  if (a == b) { return y; }
  let next = a + select(-1, 1, b > a);
  return bitcast<f32>(select(u32(next), 0x80000000u | u32(-next), next < 0));
}`,
  // Neighbours are neighbours, and both zeros are 0.
  c_order: 'fn c_order(x: f32) -> i32 { let bits = bitcast<i32>(x); return select(bits, -(bits & 0x7fffffff), bits < 0); }',
}
