/** Fusion: from the results of a program to its kernels, in an order that respects what they read. */
import { CotangentError } from '../../src/core/errors.ts'
import { type Node, sizeOfNode } from '../../src/core/graph.ts'
import { inPlaceOf } from '../../src/core/kernelTraits.ts'
import { chooseBuffers, computedUpdate, type Fusion, sorted } from './buffers.ts'
import { type Emitted, emit, emitUpdate, findInside, loadsOf, NeedsBuffer, spaceOf } from './emit.ts'
import { merge } from './merge.ts'
import { batchLaunches, codedOf, early, type Launch, together } from './launches.ts'
import { throughViews } from './views.ts'

type Together = readonly (readonly Launch[])[]
/** The launches that compute `roots`, those together that may go at once. */
export const fuse = (roots: readonly Node[], fusion: Fusion): Together => {
  const order = sorted(roots)
  const buffers = chooseBuffers(order, roots, fusion)
  const isBuffered = (node: Node): boolean => node.kind === 'input' || node.kind === 'part' || buffers.has(node)
  const places = new Map(order.map((node, i) => [node, i]))
  const rank = (node: Node): number => places.get(node.kind === 'part' ? node.of() : node)!
  const kernels = new Map<Node, Emitted>()
  // Kernels must agree on what is in a buffer: one made before a buffer was chosen would read it once it is merged, out of order. So those
  // that compute what has been chosen since are made again until no more is chosen.
  for (;;) {
    const known = buffers.size
    const made = new Set<Node>()
    const queue = [...roots]
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      const of = node.kind === 'part' ? node.of() : node
      if (node.kind === 'input' || sizeOfNode(node) === 0 || made.has(of)) continue
      const emitted =
        kernels.get(of) ??
        (of.kind === 'special' ? emitSpecial(of, buffers, isBuffered, fusion) : emitAlone(of, buffers, isBuffered, fusion))
      kernels.set(of, emitted)
      made.add(of)
      queue.push(...emitted.reads)
    }
    const chosen = [...buffers].slice(known)
    if (chosen.length === 0) {
      const first = [...made].map((node) => kernels.get(node)!).sort((a, b) => rank(a.writes[0]!) - rank(b.writes[0]!))
      const joined = (waits: boolean): readonly Emitted[] => (fusion === 'none' ? first : merge(first, roots, rank, isBuffered, waits))
      const coded = (waits: boolean) => joined(waits).map((emitted) => codedOf(emitted, fusion))
      if (fusion !== 'most') return batchLaunches(coded(true), fusion).map((launch) => [launch])
      const orders = [true, false].map(coded).flatMap((order) => [order, early(order)])
      return fewest(orders.map((order) => together(batchLaunches(order, fusion))))
    }
    for (const [node, emitted] of kernels) if (chosen.some(emitted.computes)) kernels.delete(node)
  }
}

/** The first of the shortest. */
const fewest = (all: readonly Together[]): Together => all.reduce((best, one) => (one.length < best.length ? one : best))

/** A kernel for one node; what it can't compute where it reads it gets a buffer. */
const emitAlone = (node: Node, buffers: Set<Node>, isBuffered: (node: Node) => boolean, fusion: Fusion): Emitted => {
  let heart: Node | null = null
  const emitted = (): Emitted => {
    const space = spaceOf(node, isBuffered, fusion === 'most')
    heart = space.row ?? space.dot
    return emit([node], space, isBuffered)
  }
  // Where the result doesn't follow the order of the reduction or contraction whose kernel it would share, that is kept.
  const kept = (needed: Node): Node | null =>
    isBuffered(needed) || (heart?.kind === 'dot' && findInside(needed, isBuffered).dot === heart) ? heart : needed
  return keeping(emitted, buffers, kept, isBuffered, node)
}

/** Tries until all that needs a buffer has one. */
const keeping = <T>(
  emitted: () => T,
  buffers: Set<Node>,
  kept: (needed: Node) => Node | null,
  isBuffered: (node: Node) => boolean,
  node: Node,
): T => {
  for (;;) {
    try {
      return emitted()
    } catch (reason) {
      if (!(reason instanceof NeedsBuffer)) throw reason
      const next = kept(reason.node)
      if (next === null || isBuffered(next)) throw new CotangentError(`internal: no kernel for a ${node.kind}`)
      buffers.add(next)
    }
  }
}

const emitSpecial = (
  node: Node & { kind: 'special' },
  buffers: Set<Node>,
  isBuffered: (node: Node) => boolean,
  fusion: Fusion,
): Emitted => {
  const { kernel, reads } = special(node, buffers, isBuffered, fusion)
  for (const read of reads) if (!isBuffered(read)) buffers.add(read)
  const places = kernel.kind === 'composite' ? [] : inPlaceOf(kernel).map((i) => reads[i]!)
  // What it reads by another arg too, it may read after it was written.
  const inPlace = new Set(places.filter((read) => reads.indexOf(read) === reads.lastIndexOf(read)))
  const and = (): never => {
    throw new NeedsBuffer(node)
  }
  return { kernel: () => ({ kernel, extent: 1 }), space: null, reads, writes: node.outs, inPlace, computes: () => true, and }
}

const special = (
  node: Node & { kind: 'special' },
  buffers: Set<Node>,
  isBuffered: (node: Node) => boolean,
  fusion: Fusion,
): ReturnType<typeof throughViews> => {
  const { kernel, args } = node
  const source = computedUpdate(node, fusion)
  if (kernel.kind !== 'scatter' || source === null || isBuffered(source)) return throughViews(node, isBuffered)
  const [x, index] = args as readonly [Node, Node]
  for (const read of [x, index]) if (!isBuffered(read)) buffers.add(read)
  const { reads, ...update } = keeping(() => emitUpdate(source, [kernel.count, kernel.rest], [x, index], isBuffered), buffers, (n) => n, isBuffered, node) // prettier-ignore
  // x must not be read where it may have been written.
  if (isBuffered(source) || loadsOf(update.expr).includes(0)) {
    buffers.add(source)
    return throughViews(node, isBuffered)
  }
  return { kernel: { ...kernel, update, args: [...reads.map(({ dtype }) => dtype), kernel.args[3]!] }, reads }
}
