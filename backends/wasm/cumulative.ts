/**
 * Prefix reductions: lines along the middle of [outer, n, inner], four neighbouring lines at a time where they are 32 bits wide.
 * Float32 sums and products are carried in float64, so that 1e6 · 0.1 keeps its digits.
 */
import { byteWidth, type DType, isFloat } from '../../src/core/dtype.ts'
import type { Cumulative, ReduceOp } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ModuleBuilder } from './assembler.ts'

/** The running value of one line or of four. */
interface Carry {
  readonly reset: () => void
  /** Takes in what is at `p`. */
  readonly fold: (p: Local) => void
  /** Stores the value so far at `q`. */
  readonly store: (q: Local) => void
}

/** (input, output, start, end): lines start … end-1 of outer · inner. */
export const emitCumulative = (module: ModuleBuilder, kernel: Cumulative): FunctionBuilder => {
  const { op, dtype, n, inner, reverse } = kernel
  const f = module.func(`cumulative_${op}`, ['i32', 'i32', 'i32', 'i32'])
  const [input, output, start, end] = [f.param(0), f.param(1), f.param(2), f.param(3)]
  const [line, p, q] = [f.local('i32'), f.local('i32'), f.local('i32')]
  const width = byteWidth[dtype]
  const stride = inner * width * (reverse ? -1 : 1)

  const walk = (carry: Carry, lines: number): void => {
    for (const [pointer, base] of [
      [p, input],
      [q, output],
    ] as const) {
      f.get(base)
      pushLineOffset(f, line, kernel, width)
      f.i32.add()
      f.const('i32', reverse ? (n - 1) * inner * width : 0)
      f.i32.add()
      f.set(pointer)
    }
    carry.reset()
    f.for('i32', 0, n, 1, () => {
      carry.fold(p)
      carry.store(q)
      for (const pointer of [p, q]) add(f, pointer, stride)
    })
    add(f, line, lines)
  }

  f.get(start)
  f.set(line)
  const [one, four] = [scalarCarry(f, op, dtype), width === 4 && inner >= 4 ? vectorCarry(f, op, dtype) : null]
  f.while(
    () => {
      f.get(line)
      f.get(end)
      f.i32.lt_s()
    },
    () => {
      if (four === null) return walk(one, 1)
      // Four lines that lie side by side: line mod inner <= inner - 4, and line <= end - 4.
      f.get(line)
      f.const('i32', inner)
      f.i32.rem_u()
      f.const('i32', inner - 4)
      f.i32.le_s()
      f.get(end)
      f.get(line)
      f.i32.sub()
      f.const('i32', 4)
      f.i32.ge_s()
      f.i32.and()
      f.if(
        () => walk(four, 4),
        () => walk(one, 1),
      )
    },
  )
  return f
}

const add = (f: FunctionBuilder, local: Local, value: number): void => {
  f.get(local)
  f.const('i32', value)
  f.i32.add()
  f.set(local)
}

/** Pushes where line `line` of [outer, n, inner] begins: (⌊line / inner⌋ · n · inner + line mod inner) elements, in bytes. */
export const pushLineOffset = (
  f: FunctionBuilder,
  line: Local,
  { n, inner }: { readonly n: number; readonly inner: number },
  width: number,
): void => {
  f.get(line)
  if (inner === 1) f.const('i32', n * width)
  else {
    f.const('i32', inner)
    f.i32.div_u()
    f.const('i32', (n - 1) * inner)
    f.i32.mul()
    f.get(line)
    f.i32.add()
    f.const('i32', width)
  }
  f.i32.mul()
}

const identity = (op: ReduceOp, dtype: DType): number => {
  switch (op) {
    case 'sum':
      return 0
    case 'prod':
      return 1
    case 'max':
      return isFloat(dtype) ? Number.NEGATIVE_INFINITY : dtype === 'int32' ? -(2 ** 31) : 0
    case 'min':
      return isFloat(dtype) ? Number.POSITIVE_INFINITY : dtype === 'int32' ? 2 ** 31 - 1 : -1 // -1: all bits
  }
}

const arithmetic = { sum: 'add', prod: 'mul' } as const

const scalarCarry = (f: FunctionBuilder, op: ReduceOp, dtype: DType): Carry => {
  const start = identity(op, dtype)
  if (dtype === 'float32' && (op === 'sum' || op === 'prod')) {
    const sum = f.local('f64')
    return {
      reset: () => {
        f.const('f64', start)
        f.set(sum)
      },
      fold: (p) => {
        f.get(sum)
        f.get(p)
        f.f32.load()
        f.f64.promote_f32()
        f.f64[arithmetic[op]]()
        f.set(sum)
      },
      store: (q) => {
        f.get(q)
        f.get(sum)
        f.f32.demote_f64()
        f.f32.store()
      },
    }
  }
  const type = dtype === 'float32' ? 'f32' : dtype === 'float64' ? 'f64' : 'i32'
  const [sum, x] = [f.local(type), f.local(type)]
  const emitOp = (): void => {
    if (op === 'sum' || op === 'prod') return f[type][arithmetic[op]]()
    if (type !== 'i32') return f[type][op]()
    f.get(sum)
    f.get(x)
    f.i32[`${op === 'max' ? 'gt' : 'lt'}_${dtype === 'int32' ? 's' : 'u'}`]()
    f.select()
  }
  return {
    reset: () => {
      f.const(type, start)
      f.set(sum)
    },
    fold: (p) => {
      f.get(sum)
      f.get(p)
      f[type].load()
      f.tee(x)
      emitOp()
      f.set(sum)
    },
    store: (q) => {
      f.get(q)
      f.get(sum)
      f[type].store()
    },
  }
}

const vectorCarry = (f: FunctionBuilder, op: ReduceOp, dtype: DType): Carry => {
  const start = identity(op, dtype)
  if (dtype === 'float32' && (op === 'sum' || op === 'prod')) {
    const [low, high, x] = [f.local('v128'), f.local('v128'), f.local('v128')]
    return {
      reset: () => {
        for (const sum of [low, high]) {
          f.splat('f64x2', start)
          f.set(sum)
        }
      },
      fold: (p) => {
        f.get(p)
        f.v128.load()
        f.set(x)
        for (const sum of [low, high]) {
          f.get(sum)
          f.get(x)
          if (sum === high) {
            f.get(x)
            f.shuffle32(2, 3, 2, 3)
          }
          f.f64x2.promote_low_f32x4()
          f.f64x2[arithmetic[op]]()
          f.set(sum)
        }
      },
      store: (q) => {
        f.get(q)
        for (const sum of [low, high]) {
          f.get(sum)
          f.f32x4.demote_f64x2_zero()
        }
        f.shuffle32(0, 1, 4, 5)
        f.v128.store()
      },
    }
  }
  const lanes = dtype === 'float32' ? 'f32x4' : 'i32x4'
  const sum = f.local('v128')
  return {
    reset: () => {
      f.splat(lanes, start)
      f.set(sum)
    },
    fold: (p) => {
      f.get(sum)
      f.get(p)
      f.v128.load()
      if (op === 'sum' || op === 'prod') f[lanes][arithmetic[op]]()
      else if (lanes === 'f32x4') f.f32x4[op]()
      else f.i32x4[`${op}_${dtype === 'int32' ? 's' : 'u'}`]()
      f.set(sum)
    },
    store: (q) => {
      f.get(q)
      f.get(sum)
      f.v128.store()
    },
  }
}
