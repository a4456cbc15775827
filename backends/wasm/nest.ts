/**
 * A nest as a wasm function (pointer of each arg…, start, end) over a range of its outer index.
 *
 * Lanes run along the last inner dim where loads are contiguous there, else along the last outer dim (element-wise kernels; column
 * reductions, each lane a sum of its own). A row is the outer index, or a few vectors of neighbours; over its inner dims go as many passes as
 * reductions depend on one another, and a last one that writes what is wanted at every index.
 */
import type { Affine, Nest } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { Evaluator, type Lanes, type Row } from './evaluate.ts'
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
}

/** The outer index's extent, given the launch's first extent. */
export const nestUnits = (nest: Nest, extent: number): number =>
  nest.dims.slice(1, nest.dims.length - nest.inner).reduce((product, dim) => product * dim, extent)

export const emitNest = (module: ModuleBuilder, nest: Nest): FunctionHandle => {
  const kernel = nestNodes(nest)
  const f = module.func('nest', [...nest.args.map(() => 'i32' as const), 'i32', 'i32'])
  new NestEmitter(module, kernel, f.params.slice(0, -2), f.params.at(-2) as Local, f.params.at(-1) as Local).emit()
  return f
}

const isReduce = (node: Node): node is Reduce => node.kind === 'reduce'

class NestEmitter {
  private readonly f
  private readonly dims: readonly number[]
  private readonly outer: number
  private readonly nodes: readonly Node[]
  private readonly outputs: readonly OutputNode[]
  private readonly passes: readonly Pass[]
  private readonly rowwise: readonly OutputNode[]
  private readonly index: readonly Local[]
  private readonly lanes: Lanes
  private readonly across: boolean
  private readonly evaluator: Evaluator
  private readonly start: Local
  private readonly end: Local
  private readonly module: ModuleBuilder

  constructor(module: ModuleBuilder, kernel: NestNodes, args: readonly Local[], start: Local, end: Local) {
    const f = module.functions.at(-1)
    if (f === undefined) throw new Error('internal: no function to emit to')
    this.f = f
    this.module = module
    this.start = start
    this.end = end
    this.dims = kernel.dims
    this.outer = kernel.outer
    this.nodes = kernel.nodes
    this.outputs = kernel.outputs
    this.index = kernel.dims.map(() => f.local('i32'))
    const simd = [...this.nodes, ...this.outputs.map(({ node }) => node)].every(({ dtype }) => registerOf(dtype) === 'v128')
    this.across = simd && this.lanesAcross()
    this.lanes = { dim: this.across ? this.dims.length - 1 : this.outer - 1, width: simd ? 4 : 1, vectors: 1, partial: null }
    this.passes = this.planPasses()
    this.rowwise = this.outputs.filter(({ rowwise }) => rowwise)
    this.evaluator = new Evaluator(f, args, this.index, this.lanes)
  }

  /** Whether lanes should run along the last inner dim. */
  private lanesAcross(): boolean {
    const [last, lastOuter] = [this.dims.length - 1, this.outer - 1]
    if (last === lastOuter) return false
    const score = (dim: number): number => {
      let sum = 0
      for (const node of this.nodes) {
        if (node.kind === 'load' && node.access.strides[dim] === 1) sum++
        if (node.kind === 'gather' && laneStride(node.args[0] as Node, dim) === 1) sum++
      }
      for (const { rowwise, access } of this.outputs) if (!rowwise && access.strides[dim] === 1) sum++
      return sum
    }
    const [inside, outside] = [score(last), score(lastOuter)]
    if (inside !== outside) return inside > outside
    return (this.dims[last] as number) >= 4 || lastOuter === 0
  }

  private planPasses(): Pass[] {
    const reduces = this.nodes.filter(isReduce)
    const passes: Pass[] = []
    const deepest = reduces.reduce((max, { depth }) => Math.max(max, depth), 0)
    for (let depth = 1; depth <= deepest; depth++) {
      const these = reduces.filter((reduce) => reduce.depth === depth)
      if (these.length > 0) passes.push({ reduces: these, outputs: [], roots: these.map(({ args }) => args[0] as Node), depth: depth - 1 })
    }
    const everywhere = this.outputs.filter(({ rowwise }) => !rowwise)
    if (everywhere.length > 0) passes.push({ reduces: [], outputs: everywhere, roots: everywhere.map(({ node }) => node), depth: deepest })
    return passes
  }

  /** Work a vector of lanes takes in the innermost loop, roughly in instructions. */
  private cost(): number {
    const lane = 1 << (this.dims.length - 1)
    let cost = 0
    for (const node of this.nodes) {
      if ((node.deps & lane) === 0 || node.kind === 'const') continue
      if (node.kind === 'apply') cost += isExpensive(node.op) ? 12 : 1
      else if (node.kind === 'gather') cost += 4
      else if (node.kind === 'load') cost += node.access.strides[this.lanes.dim] === 1 ? 1 : 4
      else cost += 1
    }
    return cost + this.outputs.length
  }

  emit(): void {
    const { f, start, end } = this
    f.get(start)
    f.get(end)
    f.i32.ge_s()
    f.if(() => f.return())
    this.evaluator.hoist(this.roots(), 0)
    if (this.across) this.rows()
    else this.runs()
  }

  private roots(): Node[] {
    return [...this.passes.flatMap(({ roots }) => roots), ...this.rowwise.map(({ node }) => node)]
  }

  private idx(d: number): Local {
    return this.index[d] as Local
  }

  private bitsOf(from: number, to: number): number {
    let mask = 0
    for (let d = from; d < to; d++) mask |= 1 << d
    return mask
  }

  /** Sets the outer dims' index from `start`. */
  private decompose(): void {
    const { f } = this
    const rest = f.local('i32')
    f.get(this.start)
    f.set(rest)
    for (let d = this.outer - 1; d > 0; d--) {
      const extent = this.dims[d] as number
      f.get(rest)
      f.const('i32', extent)
      f.i32.rem_u()
      f.set(this.idx(d))
      f.get(rest)
      f.const('i32', extent)
      f.i32.div_u()
      f.set(rest)
    }
    f.get(rest)
    f.set(this.idx(0))
  }

  /** Adds `by` to the index along d; past the end it starts again and the dim before moves on. */
  private advance(d: number, by: Local | number): void {
    const { f } = this
    f.get(this.idx(d))
    f.push(by)
    f.i32.add()
    f.tee(this.idx(d))
    if (d === 0) return f.drop()
    f.const('i32', this.dims[d] as number)
    f.i32.ge_s()
    f.if(() => {
      f.const('i32', 0)
      f.set(this.idx(d))
      this.advance(d - 1, 1)
    })
  }

  /** Lanes along the last inner dim: one outer index at a time. */
  private rows(): void {
    const { f, outer } = this
    const vectors = this.cost() <= 10 ? (this.nodes.filter(isReduce).length <= 2 ? 8 : 4) : 1
    this.decompose()
    f.for('i32', this.start, this.end, 1, () => {
      this.evaluator.scope(this.bitsOf(0, outer), () => this.row(vectors))
      this.advance(outer - 1, 1)
    })
  }

  /** Lanes along the last outer dim: as far as the range and that dim go, then on to the next run of it. */
  private runs(): void {
    const { f, outer } = this
    const last = outer - 1
    const lane = this.idx(last)
    if (outer === 1) return this.run(this.start, this.end, lane)
    const [at, stop, from] = [f.local('i32'), f.local('i32'), f.local('i32')]
    this.decompose()
    f.get(this.start)
    f.set(at)
    f.while(
      () => {
        f.get(at)
        f.get(this.end)
        f.i32.lt_s()
      },
      () => {
        const extent = f.constant('i32', this.dims[last] as number)
        f.get(lane)
        f.set(from)
        f.get(from)
        f.get(this.end)
        f.i32.add()
        f.get(at)
        f.i32.sub()
        f.tee(stop)
        f.get(extent)
        f.get(stop)
        f.get(extent)
        f.i32.lt_s()
        f.select()
        f.set(stop)
        this.evaluator.scope(this.bitsOf(0, last), () => {
          this.evaluator.hoist(this.roots(), 0)
          this.run(from, stop, lane)
        })
        f.get(at)
        f.get(stop)
        f.i32.add()
        f.get(from)
        f.i32.sub()
        f.set(at)
        f.get(stop)
        f.set(lane)
        this.advance(last, 0)
      },
    )
  }

  /** Lanes from `from` to `to` along the last outer dim. */
  private run(from: Local, to: Local, lane: Local): void {
    const { f, lanes, outer } = this
    const step = (vectors: number) => this.evaluator.scope(this.bitsOf(outer - 1, outer), () => this.row(vectors))
    if (lanes.width === 1) return f.for(lane, from, to, 1, () => step(1))
    const cost = this.cost()
    const reduces = this.nodes.filter(isReduce).length
    const vectors = cost > 10 ? 1 : reduces === 0 ? 4 : reduces === 1 ? 8 : 4
    if (vectors > 1) {
      const bound = f.local('i32')
      f.get(to)
      f.const('i32', 4 * vectors - 1)
      f.i32.sub()
      f.set(bound)
      f.for(lane, from, bound, 4 * vectors, () => step(vectors))
    }
    f.for(lane, vectors > 1 ? lane : from, to, 4, () => this.partly(lane, to, () => step(1)))
  }

  /** Emits `body` for a vector at `at` of which only the lanes below `to` exist. */
  private partly(at: Local, to: Local | number, body: () => void): void {
    const { f, lanes } = this
    const [count, mask] = [f.local('i32'), f.local('v128')]
    f.push(to)
    f.get(at)
    f.i32.sub()
    f.set(count)
    f.get(f.constantLanes([0, 1, 2, 3]))
    f.get(count)
    f.i32x4.splat()
    f.i32x4.lt_s()
    f.set(mask)
    const strided = this.nodes.some((node) => node.kind === 'load' && ![0, 1].includes(node.access.strides[lanes.dim] ?? 0))
    const clamped = [0, 1, 2, 3].map((lane) => {
      const local = f.local('i32')
      if (!strided || lane === 0) return local
      f.const('i32', lane)
      f.get(count)
      f.const('i32', 1)
      f.i32.sub()
      f.const('i32', lane)
      f.get(count)
      f.i32.lt_s()
      f.select()
      f.set(local)
      return local
    })
    lanes.partial = { count, mask, clamped }
    body()
    lanes.partial = null
  }

  /** Everything at one outer index (or at `vectors` vectors of them). */
  private row(vectors: number): void {
    const { evaluator, lanes, across } = this
    lanes.vectors = across ? 1 : vectors
    this.planSpills(vectors)
    for (const pass of this.passes) {
      evaluator.hoist(pass.roots, pass.depth)
      this.pass(pass, across ? vectors : 1)
    }
    const values = this.rowwise.map(({ node }) => Array.from({ length: lanes.vectors }, (_, v) => this.evaluator.value(node, v)))
    this.rowwise.forEach(({ arg, node, access }, i) => {
      ;(values[i] as Local[]).forEach((value, v) => {
        evaluator.store(arg, access, node.dtype, value, v, !across)
      })
    })
    evaluator.rows.clear()
  }

  /** Gives a row of scratch memory to what is costly and needed by more than one pass. */
  private planSpills(vectors: number): void {
    const { lanes, across, outer, dims } = this
    if (lanes.width === 1 || this.passes.length < 2) return
    const innerBits = this.bitsOf(outer, dims.length)
    const users = new Map<Node, number>()
    for (const { roots } of this.passes) {
      const seen = new Set<Node>()
      const visit = (node: Node): void => {
        if (seen.has(node)) return
        seen.add(node)
        if (node.kind === 'apply' && isExpensive(node.op) && node.deps & innerBits) users.set(node, (users.get(node) ?? 0) + 1)
        if (node.kind !== 'reduce') node.args.forEach(visit)
      }
      roots.forEach(visit)
    }
    let elements = across ? 1 : 4 * vectors
    const strides = dims.map(() => 0)
    for (let d = dims.length - 1; d >= outer; d--) {
      strides[d] = elements
      elements *= dims[d] as number
    }
    const rowBytes = Math.ceil((4 * elements + 64) / 64) * 64
    let used = 0
    for (const [node, count] of users) {
      if (count < 2 || used + rowBytes > SPILL_BYTES) continue
      this.spills.set(node, { strides, offset: used / 4 })
      used += rowBytes
    }
    if (used === 0) return
    const scratch = this.module.scratch(used)
    this.scratch ??= this.f.local('i32')
    const base = this.scratch
    this.f.prologue(() => {
      this.f.getGlobal(scratch)
      this.f.set(base)
    })
  }
  private readonly spills = new Map<Node, Affine>()
  private scratch: Local | null = null

  private pass(pass: Pass, vectors: number): void {
    const { f, lanes, across, dims, outer, evaluator } = this
    const trips = dims.slice(outer)
    if (across) trips[trips.length - 1] = Math.ceil((trips.at(-1) as number) / (4 * vectors))
    const adds = trips.reduce((product, trip) => product * trip, 1)
    const count = across ? vectors : lanes.vectors
    const sums = pass.reduces.map(({ op, dtype }) => new Accumulator(f, op, dtype, count, adds > BLOCK, across))
    const flush = (): void => {
      for (const sum of sums) sum.flush()
    }
    const body = (): void => {
      for (let v = 0; v < lanes.vectors; v++) {
        const mask = across ? (lanes.partial?.mask ?? null) : null
        pass.reduces.forEach(({ args }, i) => {
          ;(sums[i] as Accumulator).add(v, evaluator.value(args[0] as Node, v), mask)
        })
        const values = pass.outputs.map(({ node }) => evaluator.value(node, v))
        pass.outputs.forEach(({ arg, node, access }, i) => {
          evaluator.store(arg, access, node.dtype, values[i] as Local, v, true)
        })
        this.keepSpills(pass, v)
      }
    }
    if (adds > 0 && dims.every((dim, d) => d === 0 || dim > 0)) this.loops(outer, pass, vectors, trips, flush, body)
    this.shareSpills(pass)
    if (across) lanes.vectors = 1
    pass.reduces.forEach((reduce, i) => {
      ;(sums[i] as Accumulator).finish().forEach((local, v) => {
        evaluator.define(reduce, v, local)
      })
    })
  }

  private reached(pass: Pass): Set<Node> {
    const seen = new Set<Node>()
    const visit = (node: Node): void => {
      if (seen.has(node)) return
      seen.add(node)
      if (node.kind !== 'reduce') node.args.forEach(visit)
    }
    pass.roots.forEach(visit)
    return seen
  }

  /** Stores what this pass is the first to compute. */
  private keepSpills(pass: Pass, vector: number): void {
    const reached = this.spills.size > 0 ? this.reached(pass) : null
    for (const [node, access] of this.spills)
      if (reached?.has(node) && !this.evaluator.rows.has(node)) this.evaluator.spill(node, this.spillRow(access), vector)
  }

  private shareSpills(pass: Pass): void {
    const reached = this.spills.size > 0 ? this.reached(pass) : null
    for (const [node, access] of this.spills) if (reached?.has(node)) this.evaluator.rows.set(node, this.spillRow(access))
  }

  private spillRow(access: Affine): Row {
    return { base: this.scratch as Local, access }
  }

  /** Loops over the inner dims from d on. Long float32 sums are flushed after each block of one level's turns. */
  private loops(d: number, pass: Pass, vectors: number, trips: readonly number[], flush: () => void, body: () => void): void {
    const { f, dims, outer, evaluator, across } = this
    if (d === dims.length) return body()
    const inside = trips.slice(d - outer + 1).reduce((product, trip) => product * trip, 1)
    const turns = trips[d - outer] as number
    const idx = this.idx(d)
    const level = (from: Local | number, to: Local | number, step: number, next: () => void): void =>
      f.for(idx, from, to, step, () =>
        evaluator.scope(this.bitsOf(d, d + 1), () => {
          if (d < dims.length - 1) evaluator.hoist(pass.roots, pass.depth)
          next()
        }),
      )
    const blocked = (to: number, step: number, next: () => void): void => {
      if (inside > BLOCK || turns * inside <= BLOCK) return level(0, to, step, next)
      const [block, stop] = [f.local('i32'), f.local('i32')]
      const size = Math.max(1, Math.floor(BLOCK / inside)) * step
      f.for(block, 0, to, size, () => {
        f.get(block)
        f.const('i32', size)
        f.i32.add()
        f.tee(stop)
        f.const('i32', to)
        f.get(stop)
        f.const('i32', to)
        f.i32.lt_s()
        f.select()
        f.set(stop)
        level(block, stop, step, next)
        flush()
      })
    }
    const extent = dims[d] as number
    if (!across || d < dims.length - 1) return blocked(extent, 1, () => this.loops(d + 1, pass, vectors, trips, flush, body))
    const main = Math.floor(extent / (4 * vectors)) * 4 * vectors
    this.lanes.vectors = vectors
    if (main > 0) blocked(main, 4 * vectors, body)
    this.lanes.vectors = 1
    if (main === extent) return
    const rest = (): void => level(main, extent, 4, body)
    if (extent % 4 === 0) return rest()
    f.for(idx, main, extent, 4, () => this.partly(idx, extent, () => evaluator.scope(this.bitsOf(d, d + 1), body)))
  }
}
