/**
 * Kernels of one iteration space that read one another's results, or the same arrays, become one kernel with several outputs: what it
 * computes on the way for others is written in passing, and what only it wants isn't written at all.
 */
import { type Node, sizeOfNode } from '../../src/core/graph.ts'
import { type Emitted, emit, NeedsBuffer, sizesOf, type Space } from './emit.ts'

/** More outputs or arguments than this would not stay in registers. */
const MOST_OUTPUTS = 8
const MOST_ARGS = 24
/** How far a way around through other kernels is looked for. */
const MOST_VISITED = 512
/** Earlier readers of the same array that are tried. */
const MOST_READERS = 8

interface Group {
  emitted: Emitted
  space: Space | null
  /** The rank of the last node it writes. */
  last: number
  /** Its place in an order in which each comes after all that it needs. */
  place: number
}

/**
 * `kernels` are in order of rank: each node's place in an order in which it comes after all that it needs. `waits`: a kernel may wait for others,
 * which don't need it, so that one that needs both joins it.
 */
export const merge = (
  kernels: readonly Emitted[],
  roots: readonly Node[],
  rank: (node: Node) => number,
  isBuffered: (node: Node) => boolean,
  waits = true,
): Emitted[] => {
  const owner = new Map<Node, Group>()
  const readers = new Map<Node, Group[]>()
  const groups: Group[] = []
  const note = (group: Group): void => {
    for (const node of group.emitted.writes) owner.set(node, group)
    for (const node of group.emitted.reads) {
      const known = readers.get(node)
      if (known === undefined) readers.set(node, [group])
      else if (!known.includes(group)) known.push(group)
    }
  }
  for (const emitted of kernels) {
    const own: Group = { emitted, space: emitted.space, last: Math.max(...emitted.writes.map(rank)), place: groups.length }
    const host =
      own.space === null ? undefined : candidates(own, owner, readers).find((group) => join(group, own, groups, owner, isBuffered, waits))
    if (host === undefined) groups.push(own)
    note(host ?? own)
  }
  return trim(inOrder(groups, owner), roots, isBuffered)
}

const candidates = (own: Group, owner: ReadonlyMap<Node, Group>, readers: ReadonlyMap<Node, readonly Group[]>): readonly Group[] => {
  const { reads } = own.emitted
  const producers = reads.flatMap((node) => owner.get(node) ?? [])
  const { all, rows } = sizesOf(own.space!)
  const shared = reads.filter((node) => 2 * sizeOfNode(node) >= all || (own.space!.inner > 0 && sizeOfNode(node) >= rows))
  const beside = shared.flatMap((node) => readers.get(node)?.slice(-MOST_READERS) ?? []).sort((a, b) => b.last - a.last)
  return [...new Set([...producers, ...beside])].filter((group) => group.space !== null)
}

/** Makes `own`, which comes after all `groups`, part of `group` where one kernel can compute both. */
const join = (
  group: Group,
  own: Group,
  groups: Group[],
  owner: ReadonlyMap<Node, Group>,
  isBuffered: (node: Node) => boolean,
  waits: boolean,
): boolean => {
  const nodes = [...group.emitted.writes, ...own.emitted.writes]
  if (nodes.length > MOST_OUTPUTS) return false
  const spaces = spacesFor(group, own)
  const needed = spaces.length === 0 ? null : between(group, own, owner)
  if (needed === null || (!waits && needed.size > 0)) return false
  for (const space of spaces) {
    try {
      const emitted = space === group.space ? group.emitted.and(own.emitted.writes) : emit(nodes, space, isBuffered)
      const grows = emitted.reads.length > group.emitted.reads.length
      if (grows && emitted.reads.length + nodes.length > MOST_ARGS) return false
      Object.assign(group, { emitted, space, last: Math.max(group.last, own.last) })
      moveBefore(group, needed, groups)
      return true
    } catch (reason) {
      if (!(reason instanceof NeedsBuffer)) throw reason
    }
  }
  return false
}

/** Iteration spaces in which both may be computed. */
const spacesFor = (group: Group, own: Group): readonly Space[] => {
  const [a, b] = [group.space!, own.space!]
  const fits = (g: Group, space: Space): boolean => {
    const { all, rows } = sizesOf(space)
    return g.emitted.writes.every((node) => sizeOfNode(node) === all || (space.inner > 0 && sizeOfNode(node) === rows))
  }
  // What is read by the elements of a contraction's result, or reads them, is computed with them.
  if (a.dot !== null || b.dot !== null) {
    const follows = own.emitted.reads.some((node) => group.emitted.writes.includes(node))
    if (!follows || (a.dot !== null && b.dot !== null)) return []
    if (a.dot !== null) return b.inner === 0 && fits(own, a) ? [a] : []
    return a.inner === 0 && fits(group, b) ? [b] : []
  }
  if (a.inner > 0 && b.inner > 0) return sameSpace(a, b) ? [a] : []
  if (a.inner > 0) return fits(own, a) ? [a] : []
  if (b.inner > 0) return fits(group, b) ? [b] : []
  if (!fits(own, a)) return []
  return sameSpace(a, b) ? [a] : [a, b]
}
const sameSpace = (a: Space, b: Space): boolean => a.inner === b.inner && String(a.extents) === String(b.extents)

/**
 * The groups behind `group` that `own` needs. Null when one of them needs `group`, since it would have to run between the two halves of one
 * kernel, or when they are too many. The places of groups tell what may need `group`; ranks don't, since a group holds early and late nodes.
 */
const between = (group: Group, own: Group, owner: ReadonlyMap<Node, Group>): ReadonlySet<Group> | null => {
  const needed = new Set<Group>()
  const walk = [own]
  for (let from = walk.pop(); from !== undefined; from = walk.pop())
    for (const node of from.emitted.reads) {
      const g = owner.get(node)
      if (g === group && from !== own) return null
      if (g === undefined || g === own || g.place <= group.place || needed.has(g)) continue
      if (needed.add(g).size > MOST_VISITED) return null
      walk.push(g)
    }
  return needed
}

/** Puts groups behind `group`, with all that they need there among them, before it. */
const moveBefore = (group: Group, moved: ReadonlySet<Group>, groups: Group[]): void => {
  if (moved.size === 0) return
  const from = group.place
  const to = Math.max(...[...moved].map((g) => g.place)) + 1
  const window = groups.slice(from, to)
  const placed = [...window.filter((g) => moved.has(g)), ...window.filter((g) => !moved.has(g))]
  placed.forEach((g, i) => {
    g.place = from + i
    groups[g.place] = g
  })
}

/** Each after what it needs, else by the rank of its last result. */
const inOrder = (groups: readonly Group[], owner: ReadonlyMap<Node, Group>): Emitted[] => {
  const out: Emitted[] = []
  const state = new Map<Group, 'open' | 'done'>()
  const stack = [...groups].sort((a, b) => b.last - a.last)
  while (stack.length > 0) {
    const group = stack.at(-1)!
    if (state.get(group) === undefined) {
      state.set(group, 'open')
      for (const node of group.emitted.reads) {
        const needed = owner.get(node)
        if (needed !== undefined && !state.has(needed)) stack.push(needed)
      }
    } else {
      stack.pop()
      if (state.get(group) === 'open') out.push(group.emitted)
      state.set(group, 'done')
    }
  }
  return out
}

/** Drops outputs that nobody else reads. */
const trim = (kernels: readonly Emitted[], roots: readonly Node[], isBuffered: (node: Node) => boolean): Emitted[] => {
  const wanted = new Set<Node>(roots)
  const out: Emitted[] = []
  for (let i = kernels.length - 1; i >= 0; i--) {
    const kernel = without(kernels[i]!, (node) => !wanted.has(node), isBuffered)
    for (const node of kernel.reads) wanted.add(node)
    out.push(kernel)
  }
  return out.reverse()
}

/** The kernel less some of its outputs; the same where what it writes can't be computed from them unwritten. */
const without = (kernel: Emitted, dropped: (node: Node) => boolean, isBuffered: (node: Node) => boolean): Emitted => {
  const { space, writes } = kernel
  const kept = writes.filter((node) => !dropped(node))
  if (space === null || kept.length === writes.length) return kernel
  try {
    return emit(kept, space, (node) => !writes.includes(node) && isBuffered(node))
  } catch (reason) {
    if (!(reason instanceof NeedsBuffer)) throw reason
    return kernel
  }
}
