/** Neighbouring dims of a nest that every access walks as one become one: matrices and vectors share their code, and loops are longer. */
import { affinesIn, mapAffines } from '../src/core/expressions.ts'
import type { Affine, Nest } from '../src/core/kernel.ts'

export interface Collapsed {
  readonly kernel: Nest
  /** Of the first dim. */
  readonly extent: number
}

export const collapse = (nest: Nest): Collapsed => {
  const { dims, inner, outputs } = nest
  const affines = [...outputs.map((o) => o.access), ...affinesIn(outputs.map((o) => o.expr))]
  const outer = dims.length - inner
  // Runs of dims, each [first, last]; a dim of one joins any run of its side.
  const runs: { first: number; last: number; side: boolean }[] = []
  dims.forEach((n, d) => {
    const side = d < outer
    const run = runs.at(-1)
    const joins = (a: Affine): boolean => strideOf(a, dims, run!.first, run!.last) === a.strides[d]! * n
    const free = run !== undefined && run.side === side
    if (free && (n === 1 || extentOf(dims, run) === 1 || affines.every(joins))) run.last = d
    else runs.push({ first: d, last: d, side })
  })
  const merged = runs.map((run) => extentOf(dims, run))
  if (merged.length === dims.length) return { kernel: nest, extent: dims[0]! }
  const affine = (a: Affine): Affine => ({ ...a, strides: runs.map((run) => strideOf(a, dims, run.first, run.last)) })
  const expr = mapAffines(affine)
  const kernel: Nest = {
    ...nest,
    dims: merged,
    inner: runs.filter((run) => !run.side).length,
    outputs: outputs.map((o) => ({ ...o, expr: expr(o.expr), access: affine(o.access) })),
  }
  return { kernel, extent: merged[0]! }
}

const extentOf = (dims: readonly number[], { first, last }: { readonly first: number; readonly last: number }): number =>
  dims.slice(first, last + 1).reduce((product, n) => product * n, 1)

/** The step along a run: that of its last dim that isn't one. */
const strideOf = (a: Affine, dims: readonly number[], first: number, last: number): number => {
  for (let d = last; d >= first; d--) if (dims[d] !== 1) return a.strides[d]!
  return 0
}
