/**
 * How far may two right answers differ? Run the kernel again with every inexact operation's result moved by a few ulps, some up and some
 * down: what the outputs move by is what rounding may do to them. Exact operations aren't disturbed, so what depends on them
 * alone must agree bit by bit.
 */
import { type DType, isFloat, type TypedArray } from '../../src/core/dtype.ts'
import type { Dot, Expr, Kernel, ScalarOp } from '../../src/core/kernel.ts'
import { access, apply, constant, load, rowMajor } from './harness.ts'

/** Ops whose results may be off by some ulps; all others are exact or correctly rounded. */
export const inexact: ReadonlySet<ScalarOp> = new Set<ScalarOp>([
  'exp',
  'expm1',
  'log',
  'log1p',
  'rsqrt',
  'sin',
  'cos',
  'tan',
  'asin',
  'acos',
  'atan',
  'sinh',
  'cosh',
  'tanh',
  'asinh',
  'acosh',
  'atanh',
  'cbrt',
  'erf',
  'erfc',
  'erfInv',
  'logistic',
  'pow',
  'atan2',
])

/** Noise of 8 ulps for a function (64 for erfInv, which is float32's own formula), and as much a term for a sum. */
const epsilon = (dtype: DType): number => (dtype === 'float64' ? 2 ** -49 : 2 ** -20)

export const variants = 4

/** The kernel disturbed; `magnitude` is an extra arg of a dot: Σ|lhs|·|rhs| at every place of its row-major result. */
export const disturbed = (kernel: Kernel, variant: number, magnitude?: number): Kernel => {
  if (kernel.kind !== 'nest' && kernel.kind !== 'dot') return kernel
  const known = new Map<Expr, Expr>()
  const direction = (): number => (variant < 2 ? 1 - 2 * variant : (known.size * 7 + variant * 3) % 4 < 2 ? 1 : -1)
  const visit = (expr: Expr): Expr => {
    const seen = known.get(expr)
    if (seen !== undefined) return seen
    const made = rewrite(expr)
    known.set(expr, made)
    return made
  }
  const rewrite = (expr: Expr): Expr => {
    switch (expr.kind) {
      case 'apply': {
        const made = { ...expr, args: expr.args.map(visit) }
        return isFloat(expr.dtype) && inexact.has(expr.op)
          ? moved(made, direction() * (expr.op === 'erfInv' ? 8 : 1), variant % 2 === 1)
          : made
      }
      case 'gather':
        return { ...expr, index: visit(expr.index) }
      case 'reduce': {
        if (!isFloat(expr.dtype) || expr.op === 'max' || expr.op === 'min') return { ...expr, arg: visit(expr.arg) }
        const arg = visit(expr.arg)
        const { dtype } = expr
        if (expr.op === 'prod') return moved({ ...expr, arg }, direction(), false)
        // All terms up or all down, so that their noise doesn't cancel.
        const shift = apply('mul', dtype, apply('sign', dtype, arg), constant(dtype, direction() * epsilon(dtype)))
        return { ...expr, arg: apply('mul', dtype, arg, apply('add', dtype, constant(dtype, 1), shift)) }
      }
      case 'acc': {
        if (kernel.kind !== 'dot' || magnitude === undefined || !isFloat(expr.dtype)) return expr
        const { dtype } = expr
        const by = load(dtype, magnitude, rowMajor([...kernel.batch, kernel.m, kernel.n]))
        const relative = apply('mul', dtype, by, constant(dtype, direction() * 8 * epsilon(coarsest(kernel))))
        // Products below the normal range round on their own.
        const absolute = constant(dtype, direction() * (dtype === 'float64' ? 2 ** -1060 : 2 ** -140))
        return apply('add', dtype, expr, apply('add', dtype, relative, absolute))
      }
      default:
        return expr
    }
  }
  const outputs = kernel.outputs.map((output) => ({ ...output, expr: visit(output.expr) }))
  return kernel.kind === 'nest'
    ? { ...kernel, outputs }
    : {
        ...kernel,
        lhs: visit(kernel.lhs),
        rhs: visit(kernel.rhs),
        args: magnitude === undefined ? kernel.args : [...kernel.args, kernel.dtype],
        outputs,
      }
}

/** float32 where an operand goes through an inexact float32 operation on its way to a float64 sum. */
const coarsest = ({ dtype, lhs, rhs }: Dot): DType => {
  const single = (expr: Expr): boolean =>
    expr.kind === 'apply' && ((expr.dtype === 'float32' && inexact.has(expr.op)) || expr.args.some(single))
  return single(lhs) || single(rhs) ? 'float32' : dtype
}

/** x (1 ± ε), with subnormals flushed in some variants. */
const moved = (x: Expr, direction: number, flush: boolean): Expr => {
  const { dtype } = x
  const by = apply('mul', dtype, x, constant(dtype, 1 + direction * epsilon(dtype)))
  if (!flush) return by
  const tiny = apply('lt', 'bool', apply('abs', dtype, x), constant(dtype, dtype === 'float64' ? 2 ** -1020 : 2 ** -124))
  return apply('select', dtype, tiny, constant(dtype, 0), by)
}

/** Σ|lhs|·|rhs|, the scale of a dot's rounding, as a kernel with one output after the args. */
export const magnitudeOf = (kernel: Extract<Kernel, { readonly kind: 'dot' }>): Kernel => {
  const { dtype, batch, m, n, args } = kernel
  return {
    ...kernel,
    lhs: apply('abs', dtype, kernel.lhs),
    rhs: apply('abs', dtype, kernel.rhs),
    args: [...args, dtype],
    outputs: [{ arg: args.length, expr: { kind: 'acc', dtype }, access: access(rowMajor([...batch, m, n])), rowwise: false }],
  }
}

/** Where `actual` differs from `expected` by more than the disturbed runs do; null where they agree. */
export const difference = (
  actual: TypedArray,
  expected: TypedArray,
  disturbedRuns: readonly TypedArray[],
  dtype: DType,
  at: Iterable<number> = expected.keys(),
): string | null => {
  const tolerance = dtype === 'float64' ? 1e-14 : 1e-6
  for (const i of at) {
    const [x, y] = [actual[i]!, expected[i]!]
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue
    const others = disturbedRuns.map((run) => run[i]!)
    if (isFloat(dtype)) {
      // Infinite or not a number for some and something else for others.
      if (others.some((z) => !(Number.isFinite(y) ? Number.isFinite(z) : Object.is(z, y)))) continue
      const spread = Math.max(0, ...others.map((z) => Math.abs(z - y)))
      const floor = spread > 0 ? 1e-37 : 0
      if (Math.abs(x - y) <= 4 * spread + (spread > 0 ? tolerance * Math.abs(y) : 0) + floor) continue
    }
    return `element ${i} is ${x}, expected ${y}${others.length ? ` (disturbed: ${others.join(', ')})` : ''}`
  }
  return null
}
