/**
 * A nest's expressions as the emitter wants them: equal nodes are one node, and guards are masks of their own.
 */
import type { DType } from '../../src/core/dtype.ts'
import type { Affine, Expr, Nest, ReduceOp, ScalarOp } from '../../src/core/kernel.ts'

interface Common {
  readonly id: number
  readonly dtype: DType
  readonly args: readonly Node[]
  /** Bit d: varies along dim d. */
  readonly deps: number
  /** Reductions that must have finished before it, one inside another. A reduce counts itself. */
  readonly depth: number
}

export type Node = Common &
  (
    | { readonly kind: 'load'; readonly arg: number; readonly access: Affine } // args: its guards' mask, if any
    | { readonly kind: 'gather'; readonly arg: number } // args: the element number
    | { readonly kind: 'const'; readonly value: number }
    | { readonly kind: 'index'; readonly access: Affine }
    | { readonly kind: 'apply'; readonly op: ScalarOp }
    | { readonly kind: 'reduce'; readonly op: ReduceOp }
  )

type Shape<T> = T extends Common ? Omit<T, 'id' | 'deps' | 'depth'> : never

export interface OutputNode {
  readonly arg: number
  readonly node: Node
  readonly access: Affine
  readonly rowwise: boolean
}

export interface NestNodes {
  /** The first isn't to be relied on. */
  readonly dims: readonly number[]
  readonly outer: number
  readonly outputs: readonly OutputNode[]
  /** Every node, arguments before those who use them. */
  readonly nodes: readonly Node[]
}

const bits = (strides: readonly number[]): number => strides.reduce((mask, s, d) => (s === 0 ? mask : mask | (1 << d)), 0)

export const nestNodes = (nest: Nest): NestNodes => {
  const { dims } = nest
  const outer = dims.length - nest.inner
  const innerBits = dims.reduce((mask, _, d) => (d < outer ? mask : mask | (1 << d)), 0)
  const nodes: Node[] = []
  const interned = new Map<string, Node>()
  const built = new Map<Expr, Node>()

  /** `own`: what tells it from others of its kind, dtype and args. */
  const intern = (shape: Shape<Node>, own: number | string, deps = 0): Node => {
    const { kind, dtype, args } = shape
    const key = `${kind} ${dtype} ${own} ${args.map((arg) => arg.id)}`
    const known = interned.get(key)
    if (known !== undefined) return known
    const depth = Math.max(0, ...args.map((arg) => arg.depth)) + Number(kind === 'reduce')
    const all = args.reduce((mask, arg) => mask | arg.deps, deps)
    const node = { ...shape, id: nodes.length, deps: kind === 'reduce' ? all & ~innerBits : all, depth } as Node
    nodes.push(node)
    interned.set(key, node)
    return node
  }
  const constant = (dtype: DType, value: number): Node =>
    intern({ kind: 'const', dtype, value, args: [] }, Object.is(value, -0) ? '-0' : value)
  const apply = (dtype: DType, op: ScalarOp, args: readonly Node[]): Node => intern({ kind: 'apply', dtype, op, args }, op)
  const index = (affine: Affine, dtype: DType): Node => {
    const { offset, strides } = affine
    return intern({ kind: 'index', dtype, access: affine, args: [] }, `${offset};${strides}`, bits(strides))
  }
  const build = (expr: Expr): Node => {
    const known = built.get(expr)
    if (known !== undefined) return known
    const node = make(expr)
    built.set(expr, node)
    return node
  }
  const make = (expr: Expr): Node => {
    const { dtype } = expr
    switch (expr.kind) {
      case 'load': {
        const tests = expr.access.guards.map((guard) => apply('bool', 'lt', [index(guard, 'uint32'), constant('uint32', guard.extent)]))
        const args = tests.length === 0 ? [] : [tests.reduce((all, test) => apply('bool', 'and', [all, test]))]
        const { access } = expr
        const own = `${expr.arg};${access.offset};${access.strides}`
        return intern({ kind: 'load', dtype, arg: expr.arg, access, args }, own, bits(access.strides))
      }
      case 'gather':
        return intern({ kind: 'gather', dtype, arg: expr.arg, args: [build(expr.index)] }, expr.arg)
      case 'const':
        return constant(dtype, expr.value)
      case 'index':
        return index(expr.affine, dtype)
      case 'apply':
        return apply(dtype, expr.op, expr.args.map(build))
      case 'reduce':
        return intern({ kind: 'reduce', dtype, op: expr.op, args: [build(expr.arg)] }, expr.op)
      case 'acc':
        throw new Error("internal: a dot's sum")
    }
  }
  const outputs = nest.outputs.map(({ arg, expr, access, rowwise }) => ({
    arg,
    node: build(expr),
    access,
    rowwise: rowwise || nest.inner === 0,
  }))
  return { dims, outer, outputs, nodes }
}

/** How much a node changes from one lane to the next along a dim: null where that isn't one number. Only for integers. */
export const laneStride = (node: Node, dim: number): number | null => {
  if ((node.deps & (1 << dim)) === 0) return 0
  if (node.kind === 'index') return node.access.strides[dim] ?? 0
  if (node.kind !== 'apply' || (node.dtype !== 'int32' && node.dtype !== 'uint32')) return null
  const [a, b] = [node.args[0] as Node, node.args[1]]
  if (node.op === 'cast' || node.op === 'bitcast') return a.dtype === 'int32' || a.dtype === 'uint32' ? laneStride(a, dim) : null
  if (b === undefined) return null
  const [x, y] = [laneStride(a, dim), laneStride(b, dim)]
  if (x === null || y === null) return null
  if (node.op === 'add') return x + y
  if (node.op === 'sub') return x - y
  if (node.op === 'mul' && b.kind === 'const') return x * b.value
  if (node.op === 'mul' && a.kind === 'const') return y * a.value
  return null
}
