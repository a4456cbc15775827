/**
 * Sorts. A line's keys become words of the same order, each in a pair with its place in the line. The pairs go to spare memory and back: to
 * their ranks where the line is short, else in a stable radix sort by the words' bytes. Then every operand follows the places.
 */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import type { Sort } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers, shared } from './address.ts'
import { calculator } from './vec.ts'

/** Bytes of a pair: the place, and the word above it. */
const PAIR = 8
const WORD = 4
/** Bytes of a digit's counts. */
const TABLE = 4 * 256
/** Lines up to this length are sorted by ranks. */
const SHORT = 128
const SIGN = 0x80000000
/** The word of NaNs: no number's. */
const LAST = 0x7fffffff

/** A function (pointer of each arg…, start, end) that computes a range of lines. */
export const emitSort = (module: ModuleBuilder, { n: length, inner, keys, args }: Sort): FunctionHandle => {
  const f = module.func('sort', Array(args.length + 2).fill('i32'))
  const n = new Integers(f)
  const [start, end] = f.params.slice(-2) as [Local, Local]
  const operands = args.length / 2
  const [pairs, spare, tables] = n.blocks<3>(PAIR * (length + 3), PAIR * (length + 3), length > SHORT ? 4 * TABLE : 0)
  const [first, from] = n.locals(2)
  const moveBy = (move: FunctionHandle, ...values: readonly Value[]): void => {
    n.call(move, pairs, spare, length, ...values)
    n.set(from, spare)
    n.set(spare, pairs)
    n.set(pairs, from)
  }
  const sortWords = (): void => {
    if (length <= SHORT) return moveBy(moveToRanks(module))
    n.call(countDigits(module), pairs, length, tables)
    f.for('i32', 0, 4, 1, (digit) => {
      const table = n.hold(n.times(tables, digit, TABLE))
      n.when(n.ne(f.i32.load(n.times(table, digitOf(n, pairs, digit), 4)), length), () => moveBy(moveByDigit(module), table, digit))
    })
  }
  f.for('i32', start, end, 1, (line) => {
    n.set(first, n.times(n.rem(line, inner), n.div(line, inner), length * inner))
    const lineOf = (arg: number): Value => n.times(f.param(arg), first, byteWidth[args[arg] as DType])
    for (let key = keys - 1; key >= 0; key--) {
      const dtype = args[key] as DType
      for (let word = 0; word < byteWidth[dtype]; word += WORD) {
        const begins = key === keys - 1 && word === 0
        n.call(readWords(module, dtype, word, begins), lineOf(key), inner * byteWidth[dtype], pairs, length)
        sortWords()
      }
    }
    for (let i = 0; i < operands; i++) {
      const dtype = args[i] as DType
      const bytes = byteWidth[dtype]
      const write = i === 0 && bytes === WORD ? writeWords(module, dtype) : follow(module, bytes)
      n.call(write, lineOf(i), lineOf(operands + i), inner * bytes, pairs, length)
    }
  })
  return f
}

const placeOf = (n: Integers, pair: Value): Value => n.f.i32.load(pair)
const wordOf = (n: Integers, pair: Value): Value => n.f.i32.load(pair, WORD)
/** Byte `digit` of a pair's word. */
const digitOf = (n: Integers, pair: Value, digit: Value): Value => n.f.i32.load8_u(n.add(pair, digit), WORD)

/** Runs `body` for each of so many pairs. */
const eachPair = (n: Integers, pair: Local, length: Value, body: () => void): void =>
  n.f.for(pair, pair, n.hold(n.times(pair, length, PAIR)), PAIR, body)

/** (line, step, pairs, length): a word, the one `word` bytes above the low one, of the element at each pair's place; `begins`: places are to be numbered. */
const readWords = (module: ModuleBuilder, dtype: DType, word: number, begins: boolean): FunctionHandle =>
  shared(module, `readWords ${dtype} ${word} ${begins}`, 4, (n, line, step, pair, length) => {
    const { i32 } = n.f
    const place = n.local()
    const at = n.local()
    n.set(at, line)
    eachPair(n, pair, length, () => {
      if (!begins) n.set(at, n.times(line, placeOf(n, pair), step))
      i32.store(pair, orderedWord(n, dtype, at, word), WORD)
      if (!begins) return
      i32.store(pair, place)
      n.step(place, 1)
      n.step(at, step)
    })
  })

/** A float's bits as an integer of the same order, and back. */
const turned = (n: Integers, bits: Local): Value => n.f.i32.xor(bits, n.shr(n.f.i32.shr_s(bits, 31), 1))

/** A word of the element at an address, in the order of int32. NaN is last, and -0 as 0. */
const orderedWord = (n: Integers, dtype: DType, at: Local, word: number): Value => {
  const { f } = n
  const { i32, f64 } = f
  const bits = n.hold(i32.load(at, word))
  switch (dtype) {
    case 'int32':
      return bits
    case 'float32': {
      const size = n.hold(n.and(bits, ~SIGN))
      return n.pick(n.gt(size, 0x7f800000), LAST, n.pick(size, turned(n, bits), 0))
    }
    case 'float64': {
      const x = f.hold('f64', f64.load(at))
      const sign = n.hold(i32.shr_s(i32.load(at, WORD), 31))
      const [zero, other] = word === 0 ? [SIGN, i32.xor(i32.xor(bits, sign), SIGN)] : [0, turned(n, bits)]
      return n.pick(f64.ne(x, x), LAST, n.pick(f64.eq(x, 0), zero, other))
    }
    default:
      return i32.xor(bits, SIGN)
  }
}

/** (pairs, to, length): each pair where the number of lower words, and of equal ones before it, says. Three pairs more than `length` are written. */
const moveToRanks = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'moveToRanks', 3, (n, pairs, to, length) => {
    const { f } = n
    const { I, B, hold, lanes } = calculator(f)
    const end = n.hold(n.times(pairs, length, PAIR))
    for (let i = 0; i < 3; i++) f.i32.store(end, LAST, i * PAIR + WORD) // to whole vectors: each stays where it is
    const group = 4 * PAIR
    const mine = f.local('v128')
    const place = hold(f.constant('i32x4', 0, 1, 2, 3))
    f.for('i32', pairs, end, group, (four) => {
      f.set(mine, lanes(B.load(four), B.load(four, 16), 1, 3, 5, 7))
      const rank = hold(place)
      const eachFour = (from: Value, upTo: Value, body: (other: Local) => void): void =>
        f.for('i32', from, upTo, group, (pair) => {
          for (let lane = 0; lane < 4; lane++) body(hold(B.load32_splat(pair, lane * PAIR + WORD)))
        })
      // a mask is -1
      eachFour(pairs, four, (other) => f.set(rank, I.add(rank, I.gt_s(other, mine))))
      for (let lane = 0; lane < 4; lane++) {
        const other = hold(lanes(mine, mine, ...([lane, lane, lane, lane] as const)))
        const [before, after] = [
          f.constant('i32x4', ...[0, 1, 2, 3].map((l) => -Number(l < lane))),
          f.constant('i32x4', ...[0, 1, 2, 3].map((l) => -Number(l > lane))),
        ]
        f.set(rank, I.add(rank, B.and(I.gt_s(other, mine), after)))
        f.set(rank, I.sub(rank, B.and(I.gt_s(mine, other), before)))
      }
      eachFour(n.hold(n.add(four, group)), end, (other) => f.set(rank, I.sub(rank, I.gt_s(mine, other))))
      for (let lane = 0; lane < 4; lane++) f.i64.store(n.times(to, I.extract_lane(rank, lane), PAIR), f.i64.load(four, lane * PAIR))
      f.set(place, I.add(place, 4))
    })
  })

/** (pairs, length, tables): how often each byte occurs, for the four bytes of the words. */
const countDigits = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'countDigits', 3, (n, pair, length, tables) => {
    n.clear(tables, 4 * TABLE)
    eachPair(n, pair, length, () => {
      for (let digit = 0; digit < 4; digit++) {
        const count = n.hold(n.times(tables, digitOf(n, pair, digit), 4))
        n.f.i32.store(count, n.add(n.f.i32.load(count, digit * TABLE), 1), digit * TABLE)
      }
    })
  })

/** (pairs, to, length, counts, digit): each pair behind those of lower digits and earlier ones of its own. The counts are lost. */
const moveByDigit = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'moveByDigit', 5, (n, pair, to, length, counts, digit) => {
    const { f } = n
    const { i32, i64 } = f
    const flip = n.hold(n.pick(n.eq(digit, 3), TABLE / 2, 0)) // the highest byte is signed
    f.for('i32', 0, TABLE, 4, (bucket) => {
      const at = n.hold(n.add(counts, i32.xor(bucket, flip)))
      const count = n.hold(i32.load(at))
      i32.store(at, to)
      n.set(to, n.times(to, count, PAIR))
    })
    eachPair(n, pair, length, () => {
      const at = n.hold(n.times(counts, digitOf(n, pair, digit), 4))
      const next = n.hold(i32.load(at))
      i64.store(next, i64.load(pair))
      i32.store(at, n.add(next, PAIR))
    })
  })

/** (line, to, step, pairs, length): what the words stand for; zeros and NaNs, several to a word, are the line's own. */
const writeWords = (module: ModuleBuilder, dtype: DType): FunctionHandle =>
  shared(module, `writeWords ${dtype}`, 5, (n, line, to, step, pair, length) => {
    const { i32 } = n.f
    eachPair(n, pair, length, () => {
      const word = n.hold(wordOf(n, pair))
      const own = (): void => i32.store(to, i32.load(n.times(line, placeOf(n, pair), step)))
      if (dtype === 'float32') n.when(i32.or(n.eq(word, 0), n.eq(word, LAST)), own, () => i32.store(to, turned(n, word)))
      else i32.store(to, dtype === 'int32' ? word : i32.xor(word, SIGN))
      n.step(to, step)
    })
  })

/** (line, to, step, pairs, length): elements in the order of the pairs. */
const follow = (module: ModuleBuilder, bytes: number): FunctionHandle =>
  shared(module, `follow ${bytes}`, 5, (n, line, to, step, pair, length) => {
    const element = bytes === WORD ? n.f.i32 : n.f.i64
    eachPair(n, pair, length, () => {
      element.store(to, element.load(n.times(line, placeOf(n, pair), step)))
      n.step(to, step)
    })
  })
