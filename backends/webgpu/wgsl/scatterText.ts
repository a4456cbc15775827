/** What scatter's passes share: the combination as text, and a pass with an invocation an element. */
import type { Expr, Scatter } from '../../../src/core/kernel.ts'
import { evaluation } from './expressions.ts'
import { combined } from './scalar.ts'
import type { Memory, Pass } from './shader.ts'

export const combineOf = ({ combine, dtype }: Scatter): ((x: string, update: string) => string) => {
  if (combine === 'set') return (_, update) => update
  const op = combine === 'add' ? 'sum' : combine === 'mul' ? 'prod' : combine
  return (x, update) => combined(op, dtype, x, update)
}

/** Names `pair`, the word of two 16-bit floats that are computed, the `word`-th of an update. */
export const pairOf = (
  expr: Expr,
  index: readonly string[],
  word: string,
  memory: Memory,
  reduced?: ReadonlyMap<Expr, string>,
): string[] => {
  const j = index.at(-1)!
  const at = evaluation({ index, memory, ...(reduced === undefined ? {} : { reduced }) })
  const value = at.value(expr)
  return [
    'var pair = 0u;',
    'for (var half = 0; half < 2; half++) {',
    `let ${j} = 2 * i32(${word}) + half;`,
    ...at.lines,
    `pair |= ${value} << (16u * u32(half));`,
    '}',
  ]
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
