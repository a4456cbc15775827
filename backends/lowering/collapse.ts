/** Neighbouring dims of a nest that every access walks as one become one: matrices and vectors share their code, and loops are longer. */
import { affinesIn, mapAffines } from '../../src/core/expressions.ts'
import type { Affine, Nest } from '../../src/core/kernel.ts'
import { REACH } from '../../src/core/reach.ts'

export interface Collapsed {
  readonly kernel: Nest
  /** Of the first dim. */
  readonly extent: number
}

export const collapse = (nest: Nest): Collapsed => {
  const { dims, inner, outputs } = nest
  const outer = dims.length - inner
  const affines = [...outputs.map((o) => o.access), ...affinesIn(outputs.map((o) => o.expr))]
  // A reduction's order is ours to choose: the dim with the longest steps goes outermost.
  const steps = dims.map((_, d) => affines.reduce((sum, a) => sum + Math.abs(a.strides[d]!), 0))
  const order = dims.map((_, d) => d).sort((a, b) => (a < outer || b < outer ? a - b : steps[b]! - steps[a]!))
  const extent = (run: readonly number[]): number => run.reduce((product, d) => product * dims[d]!, 1)
  /** The step along a run: that of its last dim that isn't one. */
  const stride = (a: Affine, run: readonly number[]): number => a.strides[run.findLast((d) => dims[d] !== 1) ?? -1] ?? 0
  const runs: number[][] = []
  for (const d of order) {
    const run = runs.at(-1)
    const n = dims[d]!
    const joins =
      run !== undefined &&
      run[0]! < outer === d < outer &&
      extent(run) * n <= REACH &&
      (n === 1 || extent(run) === 1 || affines.every((a) => stride(a, run) === a.strides[d]! * n))
    if (joins) run.push(d)
    else runs.push([d])
  }
  const merged = runs.map(extent)
  if (runs.every(([first], d) => first === d) && merged.length === dims.length) return { kernel: nest, extent: dims[0]! }
  const affine = (a: Affine): Affine => ({ ...a, strides: runs.map((run) => stride(a, run)) })
  const expr = mapAffines(affine)
  const kernel: Nest = {
    ...nest,
    dims: merged,
    inner: runs.filter(([first]) => first! >= outer).length,
    outputs: outputs.map((o) => ({ ...o, expr: expr(o.expr), access: affine(o.access) })),
  }
  return { kernel, extent: merged[0]! }
}
