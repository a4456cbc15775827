/**
 * Kernel expressions as straight-line code over slots: every node of the DAG has a slot, and shared nodes run once a place.
 * A reduction is a leaf of the code around it, and has code of its own, run over the inner dims before.
 */
import { absurd } from './absurd.ts'
import type { TypedArray } from '../../src/core/dtype.ts'
import type { Access, Affine, Expr } from '../../src/core/kernel.ts'
import { scalar, wrap } from './scalar.ts'

type Reduce = Extract<Expr, { readonly kind: 'reduce' }>

/** What running code reads: the launch's buffers, the place in the iteration, and a dot's finished sum. */
export interface Frame {
  buffers: readonly TypedArray[]
  readonly index: number[]
  acc: number
}

export interface Code {
  /** Runs every node at the frame's index. */
  readonly run: () => void
  readonly value: (expr: Expr) => number
  readonly setReduction: (expr: Reduce, value: number) => void
}

/** Children before parents; what stands under a reduction is left out. */
const postorder = (roots: readonly Expr[]): readonly Expr[] => {
  const order = new Set<Expr>()
  const stack: { readonly expr: Expr; readonly ready: boolean }[] = roots.map((expr) => ({ expr, ready: false }))
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { expr, ready } = top
    if (order.has(expr)) continue
    if (ready) order.add(expr)
    else {
      stack.push({ expr, ready: true })
      if (expr.kind === 'apply') for (const arg of expr.args) stack.push({ expr: arg, ready: false })
      if (expr.kind === 'gather') stack.push({ expr: expr.index, ready: false })
    }
  }
  return [...order]
}

/** The reductions under `roots`, at any depth, those that others need first. */
export const reductions = (roots: readonly Expr[]): readonly Reduce[] => {
  const inner = (exprs: readonly Expr[]): readonly Reduce[] => postorder(exprs).filter((e) => e.kind === 'reduce')
  const order = new Set<Reduce>()
  const stack = inner(roots).map((expr) => ({ expr, ready: false }))
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { expr, ready } = top
    if (order.has(expr)) continue
    if (ready) order.add(expr)
    else stack.push({ expr, ready: true }, ...inner([expr.arg]).map((needed) => ({ expr: needed, ready: false })))
  }
  return [...order]
}

export const affineAt = ({ strides, offset }: Affine, index: readonly number[]): number => {
  let at = offset
  for (let d = 0; d < strides.length; d++) at += strides[d]! * (index[d] ?? 0)
  return at
}

const guarded = (access: Access, index: readonly number[]): boolean =>
  access.guards.every((guard) => {
    const at = affineAt(guard, index)
    return at >= 0 && at < guard.extent
  })

/** The element at `at`; out of range is a bug of whoever made the kernel. */
export const read = (buffer: TypedArray, at: number): number => {
  const x = buffer[at]
  if (x === undefined) throw new RangeError(`internal: a kernel reads element ${at} of ${buffer.length}`)
  return x
}

export const write = (buffer: TypedArray, at: number, x: number): void => {
  if (!(at >= 0 && at < buffer.length)) throw new RangeError(`internal: a kernel writes element ${at} of ${buffer.length}`)
  buffer[at] = x
}

/** Code for `roots` in `frame`. Code objects that share `slots` share the values of reductions. */
export const compile = (roots: readonly Expr[], frame: Frame, slots: Map<Expr, number>, values: number[]): Code => {
  const slotOf = (expr: Expr): number => {
    const known = slots.get(expr)
    if (known !== undefined) return known
    slots.set(expr, slots.size)
    return slots.size - 1
  }
  const steps: (() => void)[] = []
  for (const expr of postorder(roots)) {
    const slot = slotOf(expr)
    const evaluate = evaluator(expr, frame, (operand) => {
      const from = slotOf(operand)
      return () => values[from]!
    })
    if (evaluate !== null) steps.push(() => (values[slot] = evaluate()))
  }
  return {
    run: () => {
      for (const step of steps) step()
    },
    value: (expr) => values[slotOf(expr)]!,
    setReduction: (expr, value) => {
      values[slotOf(expr)] = value
    },
  }
}

/** The value of one node from its operands' values; null for a reduction, which someone else sets. */
const evaluator = (expr: Expr, frame: Frame, operand: (of: Expr) => () => number): (() => number) | null => {
  switch (expr.kind) {
    case 'load':
      return () => (guarded(expr.access, frame.index) ? read(frame.buffers[expr.arg]!, affineAt(expr.access, frame.index)) : 0)
    case 'gather': {
      const index = operand(expr.index)
      return () => read(frame.buffers[expr.arg]!, index())
    }
    case 'const': {
      const value = wrap(expr.dtype)(expr.value)
      return () => value
    }
    case 'index':
      return () => affineAt(expr.affine, frame.index) | 0
    case 'apply': {
      const f = scalar(
        expr.op,
        expr.dtype,
        expr.args.map((arg) => arg.dtype),
      )
      const args = expr.args.map(operand)
      const [a, b, c, d] = [0, 1, 2, 3].map((i) => args[i] ?? (() => 0))
      return () => f(a!(), b!(), c!(), d!())
    }
    case 'acc':
      return () => frame.acc
    case 'reduce':
      return null
    default:
      return absurd(expr)
  }
}
