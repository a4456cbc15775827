/**
 * A vector times a matrix that is read once, in place: y = x·B, where packing would cost more than the product.
 * Two ways through B: several rows of k at a time where columns are contiguous, several columns at a time where k is.
 */
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { byLanes, shared } from './address.ts'
import { clampedRows } from './dotPack.ts'
import { multiplyAdd } from './dotTile.ts'
import { calculator } from './vec.ts'

/** (x, b, y, bStride, k, add, columns): B's columns are contiguous, its rows `bStride` bytes apart. */
export const vectorByColumns = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'vectorByColumns', 7, (n, x, b, y, bStride, k, add, columns) => {
    for (const count of [8, 1])
      n.countDown(k, count, () => {
        n.call(addRows(module, count), x, b, y, bStride, add, columns)
        n.step(x, 4 * count)
        n.step(b, n.mul(bStride, count))
        n.set(add, 1)
      })
  })

/** (x, b, y, bStride, add, columns): y becomes, or grows by, the sum over `count` rows of x[r]·b[r]. */
const addRows = (module: ModuleBuilder, count: number): FunctionHandle =>
  shared(module, `addRows${count}`, 6, (n, x, b, y, bStride, add, columns) => {
    const { f } = n
    const [sum, value, kept] = [f.local('v128'), f.local('v128'), f.local('v128')]
    const rows = Array.from({ length: count }, (_, r) => ({
      pointer: r === 0 ? b : n.hold(n.add(b, n.mul(bStride, r))),
      weight: f.local('v128'),
    }))
    rows.forEach(({ weight }, r) => f.set(weight, f.v128.load32_splat(x, 4 * r)))
    // All ones where y counts.
    f.set(kept, f.i32x4.splat(n.pick(add, -1, 0)))
    byLanes(n, columns, (lanes, load, store) => {
      rows.forEach(({ pointer, weight }, r) => {
        f.set(value, load(pointer))
        if (r > 0) multiplyAdd(f, value, weight, sum)
        else f.set(sum, f.f32x4.mul(value, weight))
      })
      store(y, f.f32x4.add(sum, f.v128.and(load(y), kept)))
      for (const { pointer } of rows) n.step(pointer, 4 * lanes)
      n.step(y, 4 * lanes)
    })
  })

/** (x, b, y, bStride, k, add, columns): B's rows of k are contiguous, its columns `bStride` bytes apart. y is written to a multiple of 4. */
export const vectorByRows = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'vectorByRows', 7, (n, x, b, y, bStride, k, add, columns) => {
    n.step(columns, 3)
    n.countDown(columns, 4, () => {
      n.call(fourDots(module), x, b, y, bStride, k, add, n.sub(columns, 3))
      n.step(b, n.mul(bStride, 4))
      n.step(y, 16)
    })
  })

/** The same for four columns, of which those past `columns` repeat the last. */
const fourDots = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'fourDots', 7, (n, x, b, y, bStride, k, add, columns) => {
    const { f } = n
    const [left, value] = [f.local('v128'), f.local('v128')]
    const rows = clampedRows(n, b, bStride, columns, 4)
    const [s0, s1, s2, s3] = [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')]
    byLanes(n, k, (lanes, load) => {
      f.set(left, load(x))
      n.step(x, 4 * lanes)
      ;[s0, s1, s2, s3].forEach((sum, c) => {
        const pointer = rows[c] as Local
        f.set(value, load(pointer))
        multiplyAdd(f, left, value, sum)
        n.step(pointer, 4 * lanes)
      })
    })
    // Across lanes: pairs, then pairs of pairs.
    type Order = readonly [number, number, number, number]
    const { F, lanes } = calculator(f)
    const add2 = (p: Local, q: Local, even: Order, odd: Order) => F.add(lanes(p, q, ...even), lanes(p, q, ...odd))
    for (const [p, q] of [
      [s0, s1],
      [s2, s3],
    ] as const)
      f.set(p, add2(p, q, [0, 4, 2, 6], [1, 5, 3, 7]))
    f.set(value, add2(s0, s2, [0, 1, 4, 5], [2, 3, 6, 7]))
    n.when(add, () => f.set(value, F.add(value, f.v128.load(y))))
    f.v128.store(y, value)
  })
