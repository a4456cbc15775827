/**
 * Accumulators of a reduction over lanes: vectors side by side while looping, folded at the end. float32 sums run for at
 * most BLOCK additions a lane and are then added to float64, so that long sums are right to the last bits.
 */
import { type DType, isFloat } from '../../src/core/dtype.ts'
import type { ReduceOp } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, Value } from './assembler.ts'
import { operation } from './ops.ts'
import { calculator } from './vec.ts'

/** Additions of float32 before a flush to float64. */
export const BLOCK = 32

const operator = { sum: 'add', prod: 'mul', max: 'max', min: 'min' } as const

const identity = (op: ReduceOp, dtype: DType): number => {
  if (op === 'sum' || op === 'prod') return Number(op === 'prod')
  if (isFloat(dtype)) return op === 'max' ? -Infinity : Infinity
  if (dtype === 'int32') return op === 'max' ? -(2 ** 31) : 2 ** 31 - 1
  return op === 'max' ? 0 : -1
}

/** `long`: float32 sums go through float64. `across`: lanes (and vectors) are parts of one result. */
export const accumulator = (f: FunctionBuilder, op: ReduceOp, dtype: DType, count: number, long: boolean, across: boolean) => {
  const { F, D, B, hold, lanes } = calculator(f)
  const single = dtype === 'float32'
  const extreme = single && (op === 'max' || op === 'min')
  const neutral = f.constant(dtype === 'float64' ? 'f64' : single ? 'f32x4' : 'i32x4', identity(op, dtype))
  const make = (count: number, value: Local): Local[] => Array.from({ length: count }, () => f.hold(value.type, value))
  const zero = f.constant('i32x4', 0)
  const vectors = make(count, neutral)
  /** Where a NaN was seen: max and min of float32 take the one-instruction forms, which forget it. */
  const nan = make(extreme ? count : 0, zero)
  /** float64 sums of the flushed blocks: low and high lanes of each vector (of all of them together where `across`). */
  const wide = make(single && op === 'sum' && long ? (across ? 2 : 2 * count) : 0, zero)

  /** into = into ∘ value */
  const fold = (into: Local, value: Local): void =>
    f.set(into, extreme ? F[`p${op}`](into, value) : operation(f, operator[op], dtype, [dtype, dtype], [into, value]))
  const or = (into: Local, value: Local): void => f.set(into, B.or(into, value))

  const foldAll = (vectors: readonly Local[], fold: (into: Local, value: Local) => void): void => {
    for (let step = 1; step < vectors.length; step *= 2)
      for (let i = 0; i + step < vectors.length; i += 2 * step) fold(vectors[i] as Local, vectors[i + step] as Local)
  }
  const foldLanes = (vectors: readonly Local[], fold: (into: Local, value: Local) => void): void => {
    const first = vectors[0]
    if (first === undefined) return
    foldAll(vectors, fold)
    fold(first, hold(lanes(first, first, 2, 3, 0, 1)))
    fold(first, hold(lanes(first, first, 1, 0, 3, 2)))
  }

  const add = (vector: number, value: Local, mask: Local | null): void => {
    const kept = mask === null ? value : hold(B.bitselect(value, neutral, mask))
    fold(vectors[vector] as Local, kept)
    const seen = nan[vector]
    if (seen !== undefined) f.set(seen, B.or(seen, F.ne(kept, kept)))
  }

  /** Moves the block's sums to float64. */
  const flush = (): void => {
    if (wide.length === 0) return
    if (across) foldAll(vectors, fold)
    for (let i = 0; i < wide.length; i += 2) {
      const sums = vectors[i / 2] as Local
      const [low, high] = [wide[i] as Local, wide[i + 1] as Local]
      f.set(low, D.add(low, D.promote_low_f32x4(sums)))
      f.set(high, D.add(high, D.promote_low_f32x4(lanes(sums, sums, 2, 3, 2, 3))))
    }
    for (const local of vectors) f.set(local, neutral)
  }

  /** The results: a local for each vector, or one with the result in all lanes. */
  const finish = (): readonly Local[] => {
    flush()
    const [low, high] = wide
    if (low !== undefined && high !== undefined) {
      if (!across) return vectors.map((_, i) => hold(lanes(narrow(2 * i), narrow(2 * i + 1), 0, 1, 4, 5)))
      const sum = hold(D.add(low, high))
      return [hold(F.splat(f.f32.demote_f64(f.f64.add(D.extract_lane(sum, 0), D.extract_lane(sum, 1)))))]
    }
    if (across) {
      foldLanes(vectors, fold)
      foldLanes(nan, or)
    }
    const results = across ? vectors.slice(0, 1) : vectors
    results.forEach((result, i) => {
      const seen = nan[i]
      if (seen !== undefined) or(result, seen)
    })
    return results
  }
  const narrow = (i: number): Value => F.demote_f64x2_zero(wide[i] as Local)

  return { add, flush, finish }
}
