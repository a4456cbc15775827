/** Nests: element-wise chains, an invocation an element; what reduces over rows is in `rows.ts`. */
import type { Nest, Output } from '../../../src/core/kernel.ts'
import { affineText, evaluation } from './expressions.ts'
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

const elementwise = ({ dims, outputs }: Nest, memory: Memory): Pass => {
  const index = indexNames(dims)
  const at = evaluation({ index, memory })
  const each = product(dims.slice(1))
  if (outputs.some(isHalfOutput)) {
    const values = outputs.map(({ expr }) => at.value(expr))
    const store = ({ arg, access }: Output, value: string): string => memory.store(arg, affineText(access, index), value)
    return {
      declarations: '',
      workgroupSize: WORKGROUP,
      groups: (extent) => Math.ceil((extent * each) / (2 * WORKGROUP)),
      body: [
        `let first = 2u * (group * ${WORKGROUP}u + lane);`,
        `let count = extent * ${each}u;`,
        'if (first >= count) { return; }',
        ...pairLines(
          { first: 'first', place: 'i32(first)', there: 'e < count' },
          [...indexLines('e', dims, index), ...at.lines],
          outputs,
          values,
          store,
          memory,
        ),
      ].join('\n'),
    }
  }
  const stores = storeLines(outputs, at, index, memory)
  return {
    declarations: '',
    workgroupSize: WORKGROUP,
    groups: (extent) => Math.ceil((extent * each) / WORKGROUP),
    body: [
      `let element = group * ${WORKGROUP}u + lane;`,
      `if (element >= extent * ${each}u) { return; }`,
      ...indexLines('element', dims, index),
      ...at.lines,
      ...stores,
    ].join('\n'),
  }
}
