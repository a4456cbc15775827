/**
 * Expressions over a rectangle of a contraction's index, four lanes at a time: operands while they are packed, outputs while their
 * sums are in the cache. The rectangle's block of scratch memory counts as one more arg.
 */
import type { Affine, Dot, Output } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Integers } from './address.ts'
import type { DigitAt } from './dotPlan.ts'
import { evaluatorOf, type Lanes } from './evaluate.ts'
import { nestNodes, type NestNodes } from './nodes.ts'

/** The dims that a rectangle spans, its lanes running along `lane`, and the bytes between its block's rows. */
export interface Rectangle {
  readonly outer: number
  readonly lane: number
  readonly pitch: number
  /** Where expressions are affine in digits of those dims instead. */
  readonly outerDigits: readonly DigitAt[]
  readonly laneDigits: readonly DigitAt[]
}

/** Where the block stands in an access over `rank` batch dims and two more. */
export const blockAccess = (rank: number, { outer, lane, pitch, laneDigits }: Rectangle): Affine => {
  const run = laneDigits.at(-1)?.at ?? lane
  return { strides: Array.from({ length: Math.max(rank + 2, run + 1) }, (_, d) => (d === outer ? pitch / 4 : d === lane || d === run ? 1 : 0)), offset: 0 } // prettier-ignore
}

/** A function (args…, batch…, first outer, outer count, first lane, lane count, block). */
export const emitSweep = (
  module: ModuleBuilder,
  name: string,
  kernel: Dot,
  rectangle: Rectangle,
  outputs: readonly Output[],
): FunctionHandle => {
  const { outer, lane, pitch, outerDigits, laneDigits } = rectangle
  const [argCount, rank] = [kernel.args.length, kernel.batch.length]
  const f = module.func(name, Array(argCount + rank + 5).fill('i32'))
  const batch = f.params.slice(argCount, argCount + rank)
  const [outerFirst, outerCount, laneFirst, laneCount, block] = f.params.slice(argCount + rank) as [Local, Local, Local, Local, Local]
  const nodes = separateNodes(rank + 2 + kernel.digits.length, outputs)
  const n = new Integers(f)
  const [o, l] = n.locals(2)
  const index = [...batch, ...(outer < lane ? [o, l] : [l, o]), ...kernel.digits.map(() => n.local())]
  // The block's address as if it began at index 0.
  n.set(block, n.sub(block, n.add(n.mul(outerFirst, pitch), n.mul(laneFirst, 4))))
  n.step(outerCount, outerFirst)
  n.step(laneCount, laneFirst)

  /** The dim that lanes run along: a digit starts again from 0, and so do they. */
  const run = laneDigits.at(-1)?.at ?? lane
  const position = index[run] as Local
  const setDigits = (digits: readonly DigitAt[], number: Value): void => {
    const rest = n.hold(number)
    for (const { at, extent } of digits.toReversed()) n.takeDigit(rest, extent, index[at] as Local)
  }
  const nextDigits = (digits: readonly DigitAt[]): void => {
    const last = digits.at(-1)
    if (last === undefined) return
    const digit = index[last.at] as Local
    n.step(digit, 1)
    if (digits.length > 1)
      n.when(n.eq(digit, last.extent), () => {
        n.set(digit, 0)
        nextDigits(digits.slice(0, -1))
      })
  }
  const bitsOf = (digits: readonly DigitAt[]): number => digits.reduce((bits, { at }) => bits | (1 << at), 0)
  /** The lanes, in runs that cross no digit: from `position` on, up to `end`. */
  const eachRun = (body: (first: Value, end: Value) => void): void => {
    if (laneDigits.length === 0) return body(laneFirst, laneCount)
    const [at, first, end] = [n.hold(laneFirst), n.local(), n.local()]
    f.while(n.lt(at, laneCount), () => {
      setDigits(laneDigits, at)
      n.set(first, position)
      n.set(end, n.min(n.add(first, n.sub(laneCount, at)), laneDigits.at(-1)!.extent))
      n.set(l, n.sub(at, first))
      n.set(at, n.add(at, n.sub(end, first)))
      settle((1 << lane) | (bitsOf(laneDigits) & ~(1 << run)), () => body(first, end))
    })
  }

  const wide = nodes.nodes.some(({ dtype }) => dtype === 'float64' || dtype === 'key')
  const passes = (wide ? [1 as const] : [4 as const, 1 as const]).map((width) => {
    const lanes: Lanes = { dim: run, width, vectors: 1, partial: null }
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
    eachRun((first, end) => {
      setDigits(outerDigits, outerFirst)
      f.for(o, outerFirst, outerCount, 1, () => {
        settle((1 << outer) | bitsOf(outerDigits), () => {
          n.set(position, first)
          for (const { width, evaluator } of passes)
            f.for(position, position, n.sub(end, width - 1), width, () =>
              evaluator.scope(1 << run, () => {
                // All values before the first store: a result may take the memory of an arg that another reads.
                const values = roots.map((node) => evaluator.value(node, 0))
                nodes.outputs.forEach((output, i) => evaluator.store(output, values[i] as Local, 0, true))
              }),
            )
        })
        nextDigits(outerDigits)
      })
    }),
  )
  return f
}

/** One graph for several outputs, its dims kept apart: with no extent there are no two that act as one. */
export const separateNodes = (dims: number, outputs: readonly Output[]): NestNodes =>
  nestNodes({ kind: 'nest', dims: Array(dims).fill(Number.NaN), inner: 0, args: [], outputs })
