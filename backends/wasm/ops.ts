/**
 * One element operation on values in locals: four lanes of a 32-bit dtype in a v128 (a bool is a lane mask), or one f64.
 *
 *   operation(f, op, dtype, from, args)   // args: a Local each, of `from`'s dtypes
 *
 * 16-bit floats are their bits in lanes of 32, and are cast from and to float32 only.
 */
import { type DType, type HalfFloat, isFloat, isHalf } from '../../src/core/dtype.ts'
import type { ScalarOp } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { functionNames, functions } from './functions.ts'
import { intDiv, shiftLanes } from './intLanes.ts'
import { type Inline, lanewise } from './math.ts'
import { threefry } from './threefry.ts'
import { type Calculator, calculator, type Vec } from './vec.ts'

/** What holds a value of a dtype. */
export const registerOf = (dtype: DType): 'v128' | 'f64' | 'i64' => (dtype === 'float64' ? 'f64' : dtype === 'key' ? 'i64' : 'v128')

/** Operations that are words 0 and 1 of one function's two results: the number ends the name. */
export const paired: Readonly<Record<string, (module: ModuleBuilder) => FunctionHandle>> = { threefry0: threefry, threefry1: threefry }

/** Worth evaluating once rather than twice. */
export const isExpensive = (op: ScalarOp): boolean => op in functions || op in paired

const uses = new WeakMap<FunctionBuilder, Map<string, number>>()

/** The first few uses in a function are written out (their constants stay in locals), more of them call a shared function. */
const inline = (c: Calculator, op: string, emit: (c: Calculator, ...args: Local[]) => Vec, ...args: readonly Local[]): Vec => {
  const { f } = c
  const counts = uses.get(f) ?? new Map<string, number>()
  uses.set(f, counts)
  const count = counts.get(op) ?? 0
  counts.set(op, count + 1)
  if (count < 2) return emit(c, ...args)
  const make = (): FunctionHandle => {
    const g = f.module.func(op, Array(args.length).fill('v128'), ['v128'])
    g.push(emit(calculator(g), ...g.params))
    return g
  }
  return () => f.call(f.module.once(`math ${op}`, make), ...args)
}

export const operation = (f: FunctionBuilder, op: ScalarOp, dtype: DType, from: readonly DType[], args: readonly Local[]): Value => {
  const source = from[0] as DType
  const [x, y, z] = args as readonly [Local, Local, Local]
  if (op === 'cast') return cast(f, source, dtype, x)
  if (op === 'select') return registerOf(dtype) === 'v128' ? f.v128.bitselect(y, z, x) : f.select(y, z, f.i32x4.extract_lane(x, 0))
  if (source === 'float64') return dtype === 'bool' ? splatMask(f, doubles[op](f, ...args)) : doubles[op](f, ...args)
  return source === 'float32' && op !== 'bitcast' ? singles[op](calculator(f), ...args) : words[op](f, source === 'int32', ...args)
}

/** An i32 of 0 or 1 -> a mask. */
const splatMask = ({ i32x4: I }: FunctionBuilder, truth: Value): Vec => I.neg(I.splat(truth))

export const widen: Readonly<Record<HalfFloat, Inline>> = {
  // The exponent's bias differs by 112; an exponent of ones stays one.
  float16: ({ F, I, B, hold }, x) => {
    const size = hold(B.and(x, 0x7fff))
    const ones = B.and(I.gt_s(size, 0x7bff), 0x7f800000)
    return B.or(B.or(F.mul(I.shl(size, 13), 2 ** 112), ones), I.shl(B.and(x, 0x8000), 16))
  },
  bfloat16: ({ I }, x) => I.shl(x, 16),
}
/** To the nearest, ties to even. */
const narrow: Readonly<Record<HalfFloat, Inline>> = {
  float16: ({ F, I, B, hold }, x) => {
    const size = hold(F.pmin(F.abs(x), 65536))
    const drop = hold(F.mul(I.max_u(B.and(size, 0x7f800000), 0x38800000), 1.5 * 2 ** 13)) // adding it and taking it away rounds
    const bits = I.shr_u(F.mul(F.sub(F.add(size, drop), drop), 2 ** -112), 13)
    return B.or(B.bitselect(bits, 0x7e00, F.eq(x, x)), B.and(I.shr_u(x, 16), 0x8000))
  },
  bfloat16: ({ F, I, B }, x) => {
    const rounded = I.add(I.add(x, 0x7fff), B.and(I.shr_u(x, 16), 1))
    return I.shr_u(B.bitselect(rounded, 0x7fc00000, F.eq(x, x)), 16)
  },
}

const cast = (f: FunctionBuilder, from: DType, to: DType, x: Local): Value => {
  const { f32x4: F, i32x4: I, v128: B, f64, f32, i32 } = f
  if (from === to || (from !== 'bool' && !isFloat(from) && !isFloat(to) && to !== 'bool')) return x
  if (isHalf(from)) return inline(calculator(f), from, widen[from], x)
  if (isHalf(to)) return inline(calculator(f), `to ${to}`, narrow[to], x)
  if (to === 'float64') {
    if (from === 'float32') return f64.promote_f32(F.extract_lane(x, 0))
    const integer = I.extract_lane(from === 'bool' ? I.neg(x) : x, 0)
    return from === 'uint32' ? f64.convert_i32_u(integer) : f64.convert_i32_s(integer)
  }
  if (from === 'float64') {
    if (to === 'float32') return F.splat(f32.demote_f64(x))
    if (to === 'bool') return splatMask(f, f64.ne(x, 0))
    return I.splat(to === 'int32' ? i32.trunc_sat_f64_s(x) : i32.trunc_sat_f64_u(x))
  }
  if (to === 'bool') return (from === 'float32' ? F : I).ne(x, 0)
  if (from === 'bool') return to === 'float32' ? B.and(x, f.constant('f32x4', 1)) : I.neg(x)
  if (to === 'float32') return from === 'int32' ? F.convert_i32x4_s(x) : F.convert_i32x4_u(x)
  return to === 'int32' ? I.trunc_sat_f32x4_s(x) : I.trunc_sat_f32x4_u(x)
}

/** One form for each of these operations. */
const each = <K extends ScalarOp, F>(names: readonly K[], form: (name: K) => F): { readonly [P in K]: F } =>
  Object.fromEntries(names.map((name) => [name, form(name)])) as { readonly [P in K]: F }
const isNone = (op: ScalarOp) => (): never => {
  throw new Error(`internal: no ${op} here`)
}
/** What `operation` makes itself of any dtype, or `evaluate.ts`. */
const elsewhere = ['cast', 'select', 'bitcast', 'threefry0', 'threefry1'] as const
const comparisons = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const
const bitwise = ['not', 'and', 'or', 'xor'] as const
const shiftNames = ['shl', 'shrLogical', 'shrArithmetic'] as const
/** Instructions of floats. */
const arithmetic = ['neg', 'abs', 'floor', 'ceil', 'sqrt', 'add', 'sub', 'mul', 'div', 'max', 'min'] as const

type OnLanes = (c: Calculator, ...args: Local[]) => Vec
/** float32. */
const singles: { readonly [K in ScalarOp]: OnLanes } = {
  ...each(
    [...arithmetic, ...comparisons],
    (name): OnLanes =>
      ({ F }, ...args) =>
        F[name](...args),
  ),
  ...each(
    functionNames,
    (name): OnLanes =>
      (c, ...args) =>
        inline(c, name, functions[name].lanes, ...args),
  ),
  round: ({ F }, x) => F.nearest(x), // half to even
  rsqrt: ({ F }, x) => F.div(1, F.sqrt(x)),
  isFinite: ({ F }, x) => F.lt(F.abs(x), Infinity),
  // 0, -0 and NaN stay
  sign: (c, x) => c.pick(c.F.gt(c.F.abs(x), 0), c.B.or(c.B.and(x, 0x80000000), c.f.constant('f32x4', 1)), x),
  ...each([...elsewhere, ...bitwise, ...shiftNames], isNone),
}

type OnDouble = (f: FunctionBuilder, ...args: Local[]) => Vec
/** float64, one at a time; a comparison is an i32 of 0 or 1. */
const doubles: { readonly [K in ScalarOp]: OnDouble } = {
  ...each(
    [...arithmetic, ...comparisons],
    (name): OnDouble =>
      ({ f64 }, ...args) =>
        f64[name](...args) as Vec,
  ),
  ...each(functionNames, (name): OnDouble => (f, ...args) => {
    const imported = f.module.importFunction(name, Array(args.length).fill('f64'), ['f64'])
    return () => f.call(imported, ...args)
  }),
  round: ({ f64 }, x) => f64.nearest(x) as Vec,
  rsqrt: ({ f64 }, x) => f64.div(1, f64.sqrt(x)) as Vec,
  isFinite: ({ f64 }, x) => f64.lt(f64.abs(x), Infinity) as Vec,
  sign: (f, x) => f.select(f.f64.copysign(1, x), x, f.f64.gt(f.f64.abs(x), 0)),
  ...each([...elsewhere, ...bitwise, ...shiftNames], isNone),
}

type Shift = 'shl' | 'shrLogical' | 'shrArithmetic'
/** The instruction of a shift. */
const shifts = { shl: 'shl', shrLogical: 'shr_u', shrArithmetic: 'shr_s' } as const
export const isShift = (op: ScalarOp): op is Shift => op in shifts

const ofFloats = functionNames.filter((name) => name !== 'pow' && name !== 'rem')

type OnWords = (f: FunctionBuilder, signed: boolean, ...args: Local[]) => Vec
const asItIs: OnWords = (_f, _signed, x) => x
/** Integers and bools (masks: unsigned, true is the greatest). */
const words: { readonly [K in ScalarOp]: OnWords } = {
  ...each(
    ['neg', 'add', 'sub', 'mul', 'eq', 'ne'],
    (name): OnWords =>
      ({ i32x4: I }, _, ...args) =>
        I[name](...args),
  ),
  ...each(
    ['max', 'min', 'lt', 'le', 'gt', 'ge'],
    (name): OnWords =>
      ({ i32x4: I }, signed, ...args) =>
        I[`${name}_${signed ? 's' : 'u'}` as const](...args),
  ),
  ...each(
    bitwise,
    (name): OnWords =>
      ({ v128: B }, _, ...args) =>
        B[name](...args),
  ),
  ...each(
    shiftNames,
    (name): OnWords =>
      (f, _, x, y) =>
        shiftLanes[name](calculator(f), x!, y!),
  ),
  abs: ({ i32x4: I }, signed, x) => (signed ? I.abs(x!) : x!),
  sign: ({ i32x4: I, v128: B }, signed, x) => (signed ? B.or(I.shr_s(x!, 31), I.neg(I.gt_s(x!, 0))) : I.neg(I.ne(x!, 0))),
  isFinite: ({ i32x4: I }, _, x) => I.eq(x!, x!),
  ...each(
    ['div', 'rem'],
    (op): OnWords =>
      (f, signed, x, y) =>
      () =>
        f.call(intDiv(f.module, op, signed), x!, y!),
  ),
  pow: (f, signed, x, y) => lanewise(calculator(f), 'i32', signed ? 'int_pow' : 'uint_pow', x!, y!),
  ...each(['floor', 'ceil', 'round', 'bitcast'], () => asItIs),
  ...each([...ofFloats, 'sqrt', 'rsqrt', 'cast', 'select', 'threefry0', 'threefry1'], isNone),
}

/** x shifted by a constant. */
export const shiftBy = (f: FunctionBuilder, op: Shift, x: Local, count: number): Value => {
  const n = count >>> 0
  if (op !== 'shrArithmetic' && n >= 32) return f.constant('i32x4', 0)
  return f.i32x4[shifts[op]](x, Math.min(n, 31))
}
