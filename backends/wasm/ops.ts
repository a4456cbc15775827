/**
 * One element operation on values in locals: four lanes of a 32-bit dtype in a v128 (a bool is a lane mask), or one f64.
 *
 *   emitOp(f, op, dtype, from, args)   // args: a Local each, of `from`'s dtypes; leaves the result on the stack
 */
import { type DType, isFloat } from '../../src/core/dtype.ts'
import type { ScalarOp } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { intDiv, intPow, nextafter, threefry } from './integer.ts'
import * as inline from './math.ts'
import { calculator, type Vec } from './vec.ts'

/** What holds a value of a dtype. */
export const registerOf = (dtype: DType): 'v128' | 'f64' | 'i64' => (dtype === 'float64' ? 'f64' : dtype === 'key' ? 'i64' : 'v128')

const inlined = {
  exp: inline.exp,
  expm1: inline.expm1,
  log: inline.log,
  log1p: inline.log1p,
  sin: inline.sin,
  cos: inline.cos,
  tanh: inline.tanh,
  logistic: inline.logistic,
  erf: inline.erf,
  erfInv: inline.erfInv,
  rsqrt: inline.rsqrt,
} satisfies { readonly [K in ScalarOp]?: inline.Inline }
const isInlined = (op: string): op is keyof typeof inlined => Object.hasOwn(inlined, op)

/** Too rare for a vector form: the engine's own function, a lane at a time. */
const byLane: ReadonlySet<string> = new Set('tan asin acos atan sinh cosh asinh acosh atanh atan2 pow rem'.split(' '))

/** Worth evaluating once rather than twice. */
export const isExpensive = (op: ScalarOp): boolean =>
  (isInlined(op) && op !== 'rsqrt') || byLane.has(op) || op === 'threefry0' || op === 'threefry1'

const uses = new WeakMap<FunctionBuilder, Map<string, number>>()

/** The first few uses in a function are written out (their constants stay in locals), more of them call a shared function. */
const emitInlined = (f: FunctionBuilder, op: keyof typeof inlined, x: Local): void => {
  const counts = uses.get(f) ?? new Map<string, number>()
  uses.set(f, counts)
  const count = counts.get(op) ?? 0
  counts.set(op, count + 1)
  if (count < 2) return inlined[op](f, x)
  f.get(x)
  f.call(mathFunction(f.module, op))
}

const mathFunction = (module: ModuleBuilder, op: keyof typeof inlined): FunctionHandle =>
  module.once(`math ${op}`, () => {
    const g = module.func(op, ['v128'], ['v128'])
    inlined[op](g, g.param(0))
    return g
  })

export const emitOp = (f: FunctionBuilder, op: ScalarOp, dtype: DType, from: readonly DType[], args: readonly Local[]): void => {
  if (op === 'cast') return emitCast(f, from[0] as DType, dtype, args[0] as Local)
  if (op === 'select') return emitSelect(f, dtype, args)
  const source = from[0] as DType
  if (source === 'float64') emitDouble(f, op, args)
  else if (source === 'float32' && op !== 'bitcast') emitSingle(f, op, args)
  else emitWord(f, op, source, args)
}

const emitSelect = (f: FunctionBuilder, dtype: DType, args: readonly Local[]): void => {
  const [condition, ifTrue, ifFalse] = args as readonly [Local, Local, Local]
  f.get(ifTrue)
  f.get(ifFalse)
  f.get(condition)
  if (registerOf(dtype) === 'v128') return f.v128.bitselect()
  f.i32x4.extract_lane(0)
  f.select()
}

/** A 32-bit value in lane 0 of a v128, out of the stack's f32 or i32. */
const toLanes = (f: FunctionBuilder, dtype: DType): void => (dtype === 'float32' ? f.f32x4.splat() : f.i32x4.splat())

const emitCast = (f: FunctionBuilder, from: DType, to: DType, x: Local): void => {
  const { F, I, B } = calculator(f)
  if (from === to || (from !== 'bool' && !isFloat(from) && (to === 'int32' || to === 'uint32'))) return f.get(x)
  if (to === 'float64') {
    f.get(x)
    if (from === 'float32') {
      f.f32x4.extract_lane(0)
      return f.f64.promote_f32()
    }
    f.i32x4.extract_lane(0)
    if (from !== 'bool') return from === 'int32' ? f.f64.convert_i32_s() : f.f64.convert_i32_u()
    f.f64.convert_i32_s()
    return f.f64.abs()
  }
  if (from === 'float64') {
    f.get(x)
    if (to === 'float32') f.f32.demote_f64()
    else if (to === 'int32') f.i32.trunc_sat_f64_s()
    else if (to === 'uint32') f.i32.trunc_sat_f64_u()
    else {
      f.const('f64', 0)
      f.f64.ne()
      f.i32x4.splat()
      return f.i32x4.neg()
    }
    return toLanes(f, to)
  }
  const value = (): Vec => {
    if (to === 'bool') return from === 'float32' ? F.ne(x, 0) : I.ne(x, 0)
    if (from === 'bool') return to === 'float32' ? B.and(x, f.constant('f32x4', 1)) : I.neg(x)
    if (to === 'float32') return from === 'int32' ? F.convert_i32x4_s(x) : F.convert_i32x4_u(x)
    return to === 'int32' ? I.trunc_sat_f32x4_s(x) : I.trunc_sat_f32x4_u(x)
  }
  f.push(value())
}

const unexpected = (op: ScalarOp, dtype: string): Error => new Error(`internal: no ${op} of ${dtype}`)

const emitSingle = (f: FunctionBuilder, op: ScalarOp, args: readonly Local[]): void => {
  const c = calculator(f)
  const { F, B } = c
  const [x, y] = [args[0] as Local, args[1] as Local]
  if (isInlined(op)) return emitInlined(f, op, x)
  if (byLane.has(op)) return inline.lanewise(f, op, ...args)
  const value = (): Vec => {
    switch (op) {
      case 'neg':
      case 'abs':
      case 'floor':
      case 'ceil':
      case 'sqrt':
        return F[op](x)
      case 'round':
        return F.nearest(x)
      case 'sign': // 0, -0 and NaN stay
        return c.pick(F.gt(F.abs(x), 0), B.or(B.and(x, 0x80000000), f.constant('f32x4', 1)), x)
      case 'isFinite':
        return F.lt(F.abs(x), Number.POSITIVE_INFINITY)
      case 'add':
      case 'sub':
      case 'mul':
      case 'div':
      case 'max':
      case 'min':
      case 'eq':
      case 'ne':
      case 'lt':
      case 'le':
      case 'gt':
      case 'ge':
        return F[op](x, y)
      case 'nextafter':
        return nextafter(c, x, y)
      default:
        throw unexpected(op, 'float32')
    }
  }
  f.push(value())
}

/** Integers and bools (masks: unsigned, true is the greatest). */
const emitWord = (f: FunctionBuilder, op: ScalarOp, dtype: DType, args: readonly Local[]): void => {
  const c = calculator(f)
  const { I, B } = c
  const [x, y] = [args[0] as Local, args[1] as Local]
  const signed = dtype === 'int32'
  const call = (g: FunctionHandle): void => {
    for (const arg of args) f.get(arg)
    f.call(g)
  }
  const compare = (name: 'lt' | 'le' | 'gt' | 'ge'): Vec => I[`${name}_${signed ? 's' : 'u'}`](x, y)
  const value = (): Vec => {
    switch (op) {
      case 'neg':
        return I.neg(x)
      case 'abs':
        return signed ? I.abs(x) : x
      case 'sign':
        return signed ? B.or(I.shr_s(x, 31), I.neg(I.gt_s(x, 0))) : I.neg(I.ne(x, 0))
      case 'floor':
      case 'ceil':
      case 'round':
      case 'bitcast':
        return x
      case 'isFinite':
        return I.eq(x, x)
      case 'not':
        return B.not(x)
      case 'add':
      case 'sub':
      case 'mul':
        return I[op](x, y)
      case 'max':
        return dtype === 'bool' ? B.or(x, y) : signed ? I.max_s(x, y) : I.max_u(x, y)
      case 'min':
        return dtype === 'bool' ? B.and(x, y) : signed ? I.min_s(x, y) : I.min_u(x, y)
      case 'and':
      case 'or':
      case 'xor':
        return B[op](x, y)
      case 'eq':
      case 'ne':
        return I[op](x, y)
      case 'lt':
      case 'le':
      case 'gt':
      case 'ge':
        return compare(op)
      case 'div':
      case 'rem':
        return () => call(intDiv(f.module, op, signed))
      case 'pow':
        return () => call(intPow(f.module, signed))
      case 'shl':
      case 'shrLogical':
      case 'shrArithmetic':
        return () => call(shift(f.module, op))
      case 'threefry0':
      case 'threefry1':
        return () => {
          call(threefry(f.module))
          if (op === 'threefry0') return f.drop()
          const word = f.local('v128')
          f.set(word)
          f.drop()
          f.get(word)
        }
      default:
        throw unexpected(op, dtype)
    }
  }
  f.push(value())
}

/** A shift by a count of its own in each lane. By a constant, nest.ts shifts at once. */
const shift = (module: ModuleBuilder, op: 'shl' | 'shrLogical' | 'shrArithmetic'): FunctionHandle =>
  module.once(op, () => {
    const g = module.func(op, ['v128', 'v128'], ['v128'])
    const [x, n] = [g.param(0), g.param(1)]
    const { I, B } = calculator(g)
    const out = g.local('v128')
    for (let lane = 0; lane < 4; lane++) {
      g.get(out)
      for (const operand of [x, n]) {
        g.get(operand)
        if (operand === n && op === 'shrArithmetic') {
          g.get(g.constant('i32x4', 31))
          g.i32x4.min_u()
        }
        g.i32x4.extract_lane(lane)
      }
      g.i32[op === 'shl' ? 'shl' : op === 'shrLogical' ? 'shr_u' : 'shr_s']()
      g.i32x4.replace_lane(lane)
      g.set(out)
    }
    g.push(op === 'shrArithmetic' ? out : B.and(out, I.lt_u(n, 32)))
    return g
  })

/** x shifted by a constant. */
export const emitShift = (f: FunctionBuilder, op: 'shl' | 'shrLogical' | 'shrArithmetic', x: Local, count: number): void => {
  const { I } = calculator(f)
  const n = count >>> 0
  if (op === 'shrArithmetic') f.push(I.shr_s(x, Math.min(n, 31)))
  else if (n >= 32) f.push(f.constant('i32x4', 0))
  else f.push(op === 'shl' ? I.shl(x, n) : I.shr_u(x, n))
}

const emitDouble = (f: FunctionBuilder, op: ScalarOp, args: readonly Local[]): void => {
  const get = (): void => {
    for (const arg of args) f.get(arg)
  }
  const mask = (): void => {
    f.i32x4.splat()
    f.i32x4.neg()
  }
  switch (op) {
    case 'neg':
    case 'abs':
    case 'floor':
    case 'ceil':
    case 'sqrt':
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'max':
    case 'min':
      get()
      return f.f64[op]()
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
      get()
      f.f64[op]()
      return mask()
    case 'round':
      get()
      return f.f64.nearest()
    case 'rsqrt':
      f.const('f64', 1)
      get()
      f.f64.sqrt()
      return f.f64.div()
    case 'isFinite':
      get()
      f.f64.abs()
      f.const('f64', Number.POSITIVE_INFINITY)
      f.f64.lt()
      return mask()
    default:
      get()
      f.call(
        f.module.importFunction(
          op,
          args.map(() => 'f64' as const),
          ['f64'],
        ),
      )
  }
}
