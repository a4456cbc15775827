/** Generators of computed places: indices within their axes, and before and behind them. */
import { sizeOf } from '../core/aval.ts'
import type { DType } from '../core/dtype.ts'
import type { Choices, Value } from './choices.ts'
import { generator } from './generator.ts'

const all: readonly DType[] = ['float32', 'int32', 'float64', 'bool', 'key', 'uint32']
const number: readonly DType[] = ['float32', 'int32', 'uint32', 'float64']
type Make = (shape: readonly number[]) => Value

const index = (c: Choices, shape: readonly number[], extent: number, inside = false): Value => {
  const outside = [-1, -extent, extent, extent + 3, 2 ** 31 - 1, -(2 ** 31)]
  return c.value(shape, 'int32', () => (inside || !c.oneIn(4) ? c.below(Math.max(1, extent)) : c.pick(outside)))
}
const ofAny = (c: Choices, dtypes: readonly DType[]): Make => {
  const dtype = c.dtype(dtypes)
  return (shape) => c.value(shape, dtype)
}
const ofSmooth =
  (c: Choices): Make =>
  (shape) =>
    c.value(shape, 'float64', () => c.smooth())

const dynamicSlice = (c: Choices, x: Make) => {
  const shape = c.shape()
  const sliceSizes = shape.map((n) => n - c.below(n + 1))
  return { params: { sliceSizes }, inputs: [x(shape), ...shape.map((n) => index(c, [], n))] }
}

const dynamicUpdateSlice = (c: Choices, x: Make) => {
  const shape = c.shape()
  const update = shape.map((n) => n - c.below(n + 1))
  return { params: {}, inputs: [x(shape), x(update), ...shape.map((n) => index(c, [], n))] }
}

/** Axes of x and the shape of its indices. */
const places = (c: Choices) => {
  const shape = c.shape(1)
  const axes = c.some(shape.length, c.between(1, shape.length))
  const batch = c.shape(0, c.below(3))
  // As many elements as an array may have, or one index.
  const I = sizeOf(batch) * sizeOf(shape) > 4 * c.sizes.maxSize ? [] : batch
  return { shape, axes, I, others: shape.filter((_, d) => !axes.includes(d)) }
}

const gather = (c: Choices, x: Make, smooth: boolean) => {
  const { shape, axes, I } = places(c)
  const mode = c.pick(['clip', 'fill'] as const)
  // What is filled in is NaN, which has no difference quotient, and an empty axis has nothing else.
  const inside = smooth && mode === 'fill'
  const full = smooth ? shape.map((n) => Math.max(1, n)) : shape
  return { params: { axes, mode }, inputs: [x(full), ...axes.map((a) => index(c, I, full[a]!, inside))] }
}

const scatter = (c: Choices, make: (combine: 'set' | 'add') => Make) => {
  const { shape, axes, I, others } = places(c)
  const combine = c.pick(['set', 'add'] as const)
  const x = make(combine)
  return { params: { axes, combine }, inputs: [x(shape), x([...I, ...others]), ...axes.map((a) => index(c, I, shape[a]!))] }
}

export const indexing = {
  dynamicSlice: generator<'dynamicSlice'>({
    any: (c) => dynamicSlice(c, ofAny(c, all)),
    smooth: (c) => dynamicSlice(c, ofSmooth(c)),
    linear: () => [[0]],
  }),
  dynamicUpdateSlice: generator<'dynamicUpdateSlice'>({
    any: (c) => dynamicUpdateSlice(c, ofAny(c, all)),
    smooth: (c) => dynamicUpdateSlice(c, ofSmooth(c)),
    linear: () => [[0], [1], [0, 1]],
  }),
  gather: generator<'gather'>({
    any: (c) => gather(c, ofAny(c, all), false),
    smooth: (c) => gather(c, ofSmooth(c), true),
    linear: () => [[0]],
  }),
  scatter: generator<'scatter'>({
    any: (c) => scatter(c, (combine) => ofAny(c, combine === 'add' ? number : all)),
    smooth: (c) => scatter(c, () => ofSmooth(c)),
    linear: () => [[0], [1], [0, 1]],
  }),
}
