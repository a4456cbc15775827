/**
 * A vector times a matrix that is read once, in place: y = x·B, where packing would cost more than the product.
 * Two ways through B: several rows of k at a time where columns are contiguous, several columns at a time where k is.
 */
import { byteWidth, type HalfFloat } from '../../src/core/dtype.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { byLanes, type Integers, shared } from './address.ts'
import { multiplyAdd } from './dotTile.ts'
import { widen } from './ops.ts'
import { calculator } from './vec.ts'

export type Element = 'float32' | HalfFloat
/** B's elements as float32s: four from a place on, or one and zeros. */
const elementsOf = (n: Integers, dtype: Element, lanes: number, at: Local, offset = 0): Value => {
  const { v128 } = n.f
  if (dtype === 'float32') return lanes === 4 ? v128.load(at, offset) : v128.load32_zero(at)
  const c = calculator(n.f)
  return widen[dtype](c, c.hold(lanes === 4 ? v128.load16x4_u(at, offset) : v128.load16_lane(at, n.f.constant('i32x4', 0), 0)))
}

/** (x, b, y, bStride, k, add, columns): B's columns are contiguous, its rows `bStride` bytes apart. x and y are float32s. */
export const vectorByColumns = (module: ModuleBuilder, dtype: Element = 'float32'): FunctionHandle =>
  shared(module, `vectorByColumns ${dtype}`, 7, (n, x, b, y, bStride, k, add, columns) => {
    for (const count of [8, 1])
      n.countDown(k, count, () => {
        n.call(addRows(module, count, dtype), x, b, y, bStride, add, columns)
        n.step(x, 4 * count)
        n.step(b, n.mul(bStride, count))
        n.set(add, 1)
      })
  })

/** (x, b, y, bStride, add, columns): y becomes, or grows by, the sum over `count` rows of x[r]·b[r]. */
const addRows = (module: ModuleBuilder, count: number, dtype: Element): FunctionHandle =>
  shared(module, `addRows${count} ${dtype}`, 6, (n, x, b, y, bStride, add, columns) => {
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
        f.set(value, elementsOf(n, dtype, lanes, pointer))
        if (r > 0) multiplyAdd(f, value, weight, sum)
        else f.set(sum, f.f32x4.mul(value, weight))
      })
      store(y, f.f32x4.add(sum, f.v128.and(load(y), kept)))
      for (const { pointer } of rows) n.step(pointer, byteWidth[dtype] * lanes)
      n.step(y, 4 * lanes)
    })
  })

/**
 * (x, b, y, bStride, k, add, columns): B's rows of k are contiguous, its columns `bStride` bytes apart. Four columns at a time, a quarter of all
 * from one another, so that memory is read in four streams that go on.
 */
export const vectorByRows = (module: ModuleBuilder, dtype: Element = 'float32'): FunctionHandle =>
  shared(module, `vectorByRows ${dtype}`, 7, (n, x, b, y, bStride, k, add, columns) => {
    const [apart, beside] = n.locals(2)
    n.set(beside, n.mul(n.shr(columns, 2), 4))
    n.set(apart, n.mul(n.shr(columns, 2), bStride))
    const dots = (): void => {
      n.call(fourDots(module, dtype), x, b, y, apart, k, add, beside)
      n.step(b, bStride)
      n.step(y, 4)
    }
    const left = n.hold(n.and(columns, 3))
    n.step(columns, n.sub(0, left))
    n.countDown(columns, 4, dots)
    // What is left is computed four times each.
    n.step(b, n.mul(apart, 3))
    n.step(y, n.mul(beside, 3))
    n.set(apart, 0)
    n.set(beside, 0)
    n.countDown(left, 1, dots)
  })

/** (x, b, y, apart, k, add, beside): four columns `apart` bytes from one another, and their results `beside` bytes. */
const fourDots = (module: ModuleBuilder, dtype: Element): FunctionHandle =>
  shared(module, `fourDots ${dtype}`, 7, (n, x, b, y, apart, k, add, beside) => {
    const { f } = n
    const [left, value] = [f.local('v128'), f.local('v128')]
    const following = (first: Local, step: Local): Local[] =>
      [0, 1, 2, 3].map((c) => (c === 0 ? first : n.hold(n.add(first, n.mul(step, c)))))
    const rows = following(b, apart)
    const bytes = byteWidth[dtype]
    const sums = Array.from({ length: 8 }, () => f.local('v128'))
    const multiply = (load: () => Value, at: (pointer: Local) => Value, half: number): void => {
      f.set(left, load())
      rows.forEach((pointer, c) => {
        f.set(value, at(pointer))
        multiplyAdd(f, left, value, sums[4 * half + c] as Local)
      })
    }
    const onwards = (lanes: number): void => {
      n.step(x, 4 * lanes)
      for (const pointer of rows) n.step(pointer, bytes * lanes)
    }
    // Eight at a time, two sums a column, so that neither addresses nor the additions' latency are what it waits for.
    n.countDown(k, 8, () => {
      for (const v of [0, 1])
        multiply(
          () => f.v128.load(x, 16 * v),
          (pointer) => elementsOf(n, dtype, 4, pointer, 4 * bytes * v),
          v & 1,
        )
      onwards(8)
    })
    byLanes(n, k, (lanes, load) => {
      multiply(
        () => load(x),
        (pointer) => elementsOf(n, dtype, lanes, pointer),
        0,
      )
      onwards(lanes)
    })
    const [s0, s1, s2, s3] = sums.slice(0, 4).map((sum, c) => (f.set(sum, f.f32x4.add(sum, sums[4 + c] as Local)), sum)) as [Local, Local, Local, Local] // prettier-ignore
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
    const results = following(y, beside)
    n.when(add, () => {
      f.set(left, f.constant('f32x4', 0))
      results.forEach((at, c) => f.set(left, f.v128.load32_lane(at, left, c)))
      f.set(value, F.add(value, left))
    })
    results.forEach((at, c) => f.v128.store32_lane(at, value, c))
  })
