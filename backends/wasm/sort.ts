/**
 * Stable sort of lines: entries (position, key word), the word mapped so that its order as an unsigned integer is the key's. Several
 * keys, and both words of a float64, are sorted one after the other from the least significant one: stability does the rest.
 */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import type { Sort } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { lineOffset } from './cumulative.ts'
import { Integers, shared } from './integers.ts'

/** (inputs…, outputs…, start, end): lines start … end-1 of outer · inner. */
export const emitSort = (module: ModuleBuilder, kernel: Sort): FunctionBuilder => {
  const { n: length, inner, keys, args } = kernel
  const operands = args.length / 2
  const f = module.func('sort', Array(args.length + 2).fill('i32'))
  const n = new Integers(f)
  const [start, end] = f.params.slice(-2) as [Local, Local]
  // The merge compares with what lies one entry behind the last.
  const [entries, spare] = n.blocks<2>(8 * length + 8, 8 * length + 8)

  /** Runs `body` with the address of each entry. */
  const eachEntry = (from: Local, body: (entry: Local) => void): void => f.for('i32', from, n.hold(n.add(from, 8 * length)), 8, body)
  const element = (line: Value, arg: number, position: Value): Value => {
    const width = byteWidth[args[arg]!]
    return n.add(n.add(f.param(arg), n.mul(lineOffset(n, line, kernel), width)), n.mul(position, inner * width))
  }
  const position = (entry: Local): Value => n.load(entry)

  f.for('i32', start, end, 1, (line) => {
    eachEntry(entries, (entry) => n.store(entry, n.shr(n.sub(entry, entries), 3)))
    for (let key = keys - 1; key >= 0; key--)
      for (const word of args[key] === 'float64' ? (['low', 'high'] as const) : (['low'] as const)) {
        eachEntry(entries, (entry) => {
          const at = element(line, key, position(entry))
          n.store(entry, () => pushOrdered(f, args[key]!, word, at), 4)
        })
        n.call(mergeSort(module), entries, spare, 8 * length)
        // The result is in either; the other is the spare one.
        const sorted = n.local()
        f.set(sorted)
        n.set(spare, n.sub(n.add(entries, spare), sorted))
        n.set(entries, sorted)
      }
    // By way of `spare`, since an output may be an input's memory.
    for (let i = 0; i < operands; i++) {
      const type = args[i] === 'float64' ? 'i64' : 'i32'
      const move = (to: Value, from: Value): void => {
        f.push(to)
        f.push(from)
        f[type].load()
        f[type].store()
      }
      const offset = n.hold(n.sub(spare, entries))
      eachEntry(entries, (entry) => move(n.add(entry, offset), element(line, i, position(entry))))
      eachEntry(spare, (entry) => move(element(line, operands + i, n.shr(n.sub(entry, spare), 3)), entry))
    }
  })
  return f
}

/** Pushes the key at an address as a word in unsigned order: floats with NaN last and -0 as 0, signed with their sign turned. */
const pushOrdered = (f: FunctionBuilder, dtype: DType, word: 'low' | 'high', at: Value): void => {
  f.push(at)
  if (dtype === 'float32' || dtype === 'float64') {
    const [real, type, bits] = dtype === 'float32' ? (['f32', 'i32', 32] as const) : (['f64', 'i64', 64] as const)
    const [x, pattern] = [f.local(real), f.local(type)]
    f[real].load()
    f.const(real, 0)
    f[real].add() // -0 + 0 is 0
    f.tee(x)
    if (type === 'i32') f.i32.reinterpret_f32()
    else f.i64.reinterpret_f64()
    f.tee(pattern)
    f.get(pattern)
    f.const(type, bits - 1)
    f[type].shr_s()
    f.const(type, -(2 ** (bits - 1)))
    f[type].or()
    f[type].xor()
    f.const(type, -1)
    f.get(x)
    f.get(x)
    f[real].eq()
    f.select()
    if (type === 'i32') return
    f.const(type, word === 'high' ? 32 : 0)
    f.i64.shr_u()
    return f.i32.wrap_i64()
  }
  if (dtype === 'key') throw new Error('internal: PRNG keys have no order')
  f.i32.load()
  if (dtype !== 'int32') return
  f.const('i32', -(2 ** 31))
  f.i32.xor()
}

/** (entries, spare, bytes) -> the one of the two arrays that holds the entries in the order of their words. Merges runs of 1, 2, 4, … entries. */
const mergeSort = (module: ModuleBuilder): FunctionHandle =>
  module.once('mergeSort', () => {
    const f = module.func('mergeSort', ['i32', 'i32', 'i32'], ['i32'])
    const n = new Integers(f)
    const [entries, spare, bytes] = f.params as [Local, Local, Local]
    const [run, end] = [n.hold(8), n.hold(n.add(entries, bytes))]
    f.while(
      () => f.push(n.lt(run, bytes)),
      () => {
        f.for('i32', entries, end, n.mul(run, 2), (low) => {
          const middle = n.hold(n.min(n.add(low, run), end))
          n.call(mergeRuns(module), low, middle, n.min(n.add(middle, run), end), n.add(spare, n.sub(low, entries)))
        })
        n.set(run, n.mul(run, 2))
        n.set(end, n.add(spare, bytes))
        n.set(spare, n.sub(n.sub(end, bytes), n.sub(spare, entries)))
        n.set(entries, n.sub(end, bytes))
      },
    )
    f.get(entries)
    return f
  })

/** (left, middle, end, to): two runs that lie side by side become one, the left one's entries first among equals. */
const mergeRuns = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'mergeRuns', 4, (n, left, middle, end, to) => {
    const { f } = n
    const right = n.hold(middle)
    const [fromLeft, source] = n.locals(2)
    const count = n.hold(n.sub(end, left))
    n.countDown(count, 8, () => {
      f.push(n.load(left, 4))
      f.push(n.load(right, 4))
      f.i32.le_u()
      f.push(n.eq(right, end))
      f.i32.or()
      f.push(n.lt(left, middle))
      f.i32.and()
      f.set(fromLeft)
      n.set(source, n.pick(fromLeft, left, right))
      f.get(to)
      f.get(source)
      f.i64.load()
      f.i64.store()
      n.step(to, 8)
      n.set(left, n.add(left, n.mul(fromLeft, 8)))
      n.set(right, n.add(right, n.sub(8, n.mul(fromLeft, 8))))
    })
  })
