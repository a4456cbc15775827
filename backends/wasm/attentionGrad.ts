/**
 * The gradient of flash attention: blocks of keys by panels of queries, with weights recomputed from logsumexp. For weights p and
 * delta = Σ ct·out:  dScores = p (ct·vᵀ - delta) (times a cap's slope),  dQuery = scale dScores·k,  dKey = scale dScoresᵀ·q,  dValue = pᵀ·ct.
 */
import type { AttentionGrad, Strided } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Attending, keyBlock, panelsAtOnce } from './attentionBlock.ts'
import {
  dotPanels,
  guardLse,
  multiplyPanel,
  panelQueries,
  rowBytes,
  scalePanel,
  softmaxGradPanel,
  transposePanels,
} from './attentionPanel.ts'
import { copyAny } from './dotPack.ts'
import { roundUp } from './address.ts'
import { tileColumns, tileLoop } from './dotTile.ts'

/** Units of work: batches x key/value heads. */
export const attentionGradUnits = ({ batch, heads, group }: AttentionGrad): number => (batch * heads) / group

/** A function (pointer of each arg…, start, end) that computes a range of (batch, key/value head). */
export const emitAttentionGrad = (module: ModuleBuilder, kernel: AttentionGrad): FunctionHandle => {
  const { heads, group, queries, keys, headDim, valueDim, scale, softcap, dropout, left, right } = kernel
  const n = new Attending(module, kernel, 'attentionGrad')
  const { f, tall, head, kvHead, key } = n
  const panels = Math.ceil(queries / panelQueries)
  const block = keyBlock(keys, 96)
  const panelBytes = rowBytes * (block + tall)
  const keyRows = roundUp(keys, tall)
  const [dKeyPitch, dValuePitch] = [4 * roundUp(headDim, tileColumns), 4 * roundUp(valueDim, tileColumns)]
  const dQueryBytes = rowBytes * roundUp(headDim, tall)
  const [keysByRow, valuesByRow, keysByColumn, queryPanels, ctPanels, queryColumns, ctColumns, dQueries, dKeys, ...more] = n.blocks<18>(
    4 * keyRows * headDim,
    4 * keyRows * valueDim,
    4 * roundUp(headDim, tall) * keys,
    panels * rowBytes * headDim,
    panels * rowBytes * valueDim,
    panels * panelQueries * dKeyPitch,
    panels * panelQueries * dValuePitch,
    panels * dQueryBytes,
    keyRows * dKeyPitch,
    keyRows * dValuePitch,
    panels * rowBytes,
    panels * rowBytes,
    panelsAtOnce * panelBytes,
    panelsAtOnce * panelBytes,
    rowBytes * Math.max(block, valueDim),
    softcap === null ? 0 : rowBytes * block,
    4 * panelsAtOnce * panelQueries * tall,
    rowBytes,
  )
  const [dValues, lse, delta, scores, dScores, spare, slopes, turned, factor] = more
  const [panel, first, last, from, to, blockKey, blockEnd, count, row, low, depth] = n.locals(11)
  const rowOf = (of: Local) => n.times(of, panel, rowBytes)
  const eachPanel = (start: Value, end: Value, body: () => void) =>
    f.for(panel, start, end, 1, () => {
      n.setPanel(panel)
      body()
    })

  /** Everything of one query head that doesn't depend on the key. */
  const packHead = () => {
    n.packAll(tileColumns, kernel.query, 3, head, queries, headDim, queryColumns)
    n.packAll(tileColumns, kernel.ct, 3, head, queries, valueDim, ctColumns)
    n.clear(dQueries, panels * dQueryBytes)
    eachPanel(0, panels, () => {
      const [q, ct] = [n.times(queryPanels, panel, rowBytes * headDim), n.times(ctPanels, panel, rowBytes * valueDim)]
      n.packQueries(kernel.query, headDim, q)
      n.call(scalePanel(module), q, headDim, factor)
      n.packQueries(kernel.ct, valueDim, ct)
      n.packQueries(kernel.out, valueDim, spare)
      n.call(dotPanels(module), ct, spare, valueDim, rowOf(delta))
      n.packQueries(kernel.lse, 1, rowOf(lse))
      n.call(guardLse(module), rowOf(lse), n.queries)
    })
  }

  /** Weights and their cotangents for a panel by the keys of the block that it sees; zero elsewhere. Then its part of dQuery. */
  const gradPanel = () => {
    const slot = n.mul(n.sub(panel, first), panelBytes)
    const [p, d] = [n.add(scores, slot), n.add(dScores, slot)]
    n.visible(from, to)
    n.set(key, n.min(n.max(from, blockKey), blockEnd))
    n.set(to, n.max(n.min(to, blockEnd), key))
    n.set(n.keys, n.sub(to, key))
    n.when(n.keys, () => {
      const [pRows, dRows] = [p, d].map((x) => n.times(x, n.sub(key, blockKey), rowBytes)) as [Value, Value]
      n.score(keysByRow, n.times(queryPanels, panel, rowBytes * headDim), pRows, spare, slopes)
      const ct = n.times(ctPanels, panel, rowBytes * valueDim)
      n.tileColumn(n.times(valuesByRow, key, 4 * valueDim), ct, dRows, valueDim, 0, n.keys, 4 * tall * valueDim)
      n.dropout(spare)
      n.call(softmaxGradPanel(module, dropout !== null), pRows, dRows, spare, n.keys, rowOf(lse), rowOf(delta))
      if (softcap !== null) n.call(multiplyPanel(module), dRows, slopes, n.keys)
      const dQuery = n.times(dQueries, panel, dQueryBytes)
      n.tileColumn(n.times(keysByColumn, key, 4 * tall), dRows, dQuery, n.keys, 1, headDim, 4 * tall * keys)
    })
    // Tiles may have written a few rows too many.
    for (const x of [p, d]) {
      n.clear(x, n.mul(n.sub(key, blockKey), rowBytes))
      n.clear(n.times(x, n.sub(to, blockKey), rowBytes), n.mul(n.sub(n.add(blockKey, block), to), rowBytes))
    }
  }

  /** dKey or dValue of the keys at `row`, as many as a tile is high, from `depth` panels of queries. */
  const contract = (weights: Local, columns: Local, into: Local, pitch: number) => {
    const source = n.times(n.times(weights, n.sub(low, first), panelBytes), n.sub(row, blockKey), rowBytes)
    n.call(transposePanels(module), source, panelBytes, depth, turned)
    const b = n.times(columns, low, rowBytes * panelQueries)
    // Nothing stands behind the last query.
    const k = n.min(n.mul(depth, panelQueries), n.sub(queries, n.mul(low, panelQueries)))
    const c = n.times(into, row, pitch)
    n.call(tileLoop(module), turned, b, c, pitch, k, 1, pitch / rowBytes, 0, rowBytes * queries, rowBytes)
  }
  /** The panel of a query, within those that exist. */
  const panelAt = (x: Value) => n.shr(n.clamp(x, panels * panelQueries), 3)
  /** The first panel that sees any of the keys from `start` on, and the end of those that see a key before `end`. */
  const seeing = (start: Value) => (right === null ? 0 : panelAt(n.sub(start, right)))
  const seen = (end: Value) => (left === null ? panels : panelAt(n.add(end, left + panelQueries - 1)))

  n.splatRow(factor, scale)
  n.eachUnit(heads / group, kvHead, () => {
    n.clear(dKeys, keyRows * dKeyPitch)
    n.clear(dValues, keyRows * dValuePitch)
    n.packAll(tall, kernel.key, 2, kvHead, keys, headDim, keysByRow)
    n.packAll(tall, kernel.value, 2, kvHead, keys, valueDim, valuesByRow)
    n.packAll(tall, kernel.key, 3, kvHead, keys, headDim, keysByColumn)
    n.set(head, n.mul(kvHead, group))
    f.for(count, 0, group, 1, () => {
      packHead()
      f.for(blockKey, 0, keys, block, () => {
        n.set(blockEnd, n.min(n.add(blockKey, block), keys))
        f.for(first, seeing(blockKey), seen(blockEnd), panelsAtOnce, () => {
          n.set(last, n.min(n.add(first, panelsAtOnce), seen(blockEnd)))
          eachPanel(first, last, gradPanel)
          f.for(row, blockKey, blockEnd, tall, () => {
            n.set(low, n.max(first, seeing(row)))
            n.set(depth, n.sub(n.min(last, seen(n.add(row, tall))), low))
            n.when(n.gt(depth, 0), () => {
              contract(scores, ctColumns, dValues, dValuePitch)
              contract(dScores, queryColumns, dKeys, dKeyPitch)
            })
          })
        })
      })
      eachPanel(0, panels, () => {
        const dQuery = n.times(dQueries, panel, dQueryBytes)
        n.call(scalePanel(module), dQuery, headDim, factor)
        n.unpack(dQuery, headDim, kernel.dQuery)
      })
      n.step(head, 1)
    })
    n.call(scalePanel(module), dKeys, (keyRows * dKeyPitch) / rowBytes, factor)
    const write = (source: Local, pitch: number, target: Strided, columns: number) => {
      const [rowStride, columnStride] = [4 * (target.strides[2] ?? 0), 4 * (target.strides[3] ?? 0)]
      n.call(copyAny(module), source, pitch, 4, n.element(target, kvHead, 0, 0), rowStride, columnStride, keys, columns)
    }
    write(dKeys, dKeyPitch, kernel.dKey, headDim)
    write(dValues, dValuePitch, kernel.dValue, valueDim)
  })
  return f
}
