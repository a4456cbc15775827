/**
 * Vector arithmetic written as expressions instead of a stack: `F.add(F.mul(x, 2), y)` is code that leaves one v128.
 * A number is a constant in every lane, kept in a local of its own.
 */
import type { FunctionBuilder, Lanes, Local, Value } from './assembler.ts'
import { type Names, opcodes } from './opcodes.ts'

/** A v128: a local, code that pushes one, or a constant. */
export type Vec = Value

type Calls<T extends 'f32x4' | 'i32x4' | 'f64x2' | 'v128'> = {
  readonly [N in Names<T, 'none'>]: (...args: Vec[]) => () => void
}

type CallsClass<T extends 'f32x4' | 'i32x4' | 'f64x2' | 'v128'> = new (f: FunctionBuilder) => Calls<T>

const callsClass = <T extends 'f32x4' | 'i32x4' | 'f64x2' | 'v128'>(type: T, lanes: Lanes): CallsClass<T> => {
  class Expressions {
    readonly f: FunctionBuilder
    constructor(f: FunctionBuilder) {
      this.f = f
    }
  }
  for (const { prefix, base, names, immediate } of opcodes[type])
    if (immediate === 'none')
      names.split(' ').forEach((name, i) => {
        const shift = name.startsWith('sh')
        const build = function (this: Expressions, ...args: Vec[]) {
          return () => {
            args.forEach((arg, at) => {
              if (typeof arg === 'number' && !(shift && at === 1)) this.f.get(this.f.constant(lanes, arg))
              else this.f.push(arg)
            })
            this.f.op(prefix, base + i)
          }
        }
        if (name !== '_') Object.defineProperty(Expressions.prototype, name, { value: build })
      })
  return Expressions as unknown as CallsClass<T>
}

const classes = {
  F: callsClass('f32x4', 'f32x4'),
  I: callsClass('i32x4', 'i32x4'),
  D: callsClass('f64x2', 'f64x2'),
  B: callsClass('v128', 'i32x4'),
}

/** f32x4, i32x4, f64x2 and bitwise expressions for one function. */
export class Calculator {
  readonly f: FunctionBuilder
  readonly F: Calls<'f32x4'>
  readonly I: Calls<'i32x4'>
  readonly D: Calls<'f64x2'>
  readonly B: Calls<'v128'>

  constructor(f: FunctionBuilder) {
    this.f = f
    this.F = new classes.F(f)
    this.I = new classes.I(f)
    this.D = new classes.D(f)
    this.B = new classes.B(f)
  }

  /** Evaluates now, into a new local. */
  hold(value: Vec): Local {
    const local = this.f.local('v128')
    this.f.push(value)
    this.f.set(local)
    return local
  }

  /** mask ? ifTrue : ifFalse, bit by bit. Numbers are float32. */
  pick(mask: Vec, ifTrue: Vec, ifFalse: Vec): () => void {
    const float = (x: Vec): Vec => (typeof x === 'number' ? this.f.constant('f32x4', x) : x)
    return this.B.bitselect(float(ifTrue), float(ifFalse), mask)
  }

  /** x·y + z, rounded once where the engine has relaxed SIMD and the processor a fused multiply-add. */
  fma(x: Vec, y: Vec, z: Vec): () => void {
    return this.f.module.relaxed ? this.F.relaxed_madd(x, y, z) : this.F.add(this.F.mul(x, y), z)
  }

  /** c0 + c1 x + c2 x² + … after Horner. */
  poly(x: Local, coefficients: readonly number[]): Vec {
    return coefficients.slice(0, -1).reduceRight<Vec>((sum, c) => this.fma(sum, x, c), coefficients.at(-1) as number)
  }

  /** Lanes of a pair of vectors: 0-3 of `a`, 4-7 of `b`. */
  lanes(a: Vec, b: Vec, ...order: readonly [number, number, number, number]): () => void {
    return () => {
      this.f.push(a)
      this.f.push(b)
      this.f.shuffle32(...order)
    }
  }
}

export const calculator = (f: FunctionBuilder): Calculator => {
  const known = calculators.get(f)
  if (known !== undefined) return known
  const made = new Calculator(f)
  calculators.set(f, made)
  return made
}
const calculators = new WeakMap<FunctionBuilder, Calculator>()
