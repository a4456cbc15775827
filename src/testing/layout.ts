/** Generators of the layout primitives: all dtypes, keys included; they are linear, so any operand is smooth. */
import { range } from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import type { OpName } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'
import { type Draw, type Generator, generator, onlyAny } from './generator.ts'

const all: readonly DType[] = ['float32', 'int32', 'float64', 'bool', 'key', 'uint32']
type Make = (shape: readonly number[]) => Value

const layout = <K extends OpName>(
  draw: (c: Choices, x: Make) => Draw<K>,
  linear: Generator<K>['linear'] = () => [[0]],
  dtypes = all,
): Generator<K> =>
  generator<K>({
    any: (c) => {
      const dtype = c.dtype(dtypes)
      return draw(c, (shape) => c.value(shape, dtype))
    },
    smooth: (c) => draw(c, (shape) => c.value(shape, 'float64', () => c.smooth())),
    linear,
  })

/** Sets of operands: each alone, and all together. */
const alone = (n: number): number[][] => [...range(n).map((i) => [i]), ...(n > 1 ? [range(n)] : [])]

/** Factors of n in some order, ones among them. */
const factors = (c: Choices, n: number): number[] => {
  const shape: number[] = []
  let rest = n
  for (let p = 2; rest > 1; p++)
    for (; rest % p === 0; rest /= p) {
      if (shape.length > 0 && c.oneIn(2)) shape[c.below(shape.length)]! *= p
      else shape.splice(c.below(shape.length + 1), 0, p)
    }
  if (c.oneIn(3)) shape.splice(c.below(shape.length + 1), 0, 1)
  return shape
}

export const layoutGenerators = {
  broadcastInDim: layout<'broadcastInDim'>((c, x) => {
    const shape = c.shape()
    const dims = c.sorted(shape.length)
    return { params: { shape, broadcastDimensions: dims }, inputs: [x(dims.map((d) => (c.oneIn(3) ? 1 : shape[d]!)))] }
  }),
  reshape: layout<'reshape'>((c, x) => {
    const from = c.shape()
    const size = from.reduce((a, b) => a * b, 1)
    return { params: { shape: size === 0 ? [...c.shape(0, 1), 0] : factors(c, size) }, inputs: [x(from)] }
  }),
  transpose: layout<'transpose'>((c, x) => {
    const shape = c.shape()
    return { params: { permutation: c.permutation(shape.length) }, inputs: [x(shape)] }
  }),
  rev: layout<'rev'>((c, x) => {
    const shape = c.shape()
    return { params: { dimensions: c.some(shape.length) }, inputs: [x(shape)] }
  }),
  slice: layout<'slice'>((c, x) => {
    const shape = c.shape()
    // Most leave something.
    const little = (room: number): number => (c.oneIn(4) ? c.below(room + 1) : Math.min(c.below(2), Math.max(0, room - 1)))
    const startIndices = shape.map(little)
    const limitIndices = shape.map((n, d) => n - little(n - startIndices[d]!))
    return { params: { startIndices, limitIndices, strides: shape.map(() => c.pick([1, 1, 2, 3])) }, inputs: [x(shape)] }
  }),
  pad: layout<'pad'>(
    (c, x) => {
      const shape = c.shape()
      const interior = shape.map(() => c.below(3))
      const inside = shape.map((n, d) => n + Math.max(0, n - 1) * interior[d]!)
      // Negative padding cuts; what is left isn't negative.
      const lo = inside.map((n) => c.pick([0, 1, 2, -Math.min(1, n)]))
      const hi = inside.map((n, d) => c.pick([0, 1, 2, -Math.max(0, Math.min(2, n + lo[d]!))]))
      return { params: { lo, hi, interior }, inputs: [x(shape), x([])] }
    },
    () => alone(2),
    all.filter((dtype) => dtype !== 'key'),
  ),
  concatenate: layout<'concatenate'>(
    (c, x) => {
      const shape = c.shape(1)
      const dimension = c.below(shape.length)
      const inputs = range(c.between(1, 3)).map(() => x(shape.map((n, d) => (d === dimension ? c.extent(5) : n))))
      return { params: { dimension }, inputs }
    },
    ({ inputs }) => alone(inputs.length),
  ),
  iota: onlyAny<'iota'>((c) => {
    const shape = c.shape(1)
    return { params: { shape, dtype: c.dtype(['float32', 'int32', 'uint32', 'float64']), dimension: c.below(shape.length) }, inputs: [] }
  }),
}
