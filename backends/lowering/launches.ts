/** Kernels of the same code over different buffers become one launch: an optimizer's update over a tree is a handful of them, however many leaves. */
import { type Composite, type Node, sizeOfNode } from '../../src/core/graph.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { structure } from '../../src/core/structure.ts'
import { type Fusion, SMALL } from './buffers.ts'
import type { Emitted } from './emit.ts'

/** One run of a kernel, by the nodes in its buffers. */
export interface Run {
  readonly reads: readonly Node[]
  readonly writes: readonly Node[]
  readonly extent: number
  /** Reads whose memory a result may take over. */
  readonly inPlace: ReadonlySet<Node>
}

/** A kernel over several sets of buffers, independent of one another. */
export interface Launch {
  readonly kernel: Kernel | Composite
  readonly runs: readonly Run[]
}

interface Batch extends Launch {
  readonly runs: Run[]
  /** The kernel before which it is launched. */
  at: number
}

/** A kernel that nothing more joins, with its code as text: '' where launches don't share it. */
interface Coded extends Omit<Emitted, 'kernel'> {
  readonly kernel: Kernel | Composite
  readonly extent: number
  readonly code: string
}
export const codedOf = (emitted: Emitted, fusion: Fusion): Coded => {
  const { kernel, extent } = emitted.kernel()
  const shared = kernel.kind === 'nest' || (fusion === 'most' && (kernel.kind === 'scatter' || isRow(kernel)))
  return { ...emitted, kernel, extent, code: shared ? structure(kernel as Kernel) : '' }
}
const isRow = (kernel: Kernel | Composite): boolean => kernel.kind === 'dot' && kernel.m === 1

/** Small kernels as soon as what they read is there, so that those that are independent stand side by side; the others in their order. */
export const early = (kernels: readonly Coded[]): readonly Coded[] => {
  const when = new Map<Node, readonly [after: number, depth: number]>()
  const placed = kernels.map((emitted, i) => {
    const { reads, writes } = emitted
    const plain = writes.every((node) => node.kind !== 'part' && sizeOfNode(node) <= SMALL)
    const found = reads.map((node) => when.get(node)).filter((at) => at !== undefined)
    const after = Math.max(-1, ...found.map(([at]) => at))
    const at = plain
      ? ([after, 1 + Math.max(-1, ...found.filter(([a]) => a === after).map(([, depth]) => depth))] as const)
      : ([i, 0] as const)
    for (const node of writes) when.set(node, at)
    return { emitted, at, i }
  })
  return placed.sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1] || a.i - b.i).map(({ emitted }) => emitted)
}

/**
 * `kernels` are in an order that respects what they read. One joins an earlier launch of its code where all that it reads is there by then,
 * or where that launch may wait: nobody has read its results yet, and what it reads stays in memory anyway.
 */
export const batchLaunches = (kernels: readonly Coded[], fusion: Fusion): Launch[] => {
  const launches: Batch[] = []
  const byCode = new Map<string, Batch>()
  const writers = new Map<Node, Batch>()
  const read = new Set<Node>()
  const lastReads = new Map<Node, number>()
  kernels.forEach(({ reads }, i) => reads.forEach((node) => lastReads.set(node, i)))
  kernels.forEach(({ kernel, code, reads, writes, extent, inPlace }, i) => {
    const isFree = (run: Run): boolean =>
      !run.writes.some((node) => read.has(node)) &&
      run.reads.every((node) => lastReads.get(node)! > i || (fusion === 'most' && sizeOfNode(node) <= SMALL))
    let launch = byCode.get(code)
    if (launch !== undefined && !reads.every((node) => (writers.get(node)?.at ?? -1) < launch!.at)) {
      if (launch.runs.every(isFree) && !reads.some((node) => writers.get(node) === launch)) launch.at = i
      else launch = undefined
    }
    if (launch === undefined) launches.push((launch = { kernel, runs: [], at: i }))
    launch.runs.push({ reads, writes, extent, inPlace })
    if (code !== '') byCode.set(code, launch)
    for (const node of writes) writers.set(node, launch)
    for (const node of reads) read.add(node)
  })
  return launches.sort((a, b) => a.at - b.at)
}

/** More in one would be code that few programs share. */
const MOST_TOGETHER = 4

/** Small launches that follow one another and are independent, so that a device may do them at once. What is small isn't taken over then where others read it. */
export const together = (launches: readonly Launch[]): readonly (readonly Launch[])[] => {
  const groups: Launch[][] = []
  let [reads, writes, inPlace] = [new Set<Node>(), new Set<Node>(), new Set<Node>()]
  for (const launch of launches) {
    const { runs } = launch
    const group = groups.at(-1)
    const taken = (run: Run): readonly Node[] => [...run.inPlace].filter((node) => sizeOfNode(node) > SMALL)
    const joins =
      group !== undefined &&
      group.length < MOST_TOGETHER &&
      isSmall(group[0]!) &&
      isSmall(launch) &&
      runs.every((run) => !run.reads.some((node) => writes.has(node) || inPlace.has(node)) && !taken(run).some((node) => reads.has(node)))
    if (joins) group.push(launch)
    else {
      groups.push([launch])
      ;[reads, writes, inPlace] = [new Set(), new Set(), new Set()]
    }
    for (const run of runs) {
      for (const node of run.reads) reads.add(node)
      for (const node of run.writes) writes.add(node)
      for (const node of taken(run)) inPlace.add(node)
    }
  }
  return groups.map(keepingReads)
}
/** Nothing is taken over that another run of the group reads. */
const keepingReads = (group: readonly Launch[]): readonly Launch[] => {
  if (group.length === 1) return group
  const readers = new Map<Node, number>()
  for (const { reads } of group.flatMap(({ runs }) => runs))
    for (const node of new Set(reads)) readers.set(node, (readers.get(node) ?? 0) + 1)
  const kept = (run: Run): Run => ({ ...run, inPlace: new Set([...run.inPlace].filter((node) => readers.get(node) === 1)) })
  return group.map((launch) => ({ ...launch, runs: launch.runs.map(kept) }))
}
const isSmall = ({ kernel, runs }: Launch): boolean =>
  kernel.kind === 'scatter'
    ? kernel.count * kernel.rest <= SMALL
    : (kernel.kind === 'nest' || isRow(kernel)) && runs.every(({ writes }) => writes.every((node) => sizeOfNode(node) <= SMALL))
