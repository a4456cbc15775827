/**
 * A row that a contraction computes itself, as a layer norm before a product in decoding: each workgroup computes all of it into its memory
 * first, which costs less than a launch of its own.
 */
import { partsOf } from '../../../src/core/expressions.ts'
import type { Dot, Expr, Nest } from '../../../src/core/kernel.ts'
import { evaluation, reductionLevels } from './expressions.ts'
import { product } from './indices.ts'
import { type Deal, levelLines, loop, trees } from './rows.ts'
import { type Features, type Memory, typeOf } from './shader.ts'

/** Fewer operations are done where an element is read. */
const WORTH = 4

export const isReduced = ({ lhs }: Dot): boolean => partsOf([lhs]).some(({ kind }) => kind === 'reduce')
/** Whether a contraction's left operand is worth computing before anything else. */
const isOwnRow = (kernel: Dot): boolean =>
  kernel.m === 1 && product(kernel.batch) === 1 && (isReduced(kernel) || partsOf([kernel.lhs]).filter(({ kind }) => kind === 'apply').length >= WORTH) // prettier-ignore

export interface OwnRow {
  readonly declarations: string
  readonly lines: readonly string[]
}
/** `row[k]` by a workgroup of `size` lanes, with so many bytes of its memory taken. Null where the row is read as it lies, or there is no room. */
export const ownRow = (kernel: Dot, size: number, taken: number, memory: Memory, features: Features): OwnRow | null => {
  if (!isOwnRow(kernel)) return null
  const { k, lhs, batch, dtype } = kernel
  const levels = reductionLevels([lhs])
  if (taken + 4 * (k + size * levels.flat().length) > features.maxWorkgroupBytes) return null
  const deal: Deal = { rows: 1, lanes: size, along: 'row' }
  const index: string[] = []
  index[batch.length + 1] = 'along'
  const scope = { index, memory, reduced: new Map<Expr, string>() }
  const over = (lines: readonly string[]): string[] => loop([k], 'slice', `${k}u`, size, lines, ['along'])
  const lines = levelLines(levels, deal, over, scope, features)
  const at = evaluation(scope)
  const value = at.value(lhs)
  return {
    declarations: [`var<workgroup> row: array<${typeOf(dtype)}, ${k}>;`, trees(levels, deal, size, features)].join('\n'),
    lines: ['{', 'let slice = lane;', ...lines, ...over([...at.lines, `row[along] = ${value};`]), '}', 'workgroupBarrier();'],
  }
}

/** The row written to an array first, and the contraction that reads it there: where it holds reductions, which others can't compute. */
export const rowApart = (kernel: Dot): { readonly row: Nest; readonly dot: Dot } | null => {
  if (!isReduced(kernel)) return null
  const { k, lhs, batch, dtype, args } = kernel
  const arg = args.length
  const along = { strides: [...batch.map(() => 0), 0, 1], offset: 0 }
  return {
    row: {
      kind: 'nest',
      dims: [...batch.map(() => 1), 1, k],
      inner: 1,
      args: [...args, dtype],
      outputs: [{ arg, expr: lhs, access: along, rowwise: false }],
    },
    dot: { ...kernel, args: [...args, dtype], lhs: { kind: 'load', dtype, arg, access: { ...along, guards: [] } } },
  }
}
