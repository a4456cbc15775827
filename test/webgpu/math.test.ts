/** How many ulps WebGPU's functions are off the reference's: over their whole range, and at what is special. A GPU may take subnormal numbers for zeros. */
import { expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { openWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { DType, TypedArray } from '../../src/core/dtype.ts'
import type { Nest, ScalarOp } from '../../src/core/kernel.ts'
import { type Elementwise, ulpsOf } from '../../src/core/ops.ts'
import { between, functions, pairs, points, specials, ulpsBetween } from '../backends/functions.ts'
import { access, apply, launch, load, readProgram, runProgram } from '../backends/harness.ts'
import { describeOnDevice, validate } from './gpu.ts'

const LEAST = 2 ** -126
const flush = (x: number): number => (Math.abs(x) < LEAST ? 0 : x)

describeOnDevice('functions on WebGPU', async () => {
  const [device, oracle] = [(await openWebgpu()) as Backend, reference()]
  const both = async (op: ScalarOp, dtype: DType, ...inputs: TypedArray[]): Promise<readonly [TypedArray, TypedArray]> => {
    const args = inputs.map((_, i) => load(dtype, i, [1]))
    const n = inputs[0]!.length
    const kernel: Nest = {
      kind: 'nest',
      dims: [n],
      inner: 0,
      args: [...inputs.map(() => dtype), dtype],
      outputs: [{ arg: inputs.length, expr: apply(op, dtype, ...args), access: access([1]), rowwise: false }],
    }
    const program = launch(kernel, [...inputs, n])
    for (const text of device.compile(program).source()) expect(await validate(text)).toBeNull()
    return [runProgram(oracle, program, inputs)[0]!, (await readProgram(device, program, inputs))[0]!]
  }
  const within = async (op: Elementwise, ...columns: (readonly number[])[]): Promise<void> => {
    const inputs = columns.map((xs) => Float32Array.from(xs, flush))
    const [expected, actual] = await both(op, 'float32', ...inputs)
    let [worst, at] = [0, 0]
    expected.forEach((x, i) => {
      const off = Math.abs(x - actual[i]!) < LEAST ? 0 : ulpsBetween(x, actual[i]!) // a product on the way may be flushed
      if (off > worst) [worst, at] = [off, i]
    })
    const what = `${op}(${inputs.map((x) => x[at]).join(', ')}) is ${actual[at]}, should be ${expected[at]}`
    expect(worst, what).toBeLessThanOrEqual(ulpsOf(op, 'webgpu'))
  }
  const own = functions.filter((op) => op !== 'rsqrt') // a quotient of WGSL's
  test.each(own)('%s', (op) => within(op, points))
  test('a result that is zero has its sign', async () => {
    for (const op of own) {
      const [expected, actual] = await both(op, 'float32', Float32Array.of(0, -0))
      expect(actual, op).toEqual(expected.map((x, i) => (x === 0 ? x : actual[i]!)))
    }
  })

  test.each([
    ['pow', -4, 4],
    ['pow', -1e-3, 1e-3],
    ['atan2', -30, 30],
    ['rem', -126, 127.9],
    ['nextafter', -120, 127.9],
  ] as const)('%s, of magnitudes from 2^%d to 2^%d', async (op, from, to) => {
    const xs = between(from, to, 20_000)
    const [some, others] = pairs(specials)
    const ys = op === 'pow' && to < 1 ? xs.map((_, i) => (i * 7919) % 131071) : [...xs.slice(5000), ...xs.slice(0, 5000)]
    await within(op, [...some, ...xs], [...others, ...ys])
  })
  test('powers of integers wrap', async () => {
    const numbers = [0, 1, -1, 2, -2, 3, 7, 10, 31, 32, 33, -31, 1000, 2 ** 31 - 1, -(2 ** 31)]
    const [xs, ys] = pairs(numbers)
    for (const array of [Int32Array, Uint32Array]) {
      const [expected, actual] = await both('pow', array === Int32Array ? 'int32' : 'uint32', array.from(xs), array.from(ys))
      expect(actual).toEqual(expected)
    }
  })
})
