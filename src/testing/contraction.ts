/** dotGeneral: axes of both operands in any order; convolutions, and windows. */
import { type DType, isFloat } from '../core/dtype.ts'
import type { OpParams } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'
import { generator } from './generator.ts'

const number: readonly DType[] = ['float32', 'int32', 'uint32', 'float64']

const draw = (
  c: Choices,
  preferred: OpParams['dotGeneral']['preferred'],
  x: (shape: readonly number[]) => Value,
): { readonly params: OpParams['dotGeneral']; readonly inputs: readonly Value[] } => {
  const small = (): number => c.extent(5)
  const [batch, contract] = [c.shape(0, c.below(2)), Array.from({ length: c.below(3) }, small)]
  const side = (): { readonly shape: number[]; readonly contract: number[]; readonly batch: number[] } => {
    const free = Array.from({ length: c.below(2 + (batch.length === 0 ? 1 : 0)) }, small)
    const extents = [...batch, ...contract, ...free]
    const order = c.permutation(extents.length)
    const at = (k: number): number => order.indexOf(k)
    return {
      shape: order.map((k) => extents[k]!),
      batch: batch.map((_, i) => at(i)),
      contract: contract.map((_, i) => at(batch.length + i)),
    }
  }
  const [lhs, rhs] = [side(), side()]
  return {
    params: { contract: [lhs.contract, rhs.contract], batch: [lhs.batch, rhs.batch], preferred },
    inputs: [x(lhs.shape), x(rhs.shape)],
  }
}

/** Windows of an axis that has at least `most - 1` of them. */
const axis = (c: Choices, most: number): { readonly n: number; readonly k: number; readonly stride: number; readonly dilation: number } => {
  const [k, stride, dilation] = [c.pick([2, 1, 3, 0]), c.pick([1, 2, 3]), c.pick([1, 2])]
  const reach = Math.max(0, k - 1) * dilation
  return { n: c.below(most) * stride + reach + c.pick([1, 2, 0]), k, stride, dilation }
}
const axes = (c: Choices, rank: number, most: number) => {
  const drawn = Array.from({ length: rank }, () => axis(c, most))
  return {
    n: drawn.map(({ n }) => n),
    k: drawn.map(({ k }) => k),
    places: drawn.map(({ n, k, stride, dilation }) => Math.max(0, Math.floor((n - (k === 0 ? 0 : (k - 1) * dilation + 1)) / stride) + 1)),
    params: { strides: drawn.map(({ stride }) => stride), dilation: drawn.map(({ dilation }) => dilation) },
  }
}
const drawConv = (
  c: Choices,
  preferred: OpParams['convGeneralDilated']['preferred'],
  x: (shape: readonly number[]) => Value,
): { readonly params: OpParams['convGeneralDilated']; readonly inputs: readonly Value[] } => {
  const { n, k, params } = axes(c, c.below(3), c.pick([3, 12]))
  const lo = n.map((extent) => c.pick([0, 1, 2, -Math.min(1, extent)]))
  const hi = n.map((extent, d) => c.pick([0, 1, 2, -Math.max(0, Math.min(2, extent + lo[d]!))]))
  const [groups, batch, features, outs] = [c.pick([1, 2]), c.pick([1, 2, 0]), c.pick([2, 1, 3, 0]), c.pick([2, 1, 3, 9])]
  return { params: { ...params, lo, hi, preferred }, inputs: [x([groups, batch, features, ...n]), x([groups, outs, features, ...k])] }
}
const drawWindows = (c: Choices, x: (shape: readonly number[]) => Value) => {
  const { n, k, params } = axes(c, c.below(3), 3)
  return { params: { ...params, window: k }, inputs: [x(n)] }
}
const drawOverlaps = (c: Choices, x: (shape: readonly number[]) => Value) => {
  const { n, k, places, params } = axes(c, c.below(3), 3)
  return { params: { ...params, shape: n }, inputs: [x([...places, ...k])] }
}

export const contraction = {
  convGeneralDilated: generator<'convGeneralDilated'>({
    any: (c) => {
      const dtype = c.dtype(number)
      return drawConv(c, c.oneIn(3) ? c.dtype(number.filter((d) => isFloat(d) === isFloat(dtype))) : null, (shape) => c.value(shape, dtype))
    },
    smooth: (c) => drawConv(c, c.oneIn(3) ? 'float64' : null, (shape) => c.value(shape, 'float64', () => c.smooth())),
    linear: () => [[0], [1]],
  }),
  windows: generator<'windows'>({
    any: (c) => {
      const dtype = c.dtype([...number, 'bool'])
      return drawWindows(c, (shape) => c.value(shape, dtype))
    },
    smooth: (c) => drawWindows(c, (shape) => c.value(shape, 'float64', () => c.smooth())),
    linear: () => [[0]],
  }),
  overlapAdd: generator<'overlapAdd'>({
    any: (c) => {
      const dtype = c.dtype(number)
      return drawOverlaps(c, (shape) => c.value(shape, dtype))
    },
    smooth: (c) => drawOverlaps(c, (shape) => c.value(shape, 'float64', () => c.smooth())),
    linear: () => [[0]],
  }),
  dotGeneral: generator<'dotGeneral'>({
    any: (c) => {
      const dtype = c.dtype(number)
      return draw(c, c.oneIn(3) ? c.dtype(number.filter((d) => isFloat(d) === isFloat(dtype))) : null, (shape) => c.value(shape, dtype))
    },
    smooth: (c) => draw(c, c.oneIn(3) ? 'float64' : null, (shape) => c.value(shape, 'float64', () => c.smooth())),
    linear: () => [[0], [1]],
  }),
}
