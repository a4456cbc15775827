/** Kernels that read operands with any strides take views of buffers as they lie: a slice, a transpose or a broadcast costs nothing. */
import type { Node } from '../src/core/graph.ts'
import type { Affine, Attention, AttentionGrad, Kernel, Strided } from '../src/core/kernel.ts'
import { type Position, throughReshape, throughView } from './place.ts'

/** Kernels that read operands with strides of any kind. */
export const readsViews = (kernel: Kernel): kernel is Attention | AttentionGrad =>
  kernel.kind === 'attention' || kernel.kind === 'attentionGrad'

/** The same kernel with operands that are views of buffers read where they lie: a slice, a transpose or a broadcast costs nothing. */
export const throughViews = (
  kernel: Attention | AttentionGrad,
  args: readonly Node[],
  buffered: (node: Node) => boolean,
): { readonly kernel: Kernel; readonly reads: readonly Node[] } => {
  const reads = [...args]
  const { batch, heads, group, queries, keys, headDim, valueDim } = kernel
  const kvHeads = Math.ceil(heads / group)
  const seen = (strided: Strided, extents: readonly number[]): Strided => {
    const { arg, ...linear } = strided
    const node = args[arg]!
    const load = buffered(node) ? null : viewOf(node, linear, extents, buffered)
    if (load === null) return strided
    reads[arg] = load.node
    return { ...load.access, arg }
  }
  const maybe = (strided: Strided | null): Strided | null => strided && seen(strided, [batch, heads, queries, keys])
  const shape = {
    query: seen(kernel.query, [batch, heads, queries, headDim]),
    key: seen(kernel.key, [batch, kvHeads, keys, headDim]),
    value: seen(kernel.value, [batch, kvHeads, keys, valueDim]),
    bias: maybe(kernel.bias),
    mask: maybe(kernel.mask),
  }
  if (kernel.kind === 'attention') return { kernel: { ...kernel, ...shape }, reads }
  const rows = (strided: Strided, width: number): Strided => seen(strided, [batch, heads, queries, width])
  return {
    kernel: { ...kernel, ...shape, out: rows(kernel.out, valueDim), lse: rows(kernel.lse, 1), ct: rows(kernel.ct, valueDim) },
    reads,
  }
}

/** The buffer behind views, and where `linear`, an element number of the node, stands in it; null where the way isn't affine. */
const viewOf = (
  node: Node,
  linear: Affine,
  extents: readonly number[],
  buffered: (node: Node) => boolean,
): { readonly node: Node; readonly access: Affine } | null => {
  let p: Position | null = throughReshape({ dims: [], linear, guards: [] }, node.shape, extents)
  let at = node
  while (!buffered(at)) {
    if (at.kind === 'view') p = throughView(p, at.view, at.shape, at.source.shape, extents)
    else if (at.kind === 'reshape') p = throughReshape(p, at.source.shape, extents)
    else return null
    if (p === null) return null
    at = at.source
  }
  return p.linear === null || p.guards.length > 0 ? null : { node: at, access: p.linear }
}
