/**
 * Expressions over a rectangle of a contraction's index, four lanes at a time: operands while they are packed, outputs while their
 * sums are in the cache. The rectangle's block of scratch memory counts as one more arg.
 */
import type { Affine, Dot, Output } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { Integers } from './address.ts'
import { evaluatorOf, type Lanes } from './evaluate.ts'
import { nestNodes, type NestNodes } from './nodes.ts'

/** The dims that a rectangle spans, its lanes running along `lane`, and the bytes between its block's rows. */
export interface Rectangle {
  readonly outer: number
  readonly lane: number
  readonly pitch: number
}

/** Where the block stands in an access over `rank` batch dims and two more. */
export const blockAccess = (rank: number, { outer, lane, pitch }: Rectangle): Affine => ({
  strides: Array.from({ length: rank + 2 }, (_, d) => (d === outer ? pitch / 4 : d === lane ? 1 : 0)),
  offset: 0,
})

/** A function (args…, batch…, first outer, outer count, first lane, lane count, block). */
export const emitSweep = (
  module: ModuleBuilder,
  name: string,
  kernel: Dot,
  rectangle: Rectangle,
  outputs: readonly Output[],
): FunctionHandle => {
  const { outer, lane, pitch } = rectangle
  const [argCount, rank] = [kernel.args.length, kernel.batch.length]
  const f = module.func(name, Array(argCount + rank + 5).fill('i32'))
  const batch = f.params.slice(argCount, argCount + rank)
  const [outerFirst, outerCount, laneFirst, laneCount, block] = f.params.slice(argCount + rank) as [Local, Local, Local, Local, Local]
  const nodes = separateNodes(rank + 2, outputs)
  const n = new Integers(f)
  const [o, l] = n.locals(2)
  const index = outer < lane ? [...batch, o, l] : [...batch, l, o]
  // The block's address as if it began at index 0.
  n.set(block, n.sub(block, n.add(n.mul(outerFirst, pitch), n.mul(laneFirst, 4))))
  n.step(outerCount, outerFirst)
  n.step(laneCount, laneFirst)

  const wide = nodes.nodes.some(({ dtype }) => dtype === 'float64' || dtype === 'key')
  const passes = (wide ? [1 as const] : [4 as const, 1 as const]).map((width) => {
    const lanes: Lanes = { dim: lane, width, vectors: 1, partial: null }
    return { width, evaluator: evaluatorOf(f, [...f.params.slice(0, argCount), block], index, lanes) }
  })
  const roots = nodes.outputs.map(({ node }) => node)
  /** The body in a scope of every pass, after what doesn't change in it. */
  const settle = (dims: number, body: () => void, i = 0): void => {
    const pass = passes[i]
    if (pass === undefined) return body()
    pass.evaluator.scope(dims, () => {
      pass.evaluator.hoist(roots, 0)
      settle(dims, body, i + 1)
    })
  }
  settle((1 << rank) - 1, () =>
    f.for(o, outerFirst, outerCount, 1, () =>
      settle(1 << outer, () => {
        n.set(l, laneFirst)
        for (const { width, evaluator } of passes)
          f.for(l, l, n.sub(laneCount, width - 1), width, () =>
            evaluator.scope(1 << lane, () => {
              // All values before the first store: a result may take the memory of an arg that another reads.
              const values = roots.map((node) => evaluator.value(node, 0))
              nodes.outputs.forEach((output, i) => evaluator.store(output, values[i] as Local, 0, true))
            }),
          )
      }),
    ),
  )
  return f
}

/** One graph for several outputs, its dims kept apart: with no extent there are no two that act as one. */
export const separateNodes = (dims: number, outputs: readonly Output[]): NestNodes =>
  nestNodes({ kind: 'nest', dims: Array(dims).fill(Number.NaN), inner: 0, args: [], outputs })
