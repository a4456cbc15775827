/** Sums over and exchange along a mapped axis `i` of three examples. */
import type { DType } from '../core/dtype.ts'
import type { OpName, OpParams } from '../core/ops.ts'
import type { Choices } from './choices.ts'
import { type Generator, generator, onlyAny } from './generator.ts'

const SIZE = 3
const numbers: readonly DType[] = ['float32', 'int32', 'uint32', 'float64']
/** A shape with an axis of the examples' number, and where it is. */
const dealt = (c: Choices): readonly [shape: readonly number[], axis: number] => {
  const shape = [...c.shape()].slice(0, 2)
  const axis = c.below(shape.length + 1)
  shape.splice(axis, 0, SIZE)
  return [shape, axis]
}

const overAxis = <K extends OpName>(
  draw: (c: Choices) => readonly [shape: readonly number[], params: OpParams[K]],
  more: Partial<Pick<Generator<K>, 'linear'>> = { linear: () => [[0]] },
): Generator<K> =>
  generator<K>({
    any: (c) => {
      const [shape, params] = draw(c)
      return { params, inputs: [c.value(shape, c.dtype(numbers))] }
    },
    smooth: (c) => {
      const [shape, params] = draw(c)
      return { params, inputs: [c.value(shape, 'float64', () => c.smooth())] }
    },
    axisName: 'i',
    ...more,
  })

export const axisGenerators = {
  psum: overAxis<'psum'>((c) => [c.shape(), { axisName: 'i' }]),
  // All examples have the same, so that all share it.
  pmax: overAxis<'pmax'>((c) => [c.shape(), { axisName: 'i' }], {}),
  pmin: overAxis<'pmin'>((c) => [c.shape(), { axisName: 'i' }], {}),
  allGather: overAxis<'allGather'>((c) => {
    const shape = c.shape()
    return [shape, { axisName: 'i', axis: c.below(shape.length + 1), size: SIZE }]
  }),
  psumScatter: overAxis<'psumScatter'>((c) => {
    const [shape, axis] = dealt(c)
    return [shape, { axisName: 'i', axis, size: SIZE }]
  }),
  allToAll: overAxis<'allToAll'>((c) => {
    const [shape, split] = dealt(c)
    return [shape, { axisName: 'i', split, concat: c.below(shape.length), size: SIZE }]
  }),
  ppermute: overAxis<'ppermute'>((c) => {
    const [from, to] = [c.some(SIZE), c.some(SIZE)]
    return [c.shape(), { axisName: 'i', perm: from.slice(0, to.length).map((place, k) => [place, to[k]!] as const), size: SIZE }]
  }),
  axisIndex: onlyAny<'axisIndex'>(() => ({ params: { axisName: 'i' }, inputs: [] }), { axisName: 'i' }),
}
