/**
 * Nest and Dot kernels: loops over an iteration space. All values are computed before any is written, so that an output may
 * be an input's memory.
 */
import { isFloat, type TypedArray } from '../../src/core/dtype.ts'
import type { Dot, Expr, Nest, Output } from '../../src/core/kernel.ts'
import { affineAt, type Code, compile, type Frame, reductions, write } from './expr.ts'
import { reducer } from './scalar.ts'

/** A kernel ready to run on buffers, one for each of its args. */
export type Run = (buffers: readonly TypedArray[], extent: number) => void

/** Sets `index[from …]` to every place of `dims` in row-major order. */
const forEachIndex = (dims: readonly number[], index: number[], from: number, body: () => void): void => {
  for (let d = 0; d < dims.length; d++) index[from + d] = 0
  for (let left = dims.reduce((product, n) => product * n, 1); left > 0; left--) {
    body()
    for (let d = dims.length - 1; d >= 0 && ++index[from + d]! === dims[d]; d--) index[from + d] = 0
  }
}

/** Values on their way to an output. */
const pending = ({ arg, access, expr }: Output, frame: Frame, code: Code) => {
  const [places, values]: [number[], number[]] = [[], []]
  return {
    add: (): void => {
      places.push(affineAt(access, frame.index))
      values.push(code.value(expr))
    },
    commit: (): void => {
      for (const [i, at] of places.entries()) write(frame.buffers[arg]!, at, values[i]!)
      places.length = values.length = 0
    },
  }
}

export const nest = ({ dims, inner, outputs }: Nest): Run => {
  const frame: Frame = { buffers: [], index: dims.map(() => 0), acc: 0 }
  const [slots, values] = [new Map<Expr, number>(), [] as number[]]
  const code = (exprs: readonly Expr[]) => compile(exprs, frame, slots, values)
  const passes = reductions(outputs.map(({ expr }) => expr)).map((expr) => {
    return { expr, reducer: reducer(expr.op, expr.dtype), code: code([expr.arg]) }
  })
  const rowwise = outputs.filter((output) => output.rowwise)
  const everywhere = outputs.filter((output) => !output.rowwise)
  const rowCode = code(rowwise.map(({ expr }) => expr))
  const elementCode = code(everywhere.map(({ expr }) => expr))
  const innerFrom = dims.length - inner
  const innerDims = dims.slice(innerFrom)

  const rowWrites = rowwise.map((output) => pending(output, frame, rowCode))
  const elementWrites = everywhere.map((output) => pending(output, frame, elementCode))

  return (buffers, extent) => {
    frame.buffers = buffers
    forEachIndex([extent, ...dims.slice(1, innerFrom)], frame.index, 0, () => {
      for (const { expr, reducer, code } of passes) {
        let sum = reducer.identity
        forEachIndex(innerDims, frame.index, innerFrom, () => {
          code.run()
          sum = reducer.fold(sum, code.value(expr.arg))
        })
        code.setReduction(expr, reducer.finish(sum))
      }
      frame.index.fill(0, innerFrom)
      if (rowwise.length > 0) rowCode.run()
      for (const write of rowWrites) write.add()
      if (everywhere.length === 0) return
      forEachIndex(innerDims, frame.index, innerFrom, () => {
        elementCode.run()
        for (const write of elementWrites) write.add()
      })
    })
    for (const write of [...rowWrites, ...elementWrites]) write.commit()
  }
}

/** Operands at every place first, then float64 sums of products, each rounded once. */
export const dot = ({ dtype, batch, m, n, k, digits, lhs, rhs, outputs }: Dot): Run => {
  const frame: Frame = { buffers: [], index: [], acc: 0 }
  const compiled = (exprs: readonly Expr[]) => compile(exprs, frame, new Map(), [])
  const [left, right, epilogue] = [compiled([lhs]), compiled([rhs]), compiled(outputs.map(({ expr }) => expr))]
  const times = isFloat(dtype) ? (x: number, y: number): number => x * y : Math.imul
  const { fold, finish } = reducer('sum', dtype)
  const writes = outputs.map((output) => pending(output, frame, epilogue))

  return (buffers) => {
    frame.buffers = buffers
    const operand = (code: Code, expr: Expr, rows: number, columns: number, first: 'm' | 'k'): number[] => {
      const elements: number[] = []
      forEachIndex([rows, columns], frame.index, batch.length, () => {
        const [row, column] = [frame.index[batch.length]!, frame.index[batch.length + 1]!]
        digits.forEach(({ of, by, extent }, i) => {
          frame.index[batch.length + 2 + i] = Math.floor((of === first ? row : column) / by) % extent
        })
        code.run()
        elements.push(code.value(expr))
      })
      return elements
    }
    forEachIndex(batch, frame.index, 0, () => {
      const x = operand(left, lhs, m, k, 'm')
      const y = operand(right, rhs, k, n, 'k')
      forEachIndex([m, n], frame.index, batch.length, () => {
        const [row, column] = [frame.index[batch.length]!, frame.index[batch.length + 1]!]
        let sum = 0
        for (let p = 0; p < k; p++) sum = fold(sum, times(x[row * k + p]!, y[p * n + column]!))
        frame.acc = finish(sum)
        epilogue.run()
        for (const write of writes) write.add()
      })
    })
    for (const write of writes) write.commit()
  }
}
