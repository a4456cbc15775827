/** Kernels of the same code over different buffers become one launch: an optimizer's update over a tree is a handful of them, however many leaves. */
import type { Node } from '../src/core/graph.ts'
import type { Kernel } from '../src/core/kernel.ts'
import { structure } from '../src/core/structure.ts'
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
  readonly kernel: Kernel
  readonly runs: readonly Run[]
}

/** A kernel joins an earlier launch of its code where all that it reads is there by then. */
export const batchLaunches = (kernels: readonly Emitted[]): Launch[] => {
  const launches: { kernel: Emitted['kernel']; runs: Run[] }[] = []
  const byCode = new Map<string, number>()
  const written = new Map<Node, number>()
  for (const { kernel, reads, writes, extent, inPlace } of kernels) {
    const code = kernel.kind === 'nest' ? structure(kernel) : null
    const earlier = code === null ? undefined : byCode.get(code)
    const ready = reads.reduce((last, node) => Math.max(last, written.get(node) ?? -1), -1)
    const at = earlier !== undefined && ready < earlier ? earlier : launches.length
    if (at === launches.length) launches.push({ kernel, runs: [] })
    launches[at]!.runs.push({ reads, writes, extent, inPlace })
    for (const node of writes) written.set(node, at)
    if (code !== null) byCode.set(code, at)
  }
  return launches
}
