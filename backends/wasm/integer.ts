/**
 * Integer division on four lanes, for which SIMD has no instruction.
 */
import type { FunctionHandle, ModuleBuilder } from './assembler.ts'
import { high } from './math.ts'
import { calculator, type Vec } from './vec.ts'

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
    const q = c.hold(c.lanes(quotient(x, y), quotient(high(c, x), high(c, y)), 0, 1, 4, 5))
    // -2^31 / -1 wraps
    const wrapped = signed ? c.hold(c.pick(I.eq(y, -1), I.neg(x), q)) : q
    const checked = c.hold(B.or(wrapped, I.eq(y, 0)))
    f.push(op === 'div' ? checked : I.sub(x, I.mul(checked, y)))
    return f
  })
