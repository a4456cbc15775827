/**
 * Stable sorts of an array of entries of eight bytes by their second word, unsigned: short arrays by insertion, long ones by radix,
 * eight bits a pass, where a pass whose digit is the same everywhere is skipped.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from './assembler.ts'

/** Up to here insertion is faster than counting four times 256 digits: 1.2 µs against 1.8 at 48 entries. */
const insertionLimit = 48

/** The memory that must follow the two arrays. */
export const countsBytes = 4 * 256 * 4

/** (entries, spare, n) -> the one of the two arrays, which lie side by side, that holds the sorted entries. */
export const entrySorter = (module: ModuleBuilder, n: number): FunctionHandle =>
  n > insertionLimit ? radixSort(module) : insertionSort(module)

/** pointer += bytes */
export const step = (f: FunctionBuilder, pointer: Local, bytes: number): void => {
  f.get(pointer)
  f.const('i32', bytes)
  f.i32.add()
  f.set(pointer)
}

/** (entries, spare, n) -> entries, sorted in place. */
const insertionSort = (module: ModuleBuilder): FunctionHandle =>
  module.once('insertionSort', () => {
    const f = module.func('insertionSort', ['i32', 'i32', 'i32'], ['i32'])
    const [entries, n] = [f.param(0), f.param(2)]
    const [at, entry, other] = [f.local('i32'), f.local('i64'), f.local('i64')]
    const top = (x: Local): void => {
      f.get(x)
      f.const('i64', 32)
      f.i64.shr_u()
    }
    f.for('i32', 1, n, 1, (i) => {
      f.get(entries)
      f.get(i)
      f.const('i32', 3)
      f.i32.shl()
      f.i32.add()
      f.tee(at)
      f.i64.load()
      f.set(entry)
      f.block((placed) =>
        f.loop((again) => {
          f.get(at)
          f.get(entries)
          f.i32.eq()
          f.br_if(placed)
          f.get(at)
          f.const('i32', 8)
          f.i32.sub()
          f.i64.load()
          f.set(other)
          top(other)
          top(entry)
          f.i64.le_u()
          f.br_if(placed)
          f.get(at)
          f.get(other)
          f.i64.store()
          step(f, at, -8)
          f.br(again)
        }),
      )
      f.get(at)
      f.get(entry)
      f.i64.store()
    })
    f.get(entries)
    return f
  })

/** (entries, spare, n) -> whichever of the two holds the result. The counts of four digits stand behind both arrays. */
const radixSort = (module: ModuleBuilder): FunctionHandle =>
  module.once('radixSort', () => {
    const f = module.func('radixSort', ['i32', 'i32', 'i32'], ['i32'])
    const [entries, spare, n] = [f.param(0), f.param(1), f.param(2)]
    const [counts, bytes, word, swap] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')]
    const radix: Radix = { f, entries, spare, counts, bytes, word }
    f.get(n)
    f.const('i32', 3)
    f.i32.shl()
    f.set(bytes)
    // counts = max(entries, spare) + bytes
    for (const x of [entries, spare, entries, spare]) f.get(x)
    f.i32.gt_u()
    f.select()
    f.get(bytes)
    f.i32.add()
    f.set(counts)
    countDigits(radix)
    for (let digit = 0; digit < 4; digit++) {
      // Nothing to do where the first entry's digit is everyone's.
      f.get(entries)
      f.i32.load(4)
      f.set(word)
      pushCount(radix, digit)
      f.i32.load(1024 * digit)
      f.get(n)
      f.i32.ne()
      f.if(() => {
        placesFromCounts(radix, digit)
        distribute(radix, digit)
        f.get(entries)
        f.set(swap)
        f.get(spare)
        f.set(entries)
        f.get(swap)
        f.set(spare)
      })
    }
    f.get(entries)
    return f
  })

/** What the parts of the radix sort share. */
interface Radix {
  readonly f: FunctionBuilder
  readonly entries: Local
  readonly spare: Local
  readonly counts: Local
  /** Of one array. */
  readonly bytes: Local
  readonly word: Local
}

/** Runs `body` with the address of each entry; there is at least one. */
const forEachOf = ({ f, entries, bytes }: Radix, body: (entry: Local) => void): void => {
  const [entry, end] = [f.local('i32'), f.local('i32')]
  f.get(entries)
  f.tee(entry)
  f.get(bytes)
  f.i32.add()
  f.set(end)
  f.loop((again) => {
    body(entry)
    step(f, entry, 8)
    f.get(entry)
    f.get(end)
    f.i32.ne()
    f.br_if(again)
  })
}

/** Pushes the address of the count of the word's digit; digit d's table is 1024·d further. */
const pushCount = ({ f, counts, word }: Radix, digit: number): void => {
  f.get(counts)
  f.get(word)
  f.const('i32', 8 * digit)
  f.i32.shr_u()
  f.const('i32', 255)
  f.i32.and()
  f.const('i32', 2)
  f.i32.shl()
  f.i32.add()
}

const countDigits = (radix: Radix): void => {
  const { f, counts, word } = radix
  const slot = f.local('i32')
  f.get(counts)
  f.const('i32', 0)
  f.const('i32', countsBytes)
  f.memoryFill()
  forEachOf(radix, (entry) => {
    f.get(entry)
    f.i32.load(4)
    f.set(word)
    for (let digit = 0; digit < 4; digit++) {
      pushCount(radix, digit)
      f.tee(slot)
      f.get(slot)
      f.i32.load(1024 * digit)
      f.const('i32', 1)
      f.i32.add()
      f.i32.store(1024 * digit)
    }
  })
}

/** Counts become the address in `spare` of each digit's first entry. */
const placesFromCounts = ({ f, counts, spare }: Radix, digit: number): void => {
  const [at, count, place] = [f.local('i32'), f.local('i32'), f.local('i32')]
  f.get(spare)
  f.set(place)
  f.get(counts)
  f.set(at)
  f.for('i32', 0, 256, 1, () => {
    f.get(at)
    f.i32.load(1024 * digit)
    f.const('i32', 3)
    f.i32.shl()
    f.set(count)
    f.get(at)
    f.get(place)
    f.i32.store(1024 * digit)
    f.get(place)
    f.get(count)
    f.i32.add()
    f.set(place)
    step(f, at, 4)
  })
}

/** Moves each entry to its digit's next place. */
const distribute = (radix: Radix, digit: number): void => {
  const { f, word } = radix
  const [slot, place] = [f.local('i32'), f.local('i32')]
  forEachOf(radix, (entry) => {
    f.get(entry)
    f.i32.load(4)
    f.set(word)
    pushCount(radix, digit)
    f.tee(slot)
    f.i32.load(1024 * digit)
    f.tee(place)
    f.get(entry)
    f.i64.load()
    f.i64.store()
    f.get(slot)
    f.get(place)
    f.const('i32', 8)
    f.i32.add()
    f.i32.store(1024 * digit)
  })
}
