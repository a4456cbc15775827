/** Random kernels of the other kinds: contractions, attention, and those in which order counts. */
import { expect } from 'vitest'
import { type DType, isFloat, type TypedArray } from '../../src/core/dtype.ts'
import type {
  Affine,
  AttentionGrad,
  AttentionShape,
  Cumulative,
  Digit,
  Dot,
  Expr,
  Kernel,
  Output,
  Scatter,
  Sort,
  Strided,
} from '../../src/core/kernel.ts'
import { mapAffines } from '../../src/core/expressions.ts'
import type { Choices } from './choices.ts'
import { nightly } from '../effort.ts'
import { type Arg, apply } from './harness.ts'
import { type ArgSizes, type Drawn, expression, floatsOf, loadOf, outputAccess, type Scope } from './nests.ts'

const extent = (choices: Choices, large: number): number =>
  choices.oneIn(12) ? choices.below(2) : 1 + choices.below(choices.oneIn(5) ? large : 9)

/** Operands are loads, mostly, or expressions of them; several outputs, with what an epilogue reads. */
export const dot = (choices: Choices, dtypes: readonly DType[]): Drawn<Dot> & { readonly outputsFrom: number } => {
  const { floats, halves } = floatsOf(dtypes)
  const dtype = choices.pick(['float32', 'int32', ...floats] as const)
  const batch = Array.from({ length: choices.below(3) }, () => extent(choices, 3))
  const digits: Digit[] = []
  /** An extent, or digits that make one. */
  const extentOf = (of: Digit['of'], large: number): number => {
    if (!choices.oneIn(4)) return extent(choices, large)
    const extents = Array.from({ length: 2 + choices.below(2) }, () => choices.pick([2, 3, 1, 5, 9]))
    extents.forEach((extent, i) => digits.push({ of, by: extents.slice(i + 1).reduce((a, b) => a * b, 1), extent }))
    return extents.reduce((a, b) => a * b, 1)
  }
  const [m, n, k] = [extentOf('m', 70), extentOf('n', 70), extentOf('k', 300)]
  const args: ArgSizes = { dtypes: [], sizes: [] }
  const scope = (dims: readonly number[], made: Scope['made']): Scope => ({
    ...args,
    choices,
    dims,
    innerFrom: dims.length,
    floats,
    halves,
    made,
  })
  /** What has digits is walked by them, mostly, and what an operand hasn't, not at all. */
  const operand = (names: readonly [Digit['of'], Digit['of']], extents: readonly number[]): Expr => {
    const inDigits = (of: Digit['of']): boolean => names.includes(of) && digits.some((digit) => digit.of === of) && !choices.oneIn(4)
    const [first, second] = names.map(inDigits) as [boolean, boolean]
    const walked = (of: Digit['of']): boolean => (of === names[0] && first) || (of === names[1] && second)
    const over = scope(
      [...batch, ...extents.map((n, i) => ([first, second][i]! ? 1 : n)), ...digits.map(({ of, extent }) => (walked(of) ? extent : 1))],
      [],
    )
    const drawn = !choices.oneIn(3)
      ? loadOf(over, dtype, false)
      : expression(over, dtype, { row: false, exact: false, depth: 1 + choices.below(2) })
    const still = [...batch.map(() => false), first, second, ...digits.map(({ of }) => !walked(of))]
    return mapAffines((affine) => ({ ...affine, strides: affine.strides.map((stride, d) => (still[d]! ? 0 : stride)) }))(drawn)
  }
  const [lhs, rhs] = [operand(['m', 'k'], [m, k]), operand(['k', 'n'], [k, n])]
  const dims = [...batch, m, n]
  const acc: Expr = { kind: 'acc', dtype }
  const epilogue = scope(dims, [{ expr: acc, exact: !isFloat(dtype), row: false }])
  const drafts = Array.from({ length: 1 + choices.below(2) }, (_, i) => {
    const kind = choices.below(3)
    const expr =
      kind === 0 && i === 0
        ? acc
        : kind === 1
          ? apply('add', dtype, acc, loadOf(epilogue, dtype, false))
          : expression(epilogue, dtype, { row: false, exact: false, depth: 1 + choices.below(3) })
    return { expr, access: outputAccess(choices, dims, dims.length) }
  })
  const outputsFrom = args.dtypes.length
  const outputs = drafts.map(({ expr, access: { strides, offset, size } }, i): Output => {
    args.dtypes.push(expr.dtype)
    args.sizes.push(size)
    return { arg: outputsFrom + i, expr, access: { strides, offset }, rowwise: false }
  })
  return {
    kernel: { kind: 'dot', dtype, batch, m, n, k, digits, lhs, rhs, args: args.dtypes, outputs },
    sizes: args.sizes,
    outputsFrom,
  }
}

/** [batch, head, time, width] in memory as such or with heads after time, and dims that broadcast where `spread` allows. */
const strided = (choices: Choices, args: ArgSizes, dtype: DType, dims: readonly number[], spread = false): Strided => {
  const order = choices.oneIn(2) ? [0, 2, 1, 3] : [0, 1, 2, 3]
  const strides = [0, 0, 0, 0]
  const offset = choices.oneIn(4) ? choices.below(5) : 0
  let stride = 1
  let size = offset + 1
  for (const d of order.reverse()) {
    if (spread && choices.oneIn(2)) continue
    strides[d] = stride
    size += Math.max(dims[d]! - 1, 0) * stride
    stride *= dims[d]! + (!spread && d === 2 && choices.oneIn(6) ? 1 : 0)
  }
  args.dtypes.push(dtype)
  return { arg: args.sizes.push(size) - 1, strides, offset }
}

/** The forward kernel's args come first, then out and lse, then the gradient's: ct and three outputs. */
export const attention = (choices: Choices): Drawn<AttentionGrad> => {
  const args: ArgSizes = { dtypes: [], sizes: [] }
  const group = 1 + choices.below(3)
  const kvHeads = 1 + choices.below(2)
  const [batch, heads] = [1 + choices.below(2), group * kvHeads]
  const [queries, keys] = [choices.oneIn(3) ? 1 : extent(choices, 40), extent(choices, 170)]
  const [headDim, valueDim] = [1 + choices.below(20), 1 + choices.below(20)]
  const float = (dims: readonly number[]): Strided => strided(choices, args, 'float32', dims)
  const scores = [batch, heads, queries, keys]
  const shape: Omit<AttentionShape, 'args'> = {
    batch,
    heads,
    group,
    queries,
    keys,
    headDim,
    valueDim,
    scale: choices.pick([1 / Math.sqrt(headDim), 1, 0.1]),
    softcap: choices.oneIn(3) ? choices.pick([0.5, 20]) : null,
    left: choices.oneIn(3) ? choices.below(10) - 2 : null,
    right: choices.oneIn(2) ? choices.pick([0, 0, 3]) : null,
    query: float([batch, heads, queries, headDim]),
    key: float([batch, kvHeads, keys, headDim]),
    value: float([batch, kvHeads, keys, valueDim]),
    bias: choices.oneIn(3) ? strided(choices, args, 'float32', scores, true) : null,
    mask: choices.oneIn(3) ? strided(choices, args, 'bool', scores, true) : null,
    dropout: choices.oneIn(4) ? { arg: args.dtypes.push('uint32') - 1, rate: choices.pick([0.1, 0.5, 0]) } : null,
  }
  if (shape.dropout !== null) args.sizes.push(2)
  const out = float([batch, heads, queries, valueDim])
  const lse = float([batch, heads, queries, 1])
  const ct = float([batch, heads, queries, valueDim])
  const dQuery = float([batch, heads, queries, headDim])
  const dKey = float([batch, kvHeads, keys, headDim])
  const dValue = float([batch, kvHeads, keys, valueDim])
  return {
    kernel: { kind: 'attentionGrad', ...shape, out, lse, ct, dQuery, dKey, dValue, args: args.dtypes },
    sizes: args.sizes,
  }
}

/** The lines of cumulative and sort; a long line now and then, for the sort that is meant for it. */
const lines = (choices: Choices) => ({
  outer: extent(choices, 4),
  n: choices.oneIn(4) ? choices.below(200) : choices.below(12),
  inner: choices.oneIn(2) ? 1 + choices.below(11) : 1,
})

/** A call of one: how many of its sizes are of outputs, how far floats may be off, and the second operand where it isn't drawn like the rest. */
interface Ordered extends Drawn<Cumulative | Sort | Scatter> {
  readonly outputs: number
  readonly tolerance: number
  readonly index?: Int32Array
}
const movable = (dtypes: readonly DType[]): DType[] => dtypes.filter((dtype) => dtype !== 'key')

const MANY = nightly ? 1_000_000 : 100_000
/** Kernels whose elements wait for one another, and how often each is tried. */
export const ordered: {
  readonly [K in (Cumulative | Sort | Scatter)['kind']]: {
    readonly runs: number
    readonly long: boolean
    readonly draw: (choices: Choices, dtypes: readonly DType[]) => Ordered
    /** What random cases are too small for. */
    readonly one?: {
      readonly what: string
      readonly kernel: Kernel
      readonly args: readonly Arg[]
      readonly check: (outs: readonly TypedArray[]) => void
    }
  }
} = {
  cumulative: {
    runs: 200,
    long: false,
    draw: (choices, dtypes) => {
      const shape = lines(choices)
      const dtype = choices.pick(movable(dtypes))
      const op = choices.pick(dtype === 'bool' ? (['max', 'min'] as const) : (['sum', 'prod', 'max', 'min'] as const))
      const size = shape.outer * shape.n * shape.inner
      return {
        kernel: { kind: 'cumulative', op, dtype, ...shape, reverse: choices.oneIn(2), args: [dtype, dtype] },
        sizes: [size, size],
        outputs: 1,
        tolerance: dtype === 'float32' && (op === 'sum' || op === 'prod') ? 1e-6 : 0,
      }
    },
    one: {
      what: 'a running float32 sum of many tenths keeps its digits', // adding one after another, these are off by 1e-4
      kernel: {
        kind: 'cumulative',
        op: 'sum',
        dtype: 'float32',
        outer: 1,
        n: MANY,
        inner: 1,
        reverse: false,
        args: ['float32', 'float32'],
      },
      args: [new Float32Array(MANY).fill(0.1), MANY],
      check: ([sums]) => {
        expect(Math.abs(sums![MANY - 1]! / (MANY / 10) - 1)).toBeLessThan(1e-5)
      },
    },
  },
  sort: {
    runs: 300,
    long: true,
    draw: (choices, dtypes) => {
      const shape = lines(choices)
      const operands = Array.from({ length: 1 + choices.below(3) }, () => choices.pick(movable(dtypes)))
      const args = [...operands, ...operands]
      const size = shape.outer * shape.n * shape.inner
      return {
        kernel: { kind: 'sort', ...shape, keys: 1 + choices.below(operands.length), args },
        sizes: args.map(() => size),
        outputs: operands.length,
        tolerance: 0,
      }
    },
  },
  scatter: {
    runs: 300,
    long: false,
    draw: (choices, dtypes) => {
      const halves = choices.oneIn(4)
      const dtype = halves ? choices.pick(['float16', 'bfloat16'] as const) : choices.pick(movable(dtypes))
      const combine = halves
        ? 'set'
        : choices.pick(dtype === 'bool' ? (['set', 'max', 'min'] as const) : (['set', 'add', 'mul', 'max', 'min'] as const))
      const wide = choices.oneIn(4) ? choices.below(200) : choices.below(9)
      const [rows, rest, count] = [choices.below(8), halves ? 2 * Math.ceil(wide / 2) : wide, choices.below(20)]
      return {
        kernel: { kind: 'scatter', combine, dtype, rows, rest, count, args: [dtype, 'int32', dtype, dtype] },
        sizes: [rows * rest, count, count * rest, rows * rest],
        outputs: 1,
        tolerance: 0,
        index: Int32Array.from({ length: count }, () => choices.below(rows + 4) - 2),
      }
    },
  },
}

/** The places an output writes; others keep whatever was there. */
export const writtenPlaces = ({ strides, offset }: Affine, dims: readonly number[]): Set<number> => {
  let places = [offset]
  dims.forEach((n, d) => {
    places = places.flatMap((at) => Array.from({ length: n }, (_, i) => at + i * strides[d]!))
  })
  return new Set(places)
}
