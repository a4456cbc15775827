/** Contractions of other dtypes than float32: a sum of products for each element, one at a time. */
import type { DType } from '../../src/core/dtype.ts'
import type { Affine, Dot, Expr } from '../../src/core/kernel.ts'
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { Integers } from './integers.ts'
import { mapIndex, separateNodes } from './dotSweep.ts'
import { Evaluator } from './evaluate.ts'
import { emitOp, registerOf } from './ops.ts'

/** Rows of all batches. */
export const plainDotUnits = ({ batch, m }: Dot): number => batch.reduce((x, y) => x * y, m)

export const emitPlainDot = (module: ModuleBuilder, kernel: Dot): FunctionHandle => {
  const { batch, m, n, k, dtype, args } = kernel
  const rank = batch.length
  const f = module.func('plainDot', Array(args.length + 2).fill('i32'))
  const integers = new Integers(f)
  const [rest, row, column, depth] = integers.locals(4)
  const index = [...batch.map(() => integers.local()), row, column, depth]
  // Everything over (...batch, m, n, k).
  const spread =
    (...dims: readonly [number, number]) =>
    ({ strides, offset }: Affine): Affine => {
      const spreadStrides = [...strides.slice(0, rank), 0, 0, 0]
      dims.forEach((d, i) => {
        spreadStrides[rank + d] = strides[rank + i] ?? 0
      })
      return { strides: spreadStrides, offset }
    }
  const nowhere: Affine = { strides: Array(rank + 3).fill(0), offset: 0 }
  const sum: Expr = { kind: 'load', dtype, arg: args.length, access: { ...nowhere, guards: [] } }
  const roots = [mapIndex(kernel.lhs, spread(0, 2), null), mapIndex(kernel.rhs, spread(2, 1), null), sum]
  const graph = separateNodes(rank + 3, [
    ...roots.map((expr) => ({ arg: 0, expr, access: nowhere, rowwise: false })),
    ...kernel.outputs.map((output) => ({ ...output, expr: mapIndex(output.expr, spread(0, 1), sum), access: spread(0, 1)(output.access) })),
  ])
  const [lhs, rhs, sumNode] = graph.outputs.map(({ node }) => node) as [Node, Node, Node]
  const evaluator = new Evaluator(f, f.params.slice(0, args.length), index, { dim: rank + 1, width: 1, vectors: 1, partial: null })
  const total = f.local(registerOf(dtype))
  const product = f.local(registerOf(dtype))
  const combine = (op: 'mul' | 'add', x: Local, y: Local, to: Local) => {
    const same: readonly DType[] = [dtype, dtype]
    emitOp(f, op, dtype, same, [x, y])
    f.set(to)
  }
  f.for('i32', f.param(args.length), f.param(args.length + 1), 1, (unit) => {
    integers.set(rest, unit)
    for (let d = rank; d >= 0; d--) integers.takeDigit(rest, batch[d] ?? m, index[d] as Local)
    evaluator.scope((1 << (rank + 1)) - 1, () =>
      f.for(column, 0, n, 1, () =>
        evaluator.scope(1 << (rank + 1), () => {
          if (registerOf(dtype) === 'f64') f.const('f64', 0)
          else f.get(f.constant('i32x4', 0))
          f.set(total)
          f.for(depth, 0, k, 1, () =>
            evaluator.scope(1 << (rank + 2), () => {
              combine('mul', evaluator.value(lhs, 0), evaluator.value(rhs, 0), product)
              combine('add', total, product, total)
            }),
          )
          evaluator.define(sumNode, 0, total)
          for (const { arg, node, access } of graph.outputs.slice(roots.length))
            evaluator.store(arg, access, node.dtype, evaluator.value(node, 0), 0, true)
        }),
      ),
    )
  })
  return f
}

type Node = ReturnType<typeof separateNodes>['outputs'][number]['node']
