/**
 * Contractions: packed panels and register tiles inside five loops, with the operands' expressions evaluated while
 * packing and the outputs' expressions while a strip of finished sums is in the cache.
 */
import type { Dot } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { emitEpilogue } from './dotEpilogue.ts'
import { add, callWith, multiply, pushAddress, remaining, takeDigit } from './dotIndex.ts'
import { emitOperand, indexOf, type PackOperand, type Place } from './dotOperand.ts'
import { emitPlainDot, plainDotUnits } from './dotPlain.ts'
import { type DotPlan, planDot, roundUp } from './dotPlan.ts'
import { layOut } from './dotScratch.ts'
import { tileColumns, tileLoop, tileRows } from './dotTile.ts'
import { vectorByColumns, vectorByRows } from './dotVector.ts'

/** How many units of work a contraction has: batches x blocks of columns x blocks of rows. */
export const dotUnits = (kernel: Dot): number => {
  if (kernel.dtype !== 'float32') return plainDotUnits(kernel)
  const { batches, columnBlocks, rowBlocks } = planDot(kernel)
  return batches * columnBlocks * rowBlocks
}

/** A function (pointer of each arg…, start, end) that computes a range of units. */
export const emitDot = (module: ModuleBuilder, kernel: Dot): FunctionHandle =>
  kernel.dtype === 'float32' ? emitBlocked(module, kernel, planDot(kernel)) : emitPlainDot(module, kernel)

const emitBlocked = (module: ModuleBuilder, kernel: Dot, plan: DotPlan): FunctionHandle => {
  const f = module.func('dot', [...kernel.args.map(() => 'i32' as const), 'i32', 'i32'])
  const { rows, columns, k, rowBlock, columnBlock, kBlock, kBlocks, rowBlocks, columnBlocks, keep, vector } = plan
  const tall = vector === null ? tileRows(module) : 1
  const pitch = 4 * columnBlock
  const local = () => f.local('i32')
  const [start, end] = [f.param(kernel.args.length), f.param(kernel.args.length + 1)]
  const place: Place = { args: kernel.args.map((_, i) => f.param(i)), batch: kernel.batch.map(local), k: local(), depth: local() }
  const [unit, rest, key, packedKey, row, rowStart, rowEnd] = [local(), local(), local(), local(), local(), local(), local()]
  const [height, column, width, columnStart, columnEnd, panels] = [local(), local(), local(), local(), local(), local()]
  const [sums, block, to, panelStep] = [local(), local(), local(), local()]

  const packA = emitOperand(module, kernel, plan.a, tall, kBlock)
  const packB = vector === null ? emitOperand(module, kernel, plan.b, tileColumns, kBlock) : null
  const finish = emitEpilogue(module, kernel, plan, pitch)
  const [panel, strip, stage, packed] = layOut(f, [
    4 * tall * kBlock,
    pitch * (kBlocks === 1 ? tall : roundUp(rowBlock, tall)),
    Math.max(packA.stageBytes, packB?.stageBytes ?? 0),
    packB === null ? 0 : 4 * columnBlock * kBlock * (keep ? kBlocks : 1),
  ]) as [Local, Local, Local, Local]

  const packBlock = (pack: PackOperand) => () => {
    f.get(block)
    f.set(to)
    f.for(column, columnStart, columnEnd, tileColumns, () => {
      remaining(f, columnEnd, column, tileColumns, width)
      pack.emit(f, place, column, width, stage, to)
      add(f, to, panelStep, to)
    })
  }
  const product = () => {
    const grow = kBlocks > 1 ? place.k : 0
    if (vector !== null) {
      const index = indexOf(plan.b, place, columnStart)
      const b = () => pushAddress(f, place.args[vector.arg] as Local, vector.access, index)
      const [byColumns, stride] = vector.byColumns ? [vectorByColumns, plan.b.k] : [vectorByRows, plan.b.row]
      callWith(f, byColumns(module), [panel, b, sums, 4 * (vector.access.strides[stride] ?? 0), place.depth, grow, width])
    } else callWith(f, tileLoop(module), [panel, block, sums, pitch, place.depth, grow, panels, 0, panelStep, 4 * tileColumns])
  }

  f.const('i32', -1)
  f.set(packedKey)
  f.for(unit, start, end, 1, () => {
    // unit = (batch, column block, row block), or (column block, batch, row block) where B is the same for all batches.
    f.get(unit)
    f.set(rest)
    takeDigit(f, rest, rowBlocks, rowStart)
    const batches = () => {
      for (let d = kernel.batch.length - 1; d >= 0; d--) takeDigit(f, rest, kernel.batch[d] as number, place.batch[d] as Local)
    }
    if (plan.b.batchFree) batches()
    f.get(rest)
    f.set(key)
    takeDigit(f, rest, columnBlocks, columnStart)
    if (!plan.b.batchFree) batches()
    multiply(f, rowStart, rowBlock, rowStart)
    remaining(f, rows, rowStart, rowBlock, rowEnd)
    add(f, rowStart, rowEnd, rowEnd)
    multiply(f, columnStart, columnBlock, columnStart)
    remaining(f, columns, columnStart, columnBlock, columnEnd)
    add(f, columnEnd, tileColumns - 1, panels)
    f.get(panels)
    f.const('i32', 3)
    f.i32.shr_u()
    f.set(panels)
    add(f, columnStart, columnEnd, columnEnd)
    f.get(packed)
    f.set(block)
    f.const('i32', 0)
    f.set(place.k)
    f.loop((again) => {
      remaining(f, k, place.k, kBlock, place.depth)
      multiply(f, place.depth, 4 * tileColumns, panelStep)
      if (packB !== null && k > 0) {
        if (keep) {
          f.get(key)
          f.get(packedKey)
          f.i32.ne()
          f.if(packBlock(packB))
        } else packBlock(packB)()
      }
      f.get(strip)
      f.set(sums)
      f.for(row, rowStart, rowEnd, tall, () => {
        remaining(f, rowEnd, row, tall, height)
        if (k > 0) packA.emit(f, place, row, height, stage, panel)
        add(f, columnEnd, () => minus(f, columnStart), width)
        product()
        const write = () => finish(f, place, row, height, columnStart, width, sums)
        if (kBlocks === 1) return write()
        f.get(place.k)
        f.const('i32', kBlock * (kBlocks - 1))
        f.i32.eq()
        f.if(write)
        add(f, sums, pitch * tall, sums)
      })
      if (kBlocks === 1) return
      if (keep) add(f, block, 4 * columnBlock * kBlock, block)
      add(f, place.k, kBlock, place.k)
      f.get(place.k)
      f.const('i32', k)
      f.i32.lt_s()
      f.br_if(again)
    })
    f.get(key)
    f.set(packedKey)
  })
  return f
}

const minus = (f: FunctionBuilder, x: Local): void => {
  f.const('i32', 0)
  f.get(x)
  f.i32.sub()
}
