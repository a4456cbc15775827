/**
 * A device gives what the reference gives, on random kernels and programs: integers, bools and exact floats bit by bit, other floats
 * within what noise of 8 ulps an operation makes of the reference's own result (see noise.ts).
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { isHalf, type TypedArray } from '../../src/core/dtype.ts'
import { toBits } from '../../src/core/half.ts'
import { type Attention, type Dot, type Expr, type Kernel, type Nest, type Output, readsHalves } from '../../src/core/kernel.ts'
import { tries } from '../effort.ts'
import { type Choices, choiceLists, fromList } from './choices.ts'
import { access, type Arg, apply, constant, launch, load, readProgram, reduce, runKernel, runProgram } from './harness.ts'
import { attention, dot, ordered, writtenPlaces } from './kernels.ts'
import { nest } from './nests.ts'
import { difference, disturbed, flushing, magnitudeOf, variants } from './noise.ts'
import { program } from './programs.ts'

const oracle = reference()

/** A law over random choices; `share`: its cases, as a part of those that wasm is given. */
const lawOf =
  (share: number) =>
  (name: string, runs: number, check: (choices: Choices) => Promise<void>): void =>
    void test(name, () =>
      fc.assert(
        fc.asyncProperty(choiceLists, (list) => check(fromList(list))),
        { numRuns: tries(runs * share) },
      ),
    )

/** The failing kernel with the difference, so that a report needs nothing else. */
const agree = (what: unknown, problem: string | null, args: readonly Arg[]): void => {
  if (problem !== null)
    expect.fail(`${problem}\n${JSON.stringify(what)}\n${args.map((arg) => (typeof arg === 'number' ? arg : `[${arg.join()}]`)).join('\n')}`)
}

const draw = (choices: Choices, kernel: Kernel, sizes: readonly number[], outputsFrom: number): Arg[] =>
  sizes.map((size, arg) => (arg < outputsFrom ? choices.data(kernel.args[arg]!, size) : size))

export const programParity = (device: Backend, share: number): void =>
  lawOf(share)('programs with loops, branches, donation and a shared arena', 400, async (choices) => {
    const made = program(choices)
    const inputs = made.inputs.map((id) => choices.data('float32', made.buffers[id]!.size))
    const [expected, actual] = [runProgram(oracle, made, inputs), await readProgram(device, made, inputs)]
    expected.forEach((result, i) => {
      agree(made, difference(actual[i]!, result, [], 'float32'), inputs)
    })
  })

/** An operand that a compiler may see to be zero: a constant, or padding with nothing in it. */
const knowsZero = (expr: Expr): boolean => {
  if (expr.kind === 'const') return expr.value === 0
  if (expr.kind === 'load') return expr.access.guards.some(({ extent }) => extent === 0)
  return expr.kind === 'apply' ? expr.args.some(knowsZero) : expr.kind === 'reduce' && knowsZero(expr.arg)
}

interface ParityOptions {
  /** The share of kernels that a software adapter compiles for long. */
  readonly long?: number
  /** Its language is WGSL: subnormal numbers may be zeros, and compilers may take 0 times anything for 0, as if there were neither NaN nor infinity. */
  readonly shading?: boolean
}
export const parity = (device: Backend, share: number, { long = share, shading = false }: ParityOptions = {}): void => {
  const [law, longLaw] = [lawOf(share), lawOf(long)]
  const run = (kernel: Kernel, args: readonly Arg[]): Promise<readonly TypedArray[]> =>
    readProgram(device, launch(kernel, args), args.filter((arg) => typeof arg !== 'number')) // prettier-ignore
  /** Compares every output of a nest or a dot over `dims`, where it writes. */
  const compareOutputs = async (
    kernel: Nest | Dot,
    dims: readonly number[],
    args: readonly Arg[],
    disturbedRuns: readonly (readonly TypedArray[])[],
  ): Promise<void> => {
    const [expected, actual] = [runKernel(oracle, kernel, args), await run(kernel, args)]
    const roots = [...kernel.outputs.map(({ expr }) => expr), ...(kernel.kind === 'dot' ? [kernel.lhs, kernel.rhs] : [])]
    if (shading && roots.some(knowsZero) && expected.some((data) => !data.every(Number.isFinite))) return
    kernel.outputs.forEach(({ arg, access, rowwise }, i) => {
      const inner = kernel.kind === 'nest' && rowwise ? kernel.inner : 0
      const places = writtenPlaces(access, dims.slice(0, dims.length - inner))
      const others = disturbedRuns.map((run) => run[i]!)
      agree(kernel, difference(actual[i]!, expected[i]!, others, kernel.args[arg]!, places), args)
    })
  }

  const compareAll = async (kernel: Kernel, args: readonly Arg[], tolerance: number): Promise<void> => {
    const [expected, actual] = [runKernel(oracle, kernel, args), await run(kernel, args)]
    expected.forEach((result, i) => {
      const near = tolerance === 0 ? [] : [result.map((x) => x * (1 + tolerance)), result.map((x) => x * (1 - tolerance))]
      agree(kernel, difference(actual[i]!, result, near, kernel.args[kernel.args.length - expected.length + i]!), args)
    })
  }
  /** What special kernels know. */
  const whole = device.dtypes.filter((dtype) => !isHalf(dtype))
  law('nests', 600, async (choices) => {
    const { kernel, sizes, outputsFrom } = nest(choices, device.dtypes)
    const args = draw(choices, kernel, sizes, outputsFrom)
    const noisy = Array.from({ length: variants }, (_, v) => disturbed(kernel, v) as Nest)
    const others = [...noisy, ...(shading ? [kernel, ...noisy].map(flushing) : [])]
    await compareOutputs(kernel, kernel.dims, args, others.map((other) => runKernel(oracle, other, args))) // prettier-ignore
  })

  law('dots', 200, async (choices) => {
    const { kernel, sizes, outputsFrom } = dot(choices, device.dtypes)
    const args = draw(choices, kernel, sizes, outputsFrom)
    const dims = [...kernel.batch, kernel.m, kernel.n]
    const size = dims.reduce((product, n) => product * n, 1)
    const magnitude = runKernel(oracle, magnitudeOf(kernel), [
      ...args.map((arg, i) => (typeof arg === 'number' ? choices.data(kernel.args[i]!, arg) : arg)),
      size,
    ])[0]!
    const runs = Array.from({ length: variants }, (_, v) => runKernel(oracle, disturbed(kernel, v, args.length), [...args, magnitude]))
    await compareOutputs(kernel, dims, args, runs)
  })

  longLaw('attention and its gradient', 200, async (choices) => {
    const { kernel, sizes } = attention(choices)
    const { ct, dQuery, dKey, dValue, ...shape } = kernel
    const { batch, heads, group, queries, keys, headDim, valueDim, scale, bias, out, lse } = shape
    const forward: Attention = { ...shape, kind: 'attention', args: kernel.args.slice(0, ct.arg) }
    const args = draw(choices, forward, sizes.slice(0, ct.arg), out.arg).map((arg, i) => tame(arg, i === bias?.arg))
    const expected = runKernel(oracle, forward, args)
    // Scores are up to 4 · 4 · headDim · scale, and are exponents: their rounding is their results' relative error.
    const tolerance = 1e-5 + 1e-5 * headDim * scale
    const rows = [batch, heads, queries]
    const outputs = [writtenPlaces(out, [...rows, valueDim]), writtenPlaces(lse, [...rows, 1])]
    compareClose(forward, args, expected, await run(forward, args), outputs, tolerance, 1)
    if (readsHalves(forward)) {
      const dtype = choices.pick(['float16', 'bfloat16'] as const)
      const [k, v] = [kernel.key.arg, kernel.value.arg]
      const half = choices.pick([[k, v], [k], [v]])
      const narrow = { ...forward, args: forward.args.map((own, i) => (half.includes(i) ? dtype : own)) }
      const bits = args.map((arg, i) => (half.includes(i) ? toBits(arg as Float32Array, dtype) : arg))
      compareClose(narrow, bits, runKernel(oracle, narrow, bits), await run(narrow, bits), outputs, tolerance, 1)
    }

    const ctData = tame(choices.data('float32', sizes[ct.arg]!))
    const given = [...args.slice(0, out.arg), ...expected, ctData, ...sizes.slice(ct.arg + 1)]
    const kvRows = [batch, heads / group, keys]
    const gradients = [
      writtenPlaces(dQuery, [...rows, headDim]),
      writtenPlaces(dKey, [...kvRows, headDim]),
      writtenPlaces(dValue, [...kvRows, valueDim]),
    ]
    // Differences of ct · v and ct · out, which are up to 4 · 4 · valueDim.
    const [wanted, got] = [runKernel(oracle, kernel, given), await run(kernel, given)]
    compareClose(kernel, given, wanted, got, gradients, tolerance, 4 * valueDim)
  })

  for (const [name, { runs, long, draw: drawn, one }] of Object.entries(ordered)) {
    if (one !== undefined) test(one.what, async () => one.check(await run(one.kernel, one.args)))
    ;(long ? longLaw : law)(name, runs, async (choices) => {
      const { kernel, sizes, outputs, tolerance, index } = drawn(choices, whole)
      const args = draw(choices, kernel, sizes, sizes.length - outputs)
      if (index !== undefined) args[1] = index
      await compareAll(kernel, args, tolerance)
    })
  }

  programParity(device, share)

  test('a row is read whole before an output in its place is written', async () => {
    for (const [rows, n] of [
      [1, 1],
      [3, 4],
      [5, 7],
      [2, 67],
    ] as const) {
      const x = load('float32', 0, [n, 1])
      const y = apply('sub', 'float32', x, reduce('max', x))
      const z = apply('add', 'float32', apply('mul', 'float32', y, constant('float32', 2)), x)
      const backwards = load('float32', 0, [n, -1], n - 1)
      const output = (arg: number, expr: Expr, rowwise: boolean): Output => {
        return { arg, expr, access: access(rowwise ? [1, 0] : [n, 1]), rowwise }
      }
      const kernel: Nest = {
        kind: 'nest',
        dims: [rows, n],
        inner: 1,
        args: ['float32', 'float32', 'float32', 'float32'],
        outputs: [output(1, y, false), output(2, z, false), output(3, reduce('max', apply('mul', 'float32', x, backwards)), true)],
      }
      const made = launch(kernel, [new Float32Array(rows * n), rows * n, rows * n, rows])
      const donated = { ...made.buffers[1]!, place: { kind: 'input', index: 0 } } as const
      const inPlace = { ...made, buffers: made.buffers.map((buffer, i) => (i === 1 ? donated : buffer)) }
      const input = Float32Array.from({ length: rows * n }, (_, i) => Math.sin(i * i) * 10)
      expect(await readProgram(device, inPlace, [input])).toEqual(runProgram(oracle, made, [input]))
      expect(runProgram(oracle, inPlace, [input])).toEqual(runProgram(oracle, made, [input]))
    }
  })

  test('nothing stays allocated', () => {
    expect(device.bytesInUse()).toBe(0)
  })
}

/** No infinities or NaN, which attention isn't compared on, but for a bias of -Infinity. */
const tame = (arg: Arg, infinite = false): Arg =>
  arg instanceof Float32Array
    ? arg.map((x) => {
        if (Number.isFinite(x)) return Math.max(-4, Math.min(4, x))
        return infinite && x === Number.NEGATIVE_INFINITY ? x : 1
      })
    : arg

/** Within `tolerance` of each output's largest element, or of `floor`, at the places written. */
const compareClose = (
  kernel: Kernel,
  args: readonly Arg[],
  expected: readonly TypedArray[],
  actual: readonly TypedArray[],
  outputs: readonly Iterable<number>[],
  tolerance: number,
  floor: number,
): void =>
  expected.forEach((result, i) => {
    let largest = floor
    for (const x of result) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x))
    for (const at of outputs[i]!) {
      const [x, y] = [result[at]!, actual[i]![at]!]
      const near = x === y || Math.abs(x - y) <= tolerance * largest
      agree(kernel, near ? null : `output ${i}, element ${at} is ${y}, expected ${x}`, args)
    }
  })
