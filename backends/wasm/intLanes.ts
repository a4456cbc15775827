/**
 * Integer division and shifts by lanes' own counts on four lanes, for which SIMD has no instruction.
 */
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { type Calculator, calculator, type Vec } from './vec.ts'

/** Through float64, whose quotient of two 32-bit integers truncates to the right one. x/0 is -1, x rem 0 is x; nothing traps. */
export const intDiv = (module: ModuleBuilder, op: 'div' | 'rem', signed: boolean): FunctionHandle =>
  module.once(`${op} ${signed}`, () => {
    const f = module.func(`int_${op}`, ['v128', 'v128'], ['v128'])
    const c = calculator(f)
    const { D, I, B } = c
    const [x, y] = [f.param(0), f.param(1)]
    const suffix = signed ? 's' : 'u'
    const quotient = (a: Vec, b: Vec): Vec =>
      I[`trunc_sat_f64x2_${suffix}_zero`](D.div(D[`convert_low_i32x4_${suffix}`](a), D[`convert_low_i32x4_${suffix}`](b)))
    const q = c.hold(c.join(c.halves((low) => quotient(low(x), low(y)))))
    // -2^31 / -1 wraps
    const wrapped = signed ? c.hold(c.pick(I.eq(y, -1), I.neg(x), q)) : q
    const checked = c.hold(B.or(wrapped, I.eq(y, 0)))
    f.push(op === 'div' ? checked : I.sub(x, I.mul(checked, y)))
    return f
  })

/** 2^n, 0 unless 0 <= n < 32. Its byte j is the power of two of n - 8j, found in a table of bytes. */
const powerOfTwo = ({ f, I, B }: Calculator, n: Vec): Vec => {
  const places = B.xor(I.mul(I.min_u(n, 32), 0x01010101), 0x18100800)
  return f.i8x16.swizzle(f.constant('i32x4', 0x08040201, 0x80402010, 0, 0), places)
}

/** The high words of x · 2^(32-n), as 2^(31-n) and a place less. */
const shiftRight = (c: Calculator, x: Local, n: Local): Vec => {
  const { I, L } = c
  const power = c.hold(powerOfTwo(c, I.sub(31, n)))
  return c.lanes(L.shr_u(L.extmul_low_i32x4_u(x, power), 31), L.shr_u(L.extmul_high_i32x4_u(x, power), 31), 0, 2, 4, 6)
}

/** By counts of 32 or more, as unsigned, all bits leave. */
export const shiftLanes = {
  shl: (c: Calculator, x: Local, n: Local): Vec => c.I.mul(x, powerOfTwo(c, n)),
  shrLogical: shiftRight,
  // The bits of a negative number are turned before and after.
  shrArithmetic: (c: Calculator, x: Local, n: Local): Vec => {
    const { I, B, hold } = c
    const sign = hold(I.shr_s(x, 31))
    return B.xor(shiftRight(c, hold(B.xor(x, sign)), n), sign)
  },
}
