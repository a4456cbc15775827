/**
 * The two products of attention as text: rows by columns (scores), and scores by a matrix whose rows are the columns (sums). Operands go
 * through workgroup memory in slices; beyond their ends they are 0. Barriers are reached by all lanes: bounds come from constants.
 *
 *   In a body: x, y (a lane's place in the tile), `stage` (operands' slices), `weights` (scores: the vector of rows y at column n is
 *   weights[n pitch + y]).
 */
import type { Strided } from '../../../src/core/kernel.ts'
import { oddly, quadsOf, type Tile } from './attentionTile.ts'
import { affineText } from './expressions.ts'
import type { Memory } from './shader.ts'
import { components, times } from './text.ts'

/** A head's rows of an operand. Texts name i32 variables: the place of row 0, and the block's first row. */
export interface Matrix {
  readonly operand: Strided
  readonly base: string
  readonly first: string
  readonly count: number
  readonly width: number
}

const lines = (texts: readonly string[]): string => texts.filter((text) => text !== '').join('\n')

/** The place of an element; row and column are names. */
export const placeOf = ({ operand: { strides }, base }: Matrix, row: string, column: string): string =>
  affineText({ strides: [1, strides[2]!, strides[3]!], offset: 0 }, [base, row, column])

const when = (conditions: readonly (string | false)[], text: string): string => {
  const needed = conditions.filter((condition) => condition !== false)
  return needed.length === 0 ? text : `if (${needed.join(' && ')}) { ${text} }`
}

/** Neighbouring lanes read along columns, unless it is rows that are neighbours in memory. */
const alongRows = ({ operand: { strides } }: Matrix): boolean => Math.abs(strides[2]!) === 1 && Math.abs(strides[3]!) !== 1

/** n in 0 … columns · rows - 1 as a column and a row. */
const split = (m: Matrix, columns: number, rows: number, [column, row]: readonly [string, string]): string =>
  alongRows(m) ? `let ${row} = n % ${rows}; let ${column} = n / ${rows};` : `let ${column} = n % ${columns}; let ${row} = n / ${columns};`

/** to[d oddly(side) + q] = the rows q + side r, r < 4, at column `begin` + d. */
const stageRows = (memory: Memory, tile: Tile, m: Matrix, side: number, depth: number, begin: string, to: string): string => `
  for (var n = i32(lane); n < ${depth * side}; n += ${tile.lanes}) {
    ${split(m, depth, side, ['d', 'q'])}
    let column = ${begin} + d;
    var quad = vec4<f32>();
    ${lines(
      components.map((r, i) => {
        const row = `row${i}`
        const there = [
          m.count % (4 * side) !== 0 && `${row} < ${m.count}`,
          (m.width === 0 || m.width % depth !== 0) && `column < ${m.width}`,
        ]
        return `let ${row} = ${m.first} + q + ${i * side};
    ${when(there, `quad.${r} = ${memory.load(m.operand.arg, placeOf(m, row, 'column'))};`)}`
      }),
    )}
    ${to} = quad;
  }`

/** Steps of a sum that go through workgroup memory at once: slices of equal length, if there is no waste to fear. */
const sliceOf = ({ across, down, room, resident }: Tile, depth: number): number => {
  const most = Math.min(32, Math.floor(room / (oddly(across) + (resident ? 0 : oddly(down)))))
  const divisor = times(Math.min(most, depth), (i) => i + 1).findLast((n) => depth % n === 0) ?? 1
  return 2 * divisor >= Math.min(most, depth) ? divisor : Math.ceil(depth / Math.ceil(depth / most))
}

/** The array in which an operand's rows stay. */
const residentName = (name: string): string => `${name}Rows`

/** Rows of a multiplied matrix that go through workgroup memory at once. */
const heightOf = ({ across, columns, room }: Tile, width: number): number =>
  Math.min(columns, 2 ** Math.floor(Math.log2(room / quadsOf(width, across))))

/** Workgroup variables of a pass whose scores have these names and depths, and which multiplies matrices of these widths. */
export const tileDeclarations = (tile: Tile, depths: Readonly<Record<string, number>>, widths: readonly number[]): string => {
  const { across, columns, pitch, resident, lanes } = tile
  const slices = Object.values(depths).map((depth) => sliceOf(tile, depth) * (oddly(across) + (resident ? 0 : pitch)))
  const heights = widths.map((width) => (width === 0 ? 0 : heightOf(tile, width) * quadsOf(width, across)))
  const array = (name: string, size: number): string => `var<workgroup> ${name}: array<vec4<f32>, ${Math.max(1, size)}>;`
  return lines([
    array('stage', Math.max(lanes, ...slices, ...heights)),
    array('weights', columns * pitch),
    ...(resident ? Object.entries(depths).map(([name, depth]) => array(residentName(name), depth * pitch)) : []),
  ])
}

/** Before the columns go by: the rows' operand, where it stays. Barriers of the first product stand between this and its use. */
export const keepRows = (memory: Memory, tile: Tile, name: string, rows: Matrix): string =>
  tile.resident ? stageRows(memory, tile, rows, tile.down, rows.width, '0', `${residentName(name)}[d * ${tile.pitch} + q]`) : ''

/** Declares the vectors name0 … name3: the dot products of the lane's rows with each of its columns. */
export const product = (memory: Memory, tile: Tile, name: string, rows: Matrix, columns: Matrix): string => {
  const { across, down, pitch, resident } = tile
  const depth = sliceOf(tile, rows.width)
  const behind = resident ? 0 : depth * pitch
  const a = resident ? `${residentName(name)}[(begin + d) * ${pitch} + y]` : `stage[d * ${pitch} + y]`
  return `
  ${lines(times(4, (c) => `var ${name}${c} = vec4<f32>();`))}
  for (var begin = 0; begin < ${Math.max(1, rows.width)}; begin += ${depth}) {
    ${resident ? '' : stageRows(memory, tile, rows, down, depth, 'begin', `stage[d * ${pitch} + q]`)}
    ${stageRows(memory, tile, columns, across, depth, 'begin', `stage[${behind} + d * ${oddly(across)} + q]`)}
    workgroupBarrier();
    for (var d = 0; d < ${rows.width % depth === 0 ? depth : `min(${depth}, ${rows.width} - begin)`}; d++) {
      let a = ${a};
      let b = stage[${behind} + d * ${oddly(across)} + x];
      ${lines(components.map((c, i) => `${name}${i} += a * b.${c};`))}
    }
    workgroupBarrier();
  }`
}

/** Writes the lane's vectors `name` to where all lanes read them; a barrier of the following sum stands between. */
export const shareScores = ({ across, pitch }: Tile, name: string): string =>
  lines(times(4, (c) => `weights[(x + ${c * across}) * ${pitch} + y] = ${name}${c};`))

const sumsOf = ({ across }: Tile, width: number): number => Math.ceil(width / across)

export const declareSums = (tile: Tile, name: string, width: number): string =>
  lines(times(sumsOf(tile, width), (e) => `var ${name}${e} = vec4<f32>();`))

/** Multiplies the sums by a text. */
export const scaleSums = (tile: Tile, name: string, width: number, by: string): string =>
  lines(times(sumsOf(tile, width), (e) => `${name}${e} *= ${by};`))

/** Adds the shared scores times `m` to the sums: sum e is the column x + across e. */
export const addProduct = (memory: Memory, tile: Tile, name: string, m: Matrix): string => {
  const { across, lanes, columns, pitch } = tile
  const quads = quadsOf(m.width, across)
  if (quads === 0) return 'workgroupBarrier();'
  const height = heightOf(tile, m.width)
  const column = (j: number): string => (quads === across ? `q + ${j * across}` : `q + q / ${across} * ${3 * across} + ${j * across}`)
  return `
  for (var begin = 0; begin < ${columns}; begin += ${height}) {
    for (var n = i32(lane); n < ${height * quads}; n += ${lanes}) {
      ${split(m, quads, height, ['q', 'k'])}
      let row = ${m.first} + begin + k;
      var quad = vec4<f32>();
      ${lines(
        components.map((c, j) => {
          const there = [m.count % columns !== 0 && `row < ${m.count}`, m.width % (4 * across) !== 0 && `column${j} < ${m.width}`]
          return `let column${j} = ${column(j)};
      ${when(there, `quad.${c} = ${memory.load(m.operand.arg, placeOf(m, 'row', `column${j}`))};`)}`
        }),
      )}
      stage[k * ${quads} + q] = quad;
    }
    workgroupBarrier();
    for (var k = 0; k < ${height}; k++) {
      let w = weights[(begin + k) * ${pitch} + y];
      ${lines(times(quads / across, (v) => `let b${v} = stage[k * ${quads} + ${v * across} + x];`))}
      ${lines(times(sumsOf(tile, m.width), (e) => `${name}${e} += w * b${e >> 2}.${components[e & 3]!};`))}
    }
    workgroupBarrier();
  }`
}

/** Stores the sums at the lane's rows, four names. */
export const storeSums = (memory: Memory, tile: Tile, name: string, m: Matrix): string =>
  lines(
    times(4, (r) => {
      const stores = times(sumsOf(tile, m.width), (e) => {
        const column = `column${e}`
        const store = memory.store(m.operand.arg, placeOf(m, 'row', column), `${name}${e}.${components[r]!}`)
        const ragged = (e + 1) * tile.across > m.width
        return `let ${column} = x + ${e * tile.across}; ${when([ragged && `${column} < ${m.width}`], store)}`
      })
      return `{
    let row = ${m.first} + y + ${r * tile.down};
    ${when([m.count % tile.rows !== 0 && `row < ${m.count}`], lines(stores))}
  }`
    }),
  )
