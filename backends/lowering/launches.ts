/** Kernels of the same code over different buffers become one launch: an optimizer's update over a tree is a handful of them, however many leaves. */
import type { Composite, Node } from '../../src/core/graph.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { structure } from '../../src/core/structure.ts'
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

/**
 * `kernels` are in an order that respects what they read. One joins an earlier launch of its code where all that it reads is there by then,
 * or where that launch may wait: nobody has read its results yet, and what it reads stays in memory anyway.
 */
export const batchLaunches = (kernels: readonly Emitted[]): Launch[] => {
  const launches: Batch[] = []
  const byCode = new Map<string, Batch>()
  const writers = new Map<Node, Batch>()
  const read = new Set<Node>()
  const lastReads = new Map<Node, number>()
  kernels.forEach(({ reads }, i) => reads.forEach((node) => lastReads.set(node, i)))
  kernels.forEach(({ kernel: made, reads, writes, inPlace }, i) => {
    const { kernel, extent } = made()
    const code = kernel.kind === 'nest' ? structure(kernel) : ''
    const isFree = (run: Run): boolean => !run.writes.some((node) => read.has(node)) && run.reads.every((node) => lastReads.get(node)! > i)
    let launch = byCode.get(code)
    if (launch !== undefined && !reads.every((node) => (writers.get(node)?.at ?? -1) < launch!.at)) {
      if (launch.runs.every(isFree)) launch.at = i
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
