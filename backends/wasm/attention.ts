/**
 * Flash attention: for each head and each panel of eight queries, blocks of keys go through scores, an online softmax and the weighted
 * sum of values in scratch memory; scores are never whole anywhere.
 */
import type { Attention } from '../../src/core/kernel.ts'
import type { FunctionHandle, ModuleBuilder } from './assembler.ts'
import {
  attending,
  clear,
  dropoutBlock,
  keyBlock,
  type LocalsOf,
  packAllColumns,
  packAllRows,
  packRows,
  scoreBlock,
  select,
  splatRow,
  splitUnit,
  subtract,
  tileColumn,
  times,
  unpack,
  visibleKeys,
} from './attentionBlock.ts'
import { finishStats, multiplyPanel, panelQueries, resetStats, rowBytes, scalePanel, softmaxPanel, statsBytes } from './attentionPanel.ts'
import { callWith, plus, remaining } from './dotIndex.ts'
import { roundUp } from './dotPlan.ts'
import { layOut } from './dotScratch.ts'
import { tileRows } from './dotTile.ts'

/** Units of work: batches x heads. */
export const attentionUnits = ({ batch, heads, queries }: Attention): number => (queries === 0 ? 0 : batch * heads)

/** Panels of queries that share a block of keys while it is in the second-level cache. */
const panelsAtOnce = 8

/** A function (pointer of each arg…, start, end) that computes a range of (batch, head). */
export const emitAttention = (module: ModuleBuilder, kernel: Attention): FunctionHandle => {
  const { args, heads, group, queries, keys, headDim, valueDim, scale, dropout } = kernel
  const f = module.func('attention', [...args.map(() => 'i32' as const), 'i32', 'i32'])
  const at = attending(f, kernel)
  const { head, kvHead, query, key } = at
  const tall = tileRows(module)
  const block = keyBlock(keys, 192)
  const [queryBytes, sumBytes] = [rowBytes * headDim, rowBytes * roundUp(valueDim, tall)]
  const [packedKeys, packedValues, packedQueries, allSums, allStats, scores, spare, factor] = layOut(f, [
    4 * roundUp(keys, tall) * headDim,
    4 * roundUp(valueDim, tall) * keys,
    panelsAtOnce * queryBytes,
    panelsAtOnce * sumBytes,
    panelsAtOnce * statsBytes,
    rowBytes * (block + tall),
    rowBytes * block,
    rowBytes,
  ]) as unknown as LocalsOf<8>
  const locals = Array.from({ length: 12 }, () => f.local('i32'))
  const [unit, packed, kvUnit, first, slot, from, to, blockKey, blockEnd, sums] = locals as unknown as LocalsOf<10>
  const [stats, packedQuery] = locals.slice(10) as unknown as LocalsOf<2>
  const correction = plus(f, stats, 2 * rowBytes)

  const eachPanel = (body: () => void) =>
    f.for(slot, 0, panelsAtOnce, 1, () => {
      times(f, first, slot, panelQueries)()
      f.tee(query)
      f.const('i32', queries)
      f.i32.lt_s()
      f.if(() => {
        remaining(f, queries, query, panelQueries, at.queries)
        for (const [pointer, base, bytes] of [
          [packedQuery, packedQueries, queryBytes],
          [sums, allSums, sumBytes],
          [stats, allStats, statsBytes],
        ] as const) {
          times(f, base, slot, bytes)()
          f.set(pointer)
        }
        body()
      })
    })
  const attend = () => {
    scoreBlock(at, packedKeys, packedQuery, scores, spare)
    callWith(f, softmaxPanel(module), [scores, at.keys, stats])
    callWith(f, scalePanel(module), [sums, valueDim, correction])
    if (dropout !== null) {
      dropoutBlock(at, spare)
      callWith(f, multiplyPanel(module), [scores, spare, at.keys])
    }
    tileColumn(at, times(f, packedValues, key, 4 * tall), scores, sums, at.keys, 1, valueDim, 4 * tall * keys)
  }

  splatRow(f, factor, scale)
  f.const('i32', -1)
  f.set(packed)
  f.for(unit, f.param(args.length), f.param(args.length + 1), 1, () => {
    splitUnit(f, unit, heads, at.batch, head)
    f.get(head)
    f.const('i32', group)
    f.i32.div_u()
    f.set(kvHead)
    f.get(unit)
    f.const('i32', group)
    f.i32.div_u()
    f.tee(kvUnit)
    f.get(packed)
    f.i32.ne()
    f.if(() => {
      f.get(kvUnit)
      f.set(packed)
      if (keys === 0) return
      packAllRows(at, kernel.key, kvHead, tall, keys, headDim, packedKeys)
      packAllColumns(at, kernel.value, kvHead, tall, keys, valueDim, packedValues)
    })
    f.for(first, 0, queries, panelsAtOnce * panelQueries, () => {
      clear(f, allSums, panelsAtOnce * sumBytes)
      // The keys that the panels see, the first panel's first to the last one's last.
      f.const('i32', keys)
      f.set(blockKey)
      f.const('i32', 0)
      f.set(blockEnd)
      eachPanel(() => {
        packRows(at, kernel.query, head, panelQueries, query, at.queries, headDim, packedQuery)
        callWith(f, scalePanel(module), [packedQuery, headDim, factor])
        callWith(f, resetStats(module), [stats])
        visibleKeys(at, from, to)
        select(f, from, blockKey, 'lt_s', blockKey)
        select(f, to, blockEnd, 'gt_s', blockEnd)
      })
      f.for(blockKey, blockKey, blockEnd, block, () =>
        eachPanel(() => {
          visibleKeys(at, from, to)
          select(f, from, blockKey, 'gt_s', key)
          f.get(blockKey)
          f.const('i32', block)
          f.i32.add()
          f.set(from)
          select(f, to, from, 'lt_s', to)
          subtract(f, to, key)
          f.tee(at.keys)
          f.const('i32', 0)
          f.i32.gt_s()
          f.if(attend)
        }),
      )
      eachPanel(() => {
        callWith(f, finishStats(module), [stats])
        callWith(f, scalePanel(module), [sums, valueDim, correction])
        unpack(at, sums, valueDim, head, kernel.out)
        unpack(at, plus(f, stats, 3 * rowBytes), 1, head, kernel.lse)
      })
    })
  })
  return f
}
