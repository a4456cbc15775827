/**
 * Scatter: a copy of x, then rows of updates combined into it in order. One unit of work, since rows may meet.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Scatter } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder } from './assembler.ts'
import { byLanes, Integers } from './integers.ts'
import { emitOp, registerOf } from './ops.ts'

/** (x, index, updates, out, start, end): does everything, whatever the range. */
export const emitScatter = (module: ModuleBuilder, { combine, dtype, rows, rest, count }: Scatter): FunctionBuilder => {
  const f = module.func('scatter', Array(6).fill('i32'))
  const n = new Integers(f)
  const [x, index, from, out] = f.params as unknown as [Local, Local, Local, Local]
  const [row, to, left] = n.locals(3)
  const [old, update] = [f.local(registerOf(dtype)), f.local(registerOf(dtype))]
  const rowBytes = rest * byteWidth[dtype]

  const element = (bytes: number, load: () => void, store: () => void): void => {
    f.get(to)
    for (const [pointer, value] of [
      [to, old],
      [from, update],
    ] as const) {
      f.get(pointer)
      load()
      f.set(value)
      n.step(pointer, bytes)
    }
    if (combine === 'set') f.get(update)
    else emitOp(f, combine, dtype, [dtype, dtype], [old, update])
    store()
  }
  n.when(n.ne(out, x), () => {
    for (const value of [out, x, rows * rowBytes]) f.push(value)
    f.memoryCopy()
  })
  f.for('i32', 0, count, 1, (u) => {
    n.set(row, n.load(n.add(index, n.mul(u, 4))))
    n.when(
      n.and(n.gt(row, -1), n.lt(row, rows)),
      () => {
        n.set(to, n.add(out, n.mul(row, rowBytes)))
        n.set(left, rest)
        if (dtype !== 'float64') byLanes(n, left, (lanes, load, store) => element(4 * lanes, load, store))
        else
          n.countDown(left, 1, () =>
            element(
              8,
              () => f.f64.load(),
              () => f.f64.store(),
            ),
          )
      },
      () => n.step(from, rowBytes),
    )
  })
  return f
}
