/**
 * How a contraction is cut up: blocks of rows and columns are its units of work, blocks of k stay in the caches.
 * Everything follows from shapes alone, so that a sum's order doesn't depend on who runs which unit.
 */
import { affinesIn } from '../../src/core/expressions.ts'
import type { Access, Digit, Dot, Expr } from '../../src/core/kernel.ts'
import { type HalfFloat, isHalf } from '../../src/core/dtype.ts'
import { roundUp } from './address.ts'
import { tileColumns } from './dotTile.ts'

export interface DigitAt extends Digit {
  readonly at: number
}

/** An operand: `row` and `k` say which dims of its index they are. */
export interface Operand {
  readonly expr: Expr
  readonly row: number
  readonly k: number
  /** The digits of those dims that it is affine in instead, and where in its index they stand. */
  readonly digits: readonly DigitAt[]
  /** Whether it is the same for all batches. */
  readonly batchFree: boolean
}

/** What an operand is a load of, and nothing more but that 16-bit floats are widened. */
interface ReadInPlace {
  readonly arg: number
  readonly access: Access
  readonly dtype: 'float32' | HalfFloat
}
export interface DotPlan {
  /** The operand whose rows are the tile's rows, and the one whose rows are its columns. */
  readonly a: Operand
  readonly b: Operand
  /** Which dims of the outputs' index run along a tile's rows and columns. */
  readonly rowDim: number
  readonly columnDim: number
  readonly rows: number
  readonly columns: number
  readonly k: number
  readonly batches: number
  /** Rows and columns of a unit. */
  readonly rowBlock: number
  readonly columnBlock: number
  readonly kBlock: number
  readonly rowBlocks: number
  readonly columnBlocks: number
  readonly kBlocks: number
  /** The second operand is packed for all of k at once and kept while units share it. */
  readonly keep: boolean
  /** Few rows: the second operand is read in place, by columns or by rows of k. */
  readonly vector: (ReadInPlace & { readonly byColumns: boolean }) | null
}

/**
 * So many rows read the second operand where it lies, one after the other, and nobody packs it: where it has so many numbers
 * for each pair of them, since where it is in the caches anyway packing pays sooner.
 * Longer sums are more exact in packed blocks.
 */
const [FEW_ROWS, WORTH, LONGEST] = [8, 2 ** 12, 2 ** 14]
/** Numbers of it that stay in the second-level cache meanwhile. */
const SECOND_LEVEL = 2 ** 17

export const planDot = (kernel: Dot): DotPlan => {
  const { batch, m, n, k, digits, lhs, rhs } = kernel
  const rank = batch.length
  const operand = (expr: Expr, row: number, k: number): Operand => {
    const placed = digits.map((digit, i): DigitAt => ({ ...digit, at: rank + 2 + i }))
    const used = placed.filter(({ at }) => affinesIn([expr]).some(({ strides }) => (strides[at] ?? 0) !== 0))
    const own = placed.filter(({ of }) => used.some((digit) => digit.of === of))
    return { expr, row, k, digits: own, batchFree: batchFree(expr, rank) }
  }
  const [left, right] = [operand(lhs, rank, rank + 1), operand(rhs, rank + 1, rank)]
  const swapped = n === 1 ? m > 1 : m > 1 && runsAlongRows(kernel)
  const [rows, columns] = swapped ? [n, m] : [m, n]
  const [a, b] = swapped ? [right, left] : [left, right]
  const vector = k > 0 && (rows === 1 || (rows <= FEW_ROWS && k <= LONGEST && k * columns >= rows ** 2 * WORTH)) ? readInPlace(b) : null
  // In place, what several rows read stays in the second-level cache for all of them: a few rows of B, or a stretch of all its columns.
  const wide = Math.min(2048, Math.max(256, columns / 8))
  const deepest = vector === null ? 384 : rows > 1 && vector.byColumns ? Math.max(64, SECOND_LEVEL / wide) : 4096
  const kBlocks = Math.max(1, Math.ceil(k / deepest))
  const kBlock = roundUp(Math.ceil(k / kBlocks), 4)
  // A packed block of kBlock x columnBlock stays in the second-level cache, one of k x columnBlock in the third.
  const packed = Math.min(512, 81920 / kBlock, Math.max(393216 / k, 128))
  const most = vector === null ? packed : rows > 1 && !vector.byColumns ? Math.max(16, Math.min(wide, SECOND_LEVEL / kBlock)) : wide
  const columnBlocks = Math.ceil(columns / roundUp(most - tileColumns + 1, tileColumns))
  const columnBlock = roundUp(Math.ceil(columns / Math.max(1, columnBlocks)), tileColumns)
  const keep = k * columnBlock <= 1572864
  const rowBlock = kBlocks === 1 ? 48 : keep ? 96 : 192
  return {
    a,
    b,
    rowDim: swapped ? rank + 1 : rank,
    columnDim: swapped ? rank : rank + 1,
    rows,
    columns,
    k,
    batches: batch.reduce((x, y) => x * y, 1),
    rowBlock,
    columnBlock,
    kBlock,
    rowBlocks: Math.ceil(rows / rowBlock),
    columnBlocks,
    kBlocks,
    keep,
    vector,
  }
}

const readInPlace = (operand: Operand): DotPlan['vector'] => {
  const { row, k, expr, digits } = operand
  const load = expr.kind === 'apply' && expr.op === 'cast' && isHalf(expr.args[0]!.dtype) ? expr.args[0]! : expr
  if (load.kind !== 'load' || load.access.guards.length > 0 || digits.length > 0) return null
  const { arg, access, dtype } = load
  if (dtype !== 'float32' && !isHalf(dtype)) return null
  const byColumns = access.strides[row] === 1
  return byColumns || access.strides[k] === 1 ? { arg, access, dtype, byColumns } : null
}

/** Whether outputs are contiguous along m rather than n. */
const runsAlongRows = ({ batch, outputs }: Dot): boolean => {
  const strides = outputs[0]?.access.strides ?? []
  return strides[batch.length] === 1 && strides[batch.length + 1] !== 1
}

/** Whether an expression doesn't look at the first `rank` dims. */
const batchFree = (expr: Expr, rank: number): boolean =>
  affinesIn([expr]).every(({ strides }) => strides.slice(0, rank).every((stride) => stride === 0))

/** The access of an operand that is nothing but a float32 load. */
export const bareLoad = ({ expr, digits }: Operand): { readonly arg: number; readonly access: Access } | null =>
  expr.kind === 'load' && expr.dtype === 'float32' && expr.access.guards.length === 0 && digits.length === 0 ? expr : null
