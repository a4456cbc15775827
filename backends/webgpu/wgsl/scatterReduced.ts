/** Updates that are computed as they are written, of reductions over each, as keys that are normed before they go to a cache: so many lanes an update. */
import { isHalf } from '../../../src/core/dtype.ts'
import type { Expr, Scatter } from '../../../src/core/kernel.ts'
import { evaluation, reductionLevels } from './expressions.ts'
import { indexLines, indexNames, powerOfTwo } from './indices.ts'
import { pairOf } from './scatterText.ts'
import { type Deal, levelLines, loop, trees } from './rows.ts'
import type { Features, Memory, Pass } from './shader.ts'

/** As other passes of scatters have them, beside which this is launched. */
const WORKGROUP = 256

/** Null where nothing is reduced. */
export const scatterReduced = (
  { rows, rest, count, args }: Scatter,
  { dims, expr }: NonNullable<Scatter['update']>,
  memory: Memory,
  features: Features,
): Pass | null => {
  const levels = reductionLevels([expr])
  if (levels.length === 0) return null
  const width = dims.at(-1)! // twice the rest, where that is words of 16-bit floats
  const lanes = Math.min(WORKGROUP, powerOfTwo(rest / 4))
  const deal: Deal = { rows: WORKGROUP / lanes, lanes, along: 'row' }
  const index = indexNames(dims)
  const scope = { index, memory, reduced: new Map<Expr, string>() }
  const over = (lines: readonly string[]): string[] => loop([width], 'slice', 'limit', lanes, lines, index.slice(-1))
  const reduced = levelLines(levels, deal, over, scope, features)
  const write = (j: string, value: string): string => memory.store(args.length - 1, `place * ${rest} + ${j}`, value)
  const written = isHalf(expr.dtype)
    ? loop([rest], 'slice', `limit / 2u`, lanes, [...pairOf(expr, index, 'word', memory, scope.reduced), write('word', 'pair')], ['word'])
    : over(elementOf(expr, scope, (value) => write(index.at(-1)!, value)))
  return {
    declarations: trees(levels, deal, WORKGROUP, features),
    workgroupSize: WORKGROUP,
    groups: () => Math.ceil(count / deal.rows),
    body: [
      `let own = i32(group * ${deal.rows}u + lane / ${lanes}u);`,
      `let slice = lane % ${lanes}u;`,
      `let limit = select(0u, ${width}u, own < ${count});`,
      `let place = ${memory.load(1, `min(own, ${count - 1})`)};`,
      // Of several updates of one place the first lane writes the last.
      `var first = place >= 0 && place < ${rows};`,
      `var last = min(own, ${count - 1});`,
      `for (var v = 0; v < ${count}; v++) {`,
      `if (${memory.load(1, 'v')} == place) { if (v < own) { first = false; } last = max(last, v); }`,
      '}',
      ...indexLines('u32(last)', dims.slice(0, -1), index),
      ...reduced,
      'if (first) {',
      ...written,
      '}',
    ].join('\n'),
  }
}

const elementOf = (expr: Expr, scope: Parameters<typeof evaluation>[0], write: (value: string) => string): string[] => {
  const at = evaluation(scope)
  const value = at.value(expr)
  return [...at.lines, write(value)]
}
