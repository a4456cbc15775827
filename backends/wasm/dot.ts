/**
 * Contractions: packed panels and register tiles inside five loops, with the operands' expressions evaluated while
 * packing and the outputs' expressions while a strip of finished sums is in the cache.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Dot } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { emitEpilogue } from './dotEpilogue.ts'
import { Integers, roundUp } from './address.ts'
import { emitOperand, indexOf, type PackOperand, type Place } from './dotOperand.ts'
import { dotNest } from '../../src/core/dotNest.ts'
import { type DotPlan, planDot } from './dotPlan.ts'
import { emitNest } from './nest.ts'
import { tileColumns, tileLoop, tileRows } from './dotTile.ts'
import { vectorByColumns, vectorByRows } from './dotVector.ts'

/** How many units of work a contraction has: batches x blocks of columns x blocks of rows. */
export const dotUnits = (kernel: Dot): number => {
  if (kernel.dtype !== 'float32') return kernel.batch.reduce((x, y) => x * y, kernel.m * kernel.n)
  const { batches, columnBlocks, rowBlocks } = planDot(kernel)
  return batches * columnBlocks * rowBlocks
}

/** A function (pointer of each arg…, start, end) that computes a range of units. */
export const emitDot = (module: ModuleBuilder, kernel: Dot): FunctionHandle =>
  kernel.dtype === 'float32' ? emitBlocked(module, kernel, planDot(kernel)) : emitNest(module, dotNest(kernel))

const emitBlocked = (module: ModuleBuilder, kernel: Dot, plan: DotPlan): FunctionHandle => {
  const f = module.func('dot', Array(kernel.args.length + 2).fill('i32'))
  const n = new Integers(f)
  const { rows, columns, k, rowBlock, columnBlock, kBlock, kBlocks, rowBlocks, columnBlocks, keep, vector } = plan
  const tall = vector === null ? tileRows(module) : 1
  const pitch = 4 * columnBlock
  const args = f.params.slice(0, -2)
  const [unit, rest, key, packedKey, row, rowStart, rowEnd, height, column, width] = n.locals(10)
  const [columnStart, columnEnd, sums, block, to, panelStep] = n.locals(6)
  const place: Place = { args, batch: n.locals(kernel.batch.length), k: n.local(), depth: n.local() }

  const packA = emitOperand(n, kernel, plan.a, tall, kBlock)
  const packB = vector === null ? emitOperand(n, kernel, plan.b, tileColumns, kBlock) : null
  const epilogue = emitEpilogue(module, kernel, plan, pitch)
  const [panel, strip, stage, packed] = n.blocks<4>(
    4 * tall * kBlock,
    pitch * (kBlocks === 1 ? tall : roundUp(rowBlock, tall)),
    Math.max(packA.stageBytes, packB?.stageBytes ?? 0),
    packB === null ? 0 : 4 * columnBlock * kBlock * (keep ? kBlocks : 1),
  )
  n.set(packedKey, -1)

  const packBlock = (pack: PackOperand) => () => {
    n.set(to, block)
    f.for(column, columnStart, columnEnd, tileColumns, () => {
      n.set(width, n.min(n.sub(columnEnd, column), tileColumns))
      pack.emit(place, column, width, stage, to)
      n.step(to, panelStep)
    })
  }
  const product = () => {
    const grow = kBlocks > 1 ? place.k : 0
    if (vector !== null) {
      const { dtype, access, arg, byColumns } = vector
      const b = n.address(args[arg] as Local, access, indexOf(plan.b, place, columnStart), byteWidth[dtype])
      const [multiply, stride] = byColumns ? [vectorByColumns, plan.b.k] : [vectorByRows, plan.b.row]
      n.call(multiply(module, dtype), panel, b, sums, byteWidth[dtype] * (access.strides[stride] ?? 0), place.depth, grow, width)
    } else {
      const panels = n.shr(n.add(width, tileColumns - 1), 3)
      n.call(tileLoop(module), panel, block, sums, pitch, place.depth, grow, panels, 0, panelStep, 4 * tileColumns)
    }
  }
  const eachRow = () => {
    n.set(height, n.min(n.sub(rowEnd, row), tall))
    if (k > 0) packA.emit(place, row, height, stage, panel)
    n.set(width, n.sub(columnEnd, columnStart))
    product()
    const finish = () => n.call(epilogue, ...args, ...place.batch, row, height, columnStart, width, sums)
    if (kBlocks === 1) return finish()
    n.when(n.eq(place.k, kBlock * (kBlocks - 1)), finish)
    n.step(sums, pitch * tall)
  }

  f.for(unit, f.param(args.length), f.param(args.length + 1), 1, () => {
    // unit = (batch, column block, row block), or (column block, batch, row block) where B is the same for all batches.
    n.set(rest, unit)
    n.takeDigit(rest, rowBlocks, rowStart)
    const batches = () => {
      for (let d = kernel.batch.length - 1; d >= 0; d--) n.takeDigit(rest, kernel.batch[d] as number, place.batch[d] as Local)
    }
    if (plan.b.batchFree) batches()
    n.set(key, rest)
    n.takeDigit(rest, columnBlocks, columnStart)
    if (!plan.b.batchFree) batches()
    n.set(rowStart, n.mul(rowStart, rowBlock))
    n.set(rowEnd, n.min(n.add(rowStart, rowBlock), rows))
    n.set(columnStart, n.mul(columnStart, columnBlock))
    n.set(columnEnd, n.min(n.add(columnStart, columnBlock), columns))
    n.set(block, packed)
    n.set(place.k, 0)
    f.loop((again) => {
      n.set(place.depth, n.min(n.sub(k, place.k), kBlock))
      n.set(panelStep, n.mul(place.depth, 4 * tileColumns))
      if (packB !== null && k > 0) {
        if (keep) n.when(n.ne(key, packedKey), packBlock(packB))
        else packBlock(packB)()
      }
      n.set(sums, strip)
      f.for(row, rowStart, rowEnd, tall, eachRow)
      if (kBlocks === 1) return
      if (keep) n.step(block, 4 * columnBlock * kBlock)
      n.step(place.k, kBlock)
      f.push(n.lt(place.k, k))
      f.br_if(again)
    })
    n.set(packedKey, key)
  })
  return f
}
