/** Kernels and programs by hand, for the backends' tests: short constructors for expressions, and one launch as a program. */
import type { Backend, Storage } from '../../src/core/backend.ts'
import { byteWidth, type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Access, Expr, Kernel, Nest, ReduceOp, ScalarOp } from '../../src/core/kernel.ts'
import type { Buffer, Program } from '../../src/core/program.ts'

export const access = (strides: readonly number[], offset = 0, guards: Access['guards'] = []): Access => ({
  strides,
  offset,
  guards,
})
export const load = (dtype: DType, arg: number, strides: readonly number[], offset = 0): Expr => ({
  kind: 'load',
  dtype,
  arg,
  access: access(strides, offset),
})
export const constant = (dtype: DType, value: number): Expr => ({ kind: 'const', dtype, value })
export const apply = (op: ScalarOp, dtype: DType, ...args: readonly Expr[]): Expr => ({
  kind: 'apply',
  dtype,
  op,
  args,
})
export const reduce = (op: ReduceOp, arg: Expr): Expr => ({ kind: 'reduce', dtype: arg.dtype, op, arg })

export const rowMajor = (dims: readonly number[]): number[] => {
  const strides: number[] = []
  let stride = 1
  for (const n of [...dims].reverse()) {
    strides.unshift(stride)
    stride *= n
  }
  return strides
}

/** A kernel's arg: what it holds before, or the number of elements of an output. */
export type Arg = TypedArray | number

export const emptyArray = (dtype: DType, size: number): TypedArray =>
  new (typedArrayOf(dtype))((size * byteWidth[dtype]) / typedArrayOf(dtype).BYTES_PER_ELEMENT)

/** One launch of `kernel` as a program: numbers among `args` are outputs. */
export const launch = (kernel: Kernel, args: readonly Arg[], extent = kernel.kind === 'nest' ? kernel.dims[0]! : 1): Program => {
  const [inputs, outputs]: [number[], number[]] = [[], []]
  const buffers = args.map((arg, i): Buffer => {
    const dtype = kernel.args[i]!
    return typeof arg === 'number'
      ? { dtype, size: arg, place: { kind: 'output', index: outputs.push(i) - 1 } }
      : { dtype, size: arg.length, place: { kind: 'input', index: inputs.push(i) - 1 } }
  })
  const segments = [{ buffers: buffers.map((_, i) => i), extent }]
  return { buffers, inputs, outputs, steps: [{ kind: 'launch', kernel, segments }], arenaBytes: 0, effects: false }
}

/** Uploads, runs, reads and frees. A donated input isn't freed twice. */
export const runProgram = <S extends Storage>(
  backend: Backend<S>,
  program: Program,
  inputs: readonly TypedArray[],
): readonly TypedArray[] => {
  const uploaded = inputs.map((data, i) => backend.upload(program.buffers[program.inputs[i]!]!.dtype, data))
  const results = backend.compile(program).run(uploaded)
  const read = results.map((storage, i) => {
    const { dtype, size } = program.buffers[program.outputs[i]!]!
    return backend.readSync(storage, dtype, size)
  })
  for (const storage of new Set([...uploaded, ...results])) storage.free()
  return read
}

/** As runProgram, on a device that is read asynchronously. */
export const readProgram = async (backend: Backend, program: Program, inputs: readonly TypedArray[]): Promise<readonly TypedArray[]> => {
  const uploaded = inputs.map((data, i) => backend.upload(program.buffers[program.inputs[i]!]!.dtype, data))
  const results = backend.compile(program).run(uploaded)
  const read = await Promise.all(
    results.map((storage, i) => {
      const { dtype, size } = program.buffers[program.outputs[i]!]!
      return backend.read(storage, dtype, size)
    }),
  )
  for (const storage of new Set([...uploaded, ...results])) storage.free()
  return read
}

export const runKernel = <S extends Storage>(
  backend: Backend<S>,
  kernel: Kernel,
  args: readonly Arg[],
  extent?: number,
): readonly TypedArray[] =>
  runProgram(
    backend,
    launch(kernel, args, extent),
    args.filter((arg) => typeof arg !== 'number'),
  )

/** out[i] = op(operands[0][i], …) over vectors of `from`. */
export const elementwise = <S extends Storage>(
  backend: Backend<S>,
  op: ScalarOp,
  to: DType,
  from: DType | readonly DType[],
  ...operands: readonly (readonly number[])[]
): number[] => {
  const n = operands[0]!.length
  const dtypes = typeof from === 'string' ? operands.map(() => from) : from
  const kernel: Nest = {
    kind: 'nest',
    dims: [n],
    inner: 0,
    args: [...dtypes, to],
    outputs: [
      {
        arg: operands.length,
        expr: apply(op, to, ...dtypes.map((dtype, i) => load(dtype, i, [1]))),
        access: access([1]),
        rowwise: false,
      },
    ],
  }
  const inputs = operands.map((operand, i) => typedArrayOf(dtypes[i]!).from(operand))
  return Array.from(runKernel(backend, kernel, [...inputs, n])[0]!)
}
