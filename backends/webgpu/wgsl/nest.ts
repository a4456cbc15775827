/** Nests: element-wise chains, an invocation an element; what reduces over rows is in `rows.ts`. */
import type { Nest } from '../../../src/core/kernel.ts'
import { evaluation } from './expressions.ts'
import { indexLines, indexNames, product, storeLines } from './indices.ts'
import { rowShader } from './rows.ts'
import type { Emit, Memory, Pass } from './shader.ts'

export const emitNest: Emit<Nest> = (kernel, memory, features) =>
  kernel.inner === 0 ? { passes: [elementwise(kernel, memory)], scratch: [] } : rowShader(kernel, memory, features)

const WORKGROUP = 256

const elementwise = ({ dims, outputs }: Nest, memory: Memory): Pass => {
  const index = indexNames(dims)
  const at = evaluation({ index, memory })
  const stores = storeLines(outputs, at, index, memory)
  const each = product(dims.slice(1))
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
