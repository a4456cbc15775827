/** One kernel from one node: what isn't in a buffer is computed where it is read, and views become index arithmetic. */
import { rowMajor } from '../src/core/aval.ts'
import type { DType } from '../src/core/dtype.ts'
import { type Node, sizeOfNode } from '../src/core/graph.ts'
import type { Access, Affine, Attention, AttentionGrad, Expr, Guard, Kernel, Output, Strided } from '../src/core/kernel.ts'
import { fromDims, type Position, sameAffine, start, throughReshape, throughView, unitAffine } from './place.ts'

/** Raised while emitting: this node has to be in a buffer first. */
export class NeedsBuffer {
  readonly node: Node
  constructor(node: Node) {
    this.node = node
  }
}

export interface Emitted {
  readonly kernel: Kernel
  readonly extent: number
  /** The nodes that the kernel's leading args read; the last arg is the result. */
  readonly reads: readonly Node[]
  /** Reads whose every access is at the result's own element: the result may take over their memory. */
  readonly inPlace: ReadonlySet<Node>
}

/** An expression emitter over one iteration space. */
class Emitter {
  readonly reads: Node[] = []
  readonly scattered = new Set<Node>()
  readonly #memo = new Map<Node, Map<string, Expr>>()
  readonly extents: readonly number[]
  readonly inner: number
  readonly #acc: Node | null
  readonly #buffered: (node: Node) => boolean
  constructor(extents: readonly number[], inner: number, acc: Node | null, buffered: (node: Node) => boolean) {
    this.extents = extents
    this.inner = inner
    this.#acc = acc
    this.#buffered = buffered
  }

  arg(node: Node): number {
    const at = this.reads.indexOf(node)
    return at >= 0 ? at : this.reads.push(node) - 1
  }

  /** The value of `node` at `p`, an index of it that the iteration index determines. */
  expr(node: Node, p: Position): Expr {
    if (node.kind === 'const') return { kind: 'const', dtype: node.dtype, value: node.value }
    let mine = this.#memo.get(node)
    if (mine === undefined) this.#memo.set(node, (mine = new Map()))
    const key = JSON.stringify(p)
    let out = mine.get(key)
    if (out === undefined) mine.set(key, (out = this.#emitOrKeep(node, p)))
    return out
  }

  /** Where a buffer can't be read at this index, what stands between it and the last node with a known element number is kept instead. */
  #emitOrKeep(node: Node, p: Position): Expr {
    try {
      return this.#emit(node, p)
    } catch (reason) {
      const stuck = reason instanceof NeedsBuffer && reason.node !== node && this.#buffered(reason.node)
      throw stuck && p.linear !== null && !this.#buffered(node) ? new NeedsBuffer(node) : reason
    }
  }

  #emit(node: Node, p: Position): Expr {
    if (node === this.#acc) {
      const identity = start(this.extents, this.extents).linear!
      if (!sameAffine(p.linear, identity, this.extents) || p.guards.length > 0) throw new NeedsBuffer(node)
      return { kind: 'acc', dtype: node.dtype }
    }
    if (this.#buffered(node)) return this.#load(node, p)
    switch (node.kind) {
      case 'index': {
        const strides = this.extents.map(() => 0)
        let offset = node.affine.offset
        node.affine.strides.forEach((s, d) => {
          if (s === 0) return
          const at = p.dims[d]
          if (at === null || at === undefined) throw new NeedsBuffer(node)
          at.strides.forEach((t, k) => (strides[k]! += s * t))
          offset += s * at.offset
        })
        return { kind: 'index', dtype: 'int32', affine: { strides, offset } }
      }
      case 'map':
        return { kind: 'apply', dtype: node.dtype, op: node.op, args: node.args.map((a) => this.expr(a, p)) }
      case 'view': {
        const q = throughView(p, node.view, node.source.shape, this.extents)
        const value = this.expr(node.source, q)
        if (!node.view.guarded || this.#buffered(node.source)) return value
        const own = q.guards.slice(p.guards.length)
        if (own.length === 0) return value
        return {
          kind: 'apply',
          dtype: node.dtype,
          op: 'select',
          args: [inside(own), value, { kind: 'const', dtype: node.dtype, value: 0 }],
        }
      }
      case 'reshape':
        return this.expr(node.source, throughReshape(p, node.source.shape, this.extents))
      case 'gather':
        if (p.guards.length > 0) throw new NeedsBuffer(node)
        if (!this.#buffered(node.source)) throw new NeedsBuffer(node.source)
        this.scattered.add(node.source)
        return { kind: 'gather', dtype: node.dtype, arg: this.arg(node.source), index: this.expr(node.index, p) }
      case 'reduce':
        return this.#reduce(node, p)
      default:
        throw new NeedsBuffer(node)
    }
  }

  /** A reduction over the kernel's own inner dims, at the kernel's own outer index. */
  #reduce(node: Node & { kind: 'reduce' }, p: Position): Expr {
    const { extents, inner } = this
    const rank = extents.length
    const outer = rank - inner
    const source = node.source.shape
    const lead = outer - node.shape.length // an outer dim of 1 that was put in front
    const innerFits = inner > 0 && inner === node.inner && extents.slice(outer).every((n, d) => n === source[node.shape.length + d])
    const outerFits =
      lead >= 0 &&
      extents.slice(0, lead).every((n) => n === 1) &&
      node.shape.every((n, d) => n === extents[lead + d] && (n === 1 || sameAffine(p.dims[d]!, unitAffine(rank, lead + d), extents)))
    if (!innerFits || !outerFits || p.guards.length > 0) throw new NeedsBuffer(node)
    const dims = source.map((_, d) => unitAffine(rank, lead + d))
    return { kind: 'reduce', dtype: node.dtype, op: node.op, arg: this.expr(node.source, fromDims(dims, source, rank)) }
  }

  #load(node: Node, p: Position): Expr {
    if (p.linear === null) throw new NeedsBuffer(node)
    const access: Access = { ...p.linear, guards: p.guards }
    const own = start(this.extents, this.extents).linear!
    if (!sameAffine(p.linear, own, this.extents) || p.guards.length > 0) this.scattered.add(node)
    return { kind: 'load', dtype: node.dtype, arg: this.arg(node), access }
  }
}

const inside = (guards: readonly Guard[]): Expr => {
  const tests = guards.flatMap(({ extent, ...affine }): Expr[] => {
    const at: Expr = { kind: 'index', dtype: 'int32', affine }
    const bound = (op: 'ge' | 'lt', value: number): Expr => ({
      kind: 'apply',
      dtype: 'bool',
      op,
      args: [at, { kind: 'const', dtype: 'int32', value }],
    })
    return [bound('ge', 0), bound('lt', extent)]
  })
  return tests.reduce((a, b) => ({ kind: 'apply', dtype: 'bool', op: 'and', args: [a, b] }))
}

const finish = (e: Emitter, make: (args: readonly DType[], output: number) => Kernel, node: Node, extent: number): Emitted => {
  const args = [...e.reads.map((n) => n.dtype), node.dtype]
  return { kernel: make(args, e.reads.length), extent, reads: e.reads, inPlace: new Set(e.reads.filter((n) => !e.scattered.has(n))) }
}

/** The contraction whose epilogue `node` can be, and the row reduction it can share a kernel with. */
const findInside = (
  node: Node,
  buffered: (node: Node) => boolean,
): { readonly dot: Node | null; readonly reduce: (Node & { kind: 'reduce' }) | null } => {
  let dot: Node | null = null
  let reduce: (Node & { kind: 'reduce' }) | null = null
  const seen = new Set<Node>()
  const walk = [node]
  for (let n = walk.pop(); n !== undefined; n = walk.pop()) {
    if (seen.has(n) || (n !== node && buffered(n))) continue
    seen.add(n)
    if (n.kind === 'dot') dot ??= n
    else if (n.kind === 'map') walk.push(...n.args)
    else if (n.kind === 'view' || n.kind === 'reshape') walk.push(n.source)
    else if (n.kind === 'reduce') {
      if (reduce === null || sizeOfNode(n.source) > sizeOfNode(reduce.source)) reduce = n
      walk.push(n.source)
    } else if (n.kind === 'gather') walk.push(n.index)
  }
  return { dot, reduce }
}

export const emit = (node: Node, isBuffered: (node: Node) => boolean): Emitted => {
  const buffered = (n: Node): boolean => n !== node && isBuffered(n)
  const { dot, reduce } = findInside(node, buffered)
  if (dot?.kind === 'dot') {
    if (reduce !== null) throw new NeedsBuffer(dot === node ? reduce : dot)
    return emitDot(node, dot, buffered)
  }
  const row = node.kind === 'reduce' ? node : reduce
  const dims = row === null ? node.shape : row.source.shape
  if (row !== null && node.kind !== 'reduce' && sizeOfNode(node) !== sizeOfNode(row.source)) {
    // The results of the rows themselves, with what is computed from them.
    if (sizeOfNode(node) === sizeOfNode(row)) return emitRows(node, row, buffered)
    throw new NeedsBuffer(row)
  }
  if (node.kind === 'reduce') return emitRows(node, node, buffered)
  const inner = row === null ? 0 : row.inner
  const extents = dims.length === inner ? [1, ...dims] : dims
  const e = new Emitter(extents, inner, null, buffered)
  const p = start(extents, node.shape)
  const expr = e.expr(node, p)
  const access = p.linear!
  return finish(
    e,
    (args, arg) => ({ kind: 'nest', dims: extents, inner, args, outputs: [{ arg, expr, access, rowwise: false }] }),
    node,
    extents[0]!,
  )
}

const emitRows = (node: Node, row: Node & { kind: 'reduce' }, buffered: (node: Node) => boolean): Emitted => {
  const source = row.source.shape
  const extents = source.length === row.inner ? [1, ...source] : source
  const outer = extents.length - row.inner
  const strides = [...rowMajor(extents.slice(0, outer)), ...extents.slice(outer).map(() => 0)]
  const e = new Emitter(extents, row.inner, null, buffered)
  const linear = { strides, offset: 0 }
  const p: Position = throughReshape({ dims: [], linear, guards: [] }, node.shape, extents)
  const expr = e.expr(node, p)
  // Rows may be as many as their elements; the memory of an input is never taken over here.
  for (const n of e.reads) e.scattered.add(n)
  const output = (arg: number): Output => ({ arg, expr, access: linear, rowwise: true })
  return finish(e, (args, arg) => ({ kind: 'nest', dims: extents, inner: row.inner, args, outputs: [output(arg)] }), node, extents[0]!)
}

const emitDot = (node: Node, dot: Node & { kind: 'dot' }, buffered: (node: Node) => boolean): Emitted => {
  if (sizeOfNode(node) !== sizeOfNode(dot)) throw new NeedsBuffer(dot)
  const batch = dot.shape.slice(0, -2)
  const [m, n] = dot.shape.slice(-2) as [number, number]
  const k = dot.lhs.shape.at(-1)!
  const epilogue = new Emitter(dot.shape, 0, dot, buffered)
  const expr = epilogue.expr(node, start(dot.shape, node.shape))
  // Operands share the args of the epilogue, but have iteration spaces of their own.
  const operand = (source: Node, extents: readonly number[]): Expr => {
    const e = new Emitter(extents, 0, null, buffered)
    e.reads.push(...epilogue.reads)
    const value = e.expr(source, start(extents, source.shape))
    for (const read of e.reads) {
      const used = !epilogue.reads.includes(read)
      if (used) epilogue.reads.push(read)
    }
    for (const read of loadsOf(value)) epilogue.scattered.add(e.reads[read]!)
    return value
  }
  const lhs = operand(dot.lhs, [...batch, m, k])
  const rhs = operand(dot.rhs, [...batch, k, n])
  const access = start(dot.shape, dot.shape).linear!
  return finish(
    epilogue,
    (args, arg) => ({ kind: 'dot', dtype: dot.dtype, batch, m, n, k, lhs, rhs, args, outputs: [{ arg, expr, access, rowwise: false }] }),
    node,
    1,
  )
}

/** The args that an expression reads. */
const loadsOf = (expr: Expr, out = new Set<number>()): ReadonlySet<number> => {
  switch (expr.kind) {
    case 'load':
      return out.add(expr.arg)
    case 'gather':
      return loadsOf(expr.index, out.add(expr.arg))
    case 'apply':
      for (const a of expr.args) loadsOf(a, out)
      return out
    case 'reduce':
      return loadsOf(expr.arg, out)
    default:
      return out
  }
}

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
  let p: Position = throughReshape({ dims: [], linear, guards: [] }, node.shape, extents)
  let at = node
  while (!buffered(at)) {
    if (at.kind === 'view') p = throughView(p, at.view, at.source.shape, extents)
    else if (at.kind === 'reshape') p = throughReshape(p, at.source.shape, extents)
    else return null
    at = at.source
  }
  return p.linear === null || p.guards.length > 0 ? null : { node: at, access: p.linear }
}
