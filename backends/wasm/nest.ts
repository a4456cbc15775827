/**
 * A nest as a wasm function (pointer of each arg…, start, end) over a range of its outer index.
 *
 * Lanes run along the last inner dim where loads are contiguous there, else along the last outer dim (element-wise kernels; column
 * reductions, each lane a sum of its own). A row is the outer index, or a few vectors of neighbours; over its inner dims go as many passes as
 * reductions depend on one another, and a last one that writes what is wanted at every index.
 */
import type { Affine, Nest } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Evaluator, type Lanes } from './evaluate.ts'
import { Integers } from './integers.ts'
import { laneStride, type NestNodes, type Node, nestNodes, type OutputNode } from './nodes.ts'
import { isExpensive, registerOf } from './ops.ts'
import { Accumulator, BLOCK } from './reduce.ts'

/** Rows of spilled values beyond this are computed again instead. */
const SPILL_BYTES = 1 << 18

type Reduce = Node & { readonly kind: 'reduce' }

/** One run over the inner dims: reductions that don't need one another, or the outputs at every index. */
interface Pass {
  readonly reduces: readonly Reduce[]
  readonly outputs: readonly OutputNode[]
  readonly roots: readonly Node[]
  /** Reductions up to this depth have finished before. */
  readonly depth: number
  /** What the roots are made of, down to reductions. */
  readonly nodes: ReadonlySet<Node>
}

const product = (extents: readonly number[]): number => extents.reduce((all, extent) => all * extent, 1)

/** A bit for each dim from `from` to `to - 1`. */
const dimBits = (from: number, to: number): number => (1 << to) - (1 << from)

/** The outer index's extent, given the launch's first extent. */
export const nestUnits = (nest: Nest, extent: number): number => extent * product(nest.dims.slice(1, nest.dims.length - nest.inner))

export const emitNest = (module: ModuleBuilder, nest: Nest): FunctionHandle => {
  const f = module.func('nest', Array(nest.args.length + 2).fill('i32'))
  const n = new Integers(f)
  const [start, end] = f.params.slice(-2) as [Local, Local]
  n.when(n.lt(start, end), () => new NestEmitter(n, nestNodes(nest), f.params.slice(0, -2)).emit(start, end))
  return f
}

const isReduce = (node: Node): node is Reduce => node.kind === 'reduce'

/** A node's stride along a dim, where it reads or writes memory there. */
const strideOf = (node: Node, dim: number): number | null =>
  node.kind === 'load' ? (node.access.strides[dim] ?? 0) : node.kind === 'gather' ? laneStride(node.args[0] as Node, dim) : null

class NestEmitter {
  private readonly n: Integers
  private readonly f
  private readonly dims: readonly number[]
  private readonly outer: number
  private readonly nodes: readonly Node[]
  private readonly passes: readonly Pass[]
  private readonly rowwise: readonly OutputNode[]
  private readonly index: readonly Local[]
  private readonly lanes: Lanes
  /** Whether lanes run along the last inner dim. */
  private readonly across: boolean
  private readonly evaluator: Evaluator

  constructor(n: Integers, { dims, outer, nodes, outputs }: NestNodes, args: readonly Local[]) {
    this.n = n
    this.f = n.f
    this.dims = dims
    this.outer = outer
    this.nodes = nodes
    this.index = dims.map(() => n.local())
    this.rowwise = outputs.filter(({ rowwise }) => rowwise)
    this.passes = planPasses(
      nodes,
      outputs.filter(({ rowwise }) => !rowwise),
    )
    const simd = [...nodes, ...outputs.map(({ node }) => node)].every(({ dtype }) => registerOf(dtype) === 'v128')
    this.across = simd && this.lanesAcross(outputs)
    this.lanes = { dim: this.across ? dims.length - 1 : outer - 1, width: simd ? 4 : 1, vectors: 1, partial: null }
    this.evaluator = new Evaluator(n.f, args, this.index, this.lanes)
  }

  private lanesAcross(outputs: readonly OutputNode[]): boolean {
    const [last, lastOuter] = [this.dims.length - 1, this.outer - 1]
    if (last === lastOuter) return false
    const contiguous = (dim: number): number =>
      this.nodes.filter((node) => strideOf(node, dim) === 1).length +
      outputs.filter(({ rowwise, access }) => !rowwise && access.strides[dim] === 1).length
    const [inside, outside] = [contiguous(last), contiguous(lastOuter)]
    return inside !== outside ? inside > outside : (this.dims[last] as number) >= 4 || lastOuter === 0
  }

  /** Vectors that go through a loop side by side: as many as hide latency, where a body is short; accumulators must fit the registers. */
  private vectors(): number {
    const { dims, lanes } = this
    let cost = this.passes.reduce((sum, { outputs }) => sum + outputs.length, this.rowwise.length)
    for (const node of this.nodes)
      if (node.deps & (1 << (dims.length - 1)) && node.kind !== 'const') {
        const stride = strideOf(node, lanes.dim)
        cost += stride !== null ? (stride === 1 ? 1 : 4) : node.kind === 'apply' && isExpensive(node.op) ? 12 : 1
      }
    if (cost > 10) return 1
    const reduces = this.nodes.filter(isReduce).length
    return reduces === 1 || (this.across && reduces <= 2) ? 8 : 4
  }

  private idx(d: number): Local {
    return this.index[d] as Local
  }

  private hoist(): void {
    this.evaluator.hoist([...this.passes.flatMap(({ roots }) => roots), ...this.rowwise.map(({ node }) => node)], 0)
  }

  /** Runs along the last outer dim, as far as the range and that dim go, one after another. */
  emit(start: Local, end: Local): void {
    const { n, f, outer, dims } = this
    const last = outer - 1
    const along = this.idx(last)
    this.hoist()
    if (outer === 1) return this.run(start, end)
    const [at, rest, stop] = n.locals(3)
    n.set(at, start)
    f.while(n.lt(at, end), () => {
      n.set(rest, at)
      for (let d = last; d > 0; d--) n.takeDigit(rest, dims[d] as number, this.idx(d))
      n.set(this.idx(0), rest)
      n.set(stop, n.min(n.add(along, n.sub(end, at)), dims[last] as number))
      n.set(at, n.add(at, n.sub(stop, along)))
      this.evaluator.scope(dimBits(0, last), () => {
        this.hoist()
        this.run(along, stop)
      })
    })
  }

  /** Rows from `from` to `to` along the last outer dim. */
  private run(from: Local, to: Local): void {
    const { f, n, lanes, outer, across } = this
    const along = this.idx(outer - 1)
    const vectors = this.vectors()
    const row = (count: number) => this.evaluator.scope(1 << (outer - 1), () => this.row(count))
    if (across || lanes.width === 1) return f.for(along, from, to, 1, () => row(across ? vectors : 1))
    f.for(along, from, n.hold(n.sub(to, 4 * vectors - 1)), 4 * vectors, () => row(vectors))
    f.for(along, along, to, 4, () => this.partly(along, to, () => row(1)))
  }

  /** Emits `body` for a vector at `at` of which only the lanes below `to` exist. */
  private partly(at: Local, to: Value, body: () => void): void {
    const { f, n, lanes } = this
    const count = n.hold(n.sub(to, at))
    const mask = f.hold('v128', f.i32x4.lt_s(f.constant('i32x4', 0, 1, 2, 3), f.i32x4.splat(count)))
    lanes.partial = { count, mask }
    body()
    lanes.partial = null
  }

  /** Everything at one outer index (or at `vectors` vectors of them). */
  private row(vectors: number): void {
    const { evaluator, lanes, across } = this
    lanes.vectors = across ? 1 : vectors
    const spills = this.planSpills(vectors)
    for (const pass of this.passes) {
      evaluator.hoist(pass.roots, pass.depth)
      this.pass(pass, across ? vectors : 1, spills)
      for (const [node, row] of spills) if (pass.nodes.has(node)) evaluator.rows.set(node, row)
    }
    const values = this.rowwise.map(({ node }) => Array.from({ length: lanes.vectors }, (_, v) => evaluator.value(node, v)))
    this.rowwise.forEach(({ arg, node, access }, i) =>
      (values[i] as Local[]).forEach((value, v) => evaluator.store(arg, access, node.dtype, value, v, !across)),
    )
    evaluator.rows.clear()
  }

  /** A row of scratch memory for what is costly and needed by more than one pass. */
  private planSpills(vectors: number): ReadonlyMap<Node, { readonly base: Local; readonly access: Affine }> {
    const { lanes, across, outer, dims, passes, f } = this
    const spills = new Map<Node, { base: Local; access: Affine }>()
    if (lanes.width === 1) return spills
    const innerBits = dimBits(outer, dims.length)
    let elements = across ? 1 : 4 * vectors
    const strides = dims.map(() => 0)
    for (let d = dims.length - 1; d >= outer; d--) {
      strides[d] = elements
      elements *= dims[d] as number
    }
    const rowBytes = Math.ceil((4 * elements + 64) / 64) * 64
    const base = f.local('i32')
    for (const node of this.nodes) {
      const costly = node.kind === 'apply' && isExpensive(node.op) && (node.deps & innerBits) !== 0
      const used = spills.size * rowBytes
      if (!costly || passes.filter((pass) => pass.nodes.has(node)).length < 2 || used + rowBytes > SPILL_BYTES) continue
      spills.set(node, { base, access: { strides, offset: used / 4 } })
    }
    if (spills.size === 0) return spills
    const scratch = f.module.scratch(spills.size * rowBytes)
    f.prologue(() => this.n.set(base, () => f.getGlobal(scratch)))
    return spills
  }

  private pass(pass: Pass, vectors: number, spills: ReturnType<NestEmitter['planSpills']>): void {
    const { f, lanes, across, dims, outer, evaluator } = this
    const trips = dims.slice(outer)
    if (across) trips[trips.length - 1] = Math.ceil((trips.at(-1) as number) / (4 * vectors))
    const adds = product(trips)
    const count = across ? vectors : lanes.vectors
    const sums = pass.reduces.map(({ op, dtype }) => new Accumulator(f, op, dtype, count, adds > BLOCK, across))
    const kept = [...spills].filter(([node]) => pass.nodes.has(node) && !evaluator.rows.has(node))
    const flush = (): void => sums.forEach((sum) => sum.flush())
    const body = (): void => {
      const mask = across ? (lanes.partial?.mask ?? null) : null
      for (let v = 0; v < lanes.vectors; v++) {
        pass.reduces.forEach(({ args }, i) => (sums[i] as Accumulator).add(v, evaluator.value(args[0] as Node, v), mask))
        const values = pass.outputs.map(({ node }) => evaluator.value(node, v))
        pass.outputs.forEach(({ arg, node, access }, i) => evaluator.store(arg, access, node.dtype, values[i] as Local, v, true))
        for (const [node, row] of kept) evaluator.spill(node, row, v)
      }
    }
    if (product(dims.slice(1)) > 0) this.loops(outer, pass, vectors, trips, flush, body)
    if (across) lanes.vectors = 1
    pass.reduces.forEach((reduce, i) => (sums[i] as Accumulator).finish().forEach((local, v) => evaluator.define(reduce, v, local)))
  }

  /** Loops over the inner dims from d on. Long float32 sums are flushed after each block of one level's turns. */
  private loops(d: number, pass: Pass, vectors: number, trips: readonly number[], flush: () => void, body: () => void): void {
    const { f, n, dims, outer, evaluator, across } = this
    if (d === dims.length) return body()
    const inside = product(trips.slice(d - outer + 1))
    const idx = this.idx(d)
    const level = (from: Value, to: Value, step: number, next: () => void): void =>
      f.for(idx, from, to, step, () =>
        evaluator.scope(1 << d, () => {
          if (d < dims.length - 1) evaluator.hoist(pass.roots, pass.depth)
          next()
        }),
      )
    const blocked = (to: number, step: number, next: () => void): void => {
      if (inside > BLOCK || (trips[d - outer] as number) * inside <= BLOCK) return level(0, to, step, next)
      const [block, stop] = n.locals(2)
      const size = Math.max(1, Math.floor(BLOCK / inside)) * step
      f.for(block, 0, to, size, () => {
        n.set(stop, n.min(n.add(block, size), to))
        level(block, stop, step, next)
        flush()
      })
    }
    const extent = dims[d] as number
    if (!across || d < dims.length - 1) return blocked(extent, 1, () => this.loops(d + 1, pass, vectors, trips, flush, body))
    const main = extent - (extent % (4 * vectors))
    this.lanes.vectors = vectors
    if (main > 0) blocked(main, 4 * vectors, body)
    this.lanes.vectors = 1
    const whole = extent - (extent % 4)
    if (main < whole) level(main, whole, 4, body)
    if (whole < extent) {
      n.set(idx, whole)
      this.partly(idx, extent, () => evaluator.scope(1 << d, body))
    }
  }
}

const planPasses = (nodes: readonly Node[], everywhere: readonly OutputNode[]): Pass[] => {
  const passes: Pass[] = []
  const plan = (reduces: readonly Reduce[], outputs: readonly OutputNode[], roots: readonly Node[], depth: number): void => {
    if (roots.length > 0) passes.push({ reduces, outputs, roots, depth, nodes: reached(roots) })
  }
  const reduces = nodes.filter(isReduce)
  const deepest = Math.max(0, ...reduces.map(({ depth }) => depth))
  for (let depth = 1; depth <= deepest; depth++) {
    const these = reduces.filter((reduce) => reduce.depth === depth)
    plan(
      these,
      [],
      these.map(({ args }) => args[0] as Node),
      depth - 1,
    )
  }
  plan(
    [],
    everywhere,
    everywhere.map(({ node }) => node),
    deepest,
  )
  return passes
}

const reached = (roots: readonly Node[]): ReadonlySet<Node> => {
  const seen = new Set(roots)
  for (const node of seen) if (node.kind !== 'reduce') for (const arg of node.args) seen.add(arg)
  return seen
}
