/**
 * Contractions: tiles of both operands in workgroup memory, sums in registers, epilogues where a sum is finished. A long sum with few
 * results is split, a matrix by a vector is read as vectors, and other vectors and tiny matrices are rows that are reduced.
 */
import { rowMajor, sizeOf } from '../../../src/core/aval.ts'
import { dotNest } from '../../../src/core/dotNest.ts'
import { mapAffines } from '../../../src/core/expressions.ts'
import type { Affine, Dot, Expr, Nest } from '../../../src/core/kernel.ts'
import { type DotPlan, plansOf } from './dotPlan.ts'
import { inFours, tilePass } from './dotTile.ts'
import { vectorPass } from './dotVector.ts'
import { packing } from './halves.ts'
import { rowApart } from './ownRow.ts'
import { rowShader } from './rows.ts'
import type { Emit, Features, Memory, Shader } from './shader.ts'

/** Fewer multiply-adds aren't worth a tile. */
const TINY = 4096
const LEAST_DEPTH = 8

/** Whether a contraction is worth tiles. */
export const isTiled = ({ m, n, k }: Dot): boolean => m > 1 && n > 1 && k >= LEAST_DEPTH && m * n * k > TINY

export const emitDot: Emit<Dot> = (kernel, memory, features) => {
  const vector = vectorPass(kernel, memory, features)
  if (vector !== null) return { passes: [vector], scratch: [] }
  const apart = rowApart(kernel)
  if (apart !== null) {
    const [row, dot] = [rowShader(apart.row, memory, features), emitDot(apart.dot, memory, features)]
    return { passes: [...row.passes, ...dot.passes], scratch: [{ dtype: kernel.dtype, size: kernel.k }, ...dot.scratch] }
  }
  const plan = isTiled(kernel) ? features.choose(kernel, plansOf(kernel, features)) : null
  if (plan?.parts === 1 && inFours(kernel)) return { passes: [tilePass(kernel, plan.tile, memory)], scratch: [] }
  const size = sizeOf([...kernel.batch, kernel.m, kernel.n])
  return packing(
    kernel,
    memory,
    () => size,
    () => false,
    (own) => (plan === null ? rowShader(launched(dotNest(own)), memory, features) : tiled(own, plan, memory, features)),
  )
}

const tiled = (kernel: Dot, { tile, parts }: DotPlan, memory: Memory, features: Features): Shader => {
  const { batch, m, n, dtype, args } = kernel
  if (parts === 1) return { passes: [tilePass(kernel, tile, memory)], scratch: [] }
  const dims = [...batch, m, n]
  const partial = args.length
  const split: Dot = { ...kernel, args: [...args, dtype], outputs: [partialOutput(kernel, partial, dims)] }
  const adding = rowShader(launched(sumOfParts(kernel, partial, parts, dims)), memory, features)
  return {
    passes: [tilePass(split, tile, memory, parts), ...adding.passes],
    scratch: [{ dtype, size: parts * sizeOf(dims) }, ...adding.scratch],
  }
}

/** A nest's first extent is its launch's, and a contraction's launch has 1. */
const launched = (nest: Nest): Nest => {
  const within = ({ strides, offset }: Affine): Affine => ({ strides: [0, ...strides], offset })
  const expr = mapAffines(within)
  const outputs = nest.outputs.map((output) => ({ ...output, expr: expr(output.expr), access: within(output.access) }))
  return { ...nest, dims: [1, ...nest.dims], outputs }
}

/** A part's sums, [part, ...batch, m, n]: `dotTile.ts` puts the part first. */
const partialOutput = ({ dtype }: Dot, arg: number, dims: readonly number[]): Dot['outputs'][number] => ({
  arg,
  expr: { kind: 'acc', dtype },
  access: { strides: rowMajor(dims), offset: 0 },
  rowwise: false,
})

/** The outputs, with the sum of the parts for each finished sum. */
const sumOfParts = ({ dtype, args, outputs }: Dot, arg: number, parts: number, dims: readonly number[]): Nest => {
  const along = ({ strides, offset }: Affine): Affine => ({ strides: [...strides, 0], offset })
  const load: Expr = { kind: 'load', dtype, arg, access: { strides: [...rowMajor(dims), sizeOf(dims)], offset: 0, guards: [] } }
  const sum: Expr = { kind: 'reduce', op: 'sum', dtype, arg: load }
  const finish = mapAffines(along, sum)
  return {
    kind: 'nest',
    dims: [...dims, parts],
    inner: 1,
    args: [...args, dtype],
    outputs: outputs.map((output) => ({ ...output, expr: finish(output.expr), access: along(output.access), rowwise: true })),
  }
}
