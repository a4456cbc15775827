/** Functions that generated code calls, by name: each is defined, with those it calls itself, where a module's text names it. */
import { exponential } from './functions/exponential.ts'
import { power } from './functions/power.ts'
import { trigonometric } from './functions/trigonometric.ts'

/** Names start with c_. NaN is told by its bits, since WGSL's comparisons may assume that there is none. */
const functions = {
  ...exponential,
  ...trigonometric,
  ...power,
  c_float: `var<private> zero: u32 = 0u;
fn c_float(bits: u32) -> f32 { return bitcast<f32>(bits | zero); }`,
  c_isnan: 'fn c_isnan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }',
  c_max_f32: 'fn c_max_f32(x: f32, y: f32) -> f32 { return select(max(x, y), x + y, c_isnan(x) || c_isnan(y)); }',
  c_min_f32: 'fn c_min_f32(x: f32, y: f32) -> f32 { return select(min(x, y), x + y, c_isnan(x) || c_isnan(y)); }',
  // A zero keeps its sign, and a NaN stays.
  c_sign: 'fn c_sign(x: f32) -> f32 { return select(x, select(-1.0, 1.0, x > 0.0), x != 0.0 && !c_isnan(x)); }',
  // By 0: -1, and the dividend. The least by -1 is itself, and leaves 0.
  c_div_i32: 'fn c_div_i32(x: i32, y: i32) -> i32 { if (y == 0) { return -1; } if (y == -1) { return -x; } return x / y; }',
  // Not %: drivers may take operands for positive (SPIR-V leaves it open, and naga doesn't care for it).
  c_rem_i32: 'fn c_rem_i32(x: i32, y: i32) -> i32 { if (y == 0) { return x; } if (y == -1) { return 0; } return x - x / y * y; }',
  c_div_u32: 'fn c_div_u32(x: u32, y: u32) -> u32 { if (y == 0u) { return 0xffffffffu; } return x / y; }',
  c_rem_u32: 'fn c_rem_u32(x: u32, y: u32) -> u32 { if (y == 0u) { return x; } return x % y; }',
  // WGSL's own conversion may round either way; the halves are exact, and their sum rounds once.
  c_f32_i32: 'fn c_f32_i32(x: i32) -> f32 { return f32(x >> 16u) * 65536.0 + f32(x & 0xffff); }',
  c_f32_u32: 'fn c_f32_u32(x: u32) -> f32 { return f32(x >> 16u) * 65536.0 + f32(x & 0xffffu); }',
  // Saturating; NaN is 0.
  c_i32: `fn c_i32(x: f32) -> i32 {
  if (c_isnan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  return i32(max(x, -2147483648.0));
}`,
  c_u32: `fn c_u32(x: f32) -> u32 {
  if (c_isnan(x)) { return 0u; }
  if (x >= 4294967296.0) { return 0xffffffffu; }
  return u32(max(x, 0.0));
}`,
  // 16-bit floats from and to their bits. WGSL's own conversion to float16 may round either way, and knows no overflow.
  c_widen_float16: 'fn c_widen_float16(bits: u32) -> f32 { return unpack2x16float(bits).x; }',
  c_widen_bfloat16: 'fn c_widen_bfloat16(bits: u32) -> f32 { return bitcast<f32>(bits << 16u); }',
  c_widen4_float16: `fn c_widen4_float16(bits: vec4<u32>) -> vec4<f32> {
  return vec4(unpack2x16float(bits.x | (bits.y << 16u)), unpack2x16float(bits.z | (bits.w << 16u)));
}`,
  c_widen4_bfloat16: 'fn c_widen4_bfloat16(bits: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(bits << vec4(16u)); }',
  c_narrow_float16: `fn c_narrow_float16(x: f32) -> u32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  let sign = (bitcast<u32>(x) >> 16u) & 0x8000u;
  if (size > 0x7f800000u) { return 0x7e00u; }
  if (size < 0x38800000u) { return sign | u32(round(bitcast<f32>(size) * 16777216.0)); }
  return sign | min((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u, 0x7c00u);
}`,
  c_narrow_bfloat16: `fn c_narrow_bfloat16(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select((bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u, 0x7fc0u, (bits & 0x7fffffffu) > 0x7f800000u);
}`,
  // WGSL's own, for attention: within 3 + 2|x| ulps, and 3 ulps.
  c_fast_exp: 'fn c_fast_exp(x: f32) -> f32 { return exp(x); }',
  c_fast_log: 'fn c_fast_log(x: f32) -> f32 { return log(x); }',
  c_threefry: `fn c_threefry(k: vec2<u32>, c: vec2<u32>) -> vec2<u32> {
  let ks = array<u32, 3>(k.x, k.y, k.x ^ k.y ^ 0x1bd11bdau);
  var x = c + k;
  for (var i = 0u; i < 5u; i++) {
    let r = select(vec4<u32>(17u, 29u, 16u, 24u), vec4<u32>(13u, 15u, 26u, 6u), i % 2u == 0u);
    for (var j = 0u; j < 4u; j++) { x.x += x.y; x.y = ((x.y << r[j]) | (x.y >> (32u - r[j]))) ^ x.x; }
    x += vec2<u32>(ks[(i + 1u) % 3u], ks[(i + 2u) % 3u] + i + 1u);
  }
  return x;
}`,
}

export type FunctionName = keyof typeof functions

/** The definitions that `code` needs, callees first. */
export const library = (code: string): readonly string[] => {
  const found = new Map<string, string>()
  const need = (text: string): void => {
    for (const [name] of text.matchAll(/\bc_\w+/g)) {
      const definition = (functions as Readonly<Record<string, string>>)[name]
      if (definition === undefined) throw new Error(`internal: no library function ${name}`)
      if (found.has(name)) continue
      found.set(name, '') // a definition names itself
      need(definition)
      found.delete(name)
      found.set(name, definition)
    }
  }
  need(code)
  return [...found.values()]
}
