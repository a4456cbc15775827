/** Scatter: the updates, one after another, go to the rows that they name. */
import { byteWidth, isHalf } from '../../src/core/dtype.ts'
import type { Scatter } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers } from './address.ts'
import { operation, registerOf } from './ops.ts'

/** A function (x, index, updates, output, start, end) that computes a range of rows. */
export const emitScatter = (module: ModuleBuilder, { dtype, combine, rest, count }: Scatter): FunctionHandle => {
  const f = module.func('scatter', Array(6).fill('i32'))
  const n = new Integers(f)
  const [x, index, updates, out, start, end] = f.params as readonly [Local, Local, Local, Local, Local, Local]
  const bytes = byteWidth[dtype]
  const rowBytes = rest * bytes
  const rows = n.hold(n.sub(end, start))
  const first = n.hold(n.times(out, start, rowBytes))
  const [row, to, from] = n.locals(3)
  const register = registerOf(dtype)
  /** A vector, or one element, of the row and of its update. */
  const update = (load: (at: Local) => Value, store: (at: Local, value: Value) => void): void => {
    const old = (): Local[] => [to, from].map((at) => f.hold(register, load(at)))
    store(to, combine === 'set' ? load(from) : operation(f, combine, dtype, [dtype, dtype], old()))
  }
  const one = (): void => {
    const { v128 } = f
    if (isHalf(dtype)) return v128.store16_lane(to, v128.load16_lane(from, f.constant('i32x4', 0), 0), 0)
    if (register !== 'v128') update(f[register].load.bind(f[register]), f[register].store.bind(f[register]))
    else
      update(
        (at) => v128.load32_zero(at),
        (at, value) => v128.store32_lane(at, value, 0),
      )
  }
  /** So many turns, after each of which both are `size` bytes further on. */
  const turns = (times: number, size: number, body: () => void): void =>
    f.for('i32', 0, times, 1, () => {
      body()
      n.step(to, size)
      n.step(from, size)
    })
  const perVector = 16 / bytes
  const vectors = register === 'v128' ? Math.floor(rest / perVector) : 0
  n.when(n.ne(x, out), () => f.memoryCopy(first, n.times(x, start, rowBytes), n.mul(rows, rowBytes)))
  f.for(index, index, n.hold(n.add(index, 4 * count)), 4, () => {
    n.set(row, n.sub(f.i32.load(index), start))
    n.when(f.i32.lt_u(row, rows), () => {
      n.set(to, n.times(first, row, rowBytes))
      n.set(from, updates)
      if (rest === 1) return one()
      if (vectors > 0)
        turns(vectors, 16, () =>
          update(
            (at) => f.v128.load(at),
            (at, value) => f.v128.store(at, value),
          ),
        )
      if (rest > perVector * vectors) turns(rest - perVector * vectors, bytes, one)
    })
    n.step(updates, rowBytes)
  })
  return f
}
