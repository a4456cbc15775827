/** Generators of reductions, places of extremes, prefix reductions and sorting. */
import { sizeOf } from '../core/aval.ts'
import { range } from '../core/constructors.ts'
import { type DType, isFloat } from '../core/dtype.ts'
import type { OpName, OpParams } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'
import { type Generator, generator, onlyAny } from './generator.ts'

const number: readonly DType[] = ['float32', 'int32', 'uint32', 'float64']

type Having<P> = { [K in OpName]: OpParams[K] extends P ? (P extends OpParams[K] ? K : never) : never }[OpName]
type AxesOp = Having<{ readonly axes: readonly number[] }>
type AxisOp = Having<{ readonly axis: number }>
type PrefixOp = Having<{ readonly axis: number; readonly reverse: boolean }>

/** No two elements equal, so that the place of an extreme doesn't jump. */
const distinct = (c: Choices, shape: readonly number[]): Value => {
  const data = c.distinct(sizeOf(shape))
  let i = 0
  return c.value(shape, 'float64', () => data[i++]!)
}
/** The same with no axis empty: the extreme of nothing is infinite, and has no difference quotient. */
const filled = (c: Choices, shape: readonly number[]): Value =>
  distinct(
    c,
    shape.map((n) => Math.max(1, n)),
  )
/** Zeros among them: products have derivatives there. In ±1.4, so that products stay of a size for difference quotients. */
const withZeros = (c: Choices, shape: readonly number[]): Value => c.value(shape, 'float64', () => (c.oneIn(6) ? 0 : c.smooth() / 2))

/** Of any sign and with zeros, infinities and NaN, but so that no product of the finite ones overflows on the way. */
const factors = (c: Choices, shape: readonly number[], dtype: DType): Value =>
  c.value(shape, dtype, () => {
    const x = c.element(dtype)
    return isFloat(dtype) && Number.isFinite(x) && x !== 0 ? Math.fround(Math.sign(x) * (0.5 + (Math.abs(x) % 1.5))) : x
  })
const anything = (c: Choices, shape: readonly number[], dtype: DType): Value => c.value(shape, dtype)

interface Operand {
  readonly any?: (c: Choices, shape: readonly number[], dtype: DType) => Value
  readonly smooth?: (c: Choices, shape: readonly number[]) => Value
}
const product: Operand = { any: factors, smooth: withZeros }

const overAxes = <K extends AxesOp>(
  { any = anything, smooth = distinct }: Operand = {},
  more: Partial<Generator<K>> = {},
): Generator<K> => {
  const draw = (c: Choices, x: (shape: readonly number[]) => Value) => {
    const shape = c.shape()
    return { params: { axes: c.some(shape.length) } as OpParams[K], inputs: [x(shape)] }
  }
  return generator<K>({
    any: (c) => draw(c, (shape) => any(c, shape, c.dtype(number))),
    smooth: (c) => draw(c, (shape) => smooth(c, shape)),
    ...more,
  })
}
const bools = <K extends AxesOp>(): Generator<K> =>
  onlyAny<K>((c) => {
    const shape = c.shape()
    return { params: { axes: c.some(shape.length) } as OpParams[K], inputs: [c.value(shape, 'bool')] }
  })

/** The axis has an element: an extreme needs one. */
const place = <K extends AxisOp>(): Generator<K> => {
  const draw = (c: Choices, x: (shape: readonly number[]) => Value) => {
    const shape = c.shape(1)
    const axis = c.below(shape.length)
    return { params: { axis } as OpParams[K], inputs: [x(shape.map((n, d) => (d === axis ? Math.max(1, n) : n)))] }
  }
  return generator<K>({
    any: (c) => draw(c, (shape) => c.value(shape, c.dtype(number))),
    smooth: (c) => draw(c, (shape) => distinct(c, shape)),
  })
}

const prefix = <K extends PrefixOp>(
  { any = anything, smooth = distinct }: Operand = {},
  more: Partial<Generator<K>> = {},
): Generator<K> => {
  const draw = (c: Choices, x: (shape: readonly number[]) => Value) => {
    const shape = c.shape(1)
    return { params: { axis: c.below(shape.length), reverse: c.oneIn(2) } as OpParams[K], inputs: [x(shape)] }
  }
  return generator<K>({
    any: (c) => draw(c, (shape) => any(c, shape, c.dtype(number))),
    smooth: (c) => draw(c, (shape) => smooth(c, shape)),
    ...more,
  })
}

const linear = { linear: () => [[0]] } as const

export const reductions = {
  reduceSum: overAxes<'reduceSum'>({}, linear),
  reduceProd: overAxes<'reduceProd'>(product),
  reduceMax: overAxes<'reduceMax'>({ smooth: filled }),
  reduceMin: overAxes<'reduceMin'>({ smooth: filled }),
  reduceAnd: bools<'reduceAnd'>(),
  reduceOr: bools<'reduceOr'>(),
  argmax: place<'argmax'>(),
  argmin: place<'argmin'>(),
  cumsum: prefix<'cumsum'>({}, linear),
  cumprod: prefix<'cumprod'>(product),
  cummax: prefix<'cummax'>(),
  cummin: prefix<'cummin'>(),
  sort: generator<'sort'>({
    any: (c) => {
      const shape = c.shape(1)
      const count = c.between(1, 3)
      const dtypes: readonly DType[] = [...number, 'bool']
      return {
        params: { axis: c.below(shape.length), numKeys: c.between(1, count) },
        inputs: range(count).map(() => c.value(shape, c.dtype(dtypes))),
      }
    },
    smooth: (c) => {
      const shape = c.shape(1)
      const count = c.between(1, 3)
      return {
        params: { axis: c.below(shape.length), numKeys: c.between(1, count) },
        inputs: range(count).map(() => distinct(c, shape)),
      }
    },
  }),
}
