/**
 * Packing: rows of an operand, wherever they lie, into a panel `width` wide (element (r, k) at k·width + r).
 * Where a panel has fewer rows than its width, others may stand in for the missing ones: what they give is never read.
 */
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { type Integers, shared } from './address.ts'
import { calculator } from './vec.ts'

/** In bytes. */
export interface PanelStrides {
  readonly rowStride: number
  readonly kStride: number
}

/** Emits the packing of `rows` rows (1 … width) of `k` elements from `source` to `to`. */
export const emitPack = (n: Integers, width: number, strides: PanelStrides, source: Value, rows: Value, k: Value, to: Value): void => {
  const { rowStride, kStride } = strides
  const { module } = n.f
  const any = () => n.call(packAny(module), source, rowStride, kStride, rows, k, to, width)
  if (kStride === 4 && width > 1)
    for (let r = 0; r < width; r += 4) {
      const [from, into] = [n.add(source, r * rowStride), n.add(to, 4 * r)]
      const group = () => n.call(transposeRows(module, Math.min(4, width - r)), from, rowStride, n.sub(rows, r), k, into, 4 * width)
      if (r === 0) group()
      else n.when(n.gt(rows, r), group)
    }
  else if (rowStride === 4 && width > 1) n.when(n.eq(rows, width), () => n.call(copyColumns(module, width), source, kStride, k, to), any)
  else any()
}

/** (source, rowStride, rows, k, to, step): `count` (2 or 4) rows that run along k, by transposing squares; the last row repeats. */
export const transposeRows = (module: ModuleBuilder, count: number): FunctionHandle =>
  shared(module, `transpose${count}`, 6, (n, source, rowStride, rows, k, to, step) => {
    const { f } = n
    const row = clampedRows(n, source, rowStride, rows, count)
    const { lanes } = calculator(f)
    const next = (lanes: number) => row.forEach((pointer) => n.step(pointer, 4 * lanes))
    const x = row.map(() => f.local('v128'))
    const halves = [f.local('v128'), f.local('v128')].slice(0, count / 2)
    n.countDown(k, 4, () => {
      row.forEach((pointer, r) => f.set(x[r] as Local, f.v128.load(pointer)))
      for (const [a, b, c, d] of [
        [0, 4, 1, 5],
        [2, 6, 3, 7],
      ] as const) {
        halves.forEach((half, p) => f.set(half, lanes(x[2 * p] as Local, x[2 * p + 1] as Local, a, b, c, d)))
        for (const lane of [0, 1]) {
          const [left, right] = halves as [Local, Local]
          if (count === 2) f.v128.store64_lane(to, left, lane)
          else f.v128.store(to, lanes(left, right, 2 * lane, 2 * lane + 1, 2 * lane + 4, 2 * lane + 5))
          n.step(to, step)
        }
      }
      next(4)
    })
    n.countDown(k, 1, () => {
      row.forEach((pointer, r) => f.i32.store(to, f.i32.load(pointer), 4 * r))
      n.step(to, step)
      next(1)
    })
  })

/** Pointers to `count` rows, of which those past the last of `rows` are the last. The first is `source` itself. */
export const clampedRows = (n: Integers, source: Local, stride: Local, rows: Local, count: number): Local[] => {
  const pointers = [source]
  for (let r = 1; r < count; r++) pointers.push(n.hold(n.add(pointers[r - 1] as Local, n.pick(n.gt(rows, r), stride, 0))))
  return pointers
}

/** (source, kStride, k, to): `width` rows that lie side by side. */
const copyColumns = (module: ModuleBuilder, width: number): FunctionHandle =>
  shared(module, `columns${width}`, 4, (n, source, kStride, k, to) => {
    const { v128 } = n.f
    n.countDown(k, 1, () => {
      for (let r = 0; r < width; r += 4) {
        if (width - r >= 4) v128.store(to, v128.load(source, 4 * r), 4 * r)
        else v128.store64_lane(n.add(to, 4 * r), v128.load64_zero(source, 4 * r), 0)
      }
      n.step(source, kStride)
      n.step(to, 4 * width)
    })
  })

/** (source, rowStride, kStride, rows, k, to, width): any strides, one element at a time; the last row repeats. */
const packAny = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'packAny', 7, (n, source, rowStride, kStride, rows, k, to, width) => {
    const { f } = n
    n.countDown(k, 1, () => {
      const from = n.hold(source)
      f.for('i32', 0, width, 1, (r) => {
        f.i32.store(to, f.i32.load(from))
        n.step(to, 4)
        n.step(from, n.pick(n.gt(rows, n.add(r, 1)), rowStride, 0))
      })
      n.step(source, kStride)
    })
  })

/** (from, fromRow, fromColumn, to, toRow, toColumn, rows, columns): elements from strides to strides, in bytes. */
export const copyAny = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'copyAny', 8, (n, from, fromRow, fromColumn, to, toRow, toColumn, rows, columns) => {
    const { f } = n
    n.countDown(rows, 1, () => {
      n.when(
        n.and(n.eq(fromColumn, 4), n.eq(toColumn, 4)),
        () => f.memoryCopy(to, from, n.mul(columns, 4)),
        () => {
          const [p, q, left] = [n.hold(from), n.hold(to), n.hold(columns)]
          n.countDown(left, 1, () => {
            f.i32.store(q, f.i32.load(p))
            n.step(p, fromColumn)
            n.step(q, toColumn)
          })
        },
      )
      n.step(from, fromRow)
      n.step(to, toRow)
    })
  })
