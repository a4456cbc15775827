/**
 * WebAssembly's instruction set as tables: for each type, names in the order of their codes.
 * Names are those of the text format, so that generated code reads as WAT; `_` marks a code not used.
 */

/** What follows an opcode: nothing, a lane number, a memory place, or both. */
export type Immediate = 'none' | 'lane' | 'memory' | 'memoryLane'

/** Consecutive opcodes `base`, `base + 1`, … on the page `prefix` (0: the one-byte page). */
export interface Run {
  readonly prefix: number
  readonly base: number
  readonly names: string
  readonly immediate: Immediate
}

const run = <S extends string, I extends Immediate = 'none'>(prefix: number, base: number, names: S, immediate?: I) => ({
  prefix,
  base,
  names,
  immediate: (immediate ?? 'none') as I,
})

const compareInt = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'
const arithmeticInt = 'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr'
const compareFloat = 'eq ne lt gt le ge'
const arithmeticFloat = 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign'
const lanesFloat = 'abs neg _ sqrt add sub mul div min max pmin pmax'

export const opcodes = {
  i32: [
    run(0, 0x45, `eqz ${compareInt}`),
    run(0, 0x67, arithmeticInt),
    run(0, 0xa7, 'wrap_i64'),
    run(0, 0xbc, 'reinterpret_f32'),
    run(0xfc, 0, 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u'),
    run(0, 0x28, 'load', 'memory'),
    run(0, 0x2c, 'load8_s load8_u load16_s load16_u', 'memory'),
    run(0, 0x36, 'store', 'memory'),
    run(0, 0x3a, 'store8 store16', 'memory'),
    run(0xfe, 0x10, 'atomic_load', 'memory'),
    run(0xfe, 0x17, 'atomic_store', 'memory'),
    run(0xfe, 0x1e, 'atomic_rmw_add', 'memory'),
  ],
  i64: [
    run(0, 0x50, `eqz ${compareInt}`),
    run(0, 0x79, arithmeticInt),
    run(0, 0xac, 'extend_i32_s extend_i32_u'),
    run(0, 0xbd, 'reinterpret_f64'),
    run(0xfc, 6, 'trunc_sat_f64_s trunc_sat_f64_u'),
    run(0, 0x29, 'load', 'memory'),
    run(0, 0x34, 'load32_s load32_u', 'memory'),
    run(0, 0x37, 'store', 'memory'),
  ],
  f32: [
    run(0, 0x5b, compareFloat),
    run(0, 0x8b, arithmeticFloat),
    run(0, 0xb2, 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64'),
    run(0, 0xbe, 'reinterpret_i32'),
    run(0, 0x2a, 'load', 'memory'),
    run(0, 0x38, 'store', 'memory'),
  ],
  f64: [
    run(0, 0x61, compareFloat),
    run(0, 0x99, arithmeticFloat),
    run(0, 0xb7, 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32'),
    run(0, 0xbf, 'reinterpret_i64'),
    run(0, 0x2b, 'load', 'memory'),
    run(0, 0x39, 'store', 'memory'),
  ],
  v128: [
    run(0xfd, 77, 'not and andnot or xor bitselect any_true'),
    run(0xfd, 0, 'load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u', 'memory'),
    run(0xfd, 7, 'load8_splat load16_splat load32_splat load64_splat store', 'memory'),
    run(0xfd, 92, 'load32_zero load64_zero', 'memory'),
    run(0xfd, 84, 'load8_lane load16_lane load32_lane load64_lane', 'memoryLane'),
    run(0xfd, 88, 'store8_lane store16_lane store32_lane store64_lane', 'memoryLane'),
  ],
  i8x16: [
    run(0xfd, 14, 'swizzle splat'),
    run(0xfd, 35, compareInt),
    run(0xfd, 96, 'abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u'),
    run(0xfd, 0x100, 'relaxed_swizzle'),
    run(0xfd, 21, 'extract_lane_s extract_lane_u replace_lane', 'lane'),
  ],
  i16x8: [run(0xfd, 16, 'splat'), run(0xfd, 45, compareInt), run(0xfd, 24, 'extract_lane_s extract_lane_u replace_lane', 'lane')],
  i32x4: [
    run(0xfd, 17, 'splat'),
    run(0xfd, 55, compareInt),
    run(0xfd, 160, 'abs neg _ all_true bitmask'),
    run(0xfd, 167, 'extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u'),
    run(0xfd, 171, 'shl shr_s shr_u add _ _ sub _ _ _ mul min_s min_u max_s max_u dot_i16x8_s'),
    run(0xfd, 248, 'trunc_sat_f32x4_s trunc_sat_f32x4_u _ _ trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero'),
    run(0xfd, 0x10b, 'relaxed_laneselect'),
    run(0xfd, 27, 'extract_lane replace_lane', 'lane'),
  ],
  i64x2: [
    run(0xfd, 18, 'splat'),
    run(0xfd, 192, 'abs neg _ all_true bitmask'),
    run(0xfd, 199, 'extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u'),
    run(0xfd, 203, 'shl shr_s shr_u add _ _ sub _ _ _ mul eq ne lt_s gt_s le_s ge_s'),
    run(0xfd, 220, 'extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u'),
    run(0xfd, 29, 'extract_lane replace_lane', 'lane'),
  ],
  f32x4: [
    run(0xfd, 19, 'splat'),
    run(0xfd, 65, compareFloat),
    run(0xfd, 94, 'demote_f64x2_zero'),
    run(0xfd, 103, 'ceil floor trunc nearest'),
    run(0xfd, 224, lanesFloat),
    run(0xfd, 250, 'convert_i32x4_s convert_i32x4_u'),
    run(0xfd, 0x105, 'relaxed_madd relaxed_nmadd'),
    run(0xfd, 31, 'extract_lane replace_lane', 'lane'),
  ],
  f64x2: [
    run(0xfd, 20, 'splat'),
    run(0xfd, 71, compareFloat),
    run(0xfd, 95, 'promote_low_f32x4'),
    run(0xfd, 116, 'ceil floor'),
    run(0xfd, 122, 'trunc'),
    run(0xfd, 148, 'nearest'),
    run(0xfd, 236, lanesFloat),
    run(0xfd, 254, 'convert_low_i32x4_s convert_low_i32x4_u'),
    run(0xfd, 0x107, 'relaxed_madd relaxed_nmadd'),
    run(0xfd, 33, 'extract_lane replace_lane', 'lane'),
  ],
} as const

type Table = typeof opcodes
export type OpType = keyof Table

type Words<S extends string> = S extends `${infer A} ${infer B}` ? A | Words<B> : S
export type Names<T extends OpType, I extends Immediate> = Exclude<
  Words<Extract<Table[T][number], { readonly immediate: I }>['names']>,
  '_'
>

/** The methods of one type: `f.i32.add()`, `f.f32x4.extract_lane(0)`, `f.v128.load(offset)`. */
export type Ops<T extends OpType> = { readonly [N in Names<T, 'none'>]: () => void } & {
  readonly [N in Names<T, 'lane'>]: (lane: number) => void
} & {
  /** `offset` in bytes is added to the address on the stack; `align` is the log2 of a promised alignment (a hint). */
  readonly [N in Names<T, 'memory'>]: (offset?: number, align?: number) => void
} & {
  readonly [N in Names<T, 'memoryLane'>]: (lane: number, offset?: number) => void
}
