/**
 * Vector arithmetic written as expressions: `F.add(F.mul(x, 2), y)` is code that leaves one v128.
 * A number is a constant in every lane, kept in a local of its own.
 */
import type { FunctionBuilder, Local, Value } from './assembler.ts'

/** A v128: a local, code that pushes one, or a constant. */
export type Vec = Value

/** f32x4, i32x4, f64x2 and bitwise expressions for one function, and what is made of them. */
export const calculator = (f: FunctionBuilder) => {
  const { f32x4: F, i32x4: I, f64x2: D, v128: B } = f
  const float = (x: Vec): Vec => (typeof x === 'number' ? f.constant('f32x4', x) : x)
  /** x·y + z, rounded once where the engine has relaxed SIMD and the processor a fused multiply-add. */
  const fma = (x: Vec, y: Vec, z: Vec): (() => void) => (f.module.relaxed ? F.relaxed_madd(x, y, z) : F.add(z, F.mul(x, y)))
  return {
    f,
    F,
    I,
    D,
    B,
    fma,
    /** Evaluates now, into a new local. */
    hold: (value?: Vec): Local => f.hold('v128', value),
    /** mask ? ifTrue : ifFalse, bit by bit. Numbers are float32. */
    pick: (mask: Vec, ifTrue: Vec, ifFalse: Vec): (() => void) => B.bitselect(float(ifTrue), float(ifFalse), mask),
    /** c0 + c1 x + c2 x² + … after Horner. */
    poly: (x: Local, coefficients: readonly Vec[]): Vec => coefficients.reduceRight((sum, c) => fma(sum, x, c)),
    /** Lanes of a pair of vectors: 0-3 of `a`, 4-7 of `b`. */
    lanes:
      (a: Vec, b: Vec, ...order: readonly [number, number, number, number]): (() => void) =>
      () => {
        f.push(a, b)
        f.shuffle32(...order)
      },
  }
}

export type Calculator = ReturnType<typeof calculator>
