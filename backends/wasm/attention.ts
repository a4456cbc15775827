/**
 * Flash attention: for each head and each panel of eight queries, blocks of keys go through scores, an online softmax and the weighted
 * sum of values in scratch memory; scores are never whole anywhere.
 */
import { isHalf } from '../../src/core/dtype.ts'
import { CotangentError } from '../../src/core/errors.ts'
import { type Attention, readsHalves } from '../../src/core/kernel.ts'
import type { FunctionHandle, ModuleBuilder } from './assembler.ts'
import { Attending, keyBlock, panelsAtOnce } from './attentionBlock.ts'
import { attentionRowUnits, emitAttentionRow } from './attentionRow.ts'
import { finishStats, multiplyPanel, resetStats, rowBytes, scalePanel, softmaxPanel, statsBytes } from './attentionPanel.ts'
import { roundUp } from './address.ts'

/** Units of work: batches x heads, or those that go over keys together. */
export const attentionUnits = (kernel: Attention): number =>
  readsHalves(kernel) ? attentionRowUnits(kernel) : kernel.queries === 0 ? 0 : kernel.batch * kernel.heads

/** A function (pointer of each arg…, start, end) that computes a range of (batch, head). */
export const emitAttention = (module: ModuleBuilder, kernel: Attention): FunctionHandle => {
  if (readsHalves(kernel)) return emitAttentionRow(module, kernel)
  if (kernel.args.some(isHalf)) throw new CotangentError('internal: attention of 16-bit floats that it has no kernel for')
  const { heads, group, queries, keys, headDim, valueDim, scale, dropout } = kernel
  const n = new Attending(module, kernel, 'attention')
  const { f, tall, head, kvHead, key } = n
  const block = keyBlock(keys, 192)
  const [queryBytes, sumBytes] = [rowBytes * headDim, rowBytes * roundUp(valueDim, tall)]
  const [packedKeys, packedValues, packedQueries, allSums, allStats, scores, spare, factor] = n.blocks<8>(
    4 * roundUp(keys, tall) * headDim,
    4 * roundUp(valueDim, tall) * keys,
    panelsAtOnce * queryBytes,
    panelsAtOnce * sumBytes,
    panelsAtOnce * statsBytes,
    rowBytes * (block + tall),
    rowBytes * block,
    rowBytes,
  )
  const [packed, kvUnit, first, slot, from, to, blockKey, blockEnd, sums, stats, packedQuery] = n.locals(11)
  const correction = n.add(stats, 2 * rowBytes)

  /** The eight panels from `first` on that exist. */
  const eachPanel = (body: () => void) =>
    f.for(slot, 0, n.min(n.sub(Math.ceil(queries / 8), first), panelsAtOnce), 1, () => {
      n.setPanel(n.add(first, slot))
      n.set(packedQuery, n.times(packedQueries, slot, queryBytes))
      n.set(sums, n.times(allSums, slot, sumBytes))
      n.set(stats, n.times(allStats, slot, statsBytes))
      n.visible(from, to)
      body()
    })
  const attend = () => {
    n.score(packedKeys, packedQuery, scores, spare)
    n.call(softmaxPanel(module), scores, n.keys, stats)
    n.call(scalePanel(module), sums, valueDim, correction)
    if (dropout !== null) {
      n.dropout(spare)
      n.call(multiplyPanel(module), scores, spare, n.keys)
    }
    n.tileColumn(n.times(packedValues, key, 4 * tall), scores, sums, n.keys, 1, valueDim, 4 * tall * keys)
  }

  n.splatRow(factor, scale)
  n.set(packed, -1)
  n.eachUnit(heads, head, (unit) => {
    n.set(kvHead, n.div(head, group))
    n.set(kvUnit, n.div(unit, group))
    n.when(n.ne(kvUnit, packed), () => {
      n.set(packed, kvUnit)
      n.packAll(tall, kernel.key, 2, kvHead, keys, headDim, packedKeys)
      n.packAll(tall, kernel.value, 3, kvHead, keys, valueDim, packedValues)
    })
    f.for(first, 0, Math.ceil(queries / 8), panelsAtOnce, () => {
      n.clear(allSums, panelsAtOnce * sumBytes)
      // The keys that the panels see: the first panel's first to the last one's last.
      n.set(blockKey, keys)
      n.set(blockEnd, 0)
      eachPanel(() => {
        n.packQueries(kernel.query, headDim, packedQuery)
        n.call(scalePanel(module), packedQuery, headDim, factor)
        n.call(resetStats(module), stats)
        n.set(blockKey, n.min(blockKey, from))
        n.set(blockEnd, n.max(blockEnd, to))
      })
      f.for(blockKey, blockKey, blockEnd, block, () =>
        eachPanel(() => {
          n.set(key, n.max(from, blockKey))
          n.set(n.keys, n.sub(n.min(to, n.add(blockKey, block)), key))
          n.when(n.gt(n.keys, 0), attend)
        }),
      )
      eachPanel(() => {
        n.call(finishStats(module), stats)
        n.call(scalePanel(module), sums, valueDim, correction)
        n.unpack(sums, valueDim, kernel.out)
        n.unpack(n.add(stats, 3 * rowBytes), 1, kernel.lse)
      })
    })
  })
  return f
}
