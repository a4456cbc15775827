/** The memory plan: every buffer's life is known, intermediates share one arena, donated inputs become results. */
import { byteWidth } from '../../src/core/dtype.ts'
import { type Node, sizeOfNode } from '../../src/core/graph.ts'
import type { Buffer, Place, Program, Step } from '../../src/core/program.ts'
import type { Fusion } from './buffers.ts'
import { fuse } from './fuse.ts'
import type { Launch } from './launches.ts'

/** Arrays start on 16-byte borders with 16 bytes behind them, so that a vector load never leaves the arena. */
const reserve = (bytes: number): number => (bytes + 31) & ~15

interface Block {
  /** The last launch that reads it. */
  readonly to: number
  readonly offset: number
  readonly bytes: number
}

/** First fit, launch after launch, among the blocks that are still read: `alive`, sorted by offset. */
class Arena {
  #alive: Block[] = []
  bytes = 0

  /** A place for a block written by launch `from`, which doesn't decrease from call to call. */
  place(from: number, to: number, bytes: number): number {
    this.#alive = this.#alive.filter((b) => b.to >= from)
    let offset = 0
    let at = 0
    for (const b of this.#alive) {
      if (offset + bytes <= b.offset) break
      offset = b.offset + b.bytes
      at++
    }
    this.#alive.splice(at, 0, { to, offset, bytes })
    this.bytes = Math.max(this.bytes, offset + bytes)
    return offset
  }
}

/** What a special kernel or a program within has made is a result as it stands, whatever its shape. */
const written = (node: Node): Node => {
  let at = node
  while (at.kind === 'reshape') at = at.source
  return at.kind === 'part' ? at : node
}

/** A program that does the `effects`, in order, and gives `outs`. `lent`: for each result the inputs whose memory it may take over. */
export const planProgram = (
  inputs: readonly Node[],
  effects: readonly Node[],
  outs: readonly Node[],
  lent: (result: number) => Iterable<number>,
  fusion: Fusion,
): Program => {
  // A result that is an argument, or that another result is too, is a copy of its own.
  const seen = new Set<Node>()
  const roots = outs.map(written).map((node): Node => {
    const own: Node =
      seen.has(node) || node.kind === 'input' ? { kind: 'reshape', source: node, shape: node.shape, dtype: node.dtype } : node
    seen.add(own)
    return own
  })
  const times = fuse([...effects, ...roots], fusion)
  const first = new Map<Node, number>()
  const last = new Map<Node, number>()
  times.forEach((own, i) => {
    for (const run of own.flatMap(({ runs }) => runs)) {
      for (const node of run.reads) last.set(node, i)
      for (const node of run.writes) {
        first.set(node, i)
        if (!last.has(node)) last.set(node, i)
      }
    }
  })
  const places = new Map<Node, Place>()
  inputs.forEach((node, index) => places.set(node, { kind: 'input', index }))
  const taken = new Set<number>()
  roots.forEach((node, index) =>
    places.set(node, takeOver(node, inputs, lent(index), taken, times, first, last) ?? { kind: 'output', index }),
  )

  const arena = new Arena()
  times.forEach((own, from) => {
    // What is read and never written has no elements.
    for (const node of own.flatMap(({ runs }) => runs).flatMap((run) => [...run.writes, ...run.reads])) {
      if (places.has(node)) continue
      places.set(node, { kind: 'arena', offset: arena.place(from, last.get(node)!, reserve(sizeOfNode(node) * byteWidth[node.dtype])) })
    }
  })
  const ids = new Map<Node, number>()
  const buffers: Buffer[] = []
  for (const [node, place] of places) {
    ids.set(node, buffers.length)
    buffers.push({ dtype: node.dtype, size: sizeOfNode(node), place })
  }
  const steps = times.flatMap((own) =>
    own.flatMap(({ kernel, runs }, i): readonly Step[] => {
      const segments = runs.map(({ reads, writes, extent }) => ({ buffers: [...reads, ...writes].map((n) => ids.get(n)!), extent }))
      return kernel.kind === 'composite'
        ? kernel.steps(segments[0]!.buffers, buffers)
        : [{ kind: 'launch', kernel, segments, ...(i > 0 ? { beside: true } : {}) }]
    }),
  )
  return {
    buffers,
    inputs: inputs.map((n) => ids.get(n)!),
    outputs: roots.map((n) => ids.get(n)!),
    steps,
    arenaBytes: arena.bytes,
    effects: effects.length > 0,
  }
}

/** A donated input of the same size that nobody reads after the result is written, but for its writer reading the same element. */
const takeOver = (
  node: Node,
  inputs: readonly Node[],
  donated: Iterable<number>,
  taken: Set<number>,
  times: readonly (readonly Launch[])[],
  first: ReadonlyMap<Node, number>,
  last: ReadonlyMap<Node, number>,
): Place | null => {
  const at = first.get(node)
  if (at === undefined) return null
  for (const index of donated) {
    const input = inputs[index]!
    if (taken.has(index) || input.dtype !== node.dtype || sizeOfNode(input) !== sizeOfNode(node)) continue
    const read = last.get(input) ?? -1
    const readers = times[at]!.flatMap(({ runs }) => runs).filter((run) => run.reads.includes(input))
    if (read > at || (read === at && !readers.every((run) => run.writes.includes(node) && run.inPlace.has(input)))) continue
    taken.add(index)
    return { kind: 'input', index }
  }
  return null
}
