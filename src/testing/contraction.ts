/** dotGeneral: axes of both operands in any order. */
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

export const contraction = {
  dotGeneral: generator<'dotGeneral'>({
    any: (c) => {
      const dtype = c.dtype(number)
      return draw(c, c.oneIn(3) ? c.dtype(number.filter((d) => isFloat(d) === isFloat(dtype))) : null, (shape) => c.value(shape, dtype))
    },
    smooth: (c) => draw(c, c.oneIn(3) ? 'float64' : null, (shape) => c.value(shape, 'float64', () => c.smooth())),
    linear: () => [[0], [1]],
  }),
}
