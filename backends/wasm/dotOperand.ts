/**
 * An operand of a contraction, packed a panel at a time: a bare load straight from where it lies, any other expression
 * evaluated on the way, along whichever of its two dims is contiguous.
 */
import { contiguity } from '../../src/core/expressions.ts'
import type { Dot } from '../../src/core/kernel.ts'
import type { Local } from './assembler.ts'
import type { Integers } from './address.ts'
import { emitPack } from './dotPack.ts'
import { bareLoad, type DigitAt, type Operand } from './dotPlan.ts'
import { blockAccess, emitSweep } from './dotSweep.ts'

/** Where the loops are: the pointers, the batch, the first k of the block and how many there are. */
export interface Place {
  readonly args: readonly Local[]
  readonly batch: readonly Local[]
  readonly k: Local
  readonly depth: Local
}

export interface PackOperand {
  /** Packs rows first … first + count - 1 to `to`. */
  readonly emit: (place: Place, first: Local, count: Local, stage: Local, to: Local) => void
  readonly stageBytes: number
}

/** The operand's index with its rows at `row`. */
export const indexOf = (operand: Operand, { batch, k }: Place, row: Local): Local[] =>
  operand.row < operand.k ? [...batch, row, k] : [...batch, k, row]

export const emitOperand = (n: Integers, kernel: Dot, operand: Operand, width: number, kBlock: number): PackOperand => {
  const load = bareLoad(operand)
  if (load !== null) {
    const { arg, access } = load
    const strides = { rowStride: 4 * (access.strides[operand.row] ?? 0), kStride: 4 * (access.strides[operand.k] ?? 0) }
    return {
      stageBytes: 0,
      emit: (place, first, count, _, to) => {
        const source = n.address(place.args[arg] as Local, access, indexOf(operand, place, first))
        emitPack(n, width, strides, source, count, place.depth, to)
      },
    }
  }
  const digitsOf = (dim: number): readonly DigitAt[] => operand.digits.filter(({ of }) => (of === 'k') === (dim === operand.k))
  const along = (dim: number): number => contiguity(operand.expr, digitsOf(dim).at(-1)?.at ?? dim)
  const alongRows = along(operand.row) > along(operand.k)
  const pitch = alongRows ? 4 * width : 4 * kBlock
  const [outer, lane] = alongRows ? [operand.k, operand.row] : [operand.row, operand.k]
  const rectangle = { outer, lane, pitch, outerDigits: digitsOf(outer), laneDigits: digitsOf(lane) }
  const access = blockAccess(kernel.batch.length, rectangle)
  const block = { arg: kernel.args.length, expr: operand.expr, access, rowwise: false }
  const evaluate = emitSweep(n.f.module, 'operand', kernel, rectangle, [block])
  return {
    stageBytes: alongRows ? 0 : width * pitch,
    emit: ({ args, batch, k, depth }, first, count, stage, to) => {
      if (alongRows) return n.call(evaluate, ...args, ...batch, k, depth, first, count, to)
      n.call(evaluate, ...args, ...batch, first, count, k, depth, stage)
      emitPack(n, width, { rowStride: pitch, kStride: 4 }, stage, count, depth, to)
    },
  }
}
