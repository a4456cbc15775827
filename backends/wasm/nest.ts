/**
 * A nest as a wasm function (pointer of each arg…, start, end) over a range of its outer index.
 *
 * Lanes run along the last inner dim where loads are contiguous there, else along the last outer dim (element-wise kernels; column
 * reductions, each lane a sum of its own). A row is the outer index, or a few vectors of neighbours; over its inner dims go as many passes as
 * reductions depend on one another, and a last one that writes what is wanted at every index.
 */
import type { Nest } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { evaluatorOf, type Lanes, type Row } from './evaluate.ts'
import { Integers, roundUp } from './address.ts'
import { laneStride, type NestNodes, type Node, nestNodes, type OutputNode } from './nodes.ts'
import { isExpensive, registerOf } from './ops.ts'
import { accumulator, BLOCK } from './reduce.ts'

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
  n.when(n.lt(start, end), () => emitRows(n, nestNodes(nest), f.params.slice(0, -2), start, end))
  return f
}

const isReduce = (node: Node): node is Reduce => node.kind === 'reduce'

/** A node's stride along a dim, where it reads or writes memory there. */
const strideOf = (node: Node, dim: number): number | null =>
  node.kind === 'load' ? (node.access.strides[dim] ?? 0) : node.kind === 'gather' ? laneStride(node.args[0] as Node, dim) : null

/** Whether lanes run along the last inner dim, rather than the last outer one. */
const lanesAcross = ({ dims, outer, nodes, outputs }: NestNodes): boolean => {
  const [last, lastOuter] = [dims.length - 1, outer - 1]
  if (last === lastOuter) return false
  const written = outputs.filter(({ rowwise }) => !rowwise).map(({ access }) => access.strides)
  // Lanes that lie apart are moved one by one.
  const cost = (dim: number): number =>
    [...nodes.map((node) => strideOf(node, dim) ?? 0), ...written.map((strides) => strides[dim] ?? 0)].reduce(
      (sum, stride) => sum + (stride === 0 ? 0 : stride === 1 ? -1 : 4),
      0,
    )
  const [inside, outside] = [cost(last), cost(lastOuter)]
  // Of rows shorter than a vector, as the windows of an image are, most lanes would be none.
  if ((dims[last] as number) < 4 && outside < 0) return false
  return inside !== outside ? inside < outside : (dims[last] as number) >= 4 || lastOuter === 0
}

/** Vectors that go through a loop side by side: as many as hide latency, where a body is short; accumulators must fit the registers. */
const vectorsAtOnce = ({ dims, nodes, outputs }: NestNodes, dim: number, across: boolean): number => {
  // What is the same in all lanes, or in all turns, is computed once.
  const varying = (1 << (dims.length - 1)) | (1 << dim)
  let cost = outputs.length
  for (const node of nodes)
    if ((node.deps & varying) === varying)
      cost += node.kind === 'apply' && isExpensive(node.op) ? 12 : (strideOf(node, dim) ?? 1) === 1 ? 1 : 4
  if (cost > 10) return 1
  const reduces = nodes.filter(isReduce).length
  return reduces === 1 || (across && reduces <= 2) ? 8 : 4
}

const emitRows = (n: Integers, plan: NestNodes, args: readonly Local[], start: Local, end: Local): void => {
  const { f } = n
  const { dims, outer, nodes, outputs } = plan
  const simd = [...nodes, ...outputs.map(({ node }) => node)].every(({ dtype }) => registerOf(dtype) === 'v128')
  const across = simd && lanesAcross(plan)
  const lanes: Lanes = { dim: across ? dims.length - 1 : outer - 1, width: simd ? 4 : 1, vectors: 1, partial: null }
  const index = dims.map(() => n.local())
  const evaluator = evaluatorOf(f, args, index, lanes)
  const passes = planPasses(nodes, outputs)
  const rowwise = outputs.filter((output) => output.rowwise)
  const last = outer - 1
  const along = index[last] as Local

  const hoist = (): void => evaluator.hoist([...passes.flatMap(({ roots }) => roots), ...rowwise.map(({ node }) => node)], 0)

  /** Emits `body` for a vector at `at` of which only the lanes below `to` exist. */
  const partly = (at: Local, to: Value, body: () => void): void => {
    const count = n.hold(n.sub(to, at))
    const mask = f.hold('v128', f.i32x4.lt_s(f.constant('i32x4', 0, 1, 2, 3), f.i32x4.splat(count)))
    lanes.partial = { count, mask }
    body()
    lanes.partial = null
  }

  /** Everything at one outer index (or at `vectors` vectors of them). */
  const row = (vectors: number): void =>
    evaluator.scope(1 << last, () => {
      lanes.vectors = across ? 1 : vectors
      const spills = planSpills(vectors)
      for (const pass of passes) {
        evaluator.hoist(pass.roots, pass.depth)
        emitPass(pass, across ? vectors : 1, spills)
        for (const [node, row] of spills) if (pass.nodes.has(node)) evaluator.rows.set(node, row)
      }
      const values = rowwise.map(({ node }) => Array.from({ length: lanes.vectors }, (_, v) => evaluator.value(node, v)))
      rowwise.forEach((output, i) => (values[i] as Local[]).forEach((value, v) => evaluator.store(output, value, v, !across)))
      evaluator.rows.clear()
    })

  /** A row of scratch memory for what is costly and needed by more than one pass. */
  const planSpills = (vectors: number): ReadonlyMap<Node, Row> => {
    const spills = new Map<Node, Row>()
    let elements = across ? 1 : 4 * vectors
    const strides = dims.map(() => 0)
    for (let d = dims.length - 1; d >= outer; d--) {
      strides[d] = elements
      elements *= dims[d] as number
    }
    const rowBytes = roundUp(4 * elements + 16, 64) // a last vector may reach past the row
    const base = f.local('i32')
    for (const node of nodes) {
      const costly = simd && node.kind === 'apply' && isExpensive(node.op) && (node.deps & dimBits(outer, dims.length)) !== 0
      const used = spills.size * rowBytes
      if (!costly || passes.filter((pass) => pass.nodes.has(node)).length < 2 || used + rowBytes > SPILL_BYTES) continue
      spills.set(node, { base, access: { strides, offset: used / 4 } })
    }
    const scratch = f.module.scratch(spills.size * rowBytes)
    if (spills.size > 0) f.prologue(() => f.set(base, () => f.getGlobal(scratch)))
    return spills
  }

  const emitPass = (pass: Pass, vectors: number, spills: ReadonlyMap<Node, Row>): void => {
    const trips = dims.slice(outer)
    if (across) trips[trips.length - 1] = Math.ceil((trips.at(-1) as number) / (4 * vectors))
    const long = product(trips) > BLOCK
    const sums = pass.reduces.map(({ op, dtype }) => accumulator(f, op, dtype, across ? vectors : lanes.vectors, long, across))
    const kept = [...spills].filter(([node]) => pass.nodes.has(node) && !evaluator.rows.has(node))
    const body = (): void => {
      const mask = across ? (lanes.partial?.mask ?? null) : null
      for (let v = 0; v < lanes.vectors; v++) {
        pass.reduces.forEach(({ args }, i) => sums[i]?.add(v, evaluator.value(args[0] as Node, v), mask))
        const values = pass.outputs.map(({ node }) => evaluator.value(node, v))
        pass.outputs.forEach((output, i) => evaluator.store(output, values[i] as Local, v, true))
        for (const [node, row] of kept) evaluator.spill(node, row, v)
      }
    }

    /** Loops over the inner dims from d on. Long float32 sums are flushed after each block of one level's turns. */
    const loops = (d: number): void => {
      if (d === dims.length) return body()
      const [idx, extent, turns] = [index[d] as Local, dims[d] as number, trips[d - outer] as number]
      const inside = product(trips.slice(d - outer + 1))
      const level = (from: Value, to: Value, step: number, next: () => void): void =>
        f.for(idx, from, to, step, () =>
          evaluator.scope(1 << d, () => {
            if (d < dims.length - 1) evaluator.hoist(pass.roots, pass.depth)
            next()
          }),
        )
      const blocked = (to: number, step: number, next: () => void): void => {
        if (inside > BLOCK || turns * inside <= BLOCK) return level(0, to, step, next)
        const [block, stop] = n.locals(2)
        const size = Math.max(1, Math.floor(BLOCK / inside)) * step
        f.for(block, 0, to, size, () => {
          n.set(stop, n.min(n.add(block, size), to))
          level(block, stop, step, next)
          for (const sum of sums) sum.flush()
        })
      }
      if (!across || d < dims.length - 1) return blocked(extent, 1, () => loops(d + 1))
      const main = extent - (extent % (4 * vectors))
      const whole = extent - (extent % 4)
      lanes.vectors = vectors
      if (main > 0) blocked(main, 4 * vectors, body)
      lanes.vectors = 1
      if (main < whole) level(main, whole, 4, body)
      if (whole < extent) {
        n.set(idx, whole)
        partly(idx, extent, () => evaluator.scope(1 << d, body))
      }
    }
    if (product(dims.slice(1)) > 0) loops(outer)
    if (across) lanes.vectors = 1
    pass.reduces.forEach((reduce, i) => sums[i]?.finish().forEach((local, v) => evaluator.define(reduce, v, local)))
  }

  /** Rows from `from` to `to` along the last outer dim. */
  const run = (from: Local, to: Local): void => {
    const vectors = vectorsAtOnce(plan, lanes.dim, across)
    if (across || !simd) return f.for(along, from, to, 1, () => row(across ? vectors : 1))
    f.for(along, from, n.hold(n.sub(to, 4 * vectors - 1)), 4 * vectors, () => row(vectors))
    f.for(along, along, to, 4, () => partly(along, to, () => row(1)))
  }

  hoist()
  if (outer === 1) return run(start, end)
  // Along the last outer dim, as far as the range and that dim go, one run after another.
  const [at, rest, stop] = n.locals(3)
  n.set(at, start)
  f.while(n.lt(at, end), () => {
    n.set(rest, at)
    for (let d = last; d > 0; d--) n.takeDigit(rest, dims[d] as number, index[d] as Local)
    n.set(index[0] as Local, rest)
    n.set(stop, n.min(n.add(along, n.sub(end, at)), dims[last] as number))
    n.set(at, n.add(at, n.sub(stop, along)))
    evaluator.scope(dimBits(0, last), () => {
      hoist()
      run(along, stop)
    })
  })
}

const planPasses = (nodes: readonly Node[], outputs: readonly OutputNode[]): Pass[] => {
  const reduces = nodes.filter(isReduce)
  const everywhere = outputs.filter(({ rowwise }) => !rowwise)
  const deepest = Math.max(0, ...reduces.map(({ depth }) => depth))
  const pass = (depth: number, reduces: readonly Reduce[], outputs: readonly OutputNode[]): Pass => {
    const roots = [...reduces.map(({ args }) => args[0] as Node), ...outputs.map(({ node }) => node)]
    return { reduces, outputs, roots, depth, nodes: reached(roots) }
  }
  const passes = Array.from({ length: deepest }, (_, depth) =>
    pass(
      depth,
      reduces.filter((reduce) => reduce.depth === depth + 1),
      [],
    ),
  )
  return everywhere.length > 0 ? [...passes, pass(deepest, [], everywhere)] : passes
}

const reached = (roots: readonly Node[]): ReadonlySet<Node> => {
  const seen = new Set(roots)
  for (const node of seen) if (node.kind !== 'reduce') for (const arg of node.args) seen.add(arg)
  return seen
}
