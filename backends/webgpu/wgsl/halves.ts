/**
 * Results of 16 bits. Two share a word, so the invocation that stores one has to have the other too: where an emitter's invocations do, it stores
 * pairs. Other results go to scratch as float32, and a pass of their own rounds and packs them.
 */
import { rowMajor } from '../../../src/core/aval.ts'
import { isHalf } from '../../../src/core/dtype.ts'
import type { Dot, Expr, Nest, Output } from '../../../src/core/kernel.ts'
import { affineText, type Evaluation } from './expressions.ts'
import { scalarOp } from './scalar.ts'
import type { Memory, Pass, Scratch, Shader } from './shader.ts'

export const isHalfOutput = ({ expr }: Output): boolean => isHalf(expr.dtype)

/** Whether results lie in the order of the iteration. */
export const inOrder = ({ access: { strides, offset } }: Output, dims: readonly number[]): boolean =>
  offset === 0 && rowMajor(dims).every((stride, d) => dims[d] === 1 || strides[d] === stride)

/** As what a kernel computes, before it is rounded. */
const unrounded = (expr: Expr): Expr =>
  expr.kind === 'apply' && expr.op === 'cast' ? expr.args[0]! : { kind: 'apply', op: 'cast', dtype: 'float32', args: [expr] }

/** `sizeOf`: elements of an output for each of a launch's extent; `pairs`: whether the emitter stores its neighbours at once. */
export const packing = <K extends Nest | Dot>(
  kernel: K,
  memory: Memory,
  sizeOf: (output: Output) => number,
  pairs: (output: Output) => boolean,
  emit: (kernel: K) => Shader,
): Shader => {
  const scratch: Scratch[] = []
  const packed: Pass[] = []
  const outputs = kernel.outputs.map((output): Output => {
    if (!isHalfOutput(output) || pairs(output)) return output
    const arg = kernel.args.length + scratch.length
    const size = sizeOf(output)
    scratch.push({ dtype: 'float32', size })
    packed.push(packPass(output, arg, size, memory))
    return { ...output, arg, expr: unrounded(output.expr) }
  })
  const shader = emit({ ...kernel, args: [...kernel.args, ...scratch.map(({ dtype }) => dtype)], outputs })
  return { passes: [...shader.passes, ...packed], scratch: [...scratch, ...shader.scratch] }
}

const WORKGROUP = 256

const packPass = ({ arg, expr: { dtype } }: Output, from: number, size: number, memory: Memory): Pass => {
  const narrow = (at: string): string => scalarOp('cast', dtype, ['float32'], [memory.load(from, at)])
  return {
    declarations: '',
    workgroupSize: WORKGROUP,
    groups: (extent) => Math.ceil((extent * size) / (2 * WORKGROUP)),
    body: [
      `let at = 2u * (group * ${WORKGROUP}u + lane);`,
      `let count = extent * ${size}u;`,
      'if (at >= count) { return; }',
      `var bits = ${narrow('i32(at)')};`,
      `if (at + 1u < count) { bits |= ${narrow('i32(at + 1u)')} << 16u; }`,
      memory.store2(arg, 'i32(at)', 'bits'),
    ].join('\n'),
  }
}

/**
 * As `storeLines`, two elements at a time: `first` is the first's number, `e` each one's, whose index `indexed` names; `place` is the first's in
 * its array.
 */
export const pairLines = (
  { first, place, there }: { readonly first: string; readonly place: string; readonly there: string },
  indexed: readonly string[],
  outputs: readonly Output[],
  { value, lines }: Evaluation,
  index: readonly string[],
  memory: Memory,
): string[] => {
  const halves = outputs.filter(isHalfOutput)
  const bits = ({ arg }: Output): string => `bits${arg}`
  const stores = outputs.map((output) =>
    isHalfOutput(output)
      ? `${bits(output)} |= ${value(output.expr)} << (16u * half);`
      : memory.store(output.arg, affineText(output.access, index), value(output.expr)),
  )
  return [
    ...halves.map((output) => `var ${bits(output)} = 0u;`),
    'for (var half = 0u; half < 2u; half++) {',
    `let e = ${first} + half;`,
    `if (${there}) {`,
    ...indexed,
    ...lines,
    ...stores,
    '}',
    '}',
    ...halves.map((output) => memory.store2(output.arg, place, bits(output))),
  ]
}
