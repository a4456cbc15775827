/**
 * Scatter: a copy of x, then rows of updates combined into it in order. One unit of work, since rows may meet.
 */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import type { Scatter } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder } from './assembler.ts'

/** (x, index, updates, out, start, end): does everything, whatever the range. */
export const emitScatter = (module: ModuleBuilder, kernel: Scatter): FunctionBuilder => {
  const { combine, dtype, rows, rest, count } = kernel
  const f = module.func(`scatter_${combine}`, ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'])
  const [x, index, updates, out] = [f.param(0), f.param(1), f.param(2), f.param(3)]
  const [row, to, from] = [f.local('i32'), f.local('i32'), f.local('i32')]
  const rowBytes = rest * byteWidth[dtype]

  f.get(out)
  f.get(x)
  f.i32.ne()
  f.if(() => {
    f.get(out)
    f.get(x)
    f.const('i32', rows * rowBytes)
    f.memoryCopy()
  })
  f.get(updates)
  f.set(from)
  f.for('i32', 0, count, 1, (u) => {
    f.get(index)
    f.get(u)
    f.const('i32', 2)
    f.i32.shl()
    f.i32.add()
    f.i32.load()
    f.tee(row)
    f.const('i32', rows)
    f.i32.lt_u() // negative is large
    f.if(() => {
      f.get(out)
      f.get(row)
      f.const('i32', rowBytes)
      f.i32.mul()
      f.i32.add()
      f.set(to)
      combineRow(f, kernel, to, from)
    })
    add(f, from, rowBytes)
  })
  return f
}

const add = (f: FunctionBuilder, local: Local, bytes: number): void => {
  f.get(local)
  f.const('i32', bytes)
  f.i32.add()
  f.set(local)
}

/** to[j] = combine(to[j], from[j]) for j < rest: vectors, then what is left. `to` is moved, `from` isn't. */
const combineRow = (f: FunctionBuilder, { combine, dtype, rest }: Scatter, to: Local, from: Local): void => {
  const width = byteWidth[dtype]
  const lanes = 16 / width
  const vectors = Math.floor(rest / lanes)
  if (combine === 'set' && rest * width > 256) {
    f.get(to)
    f.get(from)
    f.const('i32', rest * width)
    return f.memoryCopy()
  }
  const at = f.local('i32')
  f.get(from)
  f.set(at)
  if (vectors > 0)
    f.for('i32', 0, vectors, 1, () => {
      f.get(to)
      if (combine === 'set') {
        f.get(at)
        f.v128.load()
      } else {
        f.get(to)
        f.v128.load()
        f.get(at)
        f.v128.load()
        combineLanes(f, combine, dtype)
      }
      f.v128.store()
      for (const pointer of [to, at]) add(f, pointer, 16)
    })
  for (let j = 0; j < rest % lanes; j++) combineOne(f, combine, dtype, to, at, j * width)
}

const combineLanes = (f: FunctionBuilder, combine: 'add' | 'mul' | 'max' | 'min', dtype: DType): void => {
  if (dtype === 'float32') return f.f32x4[combine]()
  if (dtype === 'float64') return f.f64x2[combine]()
  if (combine === 'add' || combine === 'mul') return f.i32x4[combine]()
  f.i32x4[`${combine}_${dtype === 'int32' ? 's' : 'u'}`]()
}

const combineOne = (f: FunctionBuilder, combine: Scatter['combine'], dtype: DType, to: Local, from: Local, offset: number): void => {
  const type = dtype === 'float32' ? 'f32' : dtype === 'float64' ? 'f64' : 'i32'
  f.get(to)
  if (combine === 'set') {
    f.get(from)
    f[type].load(offset)
    return f[type].store(offset)
  }
  const [x, y] = [f.local(type), f.local(type)]
  f.get(to)
  f[type].load(offset)
  f.tee(x)
  f.get(from)
  f[type].load(offset)
  f.tee(y)
  if (combine === 'add' || combine === 'mul') f[type][combine]()
  else if (type !== 'i32') f[type][combine]()
  else {
    f.get(x)
    f.get(y)
    f.i32[`${combine === 'max' ? 'gt' : 'lt'}_${dtype === 'int32' ? 's' : 'u'}`]()
    f.select()
  }
  f[type].store(offset)
}
