/** Which nodes get a buffer: results, operands read many times, what several kernels would compute and is dear. The others are computed where they are read. */
import { isHalf } from '../../src/core/dtype.ts'
import { type Node, overlaps, sizeOfNode } from '../../src/core/graph.ts'
import { FEW_UPDATES, readsHalves, type ScalarOp } from '../../src/core/kernel.ts'
import { isOpName, traitsOf } from '../../src/core/ops.ts'

/** How far kernels are joined: not at all, so that every operation has a kernel of its own; as it pays where launches are cheap; or where they are dear. */
export type Fusion = 'none' | 'usual' | 'most'

/** What an op costs an element, in additions. */
export const costOf = (op: ScalarOp): number =>
  (op === 'threefry0' || op === 'threefry1' ? traitsOf('threefry') : isOpName(op) ? traitsOf(op) : {}).cost ?? 1

export const argsOf = (node: Node): readonly Node[] => {
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
export const sorted = (roots: readonly Node[]): Node[] => {
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
export const CHEAP = 8
/** A read of a whole array. */
const LOAD = 4
/** Expressions deeper than this are cut: kernels, which may merge several of these, are compiled by recursion over them. */
const DEEPEST = 48

const hard = (node: Node): boolean => node.kind === 'dot' || node.kind === 'part'
const peel = (node: Node): Node => (node.kind === 'view' || node.kind === 'reshape' ? peel(node.source) : node)
/** Whether it is 16-bit floats as float32s, and nothing more. */
export const isWidened = (node: Node): boolean =>
  node.kind === 'map' && node.op === 'cast' && node.dtype === 'float32' && isHalf(node.args[0]!.dtype)
/** What a view, a reshape or a cast is of. */
export const sourceOf = (node: Node): Node | undefined => argsOf(node)[0]
/** What a kernel that takes views reads: of 16-bit floats what was widened, where it may be able to read them. */
const operandOf = (node: Node, { kernel }: Node & { readonly kind: 'special' }): Node => {
  const own = peel(node)
  return kernel.kind === 'attention' && readsHalves(kernel) && isWidened(own) ? peel(sourceOf(own)!) : own
}
/** Whether it is read through windows, each element several times. */
const inWindows = (node: Node): boolean =>
  (node.kind === 'view' && overlaps(node.view)) || ((node.kind === 'view' || node.kind === 'reshape') && inWindows(node.source))

/** Whether a contraction is of a row, with several columns of a matrix. */
export const isOfRow = (node: Node): node is Node & { kind: 'dot' } =>
  node.kind === 'dot' && node.shape.at(-1)! > 1 && node.shape.slice(0, -1).every((n) => n === 1)

/** Elements of what is small: it may be computed again, or stay in memory longer, where that saves a launch that is dear. */
export const SMALL = 2 ** 14

/** What few updates of a scatter are computed of where they are written; null where they are read. */
export const computedUpdate = ({ kernel, args }: Node & { kind: 'special' }, fusion: Fusion): Node | null => {
  if (fusion !== 'most' || kernel.kind !== 'scatter' || kernel.combine !== 'set') return null
  const few = kernel.count <= FEW_UPDATES && kernel.count * kernel.rest <= SMALL
  return few && args.indexOf(args[2]!) === 2 ? args[2]! : null
}

export const chooseBuffers = (order: readonly Node[], roots: readonly Node[], fusion: Fusion): Set<Node> => {
  const ownRow = (node: Node): node is Node & { kind: 'dot' } => fusion === 'most' && isOfRow(node) && node.lhs !== node.rhs
  const buffers = new Set<Node>(roots)
  const weights = new Map<Node, number>()
  const consumers = new Map<Node, number>()
  const contractions = new Map<Node, number>()
  /** The reduction of a whole array that a scalar is computed from, or where several of them met. */
  const wholes = new Map<Node, Node>()
  const count = (counts: Map<Node, number>, node: Node): Map<Node, number> => counts.set(node, (counts.get(node) ?? 0) + 1)
  for (const node of order) {
    for (const a of argsOf(node)) count(consumers, a)
    if (node.kind === 'dot') count(count(contractions, peel(node.lhs)), peel(node.rhs))
  }
  // What several kernels want of a reduction is kept: it is small, and written by the kernel that has its rows.
  const weightOf = (a: Node, reader: Node): number => {
    if (a.kind === 'const' || a.kind === 'index') return 0
    const own = weights.get(a)!
    const kept = hard(a) || a.kind === 'input' || a.kind === 'reduce' || (consumers.get(a)! > 1 && own > CHEAP)
    return (kept ? LOAD : own) * Math.min(1, sizeOfNode(a) / Math.max(1, sizeOfNode(reader)))
  }
  for (const node of order) {
    let weight = node.kind === 'map' ? costOf(node.op) : node.kind === 'gather' ? 4 : node.kind === 'reduce' ? 2 : 0
    for (const a of argsOf(node)) weight += weightOf(a, node)
    weights.set(node, Math.min(1e6, weight))
    if (node.kind === 'special') {
      const computed = computedUpdate(node, fusion)
      for (const a of node.args) if (a !== computed) buffers.add(node.restrided === null ? a : operandOf(a, node))
    }
    if (node.kind === 'gather') buffers.add(node.source)
    // Windows read what they share again and again.
    if (node.kind === 'view' && overlaps(node.view)) {
      const from = peel(node)
      if ((from.kind === 'map' || from.kind === 'reduce') && weights.get(from)! > CHEAP) buffers.add(from)
    }
    // A contraction reads each operand element many times.
    if (node.kind === 'dot')
      for (const side of [node.lhs, node.rhs]) {
        const operand = peel(side)
        if (side === node.lhs && ownRow(node) && operand.kind === 'map') continue
        const dear = operand.kind === 'map' && (weights.get(operand)! > CHEAP || contractions.get(operand)! > 1 || inWindows(side))
        if (operand.kind === 'reduce' || operand.kind === 'dot' || dear) buffers.add(operand)
      }
    if (fusion === 'none' && (node.kind === 'map' || node.kind === 'reduce')) buffers.add(node)
    // Sums of whole arrays that meet are kernels of their own, one beside the other; those that share what they read are merged again.
    const sums = new Set(node.kind === 'reduce' ? [node] : argsOf(node).flatMap((a) => wholes.get(peel(a)) ?? []))
    for (const sum of sums) {
      if (sums.size > 1 && sum.kind === 'reduce') buffers.add(sum)
      if (sizeOfNode(node) === 1) wholes.set(node, sums.size > 1 ? node : sum)
    }
  }
  // The kernels (two at most are told apart) that would compute each node, from the results backwards.
  const users = new Map<Node, Set<Node>>()
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!
    const mine = users.get(node) ?? new Set<Node>()
    if (mine.size > 1 && !buffers.has(node)) {
      const dear = (node.kind === 'map' || node.kind === 'gather') && weights.get(node)! > CHEAP
      if (node.kind === 'dot' || node.kind === 'reduce' || dear) buffers.add(node)
    }
    const passed = buffers.has(node) || node.kind === 'part' ? new Set([node]) : mine
    for (const a of argsOf(node)) {
      // Contractions of one row may each compute it: to what it is computed of they are one.
      const own = ownRow(node) && a === node.lhs ? [peel(a)] : passed
      const theirs = users.get(a)
      if (theirs === undefined) users.set(a, new Set(own))
      else for (const user of own) if (theirs.size < 2) theirs.add(user)
    }
  }
  const depths = new Map<Node, number>()
  for (const node of order) {
    const depth = Math.max(0, ...argsOf(node).map((a) => (buffers.has(a) || hard(a) ? 0 : depths.get(a)! + 1)))
    depths.set(node, depth)
    if (depth > DEEPEST && (node.kind === 'map' || node.kind === 'view' || node.kind === 'reshape')) buffers.add(node)
  }
  return buffers
}
