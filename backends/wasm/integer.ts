/**
 * Integer division and threefry on four lanes: what SIMD has no instruction for.
 */
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
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

/** (k0, k1, x0, x1) -> both words of threefry2x32, 20 rounds. */
export const threefry = (module: ModuleBuilder): FunctionHandle =>
  module.once('threefry', () => {
    const f = module.func('threefry', ['v128', 'v128', 'v128', 'v128'], ['v128', 'v128'])
    const c = calculator(f)
    const { I, B } = c
    const [k0, k1, x0, x1] = f.params as readonly [Local, Local, Local, Local]
    const keys = [k0, k1, c.hold(B.xor(B.xor(k0, k1), 0x1bd11bda))] as const
    f.set(x0, I.add(x0, k0))
    f.set(x1, I.add(x1, k1))
    const rotations = [
      [13, 15, 26, 6],
      [17, 29, 16, 24],
    ]
    for (let group = 0; group < 5; group++) {
      for (const r of rotations[group % 2] as readonly number[]) {
        f.set(x0, I.add(x0, x1))
        f.set(x1, B.xor(B.or(I.shl(x1, r), I.shr_u(x1, 32 - r)), x0))
      }
      f.set(x0, I.add(x0, keys[(group + 1) % 3] as Local))
      f.set(x1, I.add(I.add(x1, keys[(group + 2) % 3] as Local), group + 1))
    }
    f.push(x0, x1)
    return f
  })
