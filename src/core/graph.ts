/**
 * What lowering rules build: a graph of element-wise maps, views, reductions, contractions and special kernels, on which fusion
 * works. Nodes are immutable; every node has a logical row-major shape.
 */
import { eqShape, rowMajor, sizeOf } from './aval.ts'
import { computedIn, type DType } from './dtype.ts'
import type { Buffer, Step } from './program.ts'
import { type Affine, type Kernel, movesHalves, type ReduceOp, type ScalarOp, type Strided } from './kernel.ts'

/** For each dim of the source, which of its places the view's index reaches; outside the source, zero. `guarded`: may be outside. */
export interface View {
  readonly dims: readonly Affine[]
  readonly guarded: boolean
}

export type Node = { readonly shape: readonly number[]; readonly dtype: DType } & (
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'const'; readonly value: number }
  | { readonly kind: 'index'; readonly affine: Affine }
  | { readonly kind: 'map'; readonly op: ScalarOp; readonly args: readonly Node[] }
  | { readonly kind: 'view'; readonly source: Node; readonly view: View }
  | { readonly kind: 'reshape'; readonly source: Node }
  | { readonly kind: 'gather'; readonly source: Node; readonly index: Node }
  /** Over the trailing `inner` dims of the source. */
  | { readonly kind: 'reduce'; readonly op: ReduceOp; readonly source: Node; readonly inner: number }
  /** [...batch, m, k] · [...batch, k, n]; 16-bit floats and float32 may meet. */
  | { readonly kind: 'dot'; readonly lhs: Node; readonly rhs: Node }
  | {
      readonly kind: 'special'
      readonly kernel: Kernel | Composite
      readonly args: readonly Node[]
      readonly outs: readonly Node[]
      readonly restrided: Restrided | null
    }
  /** A result of a special kernel. */
  | { readonly kind: 'part'; readonly of: () => Node & { readonly kind: 'special' }; readonly index: number }
)

/** A loop or a branch: programs within a program. */
export interface Composite {
  readonly kind: 'composite'
  /** Its steps, given the buffers of its operands and its results. Buffers of its own are added. */
  readonly steps: (ids: readonly number[], buffers: Buffer[]) => readonly Step[]
}

/**
 * The kernel with each operand as `seen` has it, for one that reads with any strides: operand and extents of its dims -> where its elements are.
 * `halves`: the operand may be 16-bit floats too.
 */
export type Restrided = (seen: (operand: Strided, extents: readonly number[], halves?: boolean) => Strided) => Kernel

const unit = (rank: number, dim: number, scale = 1, offset = 0): Affine => ({
  strides: Array.from({ length: rank }, (_, d) => (d === dim ? scale : 0)),
  offset,
})

export const constNode = (value: number, dtype: DType, shape: readonly number[] = []): Node => ({ kind: 'const', value, dtype, shape })

export const map = (op: ScalarOp, dtype: DType, ...args: readonly Node[]): Node => {
  const shape = args.find((a) => a.shape.length > 0)?.shape ?? []
  return { kind: 'map', op, dtype, shape, args: args.map((a) => (a.shape.length === shape.length ? a : broadcast(a, shape, []))) }
}

/** Source dim d becomes dim `dims[d]` of the result; the rest repeat. */
export const broadcast = (source: Node, shape: readonly number[], dims: readonly number[]): Node => {
  if (source.kind === 'const') return { ...source, shape }
  const view = {
    dims: dims.map((to, d) => unit(shape.length, to, source.shape[d] === 1 && shape[to] !== 1 ? 0 : 1)),
    guarded: false,
  }
  return { kind: 'view', source, view, shape, dtype: source.dtype }
}

export const transpose = (source: Node, permutation: readonly number[]): Node => {
  if (permutation.every((p, i) => p === i)) return source
  const before = permutationOf(source)
  if (before !== null) return transpose((source as Node & { kind: 'view' }).source, permutation.map((p) => before[p]!)) // prettier-ignore
  const shape = permutation.map((p) => source.shape[p]!)
  const dims = source.shape.map((_, d) => unit(shape.length, permutation.indexOf(d)))
  return { kind: 'view', source, view: { dims, guarded: false }, shape, dtype: source.dtype }
}

/** Of a view that is nothing but a transpose. */
const permutationOf = (node: Node): readonly number[] | null => {
  if (node.kind !== 'view' || node.view.guarded || node.source.shape.length !== node.shape.length) return null
  const from = node.shape.map((n, d) => node.view.dims.findIndex(({ strides }, s) => strides[d] === 1 && node.source.shape[s] === n))
  const plain = node.view.dims.every(
    ({ strides, offset }) => offset === 0 && strides.every((s) => s === 0 || s === 1) && strides.includes(1),
  )
  return plain && new Set(from).size === from.length && !from.includes(-1) && !overlaps(node.view) ? from : null
}

/** Index i of the result's dim d reads start[d] + step[d]·i; zero where that falls outside. */
export const stride = (
  source: Node,
  start: readonly number[],
  step: readonly number[],
  shape: readonly number[],
  guarded = false,
): Node => ({
  kind: 'view',
  source,
  view: { dims: shape.map((_, d) => unit(shape.length, d, step[d]!, start[d]!)), guarded },
  shape,
  dtype: source.dtype,
})

/** Reads `dims`, an affine function of the result's index for each dim of the source, all of them inside: windows that overlap are such. */
export const windows = (source: Node, dims: readonly Affine[], shape: readonly number[], guarded = false): Node => ({
  kind: 'view',
  source,
  view: { dims, guarded },
  shape,
  dtype: source.dtype,
})
/** Whether several indices of a view may read the same element along a dim. */
export const overlaps = ({ dims }: View): boolean => dims.some(({ strides }) => strides.filter((s) => s !== 0).length > 1)

export const reshape = (source: Node, shape: readonly number[]): Node => {
  if (eqShape(source.shape, shape)) return source
  if (source.kind === 'const') return { ...source, shape }
  return { kind: 'reshape', source, shape, dtype: source.dtype }
}

/** The place along `dim`, as int32. */
export const iota = (shape: readonly number[], dim: number): Node => ({
  kind: 'index',
  affine: unit(shape.length, dim),
  shape,
  dtype: 'int32',
})

/** Reduces `axes`, which may be anywhere: they are moved to the end first, which costs nothing. An axis of one has nothing to reduce. */
export const reduce = (op: ReduceOp, source: Node, axes: readonly number[]): Node => {
  const { shape, dtype } = source
  const long = axes.filter((d) => shape[d] !== 1).sort((a, b) => a - b)
  const rest = shape.map((_, d) => d).filter((d) => !long.includes(d))
  const out = rest.filter((d) => !axes.includes(d)).map((d) => shape[d]!)
  if (long.length === 0) return reshape(source, out)
  const moved = transpose(source, [...rest, ...long])
  return reshape({ kind: 'reduce', op, source: moved, inner: long.length, shape: rest.map((d) => shape[d]!), dtype }, out)
}

export const dot = (lhs: Node, rhs: Node, dtype = lhs.dtype): Node => ({
  kind: 'dot',
  lhs,
  rhs,
  shape: [...lhs.shape.slice(0, -1), rhs.shape.at(-1)!],
  dtype,
})

/** The element of `source` at a row-major int32 element number that is in range. */
export const gather = (source: Node, index: Node): Node => ({ kind: 'gather', source, index, shape: index.shape, dtype: source.dtype })

/** The same at another dtype. */
export const convert = (x: Node, dtype: DType): Node => (x.dtype === dtype ? x : map('cast', dtype, x))

/** As an operand of sums at a dtype: 16-bit floats are widened where they are read. */
export const sameSums = (x: Node, dtype: DType): Node => (computedIn(x.dtype) === computedIn(dtype) ? x : convert(x, computedIn(dtype)))

/** Special kernels have no 16-bit floats, but where they only move them: they read them widened, and what they write is rounded afterwards. */
export const special = (
  kernel: Kernel,
  args: readonly Node[],
  outs: readonly { shape: readonly number[]; dtype: DType }[],
  restrided: Restrided | null = null,
): Node[] => {
  const parts: Node[] = []
  const as = (dtype: DType): DType => (kernel.kind === 'scatter' && movesHalves(kernel) ? dtype : computedIn(dtype))
  const node: Node & { kind: 'special' } = {
    kind: 'special',
    kernel: { ...kernel, args: kernel.args.map(as), ...('dtype' in kernel ? { dtype: as(kernel.dtype) } : {}) },
    args: args.map((x) => convert(x, as(x.dtype))),
    outs: parts,
    restrided,
    shape: [],
    dtype: 'bool',
  }
  for (const { shape, dtype } of outs) parts.push({ kind: 'part', of: () => node, index: parts.length, shape, dtype: as(dtype) })
  return parts.map((part, i) => convert(part, outs[i]!.dtype))
}

/** Row-major element number of a place, from an int32 node a dim. */
export const linear = (places: readonly Node[], shape: readonly number[]): Node => {
  const strides = rowMajor(shape)
  let sum: Node = constNode(0, 'int32', places[0]?.shape ?? [])
  places.forEach((p, d) => {
    sum = map('add', 'int32', sum, map('mul', 'int32', p, constNode(strides[d]!, 'int32')))
  })
  return sum
}

/** Where 0 <= index < extent. */
export const within = (index: Node, extent: number): Node =>
  map('and', 'bool', map('ge', 'bool', index, constNode(0, 'int32')), map('lt', 'bool', index, constNode(extent, 'int32')))

export const clampIndex = (index: Node, high: number): Node =>
  map('max', 'int32', map('min', 'int32', index, constNode(high, 'int32')), constNode(0, 'int32'))

export const sizeOfNode = (node: Node): number => sizeOf(node.shape)
