/**
 * Stable sort of lines: entries (position, key word), the word mapped so that its order as an unsigned integer is the key's. Several
 * keys, and both words of a float64, are sorted one after the other from the least significant one: stability does the rest.
 */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import type { Sort } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder } from './assembler.ts'
import { pushLineOffset } from './cumulative.ts'
import { countsBytes, entrySorter, step } from './sortEntries.ts'

/** (inputs…, outputs…, start, end): lines start … end-1 of outer · inner. */
export const emitSort = (module: ModuleBuilder, kernel: Sort): FunctionBuilder => {
  const { n, inner, keys, args } = kernel
  const operands = args.length / 2
  const f = module.func(`sort_${args.slice(0, operands).join('_')}`, [...args.map(() => 'i32' as const), 'i32', 'i32'])
  const [start, end] = [f.param(args.length), f.param(args.length + 1)]
  // Two arrays of n entries, which change roles; then the counts.
  const scratch = module.scratch(16 * n + countsBytes)
  const [entries, spare] = [f.local('i32'), f.local('i32')]
  const sorter = entrySorter(module, n)

  f.for('i32', start, end, 1, (line) => {
    f.getGlobal(scratch)
    f.tee(entries)
    f.const('i32', 8 * n)
    f.i32.add()
    f.set(spare)
    numberEntries(f, entries, n)
    for (let key = keys - 1; key >= 0; key--) {
      const dtype = args[key]!
      const base = lineStart(f, kernel, key, line)
      for (const word of dtype === 'float64' ? (['low', 'high'] as const) : (['low'] as const)) {
        forEachEntry(f, entries, n, (entry) => {
          f.get(entry)
          pushElement(f, base, entry, inner * byteWidth[dtype])
          pushOrderedWord(f, dtype, word)
          f.i32.store(4)
        })
        f.get(entries)
        f.get(spare)
        f.const('i32', n)
        f.call(sorter)
        // The sorter says where the result is; the other array is the spare one.
        const sorted = f.local('i32')
        f.set(sorted)
        f.get(entries)
        f.get(spare)
        f.i32.add()
        f.get(sorted)
        f.i32.sub()
        f.set(spare)
        f.get(sorted)
        f.set(entries)
      }
    }
    for (let i = 0; i < operands; i++) permute(f, kernel, i, line, entries, spare)
  })
  return f
}

/** A local with the address of the line's first element in arg `arg`. */
const lineStart = (f: FunctionBuilder, kernel: Sort, arg: number, line: Local): Local => {
  const base = f.local('i32')
  f.get(f.param(arg))
  pushLineOffset(f, line, kernel, byteWidth[kernel.args[arg]!])
  f.i32.add()
  f.set(base)
  return base
}

/** Runs `body` with the address of each of n entries of eight bytes. */
const forEachEntry = (f: FunctionBuilder, from: Local, n: number, body: (entry: Local) => void): void => {
  const entry = f.local('i32')
  f.get(from)
  f.set(entry)
  f.for('i32', 0, n, 1, () => {
    body(entry)
    f.get(entry)
    f.const('i32', 8)
    f.i32.add()
    f.set(entry)
  })
}

const numberEntries = (f: FunctionBuilder, entries: Local, n: number): void => {
  const position = f.local('i32')
  f.const('i32', 0)
  f.set(position)
  forEachEntry(f, entries, n, (entry) => {
    f.get(entry)
    f.get(position)
    f.i32.store()
    f.get(position)
    f.const('i32', 1)
    f.i32.add()
    f.set(position)
  })
}

/** Pushes the address of the line's element that an entry names. */
const pushElement = (f: FunctionBuilder, base: Local, entry: Local, stride: number): void => {
  f.get(base)
  f.get(entry)
  f.i32.load()
  f.const('i32', stride)
  f.i32.mul()
  f.i32.add()
}

/** Address -> the key there as a word in unsigned order: floats with NaN last and -0 as 0, signed with their sign turned. */
const pushOrderedWord = (f: FunctionBuilder, dtype: DType, word: 'low' | 'high'): void => {
  switch (dtype) {
    case 'float32': {
      const [x, bits] = [f.local('f32'), f.local('i32')]
      f.f32.load()
      f.const('f32', 0)
      f.f32.add() // -0 + 0 is 0
      f.tee(x)
      f.i32.reinterpret_f32()
      f.tee(bits)
      f.get(bits)
      f.const('i32', 31)
      f.i32.shr_s()
      f.const('i32', -(2 ** 31))
      f.i32.or()
      f.i32.xor()
      f.const('i32', -1)
      f.get(x)
      f.get(x)
      f.f32.eq()
      return f.select()
    }
    case 'float64': {
      const [x, bits] = [f.local('f64'), f.local('i64')]
      f.f64.load()
      f.const('f64', 0)
      f.f64.add()
      f.tee(x)
      f.i64.reinterpret_f64()
      f.tee(bits)
      f.get(bits)
      f.const('i64', 63)
      f.i64.shr_s()
      f.const('i64', -(2 ** 63))
      f.i64.or()
      f.i64.xor()
      f.const('i64', -1)
      f.get(x)
      f.get(x)
      f.f64.eq()
      f.select()
      if (word === 'high') {
        f.const('i64', 32)
        f.i64.shr_u()
      }
      return f.i32.wrap_i64()
    }
    case 'int32':
      f.i32.load()
      f.const('i32', -(2 ** 31))
      return f.i32.xor()
    case 'uint32':
    case 'bool':
      return f.i32.load()
    case 'key':
      throw new Error('internal: PRNG keys have no order')
  }
}

/** Operand i of the line through the permutation, by way of `spare`, since the output may be the input's memory. */
const permute = (f: FunctionBuilder, kernel: Sort, i: number, line: Local, entries: Local, spare: Local): void => {
  const { n, inner, args } = kernel
  const dtype = args[i]!
  const [type, width] = [dtype === 'float64' ? 'i64' : 'i32', byteWidth[dtype]] as const
  const base = lineStart(f, kernel, i, line)
  const to = f.local('i32')
  f.get(spare)
  f.set(to)
  forEachEntry(f, entries, n, (entry) => {
    f.get(to)
    pushElement(f, base, entry, inner * width)
    f[type].load()
    f[type].store()
    step(f, to, 8)
  })
  const out = lineStart(f, kernel, args.length / 2 + i, line)
  forEachEntry(f, spare, n, (entry) => {
    f.get(out)
    f.get(entry)
    f[type].load()
    f[type].store()
    step(f, out, inner * width)
  })
}
