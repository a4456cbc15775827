/**
 * Generators draw from a list of numbers that fast-check makes: when the list ends every draw gives 0, which always names the simplest
 * choice, so that shrinking the list shrinks what was generated.
 */
import fc from 'fast-check'
import { type DType, isFloat, isHalf, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import { toBits } from '../../src/core/half.ts'

export interface Choices {
  /** A number in 0 … n-1; 0 is the simplest. */
  readonly below: (n: number) => number
  readonly pick: <T>(from: readonly T[]) => T
  /** True once in `n`. */
  readonly oneIn: (n: number) => boolean
  readonly data: (dtype: DType, size: number) => TypedArray
}

export const choiceLists: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(0xffff), { maxLength: 300, size: 'max' })

export const fromList = (list: readonly number[]): Choices => {
  let next = 0
  const below = (n: number): number => (n <= 0 ? 0 : (list[next++] ?? 0) % n)
  return {
    below,
    pick: (from) => from[below(from.length)]!,
    oneIn: (n) => below(n) === n - 1,
    data: (dtype, size) => fill(dtype, size, below(5), below(0x10000)),
  }
}

const specials = [0, -0, 1, -1, 0.5, -2.5, 1e-30, 1e30, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 2 ** 31, -(2 ** 31)]

/** Small numbers, or in mode 3 any bits of an integer and in mode 4 what goes wrong first. */
const fill = (dtype: DType, size: number, mode: number, seed: number): TypedArray => {
  let state = seed + 1
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return ((state ^ (state >>> 15)) >>> 0) / 2 ** 32
  }
  const element = (): number => {
    const r = random()
    if (dtype === 'bool') return r < 0.6 ? 1 : 0
    if (isFloat(dtype)) return mode === 4 ? specials[Math.floor(r * specials.length)]! : mode === 2 ? Math.floor(r * 7) - 3 : r * 6 - 3
    return mode >= 3 ? Math.floor(r * 2 ** 32) : Math.floor(r * 9) - 3
  }
  if (isHalf(dtype)) return toBits(Array.from({ length: size }, element), dtype)
  const data = new (typedArrayOf(dtype))(size)
  for (let i = 0; i < size; i++) data[i] = element()
  return data
}
