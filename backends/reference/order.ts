/** Kernels in which order counts: prefix reductions, sorts and scatters. */
import { absurd } from './absurd.ts'
import type { Cumulative, Scatter, Sort } from '../../src/core/kernel.ts'
import { read, write } from './expr.ts'
import type { Run } from './nest.ts'
import { reducer, type Scalar, scalar } from './scalar.ts'

/** Calls `line` with the place of each element of each line along the middle of [outer, n, inner]. */
const forEachLine = (shape: Cumulative | Sort, line: (places: readonly number[]) => void): void => {
  const { outer, n, inner } = shape
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) line(Array.from({ length: n }, (_, j) => (o * n + j) * inner + i))
}

export const cumulative =
  (kernel: Cumulative): Run =>
  ([input, output]) => {
    const { identity, fold, finish } = reducer(kernel.op, kernel.dtype)
    forEachLine(kernel, (places) => {
      let sum = identity
      for (const at of kernel.reverse ? [...places].reverse() : places) {
        sum = fold(sum, read(input!, at))
        write(output!, at, finish(sum))
      }
    })
  }

const compare = (x: number, y: number): number =>
  Number.isNaN(x) || Number.isNaN(y) ? Number(Number.isNaN(x)) - Number(Number.isNaN(y)) : x < y ? -1 : x > y ? 1 : 0

export const sort =
  (kernel: Sort): Run =>
  (buffers) => {
    const operands = kernel.args.length / 2
    const inputs = buffers.slice(0, operands)
    forEachLine(kernel, (places) => {
      // Array.prototype.sort is stable.
      const sorted = [...places].sort((a, b) => {
        for (let key = 0; key < kernel.keys; key++) {
          const order = compare(read(inputs[key]!, a), read(inputs[key]!, b))
          if (order !== 0) return order
        }
        return 0
      })
      const values = inputs.map((input) => sorted.map((at) => read(input, at)))
      values.forEach((column, i) => {
        for (const [j, at] of places.entries()) write(buffers[operands + i]!, at, column[j]!)
      })
    })
  }

const combiner = ({ combine, dtype }: Scatter): Scalar => {
  switch (combine) {
    case 'set':
      return (_, update) => update
    case 'add':
    case 'mul':
    case 'max':
    case 'min':
      return scalar(combine, dtype, [dtype, dtype])
    default:
      return absurd(combine)
  }
}

export const scatter =
  (kernel: Scatter): Run =>
  ([x, index, updates, out]) => {
    const { rows, rest, count } = kernel
    const combine = combiner(kernel)
    const result = x!.slice(0, rows * rest)
    for (let u = 0; u < count; u++) {
      const row = read(index!, u)
      if (row < 0 || row >= rows) continue
      for (let j = 0; j < rest; j++)
        write(result, row * rest + j, combine(read(result, row * rest + j), read(updates!, u * rest + j), 0, 0))
    }
    for (const [at, value] of result.entries()) write(out!, at, value)
  }
