/**
 * The arithmetic of contractions: a register tile (rows x columns of a product) over packed panels, shared by a module's kernels.
 * A panel holds `width` rows of an operand side by side: element (r, k) stands at k·width + r.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { shared } from './address.ts'
import { calculator } from './vec.ts'

/** Columns of a tile: two vectors. */
export const tileColumns = 8

/** Rows of a tile: accumulators, operands and a temporary in sixteen registers. Engines without relaxed SIMD spill beyond four. */
export const tileRows = (module: ModuleBuilder): number => (module.relaxed ? 6 : 4)

/**
 * (a, b, c, ldc, k, add): the tile at c, its rows `ldc` bytes apart, becomes A·B, or grows by it where `add`. A is a panel `tileRows` wide,
 * B one `tileColumns` wide. Sums start from zero at each call, so that long contractions are summed in blocks.
 */
const tile = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'tile', 6, (n, a, b, c, ldc, k, add) => {
    const { f } = n
    const rows = tileRows(module)
    const sums = Array.from({ length: rows }, () => [f.local('v128'), f.local('v128')] as const)
    const [b0, b1, x] = [f.local('v128'), f.local('v128'), f.local('v128')]
    // One k a turn: V8 hoists the loads of an unrolled body and then spills.
    n.countDown(k, 1, () => {
      f.set(b0, f.v128.load(b, 0))
      f.set(b1, f.v128.load(b, 16))
      sums.forEach((row, r) => {
        f.set(x, f.v128.load32_splat(a, 4 * r))
        multiplyAdd(f, x, b0, row[0])
        multiplyAdd(f, x, b1, row[1])
      })
      n.step(a, 4 * rows)
      n.step(b, 4 * tileColumns)
    })
    const store = (grow: boolean) => () =>
      sums.forEach((row, r) => {
        if (r > 0) n.step(c, ldc)
        row.forEach((sum, v) => f.v128.store(c, grow ? f.f32x4.add(sum, f.v128.load(c, 16 * v)) : sum, 16 * v))
      })
    n.when(add, store(true), store(false))
  })

/**
 * (a, b, c, ldc, k, add, count, aStep, bStep, cStep): `count` tiles after one another; steps are in bytes. Along B's panels that is a strip
 * of the product's rows, along A's one of its columns.
 */
export const tileLoop = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'tileLoop', 10, (n, a, b, c, ldc, k, add, count, aStep, bStep, cStep) =>
    n.countDown(count, 1, () => {
      n.call(tile(module), a, b, c, ldc, k, add)
      n.step(a, aStep)
      n.step(b, bStep)
      n.step(c, cStep)
    }),
  )

/** sum += x · y, in place. */
export const multiplyAdd = (f: FunctionBuilder, x: Local, y: Local, sum: Local): void => f.set(sum, calculator(f).fma(x, y, sum))
