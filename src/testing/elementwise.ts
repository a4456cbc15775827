/** Generators of the element-wise primitives: one shape, scalars among the operands, all dtypes that are taken. */
import { range } from '../core/constructors.ts'
import { type DType, isFloat } from '../core/dtype.ts'
import type { OpName, OpParams } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'
import { type Generator, generator, onlyAny } from './generator.ts'

const float: readonly DType[] = ['float32', 'float64']
const int: readonly DType[] = ['int32', 'uint32']
const number: readonly DType[] = ['float32', 'int32', 'uint32', 'float64']
const bits: readonly DType[] = ['int32', 'uint32', 'bool']
const plain: readonly DType[] = ['float32', 'int32', 'uint32', 'float64', 'bool']
const all: readonly DType[] = [...plain, 'key']

type NoParams = { [K in OpName]: keyof OpParams[K] extends never ? K : never }[OpName]
type Map1 = (u: number) => number

const operands = (c: Choices, count: number, dtype: DType): Value[] => {
  const shape = c.shape()
  return range(count).map(() => c.value(c.oneIn(4) ? [] : shape, dtype))
}
/** Operand i takes its numbers from a list of its own, so that no two operands have one in common. */
const smoothOperands = (c: Choices, maps: readonly Map1[]): Value[] => {
  const shape = c.shape()
  return maps.map((f, i) => c.value(c.oneIn(4) ? [] : shape, 'float64', () => f(c.smooth((i + 1) / (maps.length + 1)))))
}

const same: Map1 = (u) => u
const positive: Map1 = (u) => Math.abs(u) + 0.3
const awayFromZero: Map1 = (u) => u + Math.sign(u) * 0.3
/** Into ±0.84. */
const within: Map1 = (u) => u * 0.3

const of = <K extends NoParams>(takes: readonly DType[], maps: readonly Map1[], more: Partial<Generator<K>> = {}): Generator<K> =>
  generator<K>({
    any: (c) => ({ params: {} as OpParams[K], inputs: operands(c, maps.length, c.dtype(takes)) }),
    smooth: (c) => ({ params: {} as OpParams[K], inputs: smoothOperands(c, maps) }),
    ...more,
  })
const words = <K extends NoParams>(takes: readonly DType[], count: number): Generator<K> =>
  onlyAny<K>((c) => ({ params: {} as OpParams[K], inputs: operands(c, count, c.dtype(takes)) }))

/** One operand, two, both of them together. */
const each2 = { linear: () => [[0], [1], [0, 1]] }

const select = (c: Choices, dtype: DType, element?: () => number): Value[] => {
  const shape = c.shape()
  const side = (): Value => c.value(c.oneIn(4) && dtype !== 'key' ? [] : shape, dtype, element)
  return [c.value(c.oneIn(4) ? [] : shape, 'bool'), side(), side()]
}

export const elementwise = {
  neg: of<'neg'>(number, [same], { linear: () => [[0]] }),
  abs: of<'abs'>(number, [same]),
  sign: of<'sign'>(number, [same]),
  floor: of<'floor'>(float, [same]),
  ceil: of<'ceil'>(float, [same]),
  round: of<'round'>(float, [same]),
  exp: of<'exp'>(float, [same]),
  expm1: of<'expm1'>(float, [same]),
  log: of<'log'>(float, [positive]),
  log1p: of<'log1p'>(float, [(u) => Math.abs(u) - 0.7]),
  sqrt: of<'sqrt'>(float, [positive]),
  rsqrt: of<'rsqrt'>(float, [positive]),
  sin: of<'sin'>(float, [same]),
  cos: of<'cos'>(float, [same]),
  tan: of<'tan'>(float, [(u) => u * 0.5]),
  asin: of<'asin'>(float, [within]),
  acos: of<'acos'>(float, [within]),
  atan: of<'atan'>(float, [same]),
  sinh: of<'sinh'>(float, [same]),
  cosh: of<'cosh'>(float, [same]),
  tanh: of<'tanh'>(float, [same]),
  asinh: of<'asinh'>(float, [same]),
  acosh: of<'acosh'>(float, [(u) => Math.abs(u) + 1.3]),
  atanh: of<'atanh'>(float, [within]),
  cbrt: of<'cbrt'>(float, [awayFromZero]),
  erf: of<'erf'>(float, [same]),
  erfc: of<'erfc'>(float, [same]),
  erfInv: of<'erfInv'>(float, [within]),
  logistic: of<'logistic'>(float, [same]),
  not: words<'not'>(bits, 1),
  isFinite: of<'isFinite'>(float, [same]),
  integerPow: generator<'integerPow'>({
    any: (c) => {
      const dtype = c.dtype(number)
      return { params: { y: isFloat(dtype) ? c.between(-3, 6) : c.below(7) }, inputs: operands(c, 1, dtype) }
    },
    smooth: (c) => ({ params: { y: c.between(-3, 6) }, inputs: smoothOperands(c, [awayFromZero]) }),
  }),
  convertElementType: generator<'convertElementType'>({
    any: (c) => ({ params: { dtype: c.dtype(plain), weak: c.oneIn(4) }, inputs: operands(c, 1, c.dtype(plain)) }),
    smooth: (c) => ({ params: { dtype: c.pick(['float64', 'int32', 'bool']), weak: c.oneIn(4) }, inputs: smoothOperands(c, [same]) }),
    linear: ({ params }) => (isFloat(params.dtype) ? [[0]] : []),
  }),
  bitcastConvertType: onlyAny<'bitcastConvertType'>(
    (c) => {
      const [from, to] = [c.dtype(['float32', ...int]), c.dtype(['float32', ...int])]
      // A NaN's payload is the device's own.
      const element = (): number => {
        const x = c.element(from)
        return Number.isNaN(x) ? 1.5 : to === 'float32' && from !== 'float32' ? x & 0x3fffffff : x
      }
      return { params: { dtype: to }, inputs: [c.value(c.shape(), from, element)] }
    },
    { flat: true },
  ),
  stopGradient: generator<'stopGradient'>({
    any: (c) => ({ params: {}, inputs: operands(c, 1, c.dtype(all)) }),
    smooth: (c) => ({ params: {}, inputs: smoothOperands(c, [same]) }),
    linear: () => [[0]],
    flat: true,
  }),
  add: of<'add'>(number, [same, same], each2),
  sub: of<'sub'>(number, [same, same], each2),
  mul: of<'mul'>(number, [same, same], { linear: () => [[0], [1]] }),
  div: of<'div'>(number, [same, awayFromZero], { linear: () => [[0]] }),
  rem: generator<'rem'>({
    any: (c) => ({ params: {}, inputs: operands(c, 2, c.dtype(number)) }),
    smooth: (c) => {
      const shape = c.shape()
      const y = c.value(shape, 'float64', () => awayFromZero(c.smooth()))
      let i = 0
      // The quotient is a fifth or more from an integer.
      const x = c.value(shape, 'float64', () => y.data[i++]! * (c.between(0, 3) + c.pick([0.2, 0.5, 0.8])) * c.pick([1, -1]))
      return { params: {}, inputs: [x, y] }
    },
  }),
  pow: of<'pow'>(float, [positive, same], {
    any: (c) => {
      const [x, y] = operands(c, 2, c.dtype(float)) as [Value, Value]
      return { params: {}, inputs: [x, c.oneIn(3) ? c.value(y.aval.shape, c.dtype(int)) : y] }
    },
  }),
  max: of<'max'>(plain, [same, same]),
  min: of<'min'>(plain, [same, same]),
  atan2: of<'atan2'>(float, [awayFromZero, awayFromZero]),
  nextafter: of<'nextafter'>(float, [same, same], { flat: true }),
  and: words<'and'>(bits, 2),
  or: words<'or'>(bits, 2),
  xor: words<'xor'>(bits, 2),
  shiftLeft: words<'shiftLeft'>(int, 2),
  shiftRightLogical: words<'shiftRightLogical'>(int, 2),
  shiftRightArithmetic: words<'shiftRightArithmetic'>(int, 2),
  eq: of<'eq'>(plain, [same, same]),
  ne: of<'ne'>(plain, [same, same]),
  lt: of<'lt'>(plain, [same, same]),
  le: of<'le'>(plain, [same, same]),
  gt: of<'gt'>(plain, [same, same]),
  ge: of<'ge'>(plain, [same, same]),
  select: generator<'select'>({
    any: (c) => ({ params: {}, inputs: select(c, c.dtype(all)) }),
    smooth: (c) => ({ params: {}, inputs: select(c, 'float64', () => c.smooth()) }),
    linear: () => [[1], [2], [1, 2]],
  }),
  clamp: of<'clamp'>(number, [(u) => -Math.abs(u), same, (u) => Math.abs(u)]),
  threefry: onlyAny<'threefry'>((c) => ({ params: { word: c.pick([0, 1]) }, inputs: operands(c, 4, 'uint32') })),
}
