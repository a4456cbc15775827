/**
 * Fusion: chooses which nodes get a buffer and makes a kernel for each. A node that one kernel reads, or that is cheap to compute again, has
 * none: it is computed inside what reads it.
 */
import { type Node, sizeOfNode } from '../src/core/graph.ts'
import type { Kernel, ScalarOp } from '../src/core/kernel.ts'
import { emit, NeedsBuffer, readsViews, throughViews } from './emit.ts'

export interface Launch {
  readonly kernel: Kernel
  readonly extent: number
  readonly reads: readonly Node[]
  readonly writes: readonly Node[]
  readonly inPlace: ReadonlySet<Node>
}

/** Rough cost of an op an element, in additions. */
const cost = (op: ScalarOp): number => {
  switch (op) {
    case 'threefry0':
    case 'threefry1':
      return 60
    case 'exp':
    case 'expm1':
    case 'log':
    case 'log1p':
    case 'sin':
    case 'cos':
    case 'tan':
    case 'asin':
    case 'acos':
    case 'atan':
    case 'sinh':
    case 'cosh':
    case 'tanh':
    case 'asinh':
    case 'acosh':
    case 'atanh':
    case 'erf':
    case 'erfInv':
    case 'logistic':
    case 'pow':
    case 'atan2':
      return 8
    case 'div':
    case 'sqrt':
    case 'rsqrt':
    case 'rem':
      return 3
    default:
      return 1
  }
}

const argsOf = (node: Node): readonly Node[] => {
  switch (node.kind) {
    case 'map':
    case 'special':
      return node.args
    case 'view':
    case 'reshape':
    case 'reduce':
      return [node.source]
    case 'gather':
      return [node.source, node.index]
    case 'dot':
      return [node.lhs, node.rhs]
    case 'part':
      return [node.of()]
    default:
      return []
  }
}

/** Nodes with all they need before them. No recursion: programs are long. */
const sorted = (roots: readonly Node[]): Node[] => {
  const order: Node[] = []
  const state = new Map<Node, boolean>()
  const stack = [...roots].reverse()
  while (stack.length > 0) {
    const node = stack.at(-1)!
    const done = state.get(node)
    if (done === undefined) {
      state.set(node, false)
      for (const a of argsOf(node)) if (!state.has(a)) stack.push(a)
    } else {
      stack.pop()
      if (!done) {
        state.set(node, true)
        order.push(node)
      }
    }
  }
  return order
}

/** Computing this much again costs less than a trip through memory. */
const CHEAP = 8

const chooseBuffers = (order: readonly Node[], roots: readonly Node[], enabled: boolean): Set<Node> => {
  const buffers = new Set<Node>(roots)
  const weight = new Map<Node, number>()
  const hard = (node: Node): boolean => node.kind === 'dot' || node.kind === 'part'
  const peel = (node: Node): Node => (node.kind === 'view' || node.kind === 'reshape' ? peel(node.source) : node)
  const consumers = new Map<Node, number>()
  for (const node of order) {
    for (const a of argsOf(node)) consumers.set(a, (consumers.get(a) ?? 0) + 1)
    const own = node.kind === 'map' ? cost(node.op) : node.kind === 'gather' ? 4 : node.kind === 'reduce' ? 2 : 1
    const below = argsOf(node).reduce((sum, a) => sum + (hard(a) || a.kind === 'input' ? 1 : weight.get(a)!), 0)
    weight.set(node, Math.min(1e6, own + (node.kind === 'const' || node.kind === 'index' ? 0 : below)))
    if (node.kind === 'special') for (const a of node.args) buffers.add(readsViews(node.kernel) ? peel(a) : a)
    if (node.kind === 'gather') buffers.add(node.source)
    // A contraction reads each operand element many times.
    if (node.kind === 'dot')
      for (const operand of [peel(node.lhs), peel(node.rhs)])
        if (
          operand.kind === 'reduce' ||
          operand.kind === 'dot' ||
          (operand.kind === 'map' && (weight.get(operand)! > CHEAP || consumers.get(operand)! > 1))
        )
          buffers.add(operand)
    if (!enabled && node.kind === 'map') buffers.add(node)
    if (!enabled && node.kind === 'reduce') buffers.add(node)
  }
  // The kernels that would compute each node, from the results backwards; what several would is kept if it is dear.
  const users = new Map<Node, Set<Node>>()
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!
    const mine = users.get(node) ?? new Set<Node>()
    if (mine.size > 1 && !buffers.has(node)) {
      if (node.kind === 'dot' || ((node.kind === 'map' || node.kind === 'gather') && weight.get(node)! > CHEAP)) buffers.add(node)
      else if (node.kind === 'reduce' && sizeOfNode(node) * 16 > sizeOfNode(node.source)) buffers.add(node)
    }
    const passed = buffers.has(node) || hard(node) ? (node.kind === 'dot' && !buffers.has(node) ? mine : new Set([node])) : mine
    for (const a of argsOf(node)) {
      const theirs = users.get(a)
      if (theirs === undefined) users.set(a, new Set(passed))
      else for (const user of passed) theirs.add(user)
    }
  }
  return buffers
}

/** The launches that compute `roots`, in an order that respects what they read. `fuse: false` gives every operation its own kernel. */
export const fuse = (roots: readonly Node[], options: { readonly fuse: boolean }): Launch[] => {
  const order = sorted(roots)
  const buffers = chooseBuffers(order, roots, options.fuse)
  const isBuffered = (node: Node): boolean => node.kind === 'input' || node.kind === 'part' || buffers.has(node)
  const rank = new Map(order.map((node, i) => [node, i]))
  const made = new Map<Node, Launch>()
  const queue = [...roots]
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    if (node.kind === 'input' || made.has(node)) continue
    if (node.kind === 'part') {
      const of = node.of()
      if (made.has(of)) continue
      const { kernel, reads } = readsViews(of.kernel) ? throughViews(of.kernel, of.args, isBuffered) : { kernel: of.kernel, reads: of.args }
      for (const read of reads) if (!isBuffered(read)) buffers.add(read)
      made.set(of, { kernel, extent: 1, reads, writes: of.outs, inPlace: new Set() })
      queue.push(...reads)
      continue
    }
    for (;;) {
      try {
        const { kernel, extent, reads, inPlace } = emit(node, isBuffered)
        made.set(node, { kernel, extent, reads, writes: [node], inPlace })
        queue.push(...reads)
        break
      } catch (reason) {
        if (!(reason instanceof NeedsBuffer) || isBuffered(reason.node)) throw reason
        buffers.add(reason.node)
      }
    }
  }
  return [...made].sort(([a], [b]) => rank.get(a)! - rank.get(b)!).map(([, launch]) => launch)
}
