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
  /** How many operands stand before the immediate. */
  readonly operands: number
}

const run = <S extends string, I extends Immediate = 'none'>(
  prefix: number,
  base: number,
  names: S,
  immediate: I = 'none' as I,
  operands = 9,
) => ({
  prefix,
  base,
  names,
  immediate,
  operands,
})

const compareInt = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s'
const compareFloat = 'eq ne lt gt le ge'
const roundFloat = 'ceil floor trunc nearest'
const lanesFloat = 'abs neg _ sqrt add sub mul div min max pmin pmax'

/** What the emitters use of it. */
export const opcodes = {
  i32: [
    run(0, 0x45, `eqz ${compareInt}`),
    run(0, 0x6a, 'add sub mul _ div_u _ rem_u and or xor shl shr_s shr_u'),
    run(0xfc, 2, 'trunc_sat_f64_s trunc_sat_f64_u'),
    run(0, 0x28, 'load', 'memory', 1),
    run(0, 0x2d, 'load8_u', 'memory', 1),
    run(0, 0x36, 'store', 'memory', 2),
  ],
  i64: [run(0, 0x29, 'load', 'memory', 1), run(0, 0x37, 'store', 'memory', 2)],
  f32: [run(0, 0xb6, 'demote_f64')],
  f64: [
    run(0, 0x61, compareFloat),
    run(0, 0x99, `abs neg ${roundFloat} sqrt add sub mul div min max copysign`),
    run(0, 0xb7, 'convert_i32_s convert_i32_u _ _ promote_f32'),
    run(0, 0x2b, 'load', 'memory', 1),
    run(0, 0x39, 'store', 'memory', 2),
  ],
  v128: [
    run(0xfd, 77, 'not and andnot or xor bitselect any_true'),
    run(0xfd, 0, 'load', 'memory', 1),
    run(0xfd, 4, 'load16x4_u', 'memory', 1),
    run(0xfd, 9, 'load32_splat', 'memory', 1),
    run(0xfd, 11, 'store', 'memory', 2),
    run(0xfd, 92, 'load32_zero load64_zero', 'memory', 1),
    run(0xfd, 85, 'load16_lane load32_lane', 'memoryLane', 2),
    run(0xfd, 89, 'store16_lane store32_lane store64_lane', 'memoryLane', 2),
  ],
  i32x4: [
    run(0xfd, 17, 'splat'),
    run(0xfd, 55, `${compareInt} ge_u`),
    run(0xfd, 160, 'abs neg'),
    run(0xfd, 171, 'shl shr_s shr_u add _ _ sub _ _ _ mul min_s min_u max_s max_u'),
    run(0xfd, 248, 'trunc_sat_f32x4_s trunc_sat_f32x4_u _ _ trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero'),
    run(0xfd, 27, 'extract_lane', 'lane', 1),
    run(0xfd, 28, 'replace_lane', 'lane', 2),
  ],
  i64x2: [run(0xfd, 205, 'shr_u'), run(0xfd, 222, 'extmul_low_i32x4_u extmul_high_i32x4_u')],
  i8x16: [run(0xfd, 14, 'swizzle')],
  f32x4: [
    run(0xfd, 19, 'splat'),
    run(0xfd, 65, compareFloat),
    run(0xfd, 94, 'demote_f64x2_zero'),
    run(0xfd, 103, roundFloat),
    run(0xfd, 224, lanesFloat),
    run(0xfd, 250, 'convert_i32x4_s convert_i32x4_u'),
    run(0xfd, 0x105, 'relaxed_madd'),
    run(0xfd, 31, 'extract_lane', 'lane', 1),
    run(0xfd, 32, 'replace_lane', 'lane', 2),
  ],
  f64x2: [
    run(0xfd, 95, 'promote_low_f32x4'),
    run(0xfd, 122, 'trunc'),
    run(0xfd, 236, lanesFloat),
    run(0xfd, 254, 'convert_low_i32x4_s convert_low_i32x4_u'),
    run(0xfd, 0x107, 'relaxed_madd'),
    run(0xfd, 33, 'extract_lane', 'lane', 1),
  ],
} as const

type Table = typeof opcodes
export type OpType = keyof Table

type Words<S extends string> = S extends `${infer A} ${infer B}` ? A | Words<B> : S
export type Names<T extends OpType> = Exclude<Words<Table[T][number]['names']>, '_'>
