/**
 * A tile of a contraction. Both operands are in workgroup memory, a stretch of k at a time; lane (x, y) has the rows 4 (y + down i) + r
 * and the columns 4 (x + across j) + c of the tile, r and c < 4, so a step is a few vectors read and rows x columns multiply-adds.
 */
import type { Dot } from '../../../src/core/kernel.ts'
import { matrixSums, type Sums } from './dotMatrix.ts'
import { inVectors, type Operand, type Staged, staged } from './dotOperand.ts'
import { placeOf, teamLanes, type Tile, tileColumns, tileLanes, tileName, tileRows } from './dotPlan.ts'
import { affineText, evaluation } from './expressions.ts'
import { isHalfOutput } from './halves.ts'
import { indexLines, indexNames, product } from './indices.ts'
import { type Memory, type Pass, typeOf } from './shader.ts'
import { components, times } from './text.ts'

/** Where results are contiguous along m, a tile's columns are m. */
const isTurned = ({ batch, outputs }: Dot): boolean =>
  outputs.every(({ access }) => access.strides[batch.length] === 1 && access.strides[batch.length + 1] !== 1)
/** Whether four neighbours of each output can be stored at once. */
export const inFours = (kernel: Dot): boolean => {
  const { batch, m, n, outputs } = kernel
  const [d, extent] = isTurned(kernel) ? [batch.length, m] : [batch.length + 1, n]
  return outputs.every(({ access }) => inVectors(access, d, extent))
}

/** Of several parts of the sum, each writes its results behind those of the parts before it. */
export const tilePass = (kernel: Dot, tile: Tile, memory: Memory, parts = 1): Pass => {
  const { batch, m, n, k, lhs, rhs, outputs } = kernel
  const rank = batch.length
  const turned = isTurned(kernel)
  const left = { expr: lhs, rows: m, rowDim: rank, kDim: rank + 1 }
  const right = { expr: rhs, rows: n, rowDim: rank + 1, kDim: rank }
  const a: Operand = { ...(turned ? right : left), name: 'a', height: tileRows(tile) }
  const b: Operand = { ...(turned ? left : right), name: 'b', height: tileColumns(tile) }
  const vectors = inFours(kernel)
  const where = { a, b, turned, vectors, part: parts > 1 }
  const [high, broad] = [Math.ceil(a.rows / a.height), Math.ceil(b.rows / b.height)]
  const [tiles, batches] = [high * broad, product(batch)]
  const part = tile.depth * Math.ceil(k / (parts * tile.depth))
  const steps = `for (var k0 = part * ${part}; k0 < min(${k}, (part + 1) * ${part}); k0 += ${tile.depth}) {`
  const { declarations, lines } =
    tile.matrix === null
      ? laneSums(kernel, tile, where, steps, memory)
      : matrixSums(kernel, tile, tile.matrix, a, b, steps, storeFour(kernel, memory, where), memory)
  return {
    declarations: [`// ${tileName(tile)}, ${parts} of the sum`, ...declarations, finish(kernel, memory)].join('\n'),
    workgroupSize: tileLanes(tile),
    groups: () => parts * batches * tiles,
    wide: vectors && !outputs.some(isHalfOutput),
    body: [
      ...tileLines(high, broad, a.height, b.height),
      `let unit = group / ${tiles}u % ${batches}u;`,
      ...indexLines('unit', batch, indexNames(batch)),
      `let part = i32(group / ${tiles * batches}u);`,
      ...lines,
    ].join('\n'),
  }
}

/** Sums in registers. */
const laneSums = (kernel: Dot, tile: Tile, where: Stores, steps: string, memory: Memory): Sums => {
  const type = typeOf(kernel.dtype)
  const stage = (operand: Operand, first: string): Staged => staged(operand, first, kernel, tile, memory, where.vectors)
  const [a, b] = [stage(where.a, 'row0'), stage(where.b, 'column0')]
  return {
    declarations: [a.declarations, b.declarations, gathered(tile, type)],
    lines: [
      `let x = i32(lane % ${tile.across}u);`,
      `let y = i32(lane / ${tile.across}u % ${tile.down}u);`,
      `let team = i32(lane / ${teamLanes(tile)}u);`,
      ...eachSum(tile, (name) => `var ${name} = vec4<${type}>();`),
      steps,
      ...a.lines,
      ...b.lines,
      'workgroupBarrier();',
      ...multiply(tile, type),
      'workgroupBarrier();',
      '}',
      ...gather(tile),
      ...store(kernel, tile, memory, where),
    ],
  }
}

/** Rows of tiles that are walked together, column by column: what they share stays in the caches. */
const BAND = 8

/** Names the tile's first row and column. */
const tileLines = (high: number, broad: number, height: number, width: number): string[] => {
  const tile = `let tile = i32(group % ${high * broad}u);`
  if (high <= BAND) return [tile, `let row0 = tile % ${high} * ${height};`, `let column0 = tile / ${high} * ${width};`]
  return [
    tile,
    `let band = tile / ${BAND * broad};`,
    `let within = tile % ${BAND * broad};`,
    `let tall = min(${BAND}, ${high} - band * ${BAND});`,
    `let row0 = (band * ${BAND} + within % tall) * ${height};`,
    `let column0 = within / tall * ${width};`,
  ]
}

/** The lane's sums, a vector of four columns each, by row and vector. */
const eachSum = ({ rows, columns }: Tile, f: (name: string, row: number, vector: number) => string): string[] =>
  times(rows, (row) => times(columns / 4, (vector) => f(`sum${row}_${vector}`, row, vector))).flat()

const multiply = (tile: Tile, type: string): string[] => {
  const { across, down, rows, columns, depth, teams, shared } = tile
  const [height, width] = [tileRows(tile), tileColumns(tile)]
  const readA = (i: number, k: string): string => `vec4<${type}>(a[${placeOf(height, `y + ${i * down}`, k)}])`
  const readB = times(columns / 4, (j) => `let b${j} = vec4<${type}>(b[${placeOf(width, `x + ${j * across}`, 'kk')}]);`)
  const products = eachSum(tile, (name, row, vector) => `${name} += a${row >> 2}.${components[row & 3]} * b${vector};`)
  if (shared > 1)
    return [
      `for (var k1 = 0; k1 < ${depth}; k1 += ${shared}) {`,
      ...times(rows / 4, (i) => `let own${i} = ${readA(i, `(k1 + i32(lane % ${shared}u))`)};`),
      `for (var step = 0; step < ${shared}; step++) {`,
      'let kk = k1 + step;',
      ...times(rows / 4, (i) => `let a${i} = subgroupShuffle(own${i}, u32(step));`),
      ...readB,
      ...products,
      '}',
      '}',
    ]
  return [
    `for (var kk = team * ${depth / teams}; kk < (team + 1) * ${depth / teams}; kk++) {`,
    ...times(rows / 4, (i) => `let a${i} = ${readA(i, 'kk')};`),
    ...readB,
    ...products,
    '}',
  ]
}

/** Room for a team's sums. */
const gathered = (tile: Tile, type: string): string =>
  tile.teams === 1 ? '' : `var<workgroup> gathered: array<vec4<${type}>, ${(tileRows(tile) * tileColumns(tile)) / 4}>;`
/** The first team adds up what the others have, one after the other, so that the order is fixed; then it is alone. */
const gather = (tile: Tile): string[] => {
  if (tile.teams === 1) return []
  const place = (row: number, vector: number): string =>
    `gathered[${row * (tile.columns / 4) + vector} * ${teamLanes(tile)} + y * ${tile.across} + x]`
  return [
    `for (var t = 1; t < ${tile.teams}; t++) {`,
    'if (team == t) {',
    ...eachSum(tile, (name, row, vector) => `${place(row, vector)} = ${name};`),
    '}',
    'workgroupBarrier();',
    'if (team == 0) {',
    ...eachSum(tile, (name, row, vector) => `${name} += ${place(row, vector)};`),
    '}',
    'workgroupBarrier();',
    '}',
    'if (team > 0) { return; }',
  ]
}

/** A function of the outputs' index and a finished sum: what is stored, `o0`, `o1`… */
export const finish = ({ batch, dtype, outputs }: Dot, memory: Memory): string => {
  const index = [...indexNames(batch), 'm', 'n']
  const { value, lines } = evaluation({ index, memory, acc: 'sum' })
  const values = outputs.map(({ expr }) => value(expr))
  const fields = outputs.map(({ expr }, i) => `o${i}: ${typeOf(expr.dtype)}`)
  return [
    `struct Finished { ${fields.join(', ')} }`,
    `fn finish(${index.map((name) => `${name}: i32`).join(', ')}, sum: ${typeOf(dtype)}) -> Finished {`,
    ...lines,
    `return Finished(${values.join(', ')});`,
    '}',
  ].join('\n')
}

interface Stores {
  readonly a: Operand
  readonly b: Operand
  readonly turned: boolean
  /** Four neighbours are stored at once. */
  readonly vectors: boolean
  /** Results of a part lie behind those of the parts before it. */
  readonly part: boolean
}

/** What is made of `sum`, four finished sums from `row` and `column` on, where they are within the results. */
const storeFour = (kernel: Dot, memory: Memory, { a, b, turned, vectors, part }: Stores): string[] => {
  const { batch, m, n, outputs } = kernel
  const index = (column: string): string[] => [...indexNames(batch), ...(turned ? [column, 'row'] : ['row', column])]
  const base = part ? `part * ${product(batch) * m * n} + ` : ''
  const at = (i: number, column: string): string => `${base}${affineText(outputs[i]!.access, index(column))}`
  const finished = (c: number): string => `let f${c} = finish(${index(`(column + ${c})`).join(', ')}, sum[${c}]);`
  const stores = vectors
    ? [
        ...times(4, finished),
        ...outputs.map(({ arg }, i) => memory.store4(arg, at(i, 'column'), `vec4(${times(4, (c) => `f${c}.o${i}`).join(', ')})`)),
      ]
    : times(4, (c) =>
        [
          `if (column + ${c} < ${b.rows}) {`,
          finished(c),
          ...outputs.map(({ arg }, i) => memory.store(arg, at(i, `(column + ${c})`), `f${c}.o${i}`)),
          '}',
        ].join('\n'),
      )
  return [`if (row < ${a.rows} && column < ${b.rows}) {`, ...stores, '}']
}

/** A loop over the lane's sums: an epilogue's code is there once. */
const store = (kernel: Dot, tile: Tile, memory: Memory, where: Stores): string[] => {
  const { dtype } = kernel
  const fours = tile.columns / 4
  return [
    `var sums = array<vec4<${typeOf(dtype)}>, ${tile.rows * fours}>(${eachSum(tile, (name) => name).join(', ')});`,
    `for (var r = 0; r < ${tile.rows}; r++) {`,
    `let row = row0 + 4 * (y + r / 4 * ${tile.down}) + r % 4;`,
    `for (var j = 0; j < ${fours}; j++) {`,
    `let column = column0 + 4 * (x + j * ${tile.across});`,
    `let sum = sums[r * ${fours} + j];`,
    ...storeFour(kernel, memory, where),
    '}',
    '}',
  ]
}
