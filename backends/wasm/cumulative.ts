/**
 * Prefix reductions along the middle of [outer, n, inner]. Columns side by side are lanes. A line that lies alone goes a few vectors at a time,
 * which are combined among themselves before the carry comes: so it waits for one operation for all of them.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Cumulative } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers } from './integers.ts'
import { operation } from './ops.ts'
import { calculator, type Vec } from './vec.ts'

/** Vectors of a line that are combined among themselves before the carry comes. */
const GROUP = 2
/** Columns whose carries are kept side by side. */
const BLOCK = 2048

/** How a vector of elements is computed with: in one vector, or in two of its halves. */
interface Carrying {
  readonly lanes: 2 | 4
  readonly parts: 1 | 2
  readonly neutral: Local
  readonly widen: (x: Local, part: number) => Value
  readonly narrow: (parts: readonly Local[]) => Value
  readonly combine: (x: Local, y: Local) => Value
}

const operator = { sum: 'add', prod: 'mul', max: 'max', min: 'min' } as const

/** float32 sums and products are carried in float64; its extremes are those of integers. */
const carryingOf = (f: FunctionBuilder, { op, dtype }: Cumulative): Carrying => {
  const { F, I, D, B, hold, lanes } = calculator(f)
  const name = operator[op]
  const float = {
    lanes: 2,
    neutral: f.constant('f64x2', { sum: -0, prod: 1, max: -Infinity, min: Infinity }[op]),
    combine: (x: Local, y: Local) => D[name](x, y),
  } as const
  const whole = { parts: 1, widen: (x: Local) => x, narrow: ([x]: readonly Local[]) => x as Local } as const
  if (dtype === 'float64') return { ...float, ...whole }
  if (dtype === 'float32' && (op === 'sum' || op === 'prod'))
    return {
      ...float,
      parts: 2,
      widen: (x, part) => D.promote_low_f32x4(part === 0 ? x : lanes(x, x, 2, 3, 2, 3)),
      narrow: ([low, high]) => {
        const first = F.demote_f64x2_zero(low as Local)
        return high === undefined ? first : lanes(first, F.demote_f64x2_zero(high), 0, 1, 4, 5)
      },
    }
  const [least, greatest] = dtype === 'int32' || dtype === 'float32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, -1]
  const neutral = f.constant('i32x4', { sum: 0, prod: 1, max: least, min: greatest }[op])
  if (dtype !== 'float32') return { ...whole, lanes: 4, neutral, combine: (x, y) => operation(f, name, dtype, [dtype, dtype], [x, y]) }
  // A negative float's other bits are turned over, and NaN is beyond all others.
  const nan = op === 'max' ? greatest : -1
  const turned = (x: Local): Vec => B.xor(x, I.shr_u(I.shr_s(x, 31), 1))
  return {
    ...whole,
    lanes: 4,
    neutral,
    widen: (x) => turned(hold(B.bitselect(x, nan, F.eq(x, x)))),
    narrow: ([x]) => turned(x as Local),
    combine: (x, y) => (op === 'max' ? I.max_s(x, y) : I.min_s(x, y)),
  }
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
  const bytes = byteWidth[dtype]
  const groups = bytes === 4 ? Math.floor(length / (4 * GROUP)) : 0
  f.for('i32', start, end, 1, (line) => {
    begin(line)
    const carry = f.hold('v128', carrying.neutral)
    if (groups > 0)
      f.for('i32', 0, groups, 1, () => {
        group(f, carrying, carry, from, to, reverse)
        move(4 * GROUP * step)
      })
    f.for('i32', 4 * GROUP * groups, length, 1, () => {
      next(f, carrying, [carry], elementOf(f, bytes, from, to))
      move(step)
    })
  })
}

/** Row after row, with the carries of many columns in scratch memory: a vector for each part of four columns, or for one of the rest. */
const columns = (n: Integers, carrying: Carrying, kernel: Cumulative): void => {
  const { f } = n
  const [, , start, end] = f.params as readonly [Local, Local, Local, Local]
  const { n: length, inner, dtype } = kernel
  const { neutral, parts } = carrying
  const { from, to, step, begin, move } = pointers(n, kernel)
  const bytes = byteWidth[dtype]
  const [carries] = n.blocks<1>(16 * Math.min(inner, BLOCK))
  const [line, count, left, at] = n.locals(4)
  n.set(line, start)
  f.while(n.lt(line, end), () => {
    n.set(count, n.min(n.min(n.sub(inner, n.rem(line, inner)), n.sub(end, line)), BLOCK))
    begin(line)
    n.step(line, count)
    f.for(at, carries, n.hold(n.times(carries, count, 16)), 16, () => f.v128.store(at, neutral))
    f.for('i32', 0, length, 1, () => {
      n.set(at, carries)
      n.set(left, count)
      const take = (lanes: number, vectors: number, elements: Elements): void =>
        n.countDown(left, lanes, () => {
          const carry = Array.from({ length: vectors }, (_, part) => f.hold('v128', f.v128.load(at, 16 * part)))
          next(f, carrying, carry, elements)
          carry.forEach((sum, part) => f.v128.store(at, sum, 16 * part))
          n.step(at, 16 * vectors)
          move(lanes * bytes)
        })
      take(16 / bytes, parts, vectorOf(f, from, to))
      take(1, 1, elementOf(f, bytes, from, to))
      move(n.sub(step, n.mul(count, bytes)))
    })
  })
}

interface Elements {
  readonly load: Value
  readonly store: (value: Value) => void
}
const vectorOf = ({ v128 }: FunctionBuilder, from: Local, to: Local): Elements => ({
  load: v128.load(from),
  store: (value) => v128.store(to, value),
})
const elementOf = ({ v128 }: FunctionBuilder, bytes: number, from: Local, to: Local): Elements => ({
  load: bytes === 4 ? v128.load32_zero(from) : v128.load64_zero(from),
  store: (value) => (bytes === 4 ? v128.store32_lane(to, value, 0) : v128.store64_lane(to, value, 0)),
})

/** The carry takes in the next element of each lane. */
const next = (f: FunctionBuilder, { widen, narrow, combine }: Carrying, carry: readonly Local[], { load, store }: Elements): void => {
  const x = f.hold('v128', load)
  carry.forEach((sum, part) => f.set(sum, combine(sum, f.hold('v128', widen(x, part)))))
  store(narrow(carry))
}

/** The next vectors of a line; the carry is in every lane. */
const group = (f: FunctionBuilder, carrying: Carrying, carry: Local, from: Local, to: Local, reverse: boolean): void => {
  const { lanes: count, parts, neutral, widen, narrow, combine } = carrying
  const { hold, lanes } = calculator(f)
  const turned = (x: Local): Local => (reverse ? hold(lanes(x, x, 3, 2, 1, 0)) : x)
  const last = (x: Local): Local => hold(count === 4 ? lanes(x, x, 3, 3, 3, 3) : lanes(x, x, 2, 3, 2, 3))
  const shifted = (x: Local, by: number): Local =>
    hold(count === 4 && by === 1 ? lanes(neutral, x, 3, 4, 5, 6) : lanes(neutral, x, 0, 1, 4, 5))
  const at = (pointer: Local, vector: number): Value => f.i32.add(pointer, reverse ? -12 - 16 * vector : 16 * vector)
  const sums: Local[] = []
  for (let vector = 0; vector < GROUP; vector++) {
    const x = turned(hold(f.v128.load(at(from, vector))))
    for (let part = 0; part < parts; part++) {
      let sum = hold(widen(x, part))
      for (let by = 1; by < count; by *= 2) sum = hold(combine(shifted(sum, by), sum))
      const before = sums.at(-1)
      sums.push(before === undefined ? sum : hold(combine(last(before), sum)))
    }
  }
  for (let vector = 0; vector < GROUP; vector++) {
    const results = sums.slice(vector * parts, (vector + 1) * parts).map((sum) => hold(combine(carry, sum)))
    f.v128.store(at(to, vector), turned(hold(narrow(results))))
  }
  f.set(carry, combine(carry, last(sums.at(-1) as Local)))
}
