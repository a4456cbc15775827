/**
 * Prefix reductions along the middle of [outer, n, inner]. Columns side by side are lanes. A line that lies alone goes four elements at a time:
 * a vector is combined within itself before the carry comes, which so waits for one operation a vector.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Cumulative } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers } from './integers.ts'
import { operation } from './ops.ts'
import { calculator, type Vec } from './vec.ts'

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
  const { n: length, inner, reverse, dtype } = kernel
  const f = module.func('cumulative', Array(4).fill('i32'))
  const n = new Integers(f)
  const [x, out, start, end] = f.params as readonly [Local, Local, Local, Local]
  const carrying = carryingOf(f, kernel)
  const bytes = byteWidth[dtype]
  const [from, to, line, columns] = n.locals(4)
  const move = (by: number): void => {
    n.step(from, by)
    n.step(to, by)
  }
  const first = n.times(n.rem(line, inner), n.div(line, inner), length * inner)
  const begin = (): void => {
    n.set(from, n.mul(n.add(first, reverse ? (length - 1) * inner : 0), bytes))
    n.set(to, n.add(out, from))
    n.step(from, x)
  }
  const step = (reverse ? -inner : inner) * bytes
  const carries = (vectors: number, parts: number): Local[][] =>
    Array.from({ length: vectors }, () => Array.from({ length: parts }, () => f.hold('v128', carrying.neutral)))
  const single = (carry: Local[], count: number): void =>
    f.for('i32', 0, count, 1, () => {
      next(f, carrying, carry, lanesOf(f, bytes, from, to))
      move(step)
    })

  if (inner === 1)
    f.for(line, start, end, 1, () => {
      begin()
      const [carry] = carries(1, 1) as [Local[]]
      const vectors = bytes === 4 ? length >> 2 : 0
      if (vectors > 0)
        f.for('i32', 0, vectors, 1, () => {
          four(f, carrying, carry[0] as Local, from, to, reverse)
          move(4 * step)
        })
      if (length > 4 * vectors) single(carry, length - 4 * vectors)
    })
  else {
    n.set(line, start)
    f.while(n.lt(line, end), () => {
      n.set(columns, n.min(n.sub(inner, n.rem(line, inner)), n.sub(end, line)))
      begin()
      n.step(line, columns)
      for (const vectors of [4, 1])
        n.countDown(columns, (16 / bytes) * vectors, () => {
          const all = carries(vectors, carrying.parts)
          f.for('i32', 0, length, 1, () => {
            all.forEach((carry, v) => next(f, carrying, carry, vectorOf(f, from, to, 16 * v)))
            move(step)
          })
          move(16 * vectors - length * step)
        })
      n.countDown(columns, 1, () => {
        single(carries(1, 1)[0] as Local[], length)
        move(bytes - length * step)
      })
    })
  }
  return f
}

interface Elements {
  readonly load: Value
  readonly store: (value: Value) => void
}
const vectorOf = ({ v128 }: FunctionBuilder, from: Local, to: Local, at: number): Elements => ({
  load: v128.load(from, at),
  store: (value) => v128.store(to, value, at),
})
/** One element. */
const lanesOf = ({ v128 }: FunctionBuilder, bytes: number, from: Local, to: Local): Elements => ({
  load: bytes === 4 ? v128.load32_zero(from) : v128.load64_zero(from),
  store: (value) => (bytes === 4 ? v128.store32_lane(to, value, 0) : v128.store64_lane(to, value, 0)),
})

/** The carry takes in the next element of each lane. */
const next = (f: FunctionBuilder, { widen, narrow, combine }: Carrying, carry: readonly Local[], { load, store }: Elements): void => {
  const x = f.hold('v128', load)
  carry.forEach((sum, part) => f.set(sum, combine(sum, f.hold('v128', widen(x, part)))))
  store(narrow(carry))
}

/** The next four elements of a line; the carry is in every lane. */
const four = (f: FunctionBuilder, carrying: Carrying, carry: Local, from: Local, to: Local, reverse: boolean): void => {
  const { lanes: count, parts, neutral, widen, narrow, combine } = carrying
  const { hold, lanes } = calculator(f)
  const back = reverse ? 12 : 0
  const turned = (x: Local): Local => (reverse ? hold(lanes(x, x, 3, 2, 1, 0)) : x)
  const last = (x: Local): Local => hold(count === 4 ? lanes(x, x, 3, 3, 3, 3) : lanes(x, x, 2, 3, 2, 3))
  const shifted = (x: Local, by: number): Local =>
    hold(count === 4 && by === 1 ? lanes(neutral, x, 0, 4, 5, 6) : lanes(neutral, x, 0, 1, 4, 5))
  const x = turned(hold(f.v128.load(f.i32.sub(from, back))))
  const sums: Local[] = []
  for (let part = 0; part < parts; part++) {
    let sum = hold(widen(x, part))
    for (let by = 1; by < count; by *= 2) sum = hold(combine(shifted(sum, by), sum))
    const before = sums.at(-1)
    sums.push(before === undefined ? sum : hold(combine(last(before), sum)))
  }
  const total = last(sums.at(-1) as Local)
  const results = sums.map((sum) => hold(combine(carry, sum)))
  f.v128.store(f.i32.sub(to, back), turned(hold(narrow(results))))
  f.set(carry, combine(carry, total))
}
