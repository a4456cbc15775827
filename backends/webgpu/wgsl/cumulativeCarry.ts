/** What a prefix reduction carries from element to element: more than a float32 for float32 sums and products, else the dtype's own value. */
import type { Cumulative } from '../../../src/core/kernel.ts'
import { combined } from './scalar.ts'
import { type Memory, type Scratch, typeOf } from './shader.ts'

export interface Carry {
  readonly type: string
  readonly declarations: string
  readonly lift: (x: string) => string
  readonly combine: (before: string, after: string) => string
  readonly drop: (carried: string) => string
  readonly scratch: (size: number) => Scratch
  readonly load: (memory: Memory, arg: number, at: string) => string
  readonly store: (memory: Memory, arg: number, at: string, carried: string) => string
}

export const carryOf = ({ op, dtype }: Cumulative): Carry => {
  if (dtype === 'float32' && op === 'sum')
    return pair(
      addition,
      (x) => `vec2<f32>(${x}, 0.0)`,
      'addPairs',
      (c) => `${c}.x`,
    )
  if (dtype === 'float32' && op === 'prod')
    return pair(
      multiplication,
      (x) => `scaled(${x}, 0.0)`,
      'mulScaled',
      (c) => `unscaled(${c})`,
    )
  return {
    type: typeOf(dtype),
    declarations: '',
    lift: (x) => x,
    combine: (before, after) => combined(op, dtype, before, after),
    drop: (carried) => carried,
    scratch: (size) => ({ dtype, size }),
    load: (memory, arg, at) => memory.load(arg, at),
    store: (memory, arg, at, carried) => memory.store(arg, at, carried),
  }
}

const pair = (declarations: string, lift: Carry['lift'], combine: string, drop: Carry['drop']): Carry => ({
  type: 'vec2<f32>',
  declarations,
  lift,
  combine: (before, after) => `${combine}(${before}, ${after})`,
  drop,
  scratch: (size) => ({ dtype: 'float32', size: 2 * size }),
  load: (memory, arg, at) => `vec2<f32>(${memory.load(arg, `2 * (${at})`)}, ${memory.load(arg, `2 * (${at}) + 1`)})`,
  store: (memory, arg, at, carried) =>
    `${memory.store(arg, `2 * (${at})`, `${carried}.x`)} ${memory.store(arg, `2 * (${at}) + 1`, `${carried}.y`)}`,
})

/**
 * A float32 and what rounding took from it: a.x + b.x is s + e exactly (Knuth's two-sum), so a sum of millions keeps its digits. A compiler
 * that takes sums for associative makes e 0, and the sum a plain one.
 */
const addition = `fn addPairs(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let s = a.x + b.x;
  if ((bitcast<u32>(s) & 0x7f800000u) == 0x7f800000u) { return vec2<f32>(s, 0.0); }
  let t = s - a.x;
  let e = (a.x - (s - t)) + (b.x - t) + (a.y + b.y);
  let h = s + e;
  return vec2<f32>(h, e - (h - s));
}`

/** A mantissa in ±[1, 2) and its exponent, as floats: a product may leave float32's range and come back. 0, infinities and NaN are themselves. */
const multiplication = `fn scaled(x: f32, exponent: f32) -> vec2<f32> {
  let small = (bitcast<u32>(x) & 0x7f800000u) == 0u;
  let y = select(x, x * 16777216.0, small); // a subnormal times 2^24
  let bits = bitcast<u32>(y);
  let field = (bits >> 23u) & 255u;
  if (field == 0u || field == 255u) { return vec2<f32>(x, 0.0); }
  let e = exponent + f32(field) - select(127.0, 151.0, small);
  return vec2<f32>(bitcast<f32>((bits & 0x807fffffu) | 0x3f800000u), clamp(e, -1e6, 1e6));
}
fn mulScaled(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> { return scaled(a.x * b.x, a.y + b.y); }
fn power(e: i32) -> f32 { return bitcast<f32>(u32(e + 127) << 23u); }
fn unscaled(a: vec2<f32>) -> f32 {
  let e = i32(clamp(a.y, -200.0, 200.0));
  return a.x * power(e / 2) * power(e - e / 2);
}`
