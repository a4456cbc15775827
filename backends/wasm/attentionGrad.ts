/**
 * The gradient of flash attention: blocks of keys by panels of queries, with weights recomputed from logsumexp. For weights p and
 * delta = Σ ct·out:  dScores = p (ct·vᵀ - delta),  dQuery = scale dScores·k,  dKey = scale dScoresᵀ·q,  dValue = pᵀ·ct.
 */
import type { AttentionGrad, Strided } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import {
  attending,
  clamp,
  clear,
  dropoutBlock,
  keyBlock,
  type LocalsOf,
  packAllColumns,
  packAllRows,
  packRows,
  pushElement,
  scoreBlock,
  splatRow,
  splitUnit,
  subtract,
  tileColumn,
  times,
  unpack,
  visibleKeys,
} from './attentionBlock.ts'
import { dotPanels, guardLse, panelQueries, rowBytes, scalePanel, softmaxGradPanel, transposePanels, writeRows } from './attentionPanel.ts'
import { add, callWith, plus, remaining } from './dotIndex.ts'
import { roundUp } from './dotPlan.ts'
import { layOut } from './dotScratch.ts'
import { tileColumns, tileLoop, tileRows } from './dotTile.ts'

/** Units of work: batches x key/value heads. */
export const attentionGradUnits = ({ batch, heads, group }: AttentionGrad): number => (batch * heads) / group

/** Panels of queries whose scores with a block of keys are kept until they are contracted over queries. */
const panelsAtOnce = 8

/** A function (pointer of each arg…, start, end) that computes a range of (batch, key/value head). */
export const emitAttentionGrad = (module: ModuleBuilder, kernel: AttentionGrad): FunctionHandle => {
  const { args, heads, group, queries, keys, headDim, valueDim, scale, dropout, left, right } = kernel
  const f = module.func('attentionGrad', [...args.map(() => 'i32' as const), 'i32', 'i32'])
  const at = attending(f, kernel)
  const { batch, head, kvHead, query, key } = at
  const tall = tileRows(module)
  const panels = Math.ceil(queries / panelQueries)
  const block = keyBlock(keys, 96)
  const panelBytes = rowBytes * (block + tall)
  const keyRows = roundUp(keys, tall)
  const [dKeyPitch, dValuePitch] = [4 * roundUp(headDim, tileColumns), 4 * roundUp(valueDim, tileColumns)]
  const dQueryBytes = rowBytes * roundUp(headDim, tall)
  const blocks = layOut(f, [
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
    Math.max(rowBytes * block, rowBytes * valueDim),
    4 * panelsAtOnce * panelQueries * tall,
    rowBytes,
  ])
  const [keysByRow, valuesByRow, keysByColumn, queryPanels, ctPanels, queryColumns, ctColumns] = blocks as unknown as LocalsOf<7>
  const [dQueries, dKeys, dValues, lse, delta, scores, dScores, spare, turned, factor] = blocks.slice(7) as unknown as LocalsOf<10>
  const locals = Array.from({ length: 15 }, () => f.local('i32'))
  const [unit, panel, first, last, end, from, to, blockKey, blockKeys, count] = locals as unknown as LocalsOf<10>
  const [row, low, high, depth, inner] = locals.slice(10) as unknown as LocalsOf<5>
  const eachPanel = (body: () => void) =>
    f.for(panel, 0, panels, 1, () => {
      f.get(panel)
      f.const('i32', 3)
      f.i32.shl()
      f.set(query)
      remaining(f, queries, query, panelQueries, at.queries)
      body()
    })

  /** Everything of one query head that doesn't depend on the key. */
  const packHead = () => {
    if (queries === 0) return
    packAllColumns(at, kernel.query, head, tileColumns, queries, headDim, queryColumns)
    packAllColumns(at, kernel.ct, head, tileColumns, queries, valueDim, ctColumns)
    clear(f, dQueries, panels * dQueryBytes)
    clear(f, lse, panels * rowBytes)
    eachPanel(() => {
      const q = times(f, queryPanels, panel, rowBytes * headDim)
      packRows(at, kernel.query, head, panelQueries, query, at.queries, headDim, q)
      callWith(f, scalePanel(module), [q, headDim, factor])
      const ct = times(f, ctPanels, panel, rowBytes * valueDim)
      packRows(at, kernel.ct, head, panelQueries, query, at.queries, valueDim, ct)
      packRows(at, kernel.out, head, panelQueries, query, at.queries, valueDim, spare)
      callWith(f, dotPanels(module), [ct, spare, valueDim, times(f, delta, panel, rowBytes)])
      packRows(at, kernel.lse, head, panelQueries, query, at.queries, 1, times(f, lse, panel, rowBytes))
      callWith(f, guardLse(module), [times(f, lse, panel, rowBytes), at.queries])
    })
  }

  /** Weights and their cotangents for a panel by the keys of the block that it sees; zero elsewhere. Then its part of dQuery. */
  const gradPanel = () => {
    const slot = times(f, 0, () => subtract(f, panel, first), panelBytes)
    const [p, d] = [plus(f, scores, slot), plus(f, dScores, slot)]
    visibleKeys(at, from, to)
    clampTo(from)
    clampTo(to)
    subtract(f, to, from)
    f.set(at.keys)
    f.get(at.keys)
    f.const('i32', 0)
    f.i32.gt_s()
    f.if(() => {
      f.get(from)
      f.set(key)
      const offset = () => subtract(f, key, blockKey)
      const [pRows, dRows] = [times(f, p, offset, rowBytes), times(f, d, offset, rowBytes)]
      scoreBlock(at, keysByRow, times(f, queryPanels, panel, rowBytes * headDim), pRows, spare)
      tileColumn(
        at,
        times(f, valuesByRow, key, 4 * valueDim),
        times(f, ctPanels, panel, rowBytes * valueDim),
        dRows,
        valueDim,
        0,
        at.keys,
        4 * tall * valueDim,
      )
      dropoutBlock(at, spare)
      const row = (of: Local) => times(f, of, panel, rowBytes)
      callWith(f, softmaxGradPanel(module, dropout !== null), [pRows, dRows, spare, at.keys, row(lse), row(delta)])
      const target = times(f, dQueries, panel, dQueryBytes)
      tileColumn(at, times(f, keysByColumn, key, 4 * tall), dRows, target, at.keys, 1, headDim, 4 * tall * keys)
    })
    // Tiles may have written a few rows too many.
    for (const x of [p, d]) {
      clear(f, x, () => bytesOf(from, blockKey))
      clear(
        f,
        plus(f, x, () => bytesOf(to, blockKey)),
        () => bytesOf(plus(f, blockKey, block), to),
      )
    }
  }
  const bytesOf = (x: Value, less: Value) => {
    subtract(f, x, less)
    f.const('i32', 5)
    f.i32.shl()
  }
  /** x = clamp(x, blockKey, blockKey + blockKeys) */
  const clampTo = (x: Local) => {
    clamp(f, () => subtract(f, x, blockKey), blockKeys, x)
    add(f, x, blockKey, x)
  }

  /** Rows of dKey or dValue: a group of `tall` keys, contracted over the queries of the panels that see it. */
  const contract = (weights: Local, columns: Local, to: Local, pitch: number) => {
    const source = plus(f, times(f, weights, low, panelBytes), () => bytesOf(row, blockKey))
    callWith(f, transposePanels(module), [source, panelBytes, depth, turned])
    const b = times(f, columns, plus(f, first, low), rowBytes * panelQueries)
    callWith(f, tileLoop(module), [turned, b, times(f, to, row, pitch), pitch, inner, 1, pitch / rowBytes, 0, rowBytes * queries, rowBytes])
  }

  splatRow(f, factor, scale)
  f.for(unit, f.param(args.length), f.param(args.length + 1), 1, () => {
    splitUnit(f, unit, heads / group, batch, kvHead)
    clear(f, dKeys, keyRows * dKeyPitch)
    clear(f, dValues, keyRows * dValuePitch)
    if (keys > 0) {
      packAllRows(at, kernel.key, kvHead, tall, keys, headDim, keysByRow)
      packAllRows(at, kernel.value, kvHead, tall, keys, valueDim, valuesByRow)
      packAllColumns(at, kernel.key, kvHead, tall, keys, headDim, keysByColumn)
    }
    f.get(kvHead)
    f.const('i32', group)
    f.i32.mul()
    f.set(head)
    f.for(count, 0, group, 1, () => {
      packHead()
      f.for(blockKey, 0, keys, block, () => {
        remaining(f, keys, blockKey, block, blockKeys)
        // Panels that see the block.
        if (right === null) f.const('i32', 0)
        else {
          clamp(f, plus(f, blockKey, -right), queries, first)
          f.get(first)
          f.const('i32', 3)
          f.i32.shr_u()
        }
        f.set(first)
        if (left === null) f.const('i32', panels)
        else {
          clamp(f, plus(f, plus(f, blockKey, blockKeys), left + panelQueries - 1), panels * panelQueries, end)
          f.get(end)
          f.const('i32', 3)
          f.i32.shr_u()
        }
        f.set(end)
        f.for(first, first, end, panelsAtOnce, () => {
          remaining(f, end, first, panelsAtOnce, last)
          add(f, first, last, last)
          f.for(panel, first, last, 1, () => {
            f.get(panel)
            f.const('i32', 3)
            f.i32.shl()
            f.set(query)
            remaining(f, queries, query, panelQueries, at.queries)
            gradPanel()
          })
          f.for(row, blockKey, plus(f, blockKey, blockKeys), tall, () => {
            panelRange()
            f.get(depth)
            f.const('i32', 0)
            f.i32.gt_s()
            f.if(() => {
              contract(scores, ctColumns, dValues, dValuePitch)
              contract(dScores, queryColumns, dKeys, dKeyPitch)
            })
          })
        })
      })
      eachPanel(() => {
        const panelOf = times(f, dQueries, panel, dQueryBytes)
        callWith(f, scalePanel(module), [panelOf, headDim, factor])
        unpack(at, panelOf, headDim, head, kernel.dQuery)
      })
      add(f, head, 1, head)
    })
    callWith(f, scalePanel(module), [dKeys, (keyRows * dKeyPitch) / rowBytes, factor])
    const write = (from: Local, pitch: number, to: Strided, columns: number) =>
      callWith(f, writeRows(module), [
        from,
        pitch,
        () => pushElement(at, to, kvHead, 0, 0),
        4 * (to.strides[2] ?? 0),
        4 * (to.strides[3] ?? 0),
        keys,
        columns,
      ])
    write(dKeys, dKeyPitch, kernel.dKey, headDim)
    write(dValues, dValuePitch, kernel.dValue, valueDim)
  })

  /** Of the panels first … last - 1, those that see a key of the group at `row`: from first + low, `depth` of them. */
  function panelRange(): void {
    f.const('i32', 0)
    f.set(low)
    subtract(f, last, first)
    f.set(high)
    const relative = (value: Value, to: Local) => {
      clamp(f, value, panels * panelQueries, to)
      f.get(to)
      f.const('i32', 3)
      f.i32.shr_u()
      f.get(first)
      f.i32.sub()
      f.set(to)
      clamp(f, to, () => subtract(f, last, first), to)
    }
    if (right !== null) relative(plus(f, row, -right), low)
    if (left !== null) relative(plus(f, row, tall + left + panelQueries - 1), high)
    subtract(f, high, low)
    f.set(depth)
    // Nothing stands behind the last query.
    const before = times(f, 0, plus(f, first, low), panelQueries)
    clamp(f, times(f, 0, depth, panelQueries), () => subtract(f, queries, before), inner)
  }
  return f
}
