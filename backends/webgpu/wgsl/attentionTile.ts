/**
 * How attention's products are laid over a workgroup. A tile has rows, which the workgroup owns, by columns, which it walks block by block.
 * Lane (x, y) of across x down lanes has the rows y + down r and the columns x + across c of a tile, r and c < 4: sixteen scores, in
 * registers as four vectors over r. So a step of a product is two vectors read from workgroup memory and sixteen multiply-adds, and
 * neighbouring lanes have neighbouring columns.
 */
import type { Features } from './shader.ts'

/** A pass's rows by columns (queries by keys, or keys by queries), once for each unit (a batch's head). */
export interface Work {
  readonly units: number
  readonly rows: number
  readonly columns: number
  /** Lengths of the dot products that a score takes. */
  readonly depths: readonly number[]
  /** Widths of the matrices that scores multiply; their products stay in registers. */
  readonly widths: readonly number[]
  /** An online softmax needs room to reduce rows across lanes while operands are staged. */
  readonly softmax: boolean
}

export interface Tile {
  readonly across: number
  readonly down: number
  readonly lanes: number
  /** Rows and columns of a block. */
  readonly rows: number
  readonly columns: number
  /** Vectors from a column's scores to the next one's in workgroup memory. */
  readonly pitch: number
  /** Vectors of workgroup memory for operands on their way. */
  readonly room: number
  /** Operands of the rows stay in workgroup memory while columns go by. */
  readonly resident: boolean
}

/** An odd distance: lanes that write eight vectors so far apart meet eight different banks. */
export const oddly = (n: number): number => n | 1

/** What every device has; with more, fewer workgroups would share a core. */
const BUDGET = 16_384
/** The least that is worth a barrier: steps of a score's sum, and rows of a multiplied matrix. */
const [LEAST_STEPS, LEAST_ROWS] = [8, 4]
/** Columns of products a lane holds, four rows each, before registers spill. */
const MOST_SUMS = 16
/** Workgroups that keep a device busy. */
const ENOUGH = 256

const sum = (ns: readonly number[]): number => ns.reduce((n, m) => n + m, 0)

/** Vectors of a row of a multiplied matrix. */
export const quadsOf = (width: number, across: number): number => Math.ceil(width / (4 * across)) * across

/** Vectors that operands on their way need: those of columns, and `rows` for a step of the rows' own. */
const least = (across: number, { depths, widths }: Work, rows: number): number =>
  Math.max(
    ...depths.map((depth) => Math.min(depth, LEAST_STEPS) * (oddly(across) + rows)),
    ...widths.map((width) => LEAST_ROWS * quadsOf(width, across)),
  )

export const tileOf = (work: Work, features: Features): Tile => {
  const most = Math.min(128, features.maxWorkgroupSize)
  const quads = Math.floor(Math.min(BUDGET, features.maxWorkgroupBytes) / 16)
  const roomOf = (across: number, down: number): number => quads - 4 * across * oddly(down) - (work.softmax ? across * down : 0)
  const fits = (across: number, down: number): boolean => {
    const room = roomOf(across, down)
    return across * down <= Math.min(most, room) && least(across, work, oddly(down)) <= room
  }
  let [across, down] = [8, 16]
  while (sum(work.widths.map((width) => Math.ceil(width / across))) > MOST_SUMS) across *= 2
  const idle = (): boolean => down > 8 && work.units * Math.ceil(work.rows / (4 * down)) < ENOUGH
  while (down > 1 && (2 * down >= work.rows || !fits(across, down) || idle())) down /= 2
  // Few rows: the lanes that they leave take columns.
  while (across * down < 64 && 4 * across < work.columns && fits(2 * across, down)) across *= 2
  const room = roomOf(across, down)
  const own = sum(work.depths) * oddly(down)
  const stays = own + 2 * least(across, work, 0) <= room
  return {
    across,
    down,
    lanes: across * down,
    rows: 4 * down,
    columns: 4 * across,
    pitch: oddly(down),
    room: stays ? room - own : room,
    resident: stays,
  }
}
