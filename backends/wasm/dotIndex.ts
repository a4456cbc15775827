/** Integer arithmetic that contractions emit: addresses, digits of an index, block ends. */
import type { Affine } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, Value } from './assembler.ts'

/** Pushes pointer + 4·(offset + Σ strides·index). */
export const pushAddress = (f: FunctionBuilder, pointer: Local, { strides, offset }: Affine, index: readonly Local[]): void => {
  f.get(pointer)
  if (offset !== 0) {
    f.const('i32', 4 * offset)
    f.i32.add()
  }
  strides.forEach((stride, d) => {
    if (stride === 0) return
    f.get(index[d] as Local)
    f.const('i32', 4 * stride)
    f.i32.mul()
    f.i32.add()
  })
}

/** to = x + y */
export const add = (f: FunctionBuilder, x: Value, y: Value, to: Local): void => {
  f.push(x)
  f.push(y)
  f.i32.add()
  f.set(to)
}

/** to = x · y */
export const multiply = (f: FunctionBuilder, x: Value, y: Value, to: Local): void => {
  f.push(x)
  f.push(y)
  f.i32.mul()
  f.set(to)
}

/** to = min(total - from, most) */
export const remaining = (f: FunctionBuilder, total: Value, from: Value, most: number, to: Local): void => {
  f.push(total)
  f.push(from)
  f.i32.sub()
  f.set(to)
  f.push(to)
  f.push(most)
  f.push(to)
  f.push(most)
  f.i32.lt_s()
  f.select()
  f.set(to)
}

/** digit = x mod extent, x = x / extent */
export const takeDigit = (f: FunctionBuilder, x: Local, extent: number, digit: Local): void => {
  if (extent === 1) {
    f.const('i32', 0)
    f.set(digit)
    return
  }
  f.get(x)
  f.const('i32', extent)
  f.i32.rem_u()
  f.set(digit)
  f.get(x)
  f.const('i32', extent)
  f.i32.div_u()
  f.set(x)
}

/** Pushes what `to` more than a value is. */
export const plus =
  (f: FunctionBuilder, value: Value, more: Value): (() => void) =>
  () => {
    f.push(value)
    if (more === 0) return
    f.push(more)
    f.i32.add()
  }

/** callee(...values) */
export const callWith = (f: FunctionBuilder, callee: Parameters<FunctionBuilder['call']>[0], values: readonly Value[]): void => {
  for (const value of values) f.push(value)
  f.call(callee)
}

/** Pushes pointer + stride, or the pointer itself where row `index` isn't among `count`. */
export const stepWithin = (f: FunctionBuilder, pointer: Local, stride: Local, index: number, count: Local): void => {
  f.get(pointer)
  f.get(stride)
  f.const('i32', 0)
  f.get(count)
  f.const('i32', index)
  f.i32.gt_s()
  f.select()
  f.i32.add()
}
