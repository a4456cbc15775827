/**
 * What attention does to scores besides products: which are seen (bounds, mask, edges), bias, dropout. A pass's rows are queries and its
 * columns keys, or the other way around; of a lane's scores in a column, four rows make a vector.
 */
import type { AttentionShape, Strided } from '../../../src/core/kernel.ts'
import { type Matrix } from './attentionProduct.ts'
import type { Tile } from './attentionTile.ts'
import { affineText } from './expressions.ts'
import { constantOf } from './scalar.ts'
import type { Memory } from './shader.ts'
import { components, times } from './text.ts'

export type Side = 'queries' | 'keys'

/** Below every score, and finite, so that differences of it are no NaN. */
export const LOWEST = '-0x1.fffffep+127f'

/**
 * Names which block of which head a workgroup has: block, first (its first row), batch, kvHead and, where a unit is a query head, head.
 * Under a causal bound the last queries see most: they go first.
 */
export const blockLines = ({ heads, group }: AttentionShape, tile: Tile, rows: Side, blocks: number): string => {
  const block = rows === 'queries' ? `${blocks - 1} - i32(group) % ${blocks}` : `i32(group) % ${blocks}`
  const unit = `i32(group) / ${blocks}`
  return `
  let x = i32(lane % ${tile.across}u);
  let y = i32(lane / ${tile.across}u);
  let first = (${block}) * ${tile.rows};
  ${
    rows === 'queries'
      ? `let batch = ${unit} / ${heads}; let head = ${unit} % ${heads}; let kvHead = head / ${group};`
      : `let batch = ${unit} / ${heads / group}; let kvHead = ${unit} % ${heads / group};`
  }
  let rows = vec4<i32>(${times(4, (r) => `first + y + ${r * tile.down}`).join(', ')});`
}

/** A matrix's rows of the batch's head, which `lines` name a place for. */
export const matrixOf = (operand: Strided, name: string, head: string, first: string, count: number, width: number) => {
  const [batchStride, headStride] = operand.strides as readonly [number, number]
  const base = `${name}Base`
  const place = affineText({ strides: [batchStride, headStride], offset: operand.offset }, ['batch', head])
  const matrix: Matrix = { operand, base, first, count, width }
  return { matrix, line: `let ${base} = ${place};` }
}

/** A bound that never hides is none; one that hides everything stays small enough for sums. */
const boundOf = (bound: number | null, most: number, least: number): number | null =>
  bound === null || bound >= most ? null : Math.max(bound, least)

/** -left <= key - query <= right, where that isn't always so. */
const boundsOf = ({ left, right, queries, keys }: AttentionShape) => ({
  left: boundOf(left, queries - 1, -keys),
  right: boundOf(right, keys - 1, -queries),
})

/** Conditions that a key is within the bounds of a query; one of the texts may name a vector, as `type` then says. */
export const boundTexts = (shape: AttentionShape, query: string, key: string, type: 'i32' | 'vec4<i32>'): readonly string[] => {
  const { left, right } = boundsOf(shape)
  const distance = `(${key} - ${query})`
  return [
    ...(left === null ? [] : [`(${distance} >= ${type}(${-left}))`]),
    ...(right === null ? [] : [`(${distance} <= ${type}(${right}))`]),
  ]
}

/** The columns that a block's rows from `first` on may see: the first, a block's first, and the end of the last. */
export const columnsSeen = (
  shape: AttentionShape,
  tile: Pick<Tile, 'rows' | 'columns'>,
  rows: Side,
  first: string,
): { readonly begin: string; readonly end: string } => {
  const { left, right } = boundsOf(shape)
  const [before, after, count] = rows === 'queries' ? [left, right, shape.keys] : [right, left, shape.queries]
  const { columns } = tile
  return {
    begin: before === null ? '0' : `max(${first} - ${before}, 0) / ${columns} * ${columns}`,
    end: after === null ? `${count}` : `min(${first} + ${tile.rows} + ${after}, ${count})`,
  }
}

const tanh4 = 'fn tanh4(v: vec4<f32>) -> vec4<f32> { return vec4<f32>(c_tanh(v.x), c_tanh(v.y), c_tanh(v.z), c_tanh(v.w)); }'
export const scoreDeclarations = ({ softcap, dropout }: AttentionShape): string =>
  [softcap === null ? '' : tanh4, dropout === null ? '' : keptDeclaration(dropout.rate)].join('\n')
const keptDeclaration = (rate: number): string => `fn kept(words: vec2<u32>, position: u32) -> f32 {
  let bits = c_threefry(words, vec2<u32>(0u, position));
  let uniform01 = bitcast<f32>(((bits.x ^ bits.y) >> 9u) | 0x3f800000u) - 1.0;
  return select(0.0, ${constantOf('float32', 1 / (1 - rate))}, uniform01 < ${constantOf('float32', 1 - rate)});
}`

/** What dropout multiplies the weight of a query and a key by. */
export const keptText = ({ heads, queries, keys }: AttentionShape, query: string, key: string): string =>
  `kept(words, u32((batch * ${heads} + head) * ${queries} + ${query}) * ${keys}u + u32(${key}))`

/** Names the words of dropout's key. */
export const scoreLines = ({ dropout }: AttentionShape, { load }: Memory): string =>
  dropout === null ? '' : `let words = vec2<u32>(${load(dropout.arg, '0')}, ${load(dropout.arg, '1')});`

/**
 * Finishes the scores `name`0 … 3 of the columns from `start` on, column0 … 3: scaled, biased, with seen0 … 3 beside them and, for dropout,
 * keep0 … 3, for a cap bend0 … 3, the tanh. `side` says what rows are.
 */
export const finishScores = (shape: AttentionShape, memory: Memory, tile: Tile, name: string, side: Side): string =>
  times(4, (c) => finishColumn(shape, memory, tile, `${name}${c}`, c, side)).join('\n')

const finishColumn = (shape: AttentionShape, { load }: Memory, tile: Tile, score: string, c: number, side: Side): string => {
  const { queries, keys, bias, mask, dropout, scale, softcap } = shape
  const column = `column${c}`
  const [query, key] = side === 'queries' ? (['rows', column] as const) : ([column, 'rows'] as const)
  const [rowCount, columnCount] = side === 'queries' ? [queries, keys] : [keys, queries]
  const seen = [
    rowCount % tile.rows !== 0 && `(rows < vec4<i32>(${rowCount}))`,
    columnCount % tile.columns !== 0 && `vec4<bool>(${column} < ${columnCount})`,
    ...boundTexts(shape, query, key, 'vec4<i32>'),
  ].filter((text) => text !== false)
  const index = (r: number): readonly [string, string] => {
    const row = `rows.${components[r]!}`
    return side === 'queries' ? [row, column] : [column, row]
  }
  const element = (operand: Strided, r: number): string => load(operand.arg, affineText(operand, ['batch', 'head', ...index(r)]))
  const where = (r: number, text: string): string => `if (seen${c}.${components[r]!}) { ${text} }`
  return [
    `let ${column} = start + x + ${c * tile.across};`,
    `var seen${c} = ${seen.length === 0 ? 'vec4<bool>(true)' : seen.join(' & ')};`,
    ...times(4, (r) => (mask === null ? '' : where(r, `seen${c}.${components[r]!} = ${element(mask, r)};`))),
    `${score} *= ${constantOf('float32', scale)};`,
    ...(softcap === null ? [] : [`let bend${c} = tanh4(${score} / ${constantOf('float32', softcap)});`, `${score} = bend${c} * ${constantOf('float32', softcap)};`]), // prettier-ignore
    ...times(4, (r) => (bias === null ? '' : where(r, `${score}.${components[r]!} += ${element(bias, r)};`))),
    dropout === null ? '' : `let keep${c} = vec4<f32>(${times(4, (r) => keptText(shape, ...index(r))).join(', ')});`,
  ]
    .filter((text) => text !== '')
    .join('\n')
}
