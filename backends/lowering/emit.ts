/** One kernel from nodes of one iteration space: what isn't in a buffer is computed where it is read, and views become index arithmetic. */
import { rowMajor, sizeOf } from '../../src/core/aval.ts'
import { computedIn, type DType, isHalf } from '../../src/core/dtype.ts'
import { rounded } from '../../src/core/half.ts'
import { type Composite, type Node, overlaps, sizeOfNode } from '../../src/core/graph.ts'
import { mapAffines, partsOf } from '../../src/core/expressions.ts'
import type { Access, Affine, Digit, Expr, Guard, Kernel, Output, ScalarOp } from '../../src/core/kernel.ts'
import { argsOf as operandsOf, CHEAP, costOf, isOfRow } from './buffers.ts'
import { collapse } from './collapse.ts'
import { inDigits } from './digits.ts'
import { fromDims, type Position, sameAffine, start, throughReshape, throughView, unitAffine } from './place.ts'

/** Raised while emitting: this node has to be in a buffer first. */
export class NeedsBuffer {
  readonly node: Node
  constructor(node: Node) {
    this.node = node
  }
}

/** What a kernel loops over: a contraction's result, or a nest's dims, of which the last `inner` are reduced over. */
export interface Space {
  readonly extents: readonly number[]
  readonly inner: number
  readonly dot: (Node & { kind: 'dot' }) | null
  /** The contraction computes its left operand itself, a row, reductions of it and all. */
  readonly ownRow: boolean
  /** The reduction whose rows these are. */
  readonly row: Node | null
}

export interface Emitted {
  /** The kernel, and the extent of a nest's first dim: made once nothing more joins it. */
  readonly kernel: () => { readonly kernel: Kernel | Composite; readonly extent: number }
  /** Null for kernels that take no others' work. */
  readonly space: Space | null
  /** The buffers of the kernel's args: those it reads, then those it writes. */
  readonly reads: readonly Node[]
  readonly writes: readonly Node[]
  /** Reads whose every access is at the results' own element: a result may take over their memory. */
  readonly inPlace: ReadonlySet<Node>
  /** Whether it computes the node on the way: no longer once that is in a buffer. */
  readonly computes: (node: Node) => boolean
  /** The kernel that writes `more` too, in the same space. */
  readonly and: (more: readonly Node[]) => Emitted
}

/** In a kernel of more expressions than this, what is computed at more places than that is kept instead: places multiply, as in rolls of rolls. */
const MOST_EXPRESSIONS = 256
const MOST_PLACES = 4

/**
 * What reads at more places that may be outside, as rolls of rotations do, isn't computed where it is read: compilers of shaders take minutes.
 * Of a product's row, and of a scatter's update, where a rotation of a norm has twelve.
 */
const MOST_GUARDED = { row: 4, update: 16 } as const
const isGuardedOften = (e: Expr, of: keyof typeof MOST_GUARDED): boolean =>
  partsOf([e]).filter((part) => part.kind === 'load' && part.access.guards.length > 0).length > MOST_GUARDED[of]

/** An expression emitter over one iteration space. */
class Emitter {
  readonly reads: Node[] = []
  readonly scattered = new Set<Node>()
  readonly #memo = new Map<Node, Map<string, Expr>>()
  readonly #keys = new Map<Position, string>()
  readonly #reduces = new Map<Node, Expr>()
  #expressions = 0
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

  /** The element that a position stands for, as text: its number where that is known. */
  #key(p: Position): string {
    let key = this.#keys.get(p)
    if (key === undefined) this.#keys.set(p, (key = JSON.stringify([p.linear ?? p.dims, p.guards])))
    return key
  }

  /** Whether a node was met. */
  met(node: Node): boolean {
    return this.#memo.has(node)
  }

  /** Whether a node was computed at one place only. */
  once(node: Node): boolean {
    return (this.#memo.get(node)?.size ?? 0) <= 1
  }

  arg(node: Node): number {
    const at = this.reads.indexOf(node)
    return at >= 0 ? at : this.reads.push(node) - 1
  }

  /** The value of `node` at `p`, an index of it that the iteration index determines. */
  expr(node: Node, p: Position): Expr {
    if (node.kind === 'const') return { kind: 'const', dtype: computedIn(node.dtype), value: rounded(node.value, node.dtype) }
    let mine = this.#memo.get(node)
    if (mine === undefined) this.#memo.set(node, (mine = new Map()))
    const key = this.#key(p)
    let out = mine.get(key)
    if (out === undefined) {
      const computed = (node.kind === 'map' || node.kind === 'gather') && !this.#buffered(node)
      if (computed && ++this.#expressions > MOST_EXPRESSIONS && mine.size >= MOST_PLACES) throw new NeedsBuffer(node)
      // Read at several places, as through a concatenation of slices, what is dear is kept too.
      const price = computed && node.kind === 'map' ? costOf(node.op) : 0
      if (price > 1 && price * mine.size > CHEAP) throw new NeedsBuffer(node)
      mine.set(key, (out = this.#emitOrKeep(node, p)))
    }
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
      return { kind: 'acc', dtype: computedIn(node.dtype) }
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
        return node.op === 'cast'
          ? widened(cast(this.expr(node.args[0]!, p), node.dtype))
          : apply(
              node.op,
              computedIn(node.dtype),
              node.args.map((a) => this.expr(a, p)),
            )
      case 'view': {
        const q = throughView(p, node.view, node.shape, node.source.shape, this.extents)
        if (q === null) throw new NeedsBuffer(node)
        const value = this.expr(node.source, q)
        const loaded = this.#buffered(node.source) && node.source.kind !== 'const' // a load is guarded itself
        if (!node.view.guarded || loaded) return value
        const own = q.guards.slice(p.guards.length)
        if (own.length === 0) return value
        return apply('select', value.dtype, [inside(own), value, { kind: 'const', dtype: value.dtype, value: 0 }])
      }
      case 'reshape':
        return this.expr(node.source, throughReshape(p, node.source.shape, this.extents))
      case 'gather':
        if (p.guards.length > 0) throw new NeedsBuffer(node)
        if (!this.#buffered(node.source)) throw new NeedsBuffer(node.source)
        this.scattered.add(node.source)
        return widened({ kind: 'gather', dtype: node.dtype, arg: this.arg(node.source), index: this.expr(node.index, p) })
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
    // Guards say where it is wanted, and it is there everywhere.
    if (!innerFits || !outerFits) throw new NeedsBuffer(node)
    let out = this.#reduces.get(node)
    if (out === undefined) {
      const dims = source.map((_, d) => unitAffine(rank, lead + d))
      out = { kind: 'reduce', dtype: computedIn(node.dtype), op: node.op, arg: this.expr(node.source, fromDims(dims, source, rank)) }
      this.#reduces.set(node, out)
    }
    return out
  }

  #load(node: Node, p: Position): Expr {
    if (p.linear === null) throw new NeedsBuffer(node)
    const access: Access = { ...p.linear, guards: p.guards }
    const own = start(this.extents, this.extents).linear!
    if (!sameAffine(p.linear, own, this.extents) || p.guards.length > 0) this.scattered.add(node)
    return widened({ kind: 'load', dtype: node.dtype, arg: this.arg(node), access })
  }
}

const apply = (op: ScalarOp, dtype: DType, args: readonly Expr[]): Expr => ({ kind: 'apply', op, dtype, args })
/** Of a value as it is computed with. */
const cast = (e: Expr, dtype: DType): Expr =>
  e.dtype === dtype ? e : apply('cast', dtype, [isHalf(dtype) && e.dtype !== 'float32' ? cast(e, 'float32') : e])
/** A 16-bit float is widened where it is read or converted to; between that and where it is written all is float32, and nothing is rounded. */
const widened = (e: Expr): Expr => cast(e, computedIn(e.dtype))
/** As it is written: what was only widened is as it was read. */
const narrowed = (e: Expr, dtype: DType): Expr =>
  e.kind === 'apply' && e.op === 'cast' && e.args[0]!.dtype === dtype ? e.args[0]! : cast(e, dtype)

const inside = (guards: readonly Guard[]): Expr => {
  const tests = guards.flatMap(({ extent, ...affine }): Expr[] => {
    const at: Expr = { kind: 'index', dtype: 'int32', affine }
    const bound = (op: 'ge' | 'lt', value: number): Expr => apply(op, 'bool', [at, { kind: 'const', dtype: 'int32', value }])
    return [bound('ge', 0), bound('lt', extent)]
  })
  return tests.reduce((a, b) => apply('and', 'bool', [a, b]))
}

/** The contraction whose epilogue `node` can be, and the row reduction it can share a kernel with. */
export const findInside = (
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

/** The small rows of reductions that `row` is computed of, as the residual behind a norm is: what reads them needn't wait where it computes them too. */
const rowsOf = (row: Node, buffered: (node: Node) => boolean): ReadonlySet<Node> => {
  const rows = new Set<Node>()
  const seen = new Set<Node>()
  const walk = [row]
  for (let n = walk.pop(); n !== undefined; n = walk.pop()) {
    if (seen.has(n)) continue
    seen.add(n)
    if (!buffered(n)) walk.push(...operandsOf(n))
    else if (n.kind === 'map' && sizeOfNode(n) === sizeOfNode(row) && findInside(n, buffered).reduce !== null) rows.add(n)
  }
  return rows
}

/** The iteration space of a kernel for `node` alone. */
export const spaceOf = (node: Node, isBuffered: (node: Node) => boolean, ownRows: boolean): Space => {
  const { dot, reduce } = findInside(node, (n) => n !== node && isBuffered(n))
  if (dot?.kind === 'dot') {
    if (reduce !== null) throw new NeedsBuffer(dot === node ? reduce : dot)
    if (sizeOfNode(node) !== sizeOfNode(dot)) throw new NeedsBuffer(dot)
    return { extents: dot.shape, inner: 0, dot, ownRow: ownRows && isOfRow(dot), row: null }
  }
  const row = node.kind === 'reduce' ? node : reduce
  if (row === null) return { extents: node.shape.length === 0 ? [1] : node.shape, inner: 0, dot: null, ownRow: false, row: null }
  // Else the kernel's results are the rows themselves, or what is computed at each of their elements.
  if (sizeOfNode(node) !== sizeOfNode(row.source) && sizeOfNode(node) !== sizeOfNode(row)) throw new NeedsBuffer(row)
  const source = row.source.shape
  return { extents: source.length === row.inner ? [1, ...source] : source, inner: row.inner, dot: null, ownRow: false, row }
}

/** Elements at each outer index of a space, and of the outer index. */
export const sizesOf = ({ extents, inner }: Space): { readonly all: number; readonly rows: number } => ({
  all: sizeOf(extents),
  rows: sizeOf(extents.slice(0, extents.length - inner)),
})

/** A kernel that writes all of `nodes`; those that need one another are computed once. */
export const emit = (nodes: readonly Node[], space: Space, isBuffered: (node: Node) => boolean): Emitted =>
  space.dot === null ? emitNest(nodes, space, isBuffered) : emitDot(nodes, space.dot, space.ownRow, isBuffered)

const emitNest = (nodes: readonly Node[], space: Space, isBuffered: (node: Node) => boolean): Emitted => {
  const { extents, inner } = space
  const { all } = sizesOf(space)
  const own = new Set<Node>()
  const e = new Emitter(extents, inner, null, (n) => !own.has(n) && isBuffered(n))
  const outer = extents.length - inner
  const rowStrides = [...rowMajor(extents.slice(0, outer)), ...extents.slice(outer).map(() => 0)]
  const results: Omit<Output, 'arg'>[] = []
  const add = (before: readonly Node[], more: readonly Node[]): Emitted => {
    const nodes = [...before, ...more]
    // Others may have been added since, in vain.
    if (own.size !== before.length) return emitNest(nodes, space, isBuffered)
    for (const node of more) own.add(node)
    for (const node of more) {
      const rowwise = inner > 0 && (node.kind === 'reduce' || sizeOfNode(node) !== all)
      const p = rowwise
        ? throughReshape({ dims: [], linear: { strides: rowStrides, offset: 0 }, guards: [] }, node.shape, extents)
        : start(extents, node.shape)
      results.push({ expr: narrowed(e.expr(node, p), node.dtype), access: p.linear!, rowwise })
    }
    // Several passes over a row may read an element after its result was written.
    if (inner > 0 && (nodes.length > 1 || results[0]!.rowwise)) for (const n of e.reads) e.scattered.add(n)
    const outputs = results.map((result, i): Output => ({ ...result, arg: e.reads.length + i }))
    const args = argsOf(e.reads, nodes)
    const kernel: Emitted['kernel'] = () => collapse({ kind: 'nest', dims: extents, inner, args, outputs })
    return { ...finish(e, space, nodes), kernel, computes: (node) => e.met(node), and: (further) => add(nodes, further) }
  }
  return add([], nodes)
}

const argsOf = (reads: readonly Node[], writes: readonly Node[]): DType[] => [...reads, ...writes].map((n) => n.dtype)

const finish = (e: Emitter, space: Space, writes: readonly Node[]): Pick<Emitted, 'space' | 'reads' | 'writes' | 'inPlace'> => {
  const twice = writes.find((node) => !e.once(node))
  if (twice !== undefined && writes.length > 1) throw new NeedsBuffer(twice)
  const reads = [...e.reads]
  return { space, reads, writes, inPlace: new Set(reads.filter((n) => !e.scattered.has(n))) }
}

const emitDot = (nodes: readonly Node[], dot: Node & { kind: 'dot' }, ownRow: boolean, isBuffered: (node: Node) => boolean): Emitted => {
  const own = new Set(nodes)
  const buffered = (n: Node): boolean => !own.has(n) && isBuffered(n)
  const batch = dot.shape.slice(0, -2)
  const [m, n] = dot.shape.slice(-2) as [number, number]
  const k = dot.lhs.shape.at(-1)!
  const epilogue = new Emitter(dot.shape, 0, dot, buffered)
  const emitters = [epilogue]
  const exprs = nodes.map((node) => narrowed(epilogue.expr(node, start(dot.shape, node.shape)), node.dtype))
  // Operands share the args of the epilogue, but have iteration spaces of their own.
  const operand = (source: Node, extents: readonly number[], inner = 0, there = buffered): Expr => {
    const e = new Emitter(extents, inner, null, there)
    emitters.push(e)
    e.reads.push(...epilogue.reads)
    const value = e.expr(source, start(extents, source.shape))
    epilogue.reads.push(...e.reads.slice(epilogue.reads.length))
    for (const read of loadsOf(value)) epilogue.scattered.add(e.reads[read]!)
    return value
  }
  let digits: readonly Digit[] = []
  const windowed = (source: Node, names: readonly ['m' | 'k', 'k' | 'n'], extents: readonly [number, number]): Expr => {
    const whole = [...batch, ...extents]
    const view = source.kind === 'reshape' ? source.source : source
    if (view.kind !== 'view' || !overlaps(view.view) || buffered(view)) return operand(source, whole)
    try {
      return operand(source, whole)
    } catch (reason) {
      if (!(reason instanceof NeedsBuffer)) throw reason
    }
    const fine = inDigits(operand(view, view.shape), view.shape, batch.length, names, extents[0], digits)
    // One operand's digits of k may not be the other's.
    if (fine.digits.slice(digits.length).some(({ of }) => digits.some((digit) => digit.of === of))) throw new NeedsBuffer(view)
    digits = fine.digits
    return fine.expr
  }
  /** A row in the shape that is reduced over, and from there to the operand's index. */
  const row = (): Expr => {
    const computed = rowsOf(dot.lhs, buffered)
    const there = (node: Node): boolean => !computed.has(node) && buffered(node)
    const { reduce } = there(dot.lhs) ? { reduce: null } : findInside(dot.lhs, there)
    if (reduce === null) return windowed(dot.lhs, ['m', 'k'], [m, k])
    if (reduce.inner !== 1 || sizeOfNode(reduce) !== 1) throw new NeedsBuffer(reduce)
    const along = ({ strides, offset }: Affine): Affine => ({ strides: [...batch.map(() => 0), 0, strides.at(-1)!], offset })
    return mapAffines(along)(operand(dot.lhs, reduce.source.shape, 1, there))
  }
  const lhs = ownRow ? row() : windowed(dot.lhs, ['m', 'k'], [m, k])
  if (ownRow && isGuardedOften(lhs, 'row')) throw new NeedsBuffer(dot.lhs)
  const rhs = windowed(dot.rhs, ['k', 'n'], [k, n])
  const access = start(dot.shape, dot.shape).linear!
  const outputs = exprs.map((expr, i): Output => ({ arg: epilogue.reads.length + i, expr, access, rowwise: false }))
  const args = argsOf(epilogue.reads, nodes)
  const kernel: Kernel = { kind: 'dot', dtype: computedIn(dot.dtype), batch, m, n, k, digits, lhs, rhs, args, outputs }
  return {
    ...finish(epilogue, { extents: dot.shape, inner: 0, dot, ownRow, row: null }, nodes),
    kernel: () => ({ kernel, extent: 1 }),
    computes: (node) => emitters.some((e) => e.met(node)),
    and: (more) => emitDot([...nodes, ...more], dot, ownRow, isBuffered),
  }
}

/** Updates of a scatter, [count, rest], as an expression over `dims`: rows that may be reduced over. What it reads comes behind `before`. */
export const emitUpdate = (
  source: Node,
  [count, rest]: readonly [number, number],
  before: readonly Node[],
  buffered: (node: Node) => boolean,
): { readonly dims: readonly number[]; readonly expr: Expr; readonly reads: readonly Node[] } => {
  const { reduce } = findInside(source, buffered)
  const dims = reduce?.source.shape ?? [count, rest]
  if (reduce !== null && (reduce.inner !== 1 || dims.at(-1) !== rest || sizeOf(dims) !== count * rest)) throw new NeedsBuffer(reduce)
  const e = new Emitter(dims, reduce === null ? 0 : 1, null, buffered)
  e.reads.push(...before)
  const expr = narrowed(e.expr(source, start(dims, source.shape)), source.dtype)
  if (reduce !== null && isGuardedOften(expr, 'update')) throw new NeedsBuffer(source)
  return { dims, expr, reads: e.reads }
}

/** The args that an expression reads. */
export const loadsOf = (expr: Expr): number[] => partsOf([expr]).flatMap((e) => (e.kind === 'load' || e.kind === 'gather' ? e.arg : []))
