/** Scatter: the updates, one after another, go to the rows that they name. */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Scatter } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { byLanes, Integers } from './integers.ts'
import { operation, registerOf } from './ops.ts'

/** A function (x, index, updates, output, start, end) that computes a range of rows. */
export const emitScatter = (module: ModuleBuilder, { dtype, combine, rest, count }: Scatter): FunctionHandle => {
  const f = module.func('scatter', Array(6).fill('i32'))
  const n = new Integers(f)
  const [x, index, updates, out, start, end] = f.params as readonly [Local, Local, Local, Local, Local, Local]
  const rowBytes = rest * byteWidth[dtype]
  const rows = n.hold(n.sub(end, start))
  const first = n.hold(n.times(out, start, rowBytes))
  const [row, to, from, left] = n.locals(4)
  const register = registerOf(dtype)
  const combined = (load: (at: Local) => Value): Value =>
    combine === 'set'
      ? load(from)
      : operation(
          f,
          combine,
          dtype,
          [dtype, dtype],
          [to, from].map((at) => f.hold(register, load(at))),
        )
  const update = (): void => {
    n.set(left, rest)
    const move = (elements: number): void => {
      n.step(to, elements * byteWidth[dtype])
      n.step(from, elements * byteWidth[dtype])
    }
    if (register === 'v128')
      return byLanes(n, left, (lanes, load, store) => {
        store(to, combined(load))
        move(lanes)
      })
    n.countDown(left, 1, () => {
      f[register].store(
        to,
        combined((at) => f[register].load(at)),
      )
      move(1)
    })
  }
  n.when(n.ne(x, out), () => f.memoryCopy(first, n.times(x, start, rowBytes), n.mul(rows, rowBytes)))
  f.for(index, index, n.hold(n.add(index, 4 * count)), 4, () => {
    n.set(row, n.sub(f.i32.load(index), start))
    n.when(f.i32.lt_u(row, rows), () => {
      n.set(to, n.times(first, row, rowBytes))
      n.set(from, updates)
      update()
    })
    n.step(updates, rowBytes)
  })
  return f
}
