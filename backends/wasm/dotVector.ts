/**
 * A vector times a matrix that is read once, in place: y = x·B, where packing would cost more than the product.
 * Two ways through B: several rows of k at a time where columns are contiguous, several columns at a time where k is.
 */
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { stepWithin } from './dotIndex.ts'
import { advance, multiplyAdd } from './dotTile.ts'

/** Rows of k, or columns, read side by side. */
const streams = 8
const columnsAtOnce = 4

/** (x, b, y, bStride, k, add, columns): B's columns are contiguous, its rows `bStride` bytes apart. */
export const vectorByColumns = (module: ModuleBuilder): FunctionHandle =>
  module.once('vectorByColumns', () => {
    const f = module.func('vectorByColumns', Array(7).fill('i32'))
    const [x, b, y, bStride, k, add, columns] = f.params as unknown as [Local, Local, Local, Local, Local, Local, Local]
    const rows = (count: number) => () => {
      for (const local of [x, b, y, bStride, add, columns]) f.get(local)
      f.call(addRows(module, count))
      advance(f, x, 4 * count)
      for (let r = 0; r < count; r++) advance(f, b, bStride)
      advance(f, k, -count)
    }
    f.loop((again) => {
      f.get(k)
      f.const('i32', streams)
      f.i32.ge_s()
      f.if(rows(streams), rows(1))
      f.const('i32', 1)
      f.set(add)
      f.get(k)
      f.br_if(again)
    })
    return f
  })

/** (x, b, y, bStride, add, columns): y becomes, or grows by, the sum over `count` rows of x[r]·b[r]. */
const addRows = (module: ModuleBuilder, count: number): FunctionHandle =>
  module.once(`addRows${count}`, () => {
    const f = module.func(`addRows${count}`, Array(6).fill('i32'))
    const [x, b, y, bStride, add, columns] = f.params as unknown as [Local, Local, Local, Local, Local, Local]
    const [sum, value, kept] = [f.local('v128'), f.local('v128'), f.local('v128')]
    const rows = Array.from({ length: count }, (_, r) => ({ pointer: r === 0 ? b : f.local('i32'), weight: f.local('v128') }))
    rows.forEach(({ pointer, weight }, r) => {
      f.get(x)
      f.v128.load32_splat(4 * r)
      f.set(weight)
      const before = rows[r - 1]
      if (before === undefined) return
      f.get(before.pointer)
      f.get(bStride)
      f.i32.add()
      f.set(pointer)
    })
    // All ones where y counts.
    f.const('i32', -1)
    f.const('i32', 0)
    f.get(add)
    f.select()
    f.i32x4.splat()
    f.set(kept)
    const run = (lanes: number, load: () => void, store: () => void) =>
      f.while(
        () => {
          f.get(columns)
          f.const('i32', lanes)
          f.i32.ge_s()
        },
        () => {
          rows.forEach(({ pointer, weight }, r) => {
            f.get(pointer)
            load()
            f.set(value)
            if (r > 0) return multiplyAdd(f, value, weight, sum)
            f.get(value)
            f.get(weight)
            f.f32x4.mul()
            f.set(sum)
          })
          f.get(y)
          f.get(sum)
          f.get(y)
          load()
          f.get(kept)
          f.v128.and()
          f.f32x4.add()
          store()
          for (const { pointer } of rows) advance(f, pointer, 4 * lanes)
          advance(f, y, 4 * lanes)
          advance(f, columns, -lanes)
        },
      )
    run(
      4,
      () => f.v128.load(),
      () => f.v128.store(),
    )
    run(
      1,
      () => f.v128.load32_zero(),
      () => f.v128.store32_lane(0),
    )
    return f
  })

/** (x, b, y, bStride, k, add, columns): B's rows of k are contiguous, its columns `bStride` bytes apart. y is written to a multiple of 4. */
export const vectorByRows = (module: ModuleBuilder): FunctionHandle =>
  module.once('vectorByRows', () => {
    const f = module.func('vectorByRows', Array(7).fill('i32'))
    const [x, b, y, bStride, k, add, columns] = f.params as unknown as [Local, Local, Local, Local, Local, Local, Local]
    f.loop((again) => {
      for (const local of [x, b, y, bStride, k, add, columns]) f.get(local)
      f.call(fourDots(module))
      for (let c = 0; c < columnsAtOnce; c++) advance(f, b, bStride)
      advance(f, y, 4 * columnsAtOnce)
      advance(f, columns, -columnsAtOnce)
      f.get(columns)
      f.const('i32', 0)
      f.i32.gt_s()
      f.br_if(again)
    })
    return f
  })

/** The same for four columns, of which those past `columns` repeat the last. */
const fourDots = (module: ModuleBuilder): FunctionHandle =>
  module.once('fourDots', () => {
    const f = module.func('fourDots', Array(7).fill('i32'))
    const [x, b, y, bStride, k, add, columns] = f.params as unknown as [Local, Local, Local, Local, Local, Local, Local]
    const [left, value] = [f.local('v128'), f.local('v128')]
    const column = Array.from({ length: columnsAtOnce }, (_, c) => ({ pointer: c === 0 ? b : f.local('i32'), sum: f.local('v128') }))
    column.forEach(({ pointer }, c) => {
      const before = column[c - 1]
      if (before === undefined) return
      stepWithin(f, before.pointer, bStride, c, columns)
      f.set(pointer)
    })
    const run = (lanes: number, load: () => void) =>
      f.while(
        () => {
          f.get(k)
          f.const('i32', lanes)
          f.i32.ge_s()
        },
        () => {
          f.get(x)
          load()
          f.set(left)
          for (const { pointer, sum } of column) {
            f.get(pointer)
            load()
            f.set(value)
            multiplyAdd(f, left, value, sum)
            advance(f, pointer, 4 * lanes)
          }
          advance(f, x, 4 * lanes)
          advance(f, k, -lanes)
        },
      )
    run(4, () => f.v128.load())
    run(1, () => f.v128.load32_zero())
    // (s0 s1 s2 s3) across lanes: pairs, then pairs of pairs.
    const [s0, s1, s2, s3] = column.map(({ sum }) => sum) as [Local, Local, Local, Local]
    const addPairs = (p: Local, q: Local, to: Local) => {
      f.get(p)
      f.get(q)
      f.shuffle32(0, 4, 2, 6)
      f.get(p)
      f.get(q)
      f.shuffle32(1, 5, 3, 7)
      f.f32x4.add()
      f.set(to)
    }
    addPairs(s0, s1, s0)
    addPairs(s2, s3, s2)
    f.get(s0)
    f.get(s2)
    f.shuffle32(0, 1, 4, 5)
    f.get(s0)
    f.get(s2)
    f.shuffle32(2, 3, 6, 7)
    f.f32x4.add()
    f.set(value)
    f.get(add)
    f.if(() => {
      f.get(value)
      f.get(y)
      f.v128.load()
      f.f32x4.add()
      f.set(value)
    })
    f.get(y)
    f.get(value)
    f.v128.store()
    return f
  })
