/** One element operation as a WGSL expression, and constants. WGSL's own functions are taken where they are exact, and ours elsewhere. */
import { type DType, isHalf, isInt } from '../../../src/core/dtype.ts'
import type { ReduceOp, ScalarOp } from '../../../src/core/kernel.ts'
import type { FunctionName } from './library.ts'
import { typeOf } from './shader.ts'

const infix = { add: '+', sub: '-', mul: '*', lt: '<', le: '<=', gt: '>', ge: '>=', and: '&', or: '|', xor: '^' } as const
const isInfix = (op: ScalarOp): op is keyof typeof infix => op in infix

/** `args`: names or constants, of `from`'s dtypes. */
export const scalarOp = (op: ScalarOp, dtype: DType, from: readonly DType[], args: readonly string[]): string => {
  const [x, y, z] = args as readonly [string, string, string]
  const source = from[0]!
  if (source === 'bool' && op !== 'select' && op !== 'cast') return ofBools[op as OfBools](x, y)
  const [type, float] = [typeOf(dtype), source === 'float32']
  if (isInfix(op)) return `(${x} ${infix[op]} ${y})`
  switch (op) {
    case 'floor':
    case 'ceil':
    case 'round':
      return float ? `${op}(${x})` : x // an integer is whole already
    case 'neg':
      return source === 'uint32' ? `(0u - ${x})` : `(-${x})`
    case 'abs':
      return source === 'uint32' ? x : `abs(${x})` // naga's abs of u32 is i32's
    case 'sign':
      return source === 'uint32' ? `min(${x}, 1u)` : float ? `c_sign(${x})` : `sign(${x})`
    case 'sqrt':
      return `sqrt(${x})`
    case 'rsqrt':
      return `(1.0 / sqrt(${x}))`
    case 'not':
      return `(~${x})`
    case 'isFinite':
      return float ? `((bitcast<u32>(${x}) & 0x7f800000u) != 0x7f800000u)` : 'true'
    case 'div':
      return isInt(source) ? `c_div_${type}(${x}, ${y})` : `(${x} / ${y})`
    case 'rem':
    case 'pow':
      return `c_${op}_${type}(${x}, ${y})`
    case 'atan2':
    case 'nextafter':
      return `c_${op}(${x}, ${y})`
    case 'max':
    case 'min':
      return float ? `c_${op}_f32(${x}, ${y})` : `${op}(${x}, ${y})`
    case 'eq':
    case 'ne': {
      const differ = float ? `(${x} != ${y} || c_isnan(${x}) || c_isnan(${y}))` : `(${x} != ${y})`
      return op === 'ne' ? differ : `(!${differ})`
    }
    case 'shl':
      return `select(${type}(0), ${x} << (u32(${y}) & 31u), u32(${y}) < 32u)`
    case 'shrLogical':
      return `select(${type}(0), ${type}(u32(${x}) >> (u32(${y}) & 31u)), u32(${y}) < 32u)`
    case 'shrArithmetic':
      return `${type}(i32(${x}) >> min(u32(${y}), 31u))`
    case 'select':
      return `select(${z}, ${y}, ${x})`
    case 'bitcast':
      return `bitcast<${type}>(${x})`
    case 'cast':
      if (isHalf(source)) return `c_widen_${source}(${x})`
      if (isHalf(dtype)) return `c_narrow_${dtype}(${x})`
      if (dtype === 'bool') return source === 'bool' ? x : float ? `(${x} != 0.0 || c_isnan(${x}))` : `(${x} != 0)`
      if (dtype === 'float32' && isInt(source)) return `c_f32_${typeOf(source)}(${x})`
      return float && isInt(dtype) ? `c_${type}(${x})` : `${type}(${x})`
    case 'threefry0':
    case 'threefry1':
      return `c_threefry(vec2<u32>(${x}, ${y}), vec2<u32>(${z}, ${args[3]!})).${op === 'threefry0' ? 'x' : 'y'}`
    default:
      return `${`c_${op}` satisfies FunctionName}(${x})`
  }
}

const combining = { sum: 'add', prod: 'mul', max: 'max', min: 'min' } as const
const combiningBools = { sum: 'or', prod: 'and', max: 'max', min: 'min' } as const
/** x op y on elements; of bools, sum is or and prod is and. */
export const combined = (op: ReduceOp, dtype: DType, x: string, y: string): string =>
  scalarOp((dtype === 'bool' ? combiningBools : combining)[op], dtype, [dtype, dtype], [x, y])

type OfBools = 'not' | 'and' | 'or' | 'xor' | 'min' | 'max' | 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'
/** false is less than true. */
const ofBools: { readonly [K in OfBools]: (x: string, y: string) => string } = {
  not: (x) => `(!${x})`,
  and: (x, y) => `(${x} && ${y})`,
  min: (x, y) => `(${x} && ${y})`,
  or: (x, y) => `(${x} || ${y})`,
  max: (x, y) => `(${x} || ${y})`,
  xor: (x, y) => `(${x} != ${y})`,
  ne: (x, y) => `(${x} != ${y})`,
  eq: (x, y) => `(${x} == ${y})`,
  lt: (x, y) => `(!${x} && ${y})`,
  le: (x, y) => `(!${x} || ${y})`,
  gt: (x, y) => `(${x} && !${y})`,
  ge: (x, y) => `(${x} || !${y})`,
}

const bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!

/** Constant expressions hold no NaN, no infinity and perhaps no subnormal: those are made from their bits when the kernel runs. */
export const constantOf = (dtype: DType, value: number): string => {
  switch (typeOf(dtype)) {
    case 'f32': {
      const x = Math.fround(value)
      return Number.isFinite(x) && Math.abs(x) >= 2 ** -126 ? `${x}f` : Object.is(x, 0) ? '0f' : `c_float(${bits(x)}u)`
    }
    case 'i32':
      return (value | 0) === -(2 ** 31) ? 'i32(-2147483648)' : `${value | 0}i`
    case 'u32':
      return `${value >>> 0}u`
    case 'bool':
      return value === 0 ? 'false' : 'true'
  }
}
