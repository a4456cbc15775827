/** Random Nest kernels: expression DAGs over every op, with the access patterns that views make, and reductions in sequence. */
import { type DType, isFloat, isHalf } from '../../src/core/dtype.ts'
import type { Access, Affine, Expr, Nest, Output, ReduceOp, ScalarOp } from '../../src/core/kernel.ts'
import type { Choices } from './choices.ts'
import { apply, constant, reduce } from './harness.ts'
import { inexact } from './noise.ts'

/** A kernel's args as they come up: dtypes, and the elements that are reached. */
export interface ArgSizes {
  readonly dtypes: DType[]
  readonly sizes: number[]
}

/** What expressions are drawn in: the iteration space, and what was made before (to share it). */
export interface Scope extends ArgSizes {
  readonly choices: Choices
  readonly dims: readonly number[]
  /** The first inner dim. */
  readonly innerFrom: number
  /** The dtypes of the backend: that are computed in, and that are only widened. */
  readonly floats: readonly DType[]
  readonly halves: readonly DType[]
  readonly made: { readonly expr: Expr; readonly exact: boolean; readonly row: boolean }[]
}

export const floatsOf = (dtypes: readonly DType[]): Pick<Scope, 'floats' | 'halves'> => ({
  floats: dtypes.filter((dtype) => isFloat(dtype) && !isHalf(dtype)),
  halves: dtypes.filter(isHalf),
})

/** `row`: constant over the inner dims. `exact`: nothing under it rounds differently elsewhere. */
interface Want {
  readonly row: boolean
  readonly exact: boolean
  readonly depth: number
}

export const expression = (scope: Scope, dtype: DType, want: Want): Expr => {
  const { choices, made } = scope
  const shared = made.filter(({ expr, exact, row }) => expr.dtype === dtype && exact >= want.exact && row >= want.row)
  if (shared.length > 0 && choices.oneIn(4)) return choices.pick(shared).expr
  const expr = want.depth <= 0 || choices.below(8) === 0 ? leaf(scope, dtype, want) : node(scope, dtype, want)
  made.push({ expr, exact: want.exact || !isFloat(dtype), row: want.row })
  return expr
}

const leaf = (scope: Scope, dtype: DType, want: Want): Expr => {
  const { choices, dims } = scope
  const kind = choices.below(6)
  if (kind === 4) return constant(dtype, choices.pick(constants[isFloat(dtype) ? 'float' : dtype === 'bool' ? 'bool' : 'int']))
  if (kind === 5 && dtype === 'int32') return { kind: 'index', dtype, affine: affine(scope, want.row, dims) }
  if (dtype === 'float32' && scope.halves.length > 0 && choices.oneIn(5))
    return apply('cast', dtype, loadOf(scope, choices.pick(scope.halves), want.row))
  return loadOf(scope, dtype, want.row)
}

const constants = {
  float: [1, 0, -1, 0.5, 2, -0, 3.25, Number.POSITIVE_INFINITY, Number.NaN],
  int: [1, 0, 2, 3, 7, 100, 2 ** 31 - 1],
  bool: [1, 0],
} as const

const affine = (scope: Scope, row: boolean, dims: readonly number[]): Affine => ({
  strides: dims.map((_, d) => (row && d >= scope.innerFrom ? 0 : scope.choices.pick([1, 0, 2, -1, 5]))),
  offset: scope.choices.below(5) - 2,
})

/** An arg of `dtype` with at least `size` elements. */
const argOf = (scope: ArgSizes & { readonly choices: Choices }, dtype: DType, size: number): number => {
  const known = scope.dtypes.flatMap((known, arg) => (known === dtype ? [arg] : []))
  const arg = known.length > 0 && scope.choices.oneIn(2) ? scope.choices.pick(known) : scope.dtypes.push(dtype) - 1
  scope.sizes[arg] = Math.max(scope.sizes[arg] ?? 0, size)
  return arg
}

/** Row-major, permuted, reversed, stepped, broadcast and padded, one after the other or together. */
export const loadOf = (scope: Scope, dtype: DType, row: boolean): Expr => {
  const { choices, dims, innerFrom } = scope
  const rank = dims.length
  const order = Array.from({ length: rank }, (_, d) => d)
  if (choices.oneIn(3))
    for (let d = rank - 1; d > 0; d--) {
      const e = choices.below(d + 1)
      ;[order[d], order[e]] = [order[e]!, order[d]!]
    }
  const broadcast = dims.map((_, d) => (row && d >= innerFrom) || choices.oneIn(4))
  const strides = dims.map(() => 0)
  let [stride, offset] = [choices.oneIn(6) ? 2 : 1, choices.oneIn(4) ? choices.below(6) : 0]
  let size = offset + 1
  const guards: Access['guards'][number][] = []
  for (const d of [...order].reverse()) {
    if (broadcast[d]) continue
    const n = dims[d]!
    // A padded dim reads index - before, and only where that is in 0 … extent-1.
    const before = choices.oneIn(6) ? choices.below(3) : 0
    const extent = before > 0 || choices.oneIn(8) ? Math.max(n - before - choices.below(3), 0) : n
    if (extent < n || before > 0) guards.push({ strides: dims.map((_, e) => Number(e === d)), offset: -before, extent })
    const reverse = choices.oneIn(6)
    strides[d] = reverse ? -stride : stride
    offset += reverse ? (extent - 1 + before) * stride : -before * stride
    size += Math.max(extent - 1, 0) * stride
    stride *= Math.max(extent, 1) + (choices.oneIn(8) ? 1 : 0)
  }
  return { kind: 'load', dtype, arg: argOf(scope, dtype, size), access: { strides, offset, guards } }
}

const node = (scope: Scope, dtype: DType, want: Want): Expr => {
  const { choices, dims, innerFrom } = scope
  const kind = choices.below(8)
  if (kind === 6) {
    const bits = choices.below(5)
    const index = expression(scope, 'int32', { ...want, exact: true, depth: want.depth - 1 })
    const masked = apply('and', 'int32', index, constant('int32', 2 ** bits - 1))
    return { kind: 'gather', dtype, arg: argOf(scope, dtype, 2 ** bits), index: masked }
  }
  if (innerFrom < dims.length && kind >= (want.row ? 3 : 7)) {
    const sums: readonly ReduceOp[] = ['sum', 'prod', 'max', 'min']
    const op = choices.pick(dtype === 'bool' || (want.exact && isFloat(dtype)) ? sums.slice(2) : sums)
    return reduce(op, expression(scope, dtype, { row: false, exact: want.exact, depth: want.depth - 1 }))
  }
  return isFloat(dtype) ? floatNode(scope, dtype, want) : dtype === 'bool' ? boolNode(scope, want) : intNode(scope, dtype, want)
}

const continuous = ['neg', 'abs', 'sqrt', 'add', 'sub', 'mul', 'div', 'max', 'min'] as const satisfies readonly ScalarOp[]
const stepped = ['sign', 'floor', 'ceil', 'round', 'rem', 'nextafter'] as const satisfies readonly ScalarOp[]
const unary: ReadonlySet<ScalarOp> = new Set<ScalarOp>([
  ...inexact,
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'sqrt',
  'not',
  'isFinite',
])
const arity = (op: ScalarOp): number =>
  op === 'pow' || op === 'atan2' ? 2 : unary.has(op) ? 1 : op === 'threefry0' || op === 'threefry1' ? 4 : 2

const floatNode = (scope: Scope, dtype: DType, want: Want): Expr => {
  const { choices } = scope
  const below = (of: DType, exact = want.exact): Expr => expression(scope, of, { ...want, exact, depth: want.depth - 1 })
  const operands = (op: ScalarOp, exact?: boolean): readonly Expr[] => Array.from({ length: arity(op) }, () => below(dtype, exact))
  const kinds = ['continuous', 'continuous', 'stepped', 'select', 'cast', ...(want.exact ? [] : ['inexact', 'inexact'])]
  switch (choices.pick([...kinds, ...(dtype === 'float32' && choices.oneIn(3) ? ['bitcast'] : [])])) {
    case 'stepped': {
      const op = choices.pick(stepped)
      return apply(op, dtype, ...operands(op, true))
    }
    case 'select':
      return apply('select', dtype, below('bool'), below(dtype), below(dtype))
    case 'cast': {
      const from = choices.pick(['int32', 'uint32', 'bool', ...scope.floats.filter((float) => float !== dtype)] as const)
      return apply('cast', dtype, below(from))
    }
    case 'bitcast':
      return apply('bitcast', dtype, below(choices.pick(['int32', 'uint32'])))
    case 'inexact': {
      const op = choices.pick([...inexact])
      return apply(op, dtype, ...operands(op))
    }
    default: {
      const op = choices.pick(continuous)
      return apply(op, dtype, ...operands(op))
    }
  }
}

const intOps = [
  'add',
  'sub',
  'mul',
  'neg',
  'abs',
  'sign',
  'div',
  'rem',
  'max',
  'min',
  'and',
  'or',
  'xor',
  'not',
  'shl',
  'shrLogical',
  'shrArithmetic',
  'pow',
] as const satisfies readonly ScalarOp[]

const intNode = (scope: Scope, dtype: DType, want: Want): Expr => {
  const { choices } = scope
  const below = (of: DType): Expr => expression(scope, of, { ...want, exact: true, depth: want.depth - 1 })
  switch (choices.below(8)) {
    case 1:
      return apply('select', dtype, below('bool'), below(dtype), below(dtype))
    case 2:
      return apply('cast', dtype, below(choices.pick([...scope.floats, 'bool', dtype === 'int32' ? 'uint32' : 'int32'])))
    case 3:
      // Of a load alone: which NaN an operation gives is nobody's business.
      if (choices.oneIn(2)) return apply('bitcast', dtype, loadOf(scope, 'float32', want.row))
      return apply('bitcast', dtype, below(dtype === 'int32' ? 'uint32' : 'int32'))
    default: {
      const op = choices.pick(dtype === 'uint32' ? ([...intOps, 'threefry0', 'threefry1'] as const) : intOps)
      return apply(op, dtype, ...Array.from({ length: arity(op) }, () => below(dtype)))
    }
  }
}

const boolNode = (scope: Scope, want: Want): Expr => {
  const { choices } = scope
  const below = (of: DType): Expr => expression(scope, of, { ...want, exact: true, depth: want.depth - 1 })
  const number = (): DType => choices.pick([...scope.floats, 'int32', 'uint32'])
  switch (choices.below(5)) {
    case 1:
      return apply('not', 'bool', below('bool'))
    case 2:
      return apply(choices.pick(['and', 'or', 'xor']), 'bool', below('bool'), below('bool'))
    case 3:
      return choices.oneIn(2) ? apply('cast', 'bool', below(number())) : apply('isFinite', 'bool', below(choices.pick(scope.floats)))
    case 4:
      return apply('select', 'bool', below('bool'), below('bool'), below('bool'))
    default: {
      const of = number()
      return apply(choices.pick(['lt', 'eq', 'ne', 'le', 'gt', 'ge']), 'bool', below(of), below(of))
    }
  }
}

/** Where an output's elements lie: row-major over its dims (those inside left out for a row), or permuted, or with gaps. */
export const outputAccess = (choices: Choices, dims: readonly number[], rowFrom: number): Affine & { readonly size: number } => {
  const order = Array.from({ length: rowFrom }, (_, d) => d)
  if (choices.oneIn(4)) order.reverse()
  let stride = choices.oneIn(6) ? 3 : 1
  const strides = dims.map(() => 0)
  const offset = choices.oneIn(4) ? choices.below(5) : 0
  let size = offset + 1
  for (const d of order.reverse()) {
    strides[d] = stride
    size += (dims[d]! - 1) * stride
    stride *= dims[d]!
  }
  return { strides, offset, size: dims.slice(0, rowFrom).includes(0) ? 0 : size }
}

export interface Drawn<K> {
  readonly kernel: K
  /** Elements of each arg. */
  readonly sizes: readonly number[]
}

/** Numbers of args from `outputsFrom` on are outputs. */
export const nest = (choices: Choices, dtypes: readonly DType[]): Drawn<Nest> & { readonly outputsFrom: number } => {
  const rank = 1 + choices.below(4)
  const dims = Array.from({ length: rank }, (_, d) =>
    choices.oneIn(12) ? choices.below(2) : 1 + choices.below(d === rank - 1 && choices.oneIn(2) ? 40 : 5),
  )
  const inner = choices.below(Math.min(rank, 3))
  const scope: Scope = { choices, dims, innerFrom: rank - inner, ...floatsOf(dtypes), made: [], dtypes: [], sizes: [] }
  const drafts = Array.from({ length: 1 + choices.below(3) }, () => {
    const row = inner > 0 && !choices.oneIn(3)
    const dtype = choices.pick(['float32', ...dtypes.filter((dtype) => dtype !== 'key' && !isHalf(dtype))] as const)
    const expr = expression(scope, dtype, { row, exact: false, depth: 1 + choices.below(5) })
    return { row, expr, access: outputAccess(choices, dims, row ? rank - inner : rank) }
  })
  const outputsFrom = scope.dtypes.length
  const outputs = drafts.map(({ row, expr, access }, i): Output => {
    scope.dtypes.push(expr.dtype)
    scope.sizes.push(access.size)
    return { arg: outputsFrom + i, expr, access: { strides: access.strides, offset: access.offset }, rowwise: row }
  })
  return { kernel: { kind: 'nest', dims, inner, args: scope.dtypes, outputs }, sizes: scope.sizes, outputsFrom }
}
