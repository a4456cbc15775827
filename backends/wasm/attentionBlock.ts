/**
 * What forward and backward attention have in common: operands by (batch, head, row), and the scores of a block of keys
 * by a panel of queries with bias, mask and window.
 */
import type { AttentionShape, Strided } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder, Value } from './assembler.ts'
import { addPanel, dropoutPanel, maskPanel, panelQueries, rowBytes, unpackPanel, windowPanel } from './attentionPanel.ts'
import { add, callWith, plus, remaining } from './dotIndex.ts'
import { emitPack, transposeRows } from './dotPack.ts'
import { roundUp } from './dotPlan.ts'
import { tileLoop, tileRows } from './dotTile.ts'

/** Keys of a block: a multiple of every tile's height. */
export const keyBlock = (keys: number, most: number): number => Math.min(most, roundUp(keys, 12))

/** An attention function under construction. */
export interface Attending {
  readonly f: FunctionBuilder
  readonly module: ModuleBuilder
  readonly shape: AttentionShape
  readonly args: readonly Local[]
  readonly batch: Local
  readonly head: Local
  readonly kvHead: Local
  /** First query of the panel and how many it has; first key of the block and how many. */
  readonly query: Local
  readonly queries: Local
  readonly key: Local
  readonly keys: Local
}

export const attending = (f: FunctionBuilder, shape: AttentionShape): Attending => {
  const local = () => f.local('i32')
  const [batch, head, kvHead, query, queries, key, keys] = [local(), local(), local(), local(), local(), local(), local()]
  return { f, module: f.module, shape, args: f.params.slice(0, shape.args.length), batch, head, kvHead, query, queries, key, keys }
}

/** Pushes the address of an operand's element (batch, head, row, column). */
export const pushElement = (
  { f, args, batch }: Attending,
  { arg, strides, offset }: Strided,
  head: Local,
  row: Value,
  column: Value,
): void => {
  f.get(args[arg] as Local)
  if (offset !== 0) {
    f.const('i32', 4 * offset)
    f.i32.add()
  }
  ;[batch, head, row, column].forEach((index, d) => {
    const stride = strides[d] ?? 0
    if (stride === 0 || index === 0) return
    f.push(index)
    f.const('i32', 4 * stride)
    f.i32.mul()
    f.i32.add()
  })
}

/** Packs `count` rows from `row`, `width` wide, along the operand's last dim. */
export const packRows = (
  at: Attending,
  from: Strided,
  head: Local,
  width: number,
  row: Local,
  count: Local,
  size: number,
  to: Value,
): void => {
  const strides = { rowStride: 4 * (from.strides[2] ?? 0), kStride: 4 * (from.strides[3] ?? 0) }
  emitPack(at.f, width, strides, () => pushElement(at, from, head, row, 0), count, size, to)
}

/** Packs all rows in panels `width` wide along the last dim: panel p at to + p·4·width·size. */
export const packAllRows = (at: Attending, from: Strided, head: Local, width: number, rows: number, size: number, to: Local): void => {
  const { f } = at
  const [row, count, end] = [f.local('i32'), f.local('i32'), f.local('i32')]
  f.get(to)
  f.set(end)
  f.for(row, 0, rows, width, () => {
    remaining(f, rows, row, width, count)
    packRows(at, from, head, width, row, count, size, end)
    add(f, end, 4 * width * size, end)
  })
}

/** Packs all columns (the last dim) in panels `width` wide along the rows: panel p at to + p·4·width·rows. */
export const packAllColumns = (at: Attending, from: Strided, head: Local, width: number, rows: number, size: number, to: Local): void => {
  const { f } = at
  const [column, count, end] = [f.local('i32'), f.local('i32'), f.local('i32')]
  const strides = { rowStride: 4 * (from.strides[3] ?? 0), kStride: 4 * (from.strides[2] ?? 0) }
  f.get(to)
  f.set(end)
  f.for(column, 0, size, width, () => {
    remaining(f, size, column, width, count)
    emitPack(f, width, strides, () => pushElement(at, from, head, 0, column), count, rows, end)
    add(f, end, 4 * width * rows, end)
  })
}

/** Columns of a product: `rows` tiles high, each of A's panels `aStep` bytes after the one before, B one panel. */
export const tileColumn = (at: Attending, a: Value, b: Value, c: Value, k: Value, grow: Value, rows: Value, aStep: Value): void => {
  const { f, module } = at
  const tall = tileRows(module)
  const count = () => {
    plus(f, rows, tall - 1)()
    f.const('i32', tall)
    f.i32.div_u()
  }
  callWith(f, tileLoop(module), [a, b, c, rowBytes, k, grow, count, aStep, 0, rowBytes * tall])
}

/** scores[key, query] of the block `at.key`, `at.keys` and the panel `at.query`. Keys are packed `tileRows` wide, queries and scale as a panel. */
export const scoreBlock = (at: Attending, packedKeys: Local, packedQuery: Value, scores: Value, spare: Local): void => {
  const { f, module, shape, head, query, queries, key, keys } = at
  const { headDim, bias, mask, left, right } = shape
  const a = () => {
    f.get(packedKeys)
    f.get(key)
    f.const('i32', 4 * headDim)
    f.i32.mul()
    f.i32.add()
  }
  tileColumn(at, a, packedQuery, scores, headDim, 0, keys, 4 * headDim * tileRows(module))
  for (const [operand, combine] of [[bias, addPanel] as const, [mask, maskPanel] as const]) {
    if (operand === null) continue
    const strides = { rowStride: 4 * (operand.strides[2] ?? 0), kStride: 4 * (operand.strides[3] ?? 0) }
    emitPack(f, panelQueries, strides, () => pushElement(at, operand, head, query, key), queries, keys, spare)
    callWith(f, combine(module), [scores, spare, keys])
  }
  if (left === null && right === null) return
  // Only rows that some of the queries see and others don't.
  const [from, to, distance] = [f.local('i32'), f.local('i32'), f.local('i32')]
  add(f, key, () => negate(f, query), distance)
  const window = () => {
    const rows = () => subtract(f, to, from)
    const first = () => {
      f.push(scores)
      f.get(from)
      f.const('i32', 5)
      f.i32.shl()
      f.i32.add()
    }
    callWith(f, windowPanel(module, left, right), [first, rows, plus(f, distance, from)])
  }
  if (right !== null) {
    // key > query + right
    clamp(f, () => subtract(f, right + 1, distance), keys, from)
    f.get(keys)
    f.set(to)
    window()
  }
  if (left !== null) {
    // key < query + 7 - left
    f.const('i32', 0)
    f.set(from)
    clamp(f, () => subtract(f, panelQueries - 1 - left, distance), keys, to)
    window()
  }
}

/** The multipliers of dropout for the same block. */
export const dropoutBlock = ({ f, module, shape, args, batch, head, query, key, keys }: Attending, to: Local): void => {
  const { dropout, heads, queries: allQueries, keys: allKeys } = shape
  if (dropout === null) return
  const first = () => {
    f.get(batch)
    f.const('i32', heads)
    f.i32.mul()
    f.get(head)
    f.i32.add()
    f.const('i32', allQueries)
    f.i32.mul()
    f.get(query)
    f.i32.add()
    f.const('i32', allKeys)
    f.i32.mul()
    f.get(key)
    f.i32.add()
  }
  callWith(f, dropoutPanel(module, dropout.rate), [to, keys, first, allKeys, args[dropout.arg] as Local])
}

/** The keys that any of the panel's queries sees: from (a multiple of a tile's height) … to - 1. */
export const visibleKeys = ({ f, module, shape, query, queries }: Attending, from: Local, to: Local): void => {
  const { keys, left, right } = shape
  const tall = tileRows(module)
  if (left === null) f.const('i32', 0)
  else {
    clamp(f, plus(f, query, -left), keys, from)
    f.get(from)
    f.const('i32', tall)
    f.i32.div_u()
    f.const('i32', tall)
    f.i32.mul()
  }
  f.set(from)
  if (right === null) {
    f.const('i32', keys)
    f.set(to)
  } else clamp(f, plus(f, plus(f, query, queries), right), keys, to)
}

/** Writes a panel of `rows` x 8 queries to an operand, transposed. */
export const unpack = (at: Attending, panel: Value, rows: number, head: Local, to: Strided): void => {
  const { f, module, query, queries } = at
  const [queryStride, rowStride] = [4 * (to.strides[2] ?? 0), 4 * (to.strides[3] ?? 0)]
  const target = () => pushElement(at, to, head, query, 0)
  if (rowStride !== 4 || rows % 4 !== 0) return callWith(f, unpackPanel(module), [panel, rows, queries, target, queryStride, rowStride])
  const [from, into, end] = [f.local('i32'), f.local('i32'), f.local('i32')]
  f.push(panel)
  f.set(from)
  target()
  f.set(into)
  add(f, into, 4 * rows, end)
  f.for(into, into, end, 16, () => {
    callWith(f, transposeRows(module, 4), [from, rowBytes, 4, queries, into, queryStride])
    add(f, from, 4 * rowBytes, from)
  })
}

export const subtract = (f: FunctionBuilder, x: Value, y: Value): void => {
  f.push(x)
  f.push(y)
  f.i32.sub()
}

const negate = (f: FunctionBuilder, x: Value): void => subtract(f, 0, x)

/** to = x where `x compare y` holds, else y */
export const select = (f: FunctionBuilder, x: Value, y: Value, compare: 'lt_s' | 'gt_s', to: Local): void => {
  f.push(x)
  f.push(y)
  f.push(x)
  f.push(y)
  f.i32[compare]()
  f.select()
  f.set(to)
}

/** to = min(max(value, 0), most) */
export const clamp = (f: FunctionBuilder, value: Value, most: Value, to: Local): void => {
  f.push(value)
  f.set(to)
  select(f, to, 0, 'gt_s', to)
  select(f, most, to, 'lt_s', to)
}

/** Pushes base + index · bytes. */
export const times = (f: FunctionBuilder, base: Value, index: Value, bytes: number): (() => void) =>
  plus(f, base, () => {
    f.push(index)
    f.const('i32', bytes)
    f.i32.mul()
  })

/** Zeroes `bytes` bytes. */
export const clear = (f: FunctionBuilder, start: Value, bytes: Value): void => {
  f.push(start)
  f.const('i32', 0)
  f.push(bytes)
  f.memoryFill()
}

/** Fills a row of a panel with a number. */
export const splatRow = (f: FunctionBuilder, to: Local, value: number): void => {
  for (const half of [0, 16]) {
    f.get(to)
    f.get(f.constant('f32x4', value))
    f.v128.store(half)
  }
}

/** So many locals. */
export type LocalsOf<N extends number, T extends readonly Local[] = readonly []> = T['length'] extends N
  ? T
  : LocalsOf<N, readonly [...T, Local]>

/** batch = unit / heads, head = unit mod heads */
export const splitUnit = (f: FunctionBuilder, unit: Local, heads: number, batch: Local, head: Local): void => {
  f.get(unit)
  f.const('i32', heads)
  f.i32.div_u()
  f.set(batch)
  f.get(unit)
  f.const('i32', heads)
  f.i32.rem_u()
  f.set(head)
}
