/**
 * How far may two right answers differ? Run the kernel again with every inexact operation's result moved by a few ulps, some up and some
 * down: what the outputs move by is what rounding may do to them. Exact operations aren't disturbed, so what depends on them
 * alone must agree bit by bit.
 */
import { type DType, isFloat } from '../../src/core/dtype.ts'
import type { Dot, Expr, Kernel, Nest, ScalarOp } from '../../src/core/kernel.ts'
import { type Elementwise, isOpName, type OpName, ops, ulpsOf } from '../../src/core/ops.ts'
import { access, apply, constant, load, reduce, rowMajor } from './harness.ts'

/** Ops whose results may be off by some ulps; all others are exact or correctly rounded. */
export const inexact: ReadonlySet<ScalarOp> = new Set(
  (Object.keys(ops) as OpName[]).filter((name): name is Elementwise => 'scalar' in ops[name] && ulpsOf(name) > 0),
)
/** How many times the noise of the others, which is for 16 ulps. */
const loudness = (op: ScalarOp): number => (isOpName(op) ? Math.max(1, ulpsOf(op) / 16) : 1)

/** Ops that round once. */
const rounded: ReadonlySet<ScalarOp> = new Set<ScalarOp>(['add', 'sub', 'mul', 'div', 'sqrt', 'cast'])

/** Noise of 8 ulps for a function (64 for erfInv, which is float32's own formula), and as much a term for a sum. */
const epsilon = (dtype: DType): number => (dtype === 'float64' ? 2 ** -49 : 2 ** -20)

export const variants = 4

/** A number in ±[1/2, 1]: what a node's noise is multiplied by. Up in the first variant, down in the second, either in others; no two are alike, so that none cancel. */
export const strength = (node: number, variant: number): number => {
  const bits = Math.imul(node * variants + variant + 1, 0x9e3779b1) >>> 0
  const size = 0.5 + (bits & 0xffff) / 2 ** 17
  return (variant < 2 ? variant === 0 : bits >>> 31 === 0) ? size : -size
}

/** The kernel disturbed; `magnitude` is an extra arg of a dot: Σ|lhs|·|rhs| at every place of its row-major result. */
export const disturbed = (kernel: Kernel, variant: number, magnitude?: number): Kernel => {
  if (kernel.kind !== 'nest' && kernel.kind !== 'dot') return kernel
  const known = new Map<Expr, Expr>()
  /** What depends on nothing inexact stays itself. */
  const visit = (expr: Expr): Expr => {
    const seen = known.get(expr)
    if (seen !== undefined) return seen
    const made = rewrite(expr)
    known.set(expr, made)
    return made
  }
  const rewrite = (expr: Expr): Expr => {
    const { dtype } = expr
    switch (expr.kind) {
      case 'apply': {
        const args = expr.args.map(visit)
        const made = args.every((arg, i) => arg === expr.args[i]) ? expr : { ...expr, args }
        const direction = strength(known.size, variant)
        if (!isFloat(dtype)) return made
        if (inexact.has(expr.op)) return moved(made, direction * loudness(expr.op), variant % 2 === 1)
        // One ulp, where noise that cancels leaves that of its roundings: Σx / y / Σx.
        return made !== expr && rounded.has(expr.op) ? moved(made, direction / 8, false) : made
      }
      case 'gather': {
        const index = visit(expr.index)
        return index === expr.index ? expr : { ...expr, index }
      }
      case 'reduce': {
        const arg = visit(expr.arg)
        if (isFloat(dtype) && (expr.op === 'sum' || expr.op === 'prod')) return reordered(expr.op, arg, strength(known.size, variant))
        return arg === expr.arg ? expr : { ...expr, arg }
      }
      case 'acc': {
        if (kernel.kind !== 'dot' || magnitude === undefined || !isFloat(dtype)) return expr
        const direction = strength(known.size, variant)
        const by = load(dtype, magnitude, rowMajor([...kernel.batch, kernel.m, kernel.n]))
        const relative = apply('mul', dtype, by, constant(dtype, direction * 8 * epsilon(coarsest(kernel))))
        // Products below the normal range round on their own.
        const absolute = constant(dtype, direction * (dtype === 'float64' ? 2 ** -1060 : 2 ** -140))
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

/**
 * A float reduction as another order of its terms may give it, at the end of its range that lies in `direction`.
 *
 * A sum is off by ε Σ|x|. Its parts lie between N, the sum of its negative terms, and P, that of its positive ones: where P is out of range, an order
 * may meet ∞ on its way to a finite sum, where N is, -∞, and so NaN where both are.
 *
 * A product is off by ε of itself. Its parts lie between S, the product of its factors below 1, and B, that of those above: where B is out of
 * range, an order may meet ∞ (and NaN, where a factor is 0), and where S is below the normal numbers, it may lose what is left of a part,
 * which is up to 2^-126, and multiply what it has lost by up to B.
 */
const reordered = (op: 'sum' | 'prod', x: Expr, direction: number): Expr => {
  const { dtype } = x
  const [zero, one, infinity] = [0, 1, Infinity].map((value) => constant(dtype, value)) as [Expr, Expr, Expr]
  const where = (test: Expr, yes: Expr, no: Expr): Expr => apply('select', dtype, test, yes, no)
  const overflows = (y: Expr): Expr => apply('eq', 'bool', y, infinity)
  if (op === 'sum') {
    // All terms up or all down, so that their noise doesn't cancel.
    const shift = apply('mul', dtype, apply('sign', dtype, x), constant(dtype, direction * epsilon(dtype)))
    const shifted = apply('mul', dtype, x, apply('add', dtype, one, shift))
    const part = reduce('sum', apply('max', dtype, apply('mul', dtype, shifted, constant(dtype, Math.sign(direction))), zero))
    return apply('add', dtype, reduce('sum', shifted), where(overflows(part), constant(dtype, direction * Infinity), zero))
  }
  const size = apply('abs', dtype, x)
  const big = reduce('prod', apply('max', dtype, size, one))
  const small = reduce('prod', where(apply('gt', 'bool', size, zero), apply('min', dtype, size, one), one))
  const least = constant(dtype, dtype === 'float64' ? 2 ** -1022 : 2 ** -126)
  const product = moved(reduce('prod', x), direction, false)
  const lost = where(apply('lt', 'bool', small, least), apply('mul', dtype, big, least), zero)
  return direction > 0
    ? apply('add', dtype, apply('mul', dtype, product, where(overflows(big), infinity, one)), lost)
    : apply('sub', dtype, product, lost)
}

/** The kernel with every subnormal float32 that it reads or computes taken for zero, as a device may. */
export const flushing = (kernel: Nest): Nest => {
  const known = new Map<Expr, Expr>()
  const visit = (expr: Expr): Expr => {
    const made = known.get(expr) ?? flushed(rewrite(expr))
    known.set(expr, made)
    return made
  }
  const rewrite = (expr: Expr): Expr => {
    if (expr.kind === 'apply') return { ...expr, args: expr.args.map(visit) }
    if (expr.kind === 'gather') return { ...expr, index: visit(expr.index) }
    return expr.kind === 'reduce' ? { ...expr, arg: visit(expr.arg) } : expr
  }
  const flushed = (x: Expr): Expr => {
    const { dtype } = x
    if (dtype !== 'float32') return x
    return apply('select', dtype, apply('lt', 'bool', apply('abs', dtype, x), constant(dtype, 2 ** -126)), constant(dtype, 0), x)
  }
  return { ...kernel, outputs: kernel.outputs.map((output) => ({ ...output, expr: visit(output.expr) })) }
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
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  disturbedRuns: readonly ArrayLike<number>[],
  dtype: DType,
  at: Iterable<number> = Array.from(expected).keys(),
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
    } else if (others.some((z) => z !== y)) continue // a comparison or a conversion, of what noise moves across a limit
    return `element ${i} is ${x}, expected ${y}${others.length ? ` (disturbed: ${others.join(', ')})` : ''}`
  }
  return null
}
