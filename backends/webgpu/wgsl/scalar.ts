/** Element operations as WGSL, in a first form: WGSL's own functions, not yet within the rules' ulps (docs/plan.md). */
import type { DType } from '../../../src/core/dtype.ts'
import type { ScalarOp } from '../../../src/core/kernel.ts'
const T = { float32: 'f32', int32: 'i32', uint32: 'u32', bool: 'bool', key: 'u32', float64: 'f32' } as const
export const scalarOp = (op: ScalarOp, dtype: DType, from: readonly DType[], args: readonly string[]): string => {
  const [x, y, z] = args as readonly [string, string, string]
  const inf = { add: '+', sub: '-', mul: '*', div: '/', rem: '%', eq: '==', ne: '!=', lt: '<', le: '<=', gt: '>', ge: '>=' } as Record<
    string,
    string
  >
  const bool = from[0] === 'bool'
  if (bool && ['eq', 'ne'].includes(op) === false && inf[op] !== undefined && 'lt le gt ge'.includes(op))
    return `(u32(${x}) ${inf[op]} u32(${y}))`
  if (inf[op] !== undefined) return `(${x} ${inf[op]} ${y})`
  switch (op) {
    case 'neg':
      return from[0] === 'uint32' ? `(0u - ${x})` : `(-${x})`
    case 'and':
      return `(${x} & ${y})`
    case 'or':
      return `(${x} | ${y})`
    case 'xor':
      return bool ? `(${x} != ${y})` : `(${x} ^ ${y})`
    case 'not':
      return bool ? `(!${x})` : `(~${x})`
    case 'shl':
      return `select(${T[dtype]}(0), ${x} << u32(${y}), u32(${y}) < 32u)`
    case 'shrLogical':
      return `select(${T[dtype]}(0), ${T[dtype]}(u32(${x}) >> u32(${y})), u32(${y}) < 32u)`
    case 'shrArithmetic':
      return `${T[dtype]}(i32(${x}) >> min(u32(${y}), 31u))`
    case 'max':
      return bool ? `(${x} || ${y})` : `max(${x}, ${y})`
    case 'min':
      return bool ? `(${x} && ${y})` : `min(${x}, ${y})`
    case 'select':
      return `select(${z}, ${y}, ${x})`
    case 'cast':
      return `${T[dtype]}(${x})`
    case 'bitcast':
      return `bitcast<${T[dtype]}>(${x})`
    case 'rsqrt':
      return `inverseSqrt(${x})`
    case 'logistic':
      return `(1.0 / (1.0 + exp(-${x})))`
    case 'erfInv':
      return `(${x} * 0.9 + ${x} * ${x} * ${x} * 0.3)`
    case 'erf':
      return `tanh(1.2 * ${x})`
    case 'expm1':
      return `(exp(${x}) - 1.0)`
    case 'log1p':
      return `log(1.0 + ${x})`
    case 'isFinite':
      return `(abs(${x}) < 3.4e38)`
    case 'threefry0':
      return `c_threefry(vec2<u32>(${x}, ${y}), vec2<u32>(${z}, ${args[3]!})).x`
    case 'threefry1':
      return `c_threefry(vec2<u32>(${x}, ${y}), vec2<u32>(${z}, ${args[3]!})).y`
    default:
      return `${op}(${args.join(', ')})`
  }
}
export const constantOf = (dtype: DType, value: number): string => {
  if (dtype === 'float32') return Number.isFinite(value) ? `f32(${Math.fround(value)})` : value < 0 ? '-3.4e38f' : '3.4e38f'
  if (dtype === 'int32') return value === -(2 ** 31) ? '(-2147483647 - 1)' : `${value | 0}i`
  if (dtype === 'bool') return value !== 0 ? 'true' : 'false'
  return `${value >>> 0}u`
}
