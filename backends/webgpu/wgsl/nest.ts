/** Nests: element-wise chains, an invocation an element; what reduces over rows is in `rows.ts`. */
import type { Nest } from '../../../src/core/kernel.ts'
import { evaluation } from './expressions.ts'
import { inOrder, isHalfOutput, packing, pairLines } from './halves.ts'
import { indexLines, indexNames, product, storeLines } from './indices.ts'
import { rowShader } from './rows.ts'
import type { Emit, Memory, Pass } from './shader.ts'

export const emitNest: Emit<Nest> = (kernel, memory, features) => {
  const { dims, inner } = kernel
  const outer = dims.slice(0, dims.length - inner)
  const row = product(dims.slice(outer.length))
  return packing(
    kernel,
    memory,
    ({ rowwise }) => product(outer.slice(1)) * (rowwise ? 1 : row),
    (output) => inOrder(output, dims) && (inner === 0 || (!output.rowwise && row % 2 === 0)),
    (own) => (inner === 0 ? { passes: [elementwise(own, memory)], scratch: [] } : rowShader(own, memory, features)),
  )
}

const WORKGROUP = 256

/** An element an invocation, or two where results are of 16 bits. */
const elementwise = ({ dims, outputs }: Nest, memory: Memory): Pass => {
  const index = indexNames(dims)
  const at = evaluation({ index, memory })
  const each = product(dims.slice(1))
  const paired = outputs.some(isHalfOutput)
  const count = `extent * ${each}u`
  const numbers = { first: 'element', place: 'i32(element)', there: `e < ${count}` }
  const stores = paired
    ? pairLines(numbers, indexLines('e', dims, index), outputs, at, index, memory)
    : storeLines(outputs, at, index, memory)
  return {
    declarations: '',
    workgroupSize: WORKGROUP,
    groups: (extent) => Math.ceil((extent * each) / (paired ? 2 * WORKGROUP : WORKGROUP)),
    body: [
      `let element = ${paired ? '2u * ' : ''}(group * ${WORKGROUP}u + lane);`,
      `if (element >= ${count}) { return; }`,
      ...(paired ? [] : [...indexLines('element', dims, index), ...at.lines]),
      ...stores,
    ].join('\n'),
  }
}
