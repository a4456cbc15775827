/**
 * Vector arithmetic written as expressions: `F.add(F.mul(x, 2), y)` is code that leaves one v128.
 * A number is a constant in every lane, kept in a local of its own.
 */
import type { FunctionBuilder, Local, Value } from './assembler.ts'

/** A v128: a local, code that pushes one, or a constant. */
export type Vec = Value

export const SIGN = 0x80000000

/** A type's sums of products. */
const fused = (ops: FunctionBuilder['f32x4' | 'f64x2'], relaxed: boolean) => {
  /** x·y + z, rounded once where the engine has relaxed SIMD and the processor a fused multiply-add. */
  const fma = (x: Vec, y: Vec, z: Vec): (() => void) => (relaxed ? ops.relaxed_madd(x, y, z) : ops.add(z, ops.mul(x, y)))
  return {
    fma,
    /** c0 + c1 x + c2 x² + … after Horner. */
    poly: (x: Local, coefficients: readonly Vec[]): Vec => coefficients.reduceRight((sum, c) => fma(sum, x, c)),
  }
}

/** f32x4, i32x4, f64x2 and bitwise expressions for one function, and what is made of them. */
export const calculator = (f: FunctionBuilder) => {
  const { f32x4: F, i32x4: I, i64x2: L, f64x2: D, v128: B } = f
  const float = (x: Vec): Vec => (typeof x === 'number' ? f.constant('f32x4', x) : x)
  const float32 = fused(F, f.module.relaxed)
  /** Lanes of a pair of vectors: 0-3 of `a`, 4-7 of `b`. */
  const lanes =
    (a: Vec, b: Vec, ...order: readonly [number, number, number, number]): (() => void) =>
    () => {
      f.push(a, b)
      f.shuffle32(...order)
    }
  return {
    f,
    F,
    I,
    L,
    D,
    B,
    ...float32,
    /** `fma` and `poly` of float64s. */
    double: fused(D, f.module.relaxed),
    /** Evaluates now, into a new local. */
    hold: (value?: Vec): Local => f.hold('v128', value),
    /** mask ? ifTrue : ifFalse, bit by bit. Numbers are float32. */
    pick: (mask: Vec, ifTrue: Vec, ifFalse: Vec): (() => void) => B.bitselect(float(ifTrue), float(ifFalse), mask),
    /** y with x's sign; y is negative only where x is. */
    copysign: (y: Vec, x: Vec): (() => void) => B.or(y, B.and(x, SIGN)),
    lanes,
    /** The same on either half of four lanes, for instructions of two: \`low(x)\` has the half's lanes of x as the first. */
    halves: <T>(body: (low: (x: Local) => Vec) => T): readonly [T, T] => [body((x) => x), body((x) => lanes(x, x, 2, 3, 2, 3))],
    /** The first two lanes of each. */
    join: ([a, b]: readonly [Vec, Vec]): (() => void) => lanes(a, b, 0, 1, 4, 5),
  }
}

export type Calculator = ReturnType<typeof calculator>
