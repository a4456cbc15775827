/**
 * How a contraction is cut up: which tile a workgroup computes, and into how many parts a long sum is split. The candidates are data and
 * the choice is by cost.
 */
import { sizeOf } from '../../../src/core/aval.ts'
import type { Dot, Expr } from '../../../src/core/kernel.ts'

/** A team of across x down lanes computes (rows down) x (columns across) sums, a lane rows x columns of them, in registers. */
export interface Tile {
  readonly across: number
  readonly down: number
  readonly rows: number
  readonly columns: number
  /** How much of the sum is in workgroup memory at a time. */
  readonly depth: number
  /** A workgroup's teams, each with a part of every such stretch of the sum: long sums with few results get more lanes without a second pass. */
  readonly teams: number
  /** Operands are float16 in workgroup memory, which they are in device memory too: half the room, half the reading. */
  readonly half: boolean
  /** Invocations of a subgroup, each of which reads one step's rows and hands them to the others; 1 where each reads all. */
  readonly shared: number
  /** Not lanes but subgroups have sums, of so many matrices each way, by the device's own matrix units. */
  readonly matrix: MatrixUnit | null
}

/** A subgroup's product of float16 matrices with float32 sums: [m, k] by [k, n]. */
export interface MatrixUnit {
  readonly m: number
  readonly n: number
  readonly k: number
  /** Invocations of a subgroup. */
  readonly subgroup: number
}

export interface DotPlan {
  readonly tile: Tile
  /** The sum's parts: each is computed by workgroups of its own, and a second pass adds them up. */
  readonly parts: number
}

const tile = (across: number, down: number, rows: number, columns: number, depth: number, teams = 1): Tile =>
  ({ across, down, rows, columns, depth, teams, half: false, shared: 1, matrix: null }) // prettier-ignore
export const tiles: readonly Tile[] = [
  tile(16, 16, 8, 8, 16), // 128 x 128
  tile(16, 8, 8, 8, 16), // 64 x 128
  tile(8, 8, 8, 8, 16), // 64 x 64
  tile(16, 16, 4, 4, 16), // 64 x 64 by more lanes
  tile(8, 8, 4, 4, 32), // 32 x 32
  tile(8, 8, 4, 4, 32, 4), // 32 x 32 by four teams
  tile(32, 2, 4, 4, 16), // 8 x 128
  tile(2, 32, 4, 4, 16), // 128 x 8
]

/** Of twice the depth, in the same room. */
export const halfTiles: readonly Tile[] = tiles.map((tile) => ({ ...tile, depth: 2 * tile.depth, half: true }))

/** A subgroup's lanes lie in one row of lanes, so they need the same rows of the left operand. */
const sharing = (subgroup: number): readonly Tile[] =>
  tiles
    .filter(({ across, depth, teams }) => subgroup > 1 && teams === 1 && across % subgroup === 0 && depth % subgroup === 0)
    .map((tile) => ({ ...tile, shared: subgroup }))

/** Two by two subgroups with two by two matrices each. */
const matrixTile = (unit: MatrixUnit): Tile => ({ ...tile(2, 2, 2 * unit.m, 2 * unit.n, 2 * unit.k), half: true, matrix: unit })

export const tileRows = ({ down, rows }: Tile): number => down * rows
export const tileColumns = ({ across, columns }: Tile): number => across * columns
export const teamLanes = ({ across, down }: Tile): number => across * down
export const tileLanes = (tile: Tile): number => teamLanes(tile) * tile.teams * (tile.matrix?.subgroup ?? 1)
export const tileName = (tile: Tile): string =>
  `a tile of ${tileRows(tile)} x ${tileColumns(tile)}${tile.half ? ' of float16' : ''}${tile.shared === 1 ? '' : ' shared by subgroups'}${tile.matrix === null ? '' : ' on matrix units'} by ${tileLanes(tile)} lanes`
/** Both operands, and a team's sums on their way to the first. */
export const tileBytes = (tile: Tile): number =>
  (tile.half ? 2 : 4) * tile.depth * (tileRows(tile) + tileColumns(tile)) +
  (tile.teams === 1 && tile.matrix === null ? 0 : 4 * tileRows(tile) * tileColumns(tile))

/**
 * Where in workgroup memory an operand's vector of rows is, [k][row / 4]. Vectors of neighbouring fours of k change places, since lanes
 * that write along k would meet the same banks.
 */
export const placeOf = (height: number, row4: string, k: string): string =>
  `(${k}) * ${height / 4} + ((${row4}) ^ (((${k}) >> 2u) & ${Math.min(8, height / 4) - 1}))`

/** What vectors from workgroup memory and elements from device memory cost, in multiply-adds, and a further pass, which takes microseconds. */
const [VECTOR, ELEMENT, PASS] = [4, 8, 5000]
/** A vector from another lane. */
const SHUFFLE = 4
/** How many times faster matrix units multiply. */
const MATRIX = 8
/** The least of a sum that is worth a part. */
const LEAST_PART = 128

/** A lane's multiply-add on a busy device is 1. */
const costOf = ({ batch, m, n, k }: Dot, { tile, parts }: DotPlan, atOnce: number): number => {
  const { rows, columns, teams, half, shared, matrix } = tile
  const [height, width] = [tileRows(tile), tileColumns(tile)]
  const batches = sizeOf(batch)
  const groups = batches * Math.ceil(m / height) * Math.ceil(n / width) * parts
  // Fewer lanes than the device has run no faster.
  const waves = Math.max(1, (groups * tileLanes(tile)) / atOnce)
  const adding = parts === 1 ? 0 : PASS + Math.max(1, (batches * m * n) / atOnce) * parts * ELEMENT
  if (matrix !== null) {
    const staging = ((height + width) / tileLanes(tile)) * ELEMENT
    return waves * Math.ceil(k / parts) * ((rows * columns) / matrix.subgroup / MATRIX + staging) + adding
  }
  const reading = half ? VECTOR / 2 : VECTOR
  const handing = shared === 1 ? reading : SHUFFLE + reading / shared
  const step = rows * columns + (rows / 4) * handing + (columns / 4) * reading + ((height + width) / teamLanes(tile)) * ELEMENT
  const gathering = teams === 1 ? 0 : teams * rows * columns
  return waves * (Math.ceil(k / (parts * teams)) * step + gathering) + adding
}

/** What a workgroup may have, and a device. */
export interface Room {
  /** Invocations of a workgroup. */
  readonly maxWorkgroupSize: number
  /** Bytes of its memory. */
  readonly maxWorkgroupBytes: number
  /** Invocations that the device has at work at once. */
  readonly atOnce: number
  /** Invocations of every subgroup; 0 where they differ or there are none. */
  readonly subgroupSize: number
  /** Whether code may name float16. */
  readonly f16: boolean
  /** What subgroups multiply matrices by, if they do. */
  readonly matrix: MatrixUnit | null
}

/** Whether an operand's numbers are all of float16. */
const isFloat16 = (expr: Expr): boolean => expr.kind === 'apply' && expr.op === 'cast' && expr.args[0]!.dtype === 'float16'

/** All that fits a device, the cheapest first. */
export const plansOf = (
  kernel: Dot,
  { maxWorkgroupSize, maxWorkgroupBytes, atOnce, subgroupSize, f16, matrix }: Room,
): readonly DotPlan[] => {
  const halves = f16 && isFloat16(kernel.lhs) && isFloat16(kernel.rhs)
  return [...tiles, ...sharing(subgroupSize), ...(halves ? halfTiles : []), ...(halves && matrix !== null ? [matrixTile(matrix)] : [])]
    .filter((tile) => tileLanes(tile) <= maxWorkgroupSize && tileBytes(tile) <= maxWorkgroupBytes)
    .flatMap((tile) =>
      [1, 2, 4, 8, 16, 32, 64].filter((parts) => parts === 1 || kernel.k / parts >= LEAST_PART).map((parts): DotPlan => ({ tile, parts })),
    )
    .sort((a, b) => costOf(kernel, a, atOnce) - costOf(kernel, b, atOnce))
}
