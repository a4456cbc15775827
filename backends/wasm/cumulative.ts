/**
 * Prefix reductions along the middle of [outer, n, inner]. Columns side by side are lanes. A line that lies alone goes a few vectors at a time,
 * which are combined among themselves before the carry comes: so it waits for one operation for all of them.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Cumulative } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers } from './address.ts'
import { operation } from './ops.ts'
import { calculator } from './vec.ts'

/** Elements of a line that are combined among themselves before the carry comes. */
const GROUP = 8
/** Columns whose carries are kept side by side. */
const BLOCK = 2048

/** How elements are computed with: `lanes` in a vector. */
interface Carrying {
  readonly lanes: 2 | 4
  readonly neutral: Local
  readonly widen: (x: Local) => Value
  readonly narrow: (x: Local) => Value
  readonly combine: (x: Local, y: Local) => Value
}

const operator = { sum: 'add', prod: 'mul', max: 'max', min: 'min' } as const

/** float32 sums and products are carried in float64; its extremes are those of integers. */
const carryingOf = (f: FunctionBuilder, { op, dtype }: Cumulative): Carrying => {
  const { F, I, D, B, hold } = calculator(f)
  const name = operator[op]
  const itself = { widen: (x: Local) => x, narrow: (x: Local) => x }
  const single = dtype === 'float32'
  if (dtype === 'float64' || (single && (op === 'sum' || op === 'prod')))
    return {
      lanes: 2,
      neutral: f.constant('f64x2', { sum: -0, prod: 1, max: -Infinity, min: Infinity }[op]),
      combine: (x, y) => D[name](x, y),
      ...(single ? { widen: (x: Local) => D.promote_low_f32x4(x), narrow: (x: Local) => F.demote_f64x2_zero(x) } : itself),
    }
  const [least, greatest] = dtype === 'int32' || single ? [-(2 ** 31), 2 ** 31 - 1] : [0, -1]
  const neutral = f.constant('i32x4', { sum: 0, prod: 1, max: least, min: greatest }[op])
  const combine = (x: Local, y: Local): Value => operation(f, name, single ? 'int32' : dtype, [single ? 'int32' : dtype], [x, y])
  if (!single) return { ...itself, lanes: 4, neutral, combine }
  // A negative float's other bits are turned over, and NaN is beyond all others.
  const nan = op === 'max' ? greatest : -1
  const turned = (x: Local): Value => B.xor(x, I.shr_u(I.shr_s(x, 31), 1))
  return { lanes: 4, neutral, combine, narrow: turned, widen: (x) => turned(hold(B.bitselect(x, nan, F.eq(x, x)))) }
}

/** A function (input, output, start, end) that computes a range of lines. */
export const emitCumulative = (module: ModuleBuilder, kernel: Cumulative): FunctionHandle => {
  const f = module.func('cumulative', Array(4).fill('i32'))
  const carrying = carryingOf(f, kernel)
  if (kernel.inner === 1) rows(new Integers(f), carrying, kernel)
  else columns(new Integers(f), carrying, kernel)
  return f
}

/** Pointers to where a line begins, in the order of its elements. */
const pointers = (n: Integers, { n: length, inner, reverse, dtype }: Cumulative) => {
  const [x, out] = n.f.params as readonly [Local, Local]
  const bytes = byteWidth[dtype]
  const [from, to] = n.locals(2)
  return {
    from,
    to,
    /** Bytes to the next element of a line. */
    step: (reverse ? -inner : inner) * bytes,
    begin: (line: Local): void => {
      const first = n.times(n.rem(line, inner), n.div(line, inner), length * inner)
      n.set(from, n.mul(n.add(first, reverse ? (length - 1) * inner : 0), bytes))
      n.set(to, n.add(out, from))
      n.step(from, x)
    },
    move: (by: Value): void => {
      n.step(from, by)
      n.step(to, by)
    },
  }
}

const rows = (n: Integers, carrying: Carrying, kernel: Cumulative): void => {
  const { f } = n
  const [, , start, end] = f.params as readonly [Local, Local, Local, Local]
  const { n: length, reverse, dtype } = kernel
  const { from, to, step, begin, move } = pointers(n, kernel)
  const groups = dtype === 'float64' ? 0 : Math.floor(length / GROUP)
  f.for('i32', start, end, 1, (line) => {
    begin(line)
    const carry = f.hold('v128', carrying.neutral)
    if (groups > 0)
      f.for('i32', 0, groups, 1, () => {
        group(n, carrying, carry, from, to, reverse)
        move(GROUP * step)
      })
    f.for('i32', GROUP * groups, length, 1, () => {
      next(f, carrying, carry, memory(f, byteWidth[dtype]), from, to)
      move(step)
    })
  })
}

/** Row after row, with the carries of many columns in scratch memory: a vector for each vector of columns, or for one of the rest. */
const columns = (n: Integers, carrying: Carrying, kernel: Cumulative): void => {
  const { f } = n
  const [, , start, end] = f.params as readonly [Local, Local, Local, Local]
  const { n: length, inner, dtype } = kernel
  const { neutral, lanes } = carrying
  const { from, to, step, begin, move } = pointers(n, kernel)
  const bytes = byteWidth[dtype]
  const [carries] = n.blocks<1>(16 * Math.min(inner, BLOCK))
  const [line, count, left, at] = n.locals(4)
  const take = (vectors: number, width: number): void =>
    n.countDown(left, vectors * (width / bytes), () => {
      for (let v = 0; v < vectors; v++) {
        const carry = f.hold('v128', f.v128.load(at, 16 * v))
        next(f, carrying, carry, memory(f, width), n.add(from, width * v), n.add(to, width * v))
        f.v128.store(at, carry, 16 * v)
      }
      n.step(at, 16 * vectors)
      move(vectors * width)
    })
  n.set(line, start)
  f.while(n.lt(line, end), () => {
    n.set(count, n.min(n.min(n.sub(inner, n.rem(line, inner)), n.sub(end, line)), BLOCK))
    begin(line)
    n.step(line, count)
    f.for(at, carries, n.hold(n.times(carries, count, 16)), 16, () => f.v128.store(at, neutral))
    f.for('i32', 0, length, 1, () => {
      n.set(at, carries)
      n.set(left, count)
      take(4, lanes * bytes)
      take(1, lanes * bytes)
      take(1, bytes)
      move(n.sub(step, n.mul(count, bytes)))
    })
  })
}

interface Memory {
  readonly load: (at: Value) => Value
  readonly store: (at: Value, value: Value) => void
}
/** The first so many bytes of a vector. */
const memory = ({ v128 }: FunctionBuilder, bytes: number): Memory => {
  if (bytes === 16) return { load: (at) => v128.load(at), store: (at, value) => v128.store(at, value) }
  if (bytes === 8) return { load: (at) => v128.load64_zero(at), store: (at, value) => v128.store64_lane(at, value, 0) }
  return { load: (at) => v128.load32_zero(at), store: (at, value) => v128.store32_lane(at, value, 0) }
}

/** The carry takes in the next element of each lane. */
const next = (
  f: FunctionBuilder,
  { widen, narrow, combine }: Carrying,
  carry: Local,
  { load, store }: Memory,
  from: Value,
  to: Value,
): void => {
  f.set(carry, combine(carry, f.hold('v128', widen(f.hold('v128', load(from))))))
  store(to, narrow(carry))
}

/** The next elements of a line of a four-byte dtype; the carry is in every lane. */
const group = (
  n: Integers,
  { lanes: count, neutral, widen, narrow, combine }: Carrying,
  carry: Local,
  from: Local,
  to: Local,
  reverse: boolean,
): void => {
  const { hold, lanes } = calculator(n.f)
  const turned = (x: Local): Local => (!reverse ? x : hold(count === 4 ? lanes(x, x, 3, 2, 1, 0) : lanes(x, x, 2, 3, 0, 1)))
  const last = (x: Local): Local => hold(count === 4 ? lanes(x, x, 3, 3, 3, 3) : lanes(x, x, 2, 3, 2, 3))
  const shifted = (x: Local, by: number): Local =>
    hold(count === 4 && by === 1 ? lanes(neutral, x, 3, 4, 5, 6) : lanes(neutral, x, 0, 1, 4, 5))
  const { load, store } = memory(n.f, 4 * count)
  const at = (pointer: Local, i: number): Value => n.add(pointer, reverse ? -4 * (i + count - 1) : 4 * i)
  const sums: Local[] = []
  for (let i = 0; i < GROUP; i += count) {
    let sum = turned(hold(widen(hold(load(at(from, i))))))
    for (let by = 1; by < count; by *= 2) sum = hold(combine(shifted(sum, by), sum))
    const before = sums.at(-1)
    sums.push(before === undefined ? sum : hold(combine(last(before), sum)))
  }
  sums.forEach((sum, k) => store(at(to, k * count), narrow(turned(hold(combine(carry, sum))))))
  n.set(carry, combine(carry, last(sums.at(-1) as Local)))
}
