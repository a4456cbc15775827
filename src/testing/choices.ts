/**
 * Choices: generators read like functions and shrink well. They draw from a list of numbers that fast-check makes; where the list ends every
 * draw is 0, which names the simplest choice, so that shrinking the list shrinks what was generated.
 */
import fc from 'fast-check'
import { type Aval, aval, sizeOf } from '../core/aval.ts'
import { type DType, isFloat } from '../core/dtype.ts'

/** An array's aval and its elements, row-major; a key is two words. */
export interface Value {
  readonly aval: Aval
  readonly data: readonly number[]
}

export interface Sizes {
  /** Extents to choose from, the simplest first. */
  readonly extents: readonly number[]
  readonly minRank: number
  readonly maxRank: number
  /** Elements an array may have. */
  readonly maxSize: number
  readonly dtypes: readonly DType[]
  /** Elements come from one draw an array, so that draws are left for what is done with them; else each from its own, which shrinks best. */
  readonly seeded: boolean
}
/** All that can go wrong: empty axes, axes of one, more lanes than a vector register has and not a multiple of them. */
export const anySizes: Sizes = {
  extents: [2, 1, 3, 0, 4, 5, 9],
  minRank: 0,
  maxRank: 3,
  maxSize: 80,
  seeded: false,
  dtypes: ['float32', 'int32', 'uint32', 'float64', 'bool', 'key'],
}

/** Axes longer than a vector register, an unrolled loop or a tile, and not multiples of them. */
export const longSizes: Sizes = { ...anySizes, extents: [17, 2, 33, 64, 1, 131], maxSize: 1200, seeded: true }

/** What goes wrong first: zeros of both signs, ties, infinities, NaN, and the ends of the range. No subnormals: devices may flush them. */
const floats = [1, 0, -1, -0, 0.5, 2, -2, 3, 0.1, -2.5, 1e10, 1e-10, -3e38, 2 ** -126, Infinity, -Infinity, NaN]
const integers = [0, 1, -1, 2, 3, -3, 7, 31, 32, 33, 46341, 2 ** 31 - 1, -(2 ** 31)]

export class Choices {
  readonly sizes: Sizes
  /** Shapes of arrays that are there already, which a program's next call had better take. */
  readonly known: (readonly number[])[] = []
  #draw: () => number
  constructor(list: readonly number[], sizes: Sizes = anySizes) {
    let next = 0
    this.#draw = () => list[next++] ?? 0
    this.sizes = sizes
  }

  /** An integer in 0 … n-1; 0 is the simplest. */
  below(n: number): number {
    return n <= 1 ? 0 : this.#draw() % n
  }
  /** Between both, which count; the first is the simplest. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
  oneIn(n: number): boolean {
    return this.below(n) === n - 1
  }
  /** Of 0 … n-1 in any order. */
  permutation(n: number): number[] {
    const rest = Array.from({ length: n }, (_, i) => i)
    return Array.from({ length: n }, () => rest.splice(this.below(rest.length), 1)[0]!)
  }
  /** `k` of 0 … n-1, in any order. */
  some(n: number, k = this.below(n + 1)): number[] {
    return this.permutation(n).slice(0, k)
  }
  sorted(n: number, k?: number): number[] {
    return this.some(n, k).sort((a, b) => a - b)
  }

  dtype(from: readonly DType[]): DType {
    const may = from.filter((d) => this.sizes.dtypes.includes(d))
    return this.pick(may.length > 0 ? may : from)
  }
  extent(room = this.sizes.maxSize): number {
    return Math.min(this.pick(this.sizes.extents), Math.max(1, room))
  }
  shape(minRank = this.sizes.minRank, maxRank = this.sizes.maxRank): number[] {
    const fitting = this.known.filter((s) => s.length >= minRank && s.length <= maxRank)
    if (fitting.length > 0 && !this.oneIn(4)) return [...fitting[fitting.length - 1 - this.below(fitting.length)]!]
    const rank = this.between(minRank, Math.max(minRank, maxRank))
    const shape: number[] = []
    for (let d = 0; d < rank; d++) shape.push(this.extent(Math.floor(this.sizes.maxSize / Math.max(1, sizeOf(shape)))))
    return shape
  }

  value(shape: readonly number[], dtype: DType, element: () => number = () => this.element(dtype)): Value {
    const size = sizeOf(shape) * (dtype === 'key' ? 2 : 1)
    const weak = dtype !== 'key' && dtype !== 'bool' && this.oneIn(6)
    return { aval: aval(shape, dtype, weak), data: this.#seeded(() => Array.from({ length: size }, element)) }
  }
  /** Draws made inside come from one draw made here, where sizes say so. */
  #seeded<T>(make: () => T): T {
    if (!this.sizes.seeded) return make()
    const outer = this.#draw
    let state = outer()
    this.#draw = () => {
      if (state !== 0) state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state >>> 16
    }
    try {
      return make()
    } finally {
      this.#draw = outer
    }
  }
  element(dtype: DType): number {
    const n = this.below(0x10000)
    if (dtype === 'bool') return n & 1
    if (dtype === 'key') return Math.imul(n, 0x9e3779b1) >>> 0
    const special = n % 3 === 0
    const at = Math.floor(n / 3)
    if (!isFloat(dtype)) {
      const x = special ? integers[at % integers.length]! : (at % 19) - 9
      return dtype === 'uint32' ? x >>> 0 : x
    }
    const x = special ? floats[at % floats.length]! : (at / 0x5555) * 8 - 4
    return dtype === 'float32' ? Math.fround(x) : x
  }

  /** Numbers in ±2.8 that are no multiples of a tenth and 0.07 apart or equal; `offset`s in (0, 1) that differ make lists with no number in common. */
  smooth(offset = 0.5): number {
    const n = this.below(80)
    return ((n % 2 === 0 ? n / 2 : -(n + 1) / 2) + offset) * 0.07
  }
  /** As many of these as `size`, no two equal. */
  distinct(size: number, offset = 0.5): number[] {
    return this.permutation(size).map((k) => (k - size / 2 + offset) * 0.07)
  }
}

/** A function of choices as an arbitrary. */
export const arbitrary = <T>(make: (choices: Choices) => T, sizes: Sizes = anySizes): fc.Arbitrary<T> =>
  fc.array(fc.nat(0xffff), { maxLength: 300, size: 'max' }).map((list) => make(new Choices(list, sizes)))
