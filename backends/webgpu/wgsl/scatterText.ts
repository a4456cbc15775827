/** What scatter's passes share: the combination as text, and a pass with an invocation an element. */
import type { Scatter } from '../../../src/core/kernel.ts'
import { combined } from './scalar.ts'
import type { Pass } from './shader.ts'

export const combineOf = ({ combine, dtype }: Scatter): ((x: string, update: string) => string) => {
  if (combine === 'set') return (_, update) => update
  const op = combine === 'add' ? 'sum' : combine === 'mul' ? 'prod' : combine
  return (x, update) => combined(op, dtype, x, update)
}

/** `each` for `at` in 0 … size-1, after `before`, which all 256 lanes of a workgroup run. */
export const elements = (size: number, text: { declarations?: string; before?: string; each: string }): Pass => ({
  workgroupSize: 256,
  groups: () => Math.ceil(size / 256),
  declarations: text.declarations ?? '',
  body: `
  ${text.before ?? ''}
  let at = i32(group * 256u + lane);
  if (at < ${size}) {
    ${text.each}
  }`,
})
