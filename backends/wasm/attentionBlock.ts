/**
 * What forward and backward attention have in common: operands by (batch, head, row), and the scores of a block of keys
 * by a panel of queries with bias, mask and window.
 */
import type { AttentionShape, Strided } from '../../src/core/kernel.ts'
import type { Local, ModuleBuilder, Value } from './assembler.ts'
import { addPanel, capPanel, dropoutPanel, maskPanel, panelQueries, rowBytes, windowPanel } from './attentionPanel.ts'
import { Integers, roundUp } from './address.ts'
import { copyAny, emitPack, transposeRows } from './dotPack.ts'
import { tileLoop, tileRows } from './dotTile.ts'

/** Panels of queries that go through a block of keys together. */
export const panelsAtOnce = 8

/** Keys of a block: a multiple of every tile's height. */
export const keyBlock = (keys: number, most: number): number => Math.min(most, roundUp(keys, 12))

/** An attention function under construction. */
export class Attending extends Integers {
  readonly shape: AttentionShape
  readonly tall: number
  readonly batch = this.local()
  readonly head = this.local()
  readonly kvHead = this.local()
  /** First query of the panel and how many it has; first key of the block and how many. */
  readonly query = this.local()
  readonly queries = this.local()
  readonly key = this.local()
  readonly keys = this.local()

  constructor(module: ModuleBuilder, shape: AttentionShape, name: string) {
    super(module.func(name, Array(shape.args.length + 2).fill('i32')))
    this.shape = shape
    this.tall = tileRows(module)
  }

  /** Runs `body` for the function's range of units, each batches x `heads`. */
  eachUnit(heads: number, head: Local, body: (unit: Local) => void): void {
    const { f, shape } = this
    f.for('i32', f.param(shape.args.length), f.param(shape.args.length + 1), 1, (unit) => {
      this.set(this.batch, this.div(unit, heads))
      this.set(head, this.rem(unit, heads))
      body(unit)
    })
  }

  /** The address of an operand's element (batch, head, row, column). */
  element({ arg, ...affine }: Strided, head: Value, row: Value, column: Value, bytes = 4): Value {
    return this.address(this.f.param(arg), affine, [this.batch, head, row, column], bytes)
  }

  /** Fills a row of a panel with a number. */
  splatRow(to: Local, value: number): void {
    for (const half of [0, 16]) this.f.v128.store(to, this.f.constant('f32x4', value), half)
  }

  /** Settles the panel's query and its number of queries from the panel's number. */
  setPanel(panel: Value): void {
    this.set(this.query, this.mul(panel, panelQueries))
    this.set(this.queries, this.min(this.sub(this.shape.queries, this.query), panelQueries))
  }

  /** Packs the panel's rows along the operand's last dim, of `size`. */
  packQueries(from: Strided, size: number, to: Value): void {
    this.pack(panelQueries, from, 2, this.element(from, this.head, this.query, 0), this.queries, size, to)
  }

  private pack(width: number, { strides }: Strided, rowDim: 2 | 3, source: Value, rows: Value, k: Value, to: Value): void {
    const [rowStride, kStride] = [strides[rowDim] ?? 0, strides[5 - rowDim] ?? 0]
    emitPack(this, width, { rowStride: 4 * rowStride, kStride: 4 * kStride }, source, rows, k, to)
  }

  /** Packs an operand of rows x columns in panels `width` wide, made of rows (rowDim 2) or columns (3), one after another. */
  packAll(width: number, from: Strided, rowDim: 2 | 3, head: Local, rows: number, columns: number, to: Local): void {
    const [count, inner] = rowDim === 2 ? [rows, columns] : [columns, rows]
    const [row, end] = this.locals(2)
    this.set(end, to)
    this.f.for(row, 0, count, width, () => {
      const source = this.element(from, head, rowDim === 2 ? row : 0, rowDim === 2 ? 0 : row)
      this.pack(width, from, rowDim, source, this.min(this.sub(count, row), width), inner, end)
      this.step(end, 4 * width * inner)
    })
  }

  /** A column of a product: `rows` rows of A, its panels `aStep` bytes apart, by one panel B. */
  tileColumn(a: Value, b: Value, c: Value, k: Value, grow: Value, rows: Value, aStep: Value): void {
    const { tall } = this
    this.call(tileLoop(this.module), a, b, c, rowBytes, k, grow, this.div(this.add(rows, tall - 1), tall), aStep, 0, rowBytes * tall)
  }

  /** scores[key, query] of the block and the panel. Keys are packed by rows; queries, times the scale, as a panel. Of capped scores `slopes` get the derivatives. */
  score(packedKeys: Local, packedQuery: Value, scores: Value, spare: Local, slopes: Local | null = null): void {
    const { module, shape, head, query, queries, key, keys } = this
    const { headDim, softcap, bias, mask, left, right } = shape
    this.tileColumn(this.times(packedKeys, key, 4 * headDim), packedQuery, scores, headDim, 0, keys, 4 * headDim * this.tall)
    if (softcap !== null) this.call(capPanel(module, softcap, slopes !== null), scores, keys, slopes ?? 0)
    for (const [operand, combine] of [[bias, addPanel] as const, [mask, maskPanel] as const]) {
      if (operand === null) continue
      this.pack(panelQueries, operand, 2, this.element(operand, head, query, key), queries, keys, spare)
      this.call(combine(module), scores, spare, keys)
    }
    // Only rows that some of the queries see and others don't: beyond query + right, and before query + 7 - left.
    const window = (from: Value, to: Value) => {
      const first = this.hold(from)
      const distance = this.add(this.sub(key, query), first)
      this.call(windowPanel(module, left, right), this.times(scores, first, rowBytes), this.sub(to, first), distance)
    }
    const relative = (more: number) => this.clamp(this.add(this.sub(query, key), more), keys)
    if (right !== null) window(relative(right + 1), keys)
    if (left !== null) window(0, relative(panelQueries - 1 - left))
  }

  /** The multipliers of dropout for the same block. */
  dropout(to: Local): void {
    const { dropout, heads, queries, keys } = this.shape
    if (dropout === null) return
    const row = this.add(this.mul(this.add(this.mul(this.batch, heads), this.head), queries), this.query)
    const first = this.add(this.mul(row, keys), this.key)
    this.call(dropoutPanel(this.module, dropout.rate), to, this.keys, first, keys, this.f.param(dropout.arg))
  }

  /** The keys that any of the panel's queries sees: from (a multiple of a tile's height) … to - 1. */
  visible(from: Local, to: Local): void {
    const { keys, left, right } = this.shape
    const { tall, query, queries } = this
    this.set(from, left === null ? 0 : this.mul(this.div(this.clamp(this.sub(query, left), keys), tall), tall))
    this.set(to, right === null ? keys : this.min(this.add(this.add(query, queries), right), keys))
  }

  /** Writes a panel of `rows` x 8 queries to an operand, transposed. */
  unpack(panel: Value, rows: number, to: Strided): void {
    const { module, query, queries } = this
    const [queryStride, rowStride] = [4 * (to.strides[2] ?? 0), 4 * (to.strides[3] ?? 0)]
    const target = this.element(to, this.head, query, 0)
    if (rowStride !== 4 || rows % 4 !== 0)
      return this.call(copyAny(module), panel, 4, rowBytes, target, queryStride, rowStride, queries, rows)
    const [from, into] = [this.hold(panel), this.hold(target)]
    this.f.for('i32', 0, rows, 4, () => {
      this.call(transposeRows(module, 4), from, rowBytes, 4, queries, into, queryStride)
      this.step(from, 4 * rowBytes)
      this.step(into, 16)
    })
  }

  /** min(max(value, 0), most) */
  clamp(value: Value, most: Value): Value {
    return this.min(this.max(value, 0), most)
  }
}
