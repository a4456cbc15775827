/** Kernels that read operands with any strides take views of buffers as they lie: a slice, a transpose or a broadcast costs nothing. */
import { isHalf } from '../../src/core/dtype.ts'
import type { Composite, Node } from '../../src/core/graph.ts'
import { type Affine, type Kernel, readsHalves } from '../../src/core/kernel.ts'
import { isWidened, sourceOf } from './buffers.ts'
import { type Position, throughReshape, throughView } from './place.ts'

/** The kernel and what it reads: buffers behind views where it can, else the operands themselves. */
export const throughViews = (
  { kernel, args, restrided }: Node & { readonly kind: 'special' },
  buffered: (node: Node) => boolean,
): { readonly kernel: Kernel | Composite; readonly reads: readonly Node[] } => {
  if (restrided === null) return { kernel, reads: args }
  const through = (allowed: boolean) => {
    const reads = [...args]
    const seen = restrided((operand, extents, halves = false) => {
      const { arg, ...linear } = operand
      const node = args[arg]!
      const load = buffered(node) ? null : viewOf(node, linear, extents, buffered, halves && allowed)
      if (load === null) return operand
      reads[arg] = load.node
      return { ...load.access, arg }
    })
    return { kernel: { ...seen, args: seen.args.map((dtype, i) => reads[i]?.dtype ?? dtype) }, reads }
  }
  const all = through(true)
  // As one operand lies, another may not be read.
  const fits = !all.kernel.args.some(isHalf) || (all.kernel.kind === 'attention' && readsHalves(all.kernel))
  return fits ? all : through(false)
}

/**
 * The buffer behind views, and where `linear`, an element number of the node, stands in it; null where the way isn't affine. `halves`: behind a cast
 * of 16-bit floats too.
 */
const viewOf = (
  node: Node,
  linear: Affine,
  extents: readonly number[],
  buffered: (node: Node) => boolean,
  halves: boolean,
): { readonly node: Node; readonly access: Affine } | null => {
  let p: Position | null = throughReshape({ dims: [], linear, guards: [] }, node.shape, extents)
  let at = node
  while (!buffered(at)) {
    if (at.kind === 'view') p = throughView(p, at.view, at.shape, at.source.shape, extents)
    else if (at.kind === 'reshape') p = throughReshape(p, at.source.shape, extents)
    else if (!halves || !isWidened(at)) return null
    if (p === null) return null
    at = sourceOf(at)!
  }
  return p.linear === null || p.guards.length > 0 ? null : { node: at, access: p.linear }
}
