/**
 * Accumulators of a reduction over lanes: vectors side by side while looping, folded at the end. float32 sums run for at
 * most BLOCK additions a lane and are then added to float64, so that long sums are right to the last bits.
 */
import type { DType } from '../../src/core/dtype.ts'
import type { ReduceOp } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local } from './assembler.ts'
import { emitOp, registerOf } from './ops.ts'
import { calculator } from './vec.ts'

/** Additions of float32 before a flush to float64. */
export const BLOCK = 32

export const operator = { sum: 'add', prod: 'mul', max: 'max', min: 'min' } as const

export const identity = (op: ReduceOp, dtype: DType): number => {
  if (op === 'sum') return 0
  if (op === 'prod') return 1
  const [least, greatest] = {
    float32: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    float64: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    int32: [-(2 ** 31), 2 ** 31 - 1],
    uint32: [0, -1],
    bool: [0, -1],
    key: [0, 0],
  }[dtype] as [number, number]
  return op === 'max' ? least : greatest
}

export class Accumulator {
  private readonly f: FunctionBuilder
  private readonly op: ReduceOp
  private readonly dtype: DType
  private readonly vectors: readonly Local[]
  /** Where a NaN was seen: max and min of float32 take the one-instruction forms, which forget it. */
  private readonly nan: readonly Local[]
  /** float64 sums of the flushed blocks: low and high lanes of each vector (of all of them together where `across`). */
  private readonly wide: readonly Local[]
  /** Whether lanes (and vectors) are parts of one result. */
  private readonly across: boolean
  readonly neutral: Local

  constructor(f: FunctionBuilder, op: ReduceOp, dtype: DType, vectors: number, long: boolean, across: boolean) {
    this.f = f
    this.op = op
    this.dtype = dtype
    this.across = across
    const make = (count: number): Local[] => Array.from({ length: count }, () => f.local(registerOf(dtype)))
    const single = dtype === 'float32'
    this.vectors = make(vectors)
    this.nan = make(single && (op === 'max' || op === 'min') ? vectors : 0)
    this.wide = make(single && op === 'sum' && long ? (across ? 2 : 2 * vectors) : 0)
    const lanes = dtype === 'float64' ? 'f64' : single ? 'f32x4' : 'i32x4'
    this.neutral = f.constant(lanes, identity(op, dtype))
    for (const local of [...this.nan, ...this.wide]) this.assign(local, f.constant('i32x4', 0))
    this.clear()
  }

  private assign(to: Local, from: Local): void {
    this.f.set(to, from)
  }

  private clear(): void {
    for (const local of this.vectors) this.assign(local, this.neutral)
  }

  /** into = into ∘ value */
  private fold(into: Local, value: Local): void {
    const { f, op, dtype } = this
    if (dtype === 'float32' && (op === 'max' || op === 'min')) f.push(f.f32x4[`p${op}`](into, value))
    else emitOp(f, operator[op], dtype, [dtype, dtype], [into, value])
    f.set(into)
  }

  add(vector: number, value: Local, mask: Local | null): void {
    const { f } = this
    const { F, B, hold } = calculator(f)
    const kept = mask === null ? value : hold(B.bitselect(value, this.neutral, mask))
    this.fold(this.vectors[vector] as Local, kept)
    const nan = this.nan[vector]
    if (nan !== undefined) f.set(nan, B.or(nan, F.ne(kept, kept)))
  }

  private foldAll(vectors: readonly Local[], fold: (into: Local, value: Local) => void): void {
    for (let step = 1; step < vectors.length; step *= 2)
      for (let i = 0; i + step < vectors.length; i += 2 * step) fold(vectors[i] as Local, vectors[i + step] as Local)
  }

  /** Moves the block's sums to float64. */
  flush(): void {
    const { f, wide, across, vectors } = this
    if (wide.length === 0) return
    const { D, lanes } = calculator(f)
    if (across) this.foldAll(vectors, (into, value) => this.fold(into, value))
    for (let i = 0; i < wide.length; i += 2) {
      const sums = vectors[i / 2] as Local
      const [low, high] = [wide[i] as Local, wide[i + 1] as Local]
      f.set(low, D.add(low, D.promote_low_f32x4(sums)))
      f.set(high, D.add(high, D.promote_low_f32x4(lanes(sums, sums, 2, 3, 2, 3))))
    }
    this.clear()
  }

  /** The results: a local for each vector, or one with the result in all lanes. */
  finish(): readonly Local[] {
    const { f, wide, across, vectors, nan } = this
    const c = calculator(f)
    const { F, D, B } = c
    if (wide.length > 0) {
      this.flush()
      if (across) {
        const sum = c.hold(D.add(wide[0] as Local, wide[1] as Local))
        return [c.hold(F.splat(f.f32.demote_f64(f.f64.add(D.extract_lane(sum, 0), D.extract_lane(sum, 1)))))]
      }
      return vectors.map((_, i) => {
        const [low, high] = [F.demote_f64x2_zero(wide[2 * i] as Local), F.demote_f64x2_zero(wide[2 * i + 1] as Local)]
        return c.hold(c.lanes(low, high, 0, 1, 4, 5))
      })
    }
    const or = (into: Local, value: Local): void => f.set(into, B.or(into, value))
    if (across) {
      for (const [all, fold] of [
        [vectors, (into: Local, value: Local) => this.fold(into, value)],
        [nan, or],
      ] as const) {
        const first = all[0]
        if (first === undefined) continue
        this.foldAll(all, fold)
        fold(first, c.hold(c.lanes(first, first, 2, 3, 0, 1)))
        fold(first, c.hold(c.lanes(first, first, 1, 0, 3, 2)))
      }
    }
    const results = across ? vectors.slice(0, 1) : vectors
    nan.slice(0, results.length).forEach((mask, i) => {
      or(results[i] as Local, mask)
    })
    return results
  }
}
