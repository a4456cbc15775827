/**
 * The arithmetic of contractions: a register tile (rows x columns of a product) over packed panels, shared by a module's kernels.
 * A panel holds `width` rows of an operand side by side: element (r, k) stands at k·width + r.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from './assembler.ts'

/** Columns of a tile: two vectors. */
export const tileColumns = 8

/** Rows of a tile: accumulators, operands and a temporary in sixteen registers. Engines without relaxed SIMD spill beyond four. */
export const tileRows = (module: ModuleBuilder): number => (module.relaxed ? 6 : 4)

/**
 * (a, b, c, ldc, k, add): the tile at c, its rows `ldc` bytes apart, becomes A·B, or grows by it where `add`. A is a panel `tileRows` wide, B
 * one `tileColumns` wide. Sums start from zero at each call, so that long contractions are summed in blocks.
 */
const tile = (module: ModuleBuilder): FunctionHandle =>
  module.once('tile', () => {
    const rows = tileRows(module)
    const f = module.func('tile', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'])
    const [a, b, c, ldc, k, add] = f.params as unknown as [Local, Local, Local, Local, Local, Local]
    const sums = Array.from({ length: rows }, () => [f.local('v128'), f.local('v128')] as const)
    const [b0, b1, x] = [f.local('v128'), f.local('v128'), f.local('v128')]
    // One k a turn: V8 hoists the loads of an unrolled body and then spills.
    f.get(k)
    f.if(() =>
      f.loop((again) => {
        f.get(b)
        f.v128.load(0)
        f.set(b0)
        f.get(b)
        f.v128.load(16)
        f.set(b1)
        sums.forEach(([s0, s1], r) => {
          f.get(a)
          f.v128.load32_splat(4 * r)
          f.set(x)
          multiplyAdd(f, x, b0, s0)
          multiplyAdd(f, x, b1, s1)
        })
        advance(f, a, 4 * rows)
        advance(f, b, 4 * tileColumns)
        advance(f, k, -1)
        f.get(k)
        f.br_if(again)
      }),
    )
    const store = (added: boolean) =>
      sums.forEach((row, r) => {
        if (r > 0) advance(f, c, ldc)
        row.forEach((sum, v) => {
          f.get(c)
          f.get(sum)
          if (added) {
            f.get(c)
            f.v128.load(16 * v)
            f.f32x4.add()
          }
          f.v128.store(16 * v)
        })
      })
    f.get(add)
    f.if(
      () => store(true),
      () => store(false),
    )
    return f
  })

/**
 * (a, b, c, ldc, k, add, count, aStep, bStep, cStep): `count` (at least 1) tiles after one another; steps are in bytes. Along B's panels that
 * is a strip of the product's rows, along A's one of its columns.
 */
export const tileLoop = (module: ModuleBuilder): FunctionHandle =>
  module.once('tileLoop', () => {
    const f = module.func('tileLoop', Array(10).fill('i32'))
    const [a, b, c, ldc, k, add, count, ...steps] = f.params as unknown as [Local, Local, Local, Local, Local, Local, Local, ...Local[]]
    f.loop((again) => {
      for (const x of [a, b, c, ldc, k, add]) f.get(x)
      f.call(tile(module))
      steps.forEach((step, i) => {
        advance(f, [a, b, c][i] as Local, step)
      })
      advance(f, count, -1)
      f.get(count)
      f.br_if(again)
    })
    return f
  })

/** sum += x · y, in place. */
export const multiplyAdd = (f: FunctionBuilder, x: Local, y: Local, sum: Local): void => {
  if (f.module.relaxed) {
    for (const local of [x, y, sum]) f.get(local)
    f.f32x4.relaxed_madd()
  } else {
    for (const local of [sum, x, y]) f.get(local)
    f.f32x4.mul()
    f.f32x4.add()
  }
  f.set(sum)
}

/** pointer += bytes */
export const advance = (f: FunctionBuilder, pointer: Local, bytes: number | Local): void => {
  f.get(pointer)
  f.push(bytes)
  f.i32.add()
  f.set(pointer)
}
