/** 16-bit floats on WebGPU, where two share a word: against wasm, which computes the same in float32 too. */
import { expect, test } from 'vitest'
import { createWebgpu, openWebgpu } from '../../backends/webgpu/index.ts'
import { aval, sizeOf } from '../../src/core/aval.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { NdArray } from '../../src/core/array.ts'
import type { HalfFloat } from '../../src/core/dtype.ts'
import { fromBits } from '../../src/core/half.ts'
import { trace } from '../../src/core/trace.ts'
import { nn, np } from '../../src/index.ts'
import type { Program } from '../../src/testing/programs.ts'
import { ProgramEngine } from '../../transforms/engine.ts'
import { runtime } from '../../src/core/runtime.ts'
import { inTurn } from '../effort.ts'
import { run, upload } from '../laws/harness.ts'
import { HALVES } from '../laws/halves.ts'
import { describeOnDevice, nullDevices, validate } from './gpu.ts'

type Shape = readonly number[]

describeOnDevice('16-bit floats', async () => {
  const backend = (await openWebgpu()) as Backend
  const engine = new ProgramEngine({ ...runtime, backend: () => backend })
  const others = (await nullDevices()).map((device) => createWebgpu(device) as Backend)

  /** Whole numbers, so that a sum's order changes nothing. */
  const data = (size: number): number[] => Array.from({ length: size }, (_, i) => ((i * 7919) % 13) - 6)
  /** A function of arrays, whose texts for other adapters are sound. */
  const traced = async (half: HalfFloat, shapes: readonly Shape[], f: (...xs: NdArray[]) => readonly NdArray[]): Promise<Program> => {
    const avals = shapes.map((shape) => aval(shape, half))
    const { jaxpr, captures } = trace(avals, (xs) => f(...xs), 'test', { kind: 'jit' })
    expect(captures).toEqual([])
    const { program } = engine.lower(jaxpr)
    for (const other of others) for (const text of other.compile(program).source()) expect(await validate(text)).toBeNull()
    return { jaxpr, inputs: avals.map((a) => ({ aval: a, data: data(sizeOf(a.shape)) })) }
  }
  /** Gives the number of its kernels. */
  const alike = async (
    half: HalfFloat,
    shapes: readonly Shape[],
    f: (...xs: NdArray[]) => readonly NdArray[],
    tolerance = 0,
  ): Promise<number> => {
    const { jaxpr, inputs } = await traced(half, shapes, f)
    const want = run('wasm', jaxpr, inputs)
    const outs = engine.execute(
      jaxpr,
      inputs.map((x) => upload(backend, x)),
    )
    for (const [i, out] of outs.entries()) {
      const got = Array.from(await out.read())
      expect(out.dtype).toBe(want[i]!.aval.dtype)
      const off = got.map((x, k) => Math.abs(x - want[i]!.data[k]!) / Math.max(2 ** -10, Math.abs(want[i]!.data[k]!)))
      expect(Math.max(0, ...off)).toBeLessThanOrEqual(tolerance)
    }
    return engine.compile(jaxpr).executable.source().length
  }

  test.each(HALVES)('every pattern of %s is read as it is, and every number rounded as elsewhere', async (half) => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i)
    const numbers = fromBits(bits, half)
    const { jaxpr } = trace([aval([0x10000], half)], ([x]) => [np.astype(x!, 'float32')], 'test')
    const back = trace([aval([0x10000 * 3], 'float32')], ([x]) => [np.astype(x!, half)], 'test').jaxpr
    const [wide] = engine.execute(jaxpr, [upload(backend, { aval: aval([0x10000], half), data: Array.from(numbers) })])
    expect(await wide!.read()).toEqual(numbers)
    // No subnormal float32: a device may take it for zero.
    const hard = Array.from(numbers).flatMap((x, i) => [x, (x + numbers[Math.min(i + 1, 0xffff)]!) / 2, x * (1 + 2 ** -23)])
    const input = { aval: aval([hard.length], 'float32'), data: hard.map(Math.fround).map((x) => (Math.abs(x) < 2 ** -126 ? 0 : x)) }
    const [narrow] = engine.execute(back, [upload(backend, input)])
    const [want] = run('reference', back, [input])
    expect(Array.from(await narrow!.read())).toEqual(want!.data)
  })

  const matmul = (x: NdArray, y: NdArray): readonly NdArray[] => [np.matmul(x, y)]
  const epilogue = (x: NdArray, y: NdArray, b: NdArray): readonly NdArray[] => {
    const z = np.matmul(x, y)
    return [np.maximum(z.add(b), 0), np.astype(z, 'float32')]
  }
  // prettier-ignore
  const contractions: readonly (readonly [what: string, shapes: readonly Shape[], f: (...xs: NdArray[]) => readonly NdArray[]])[] = [
    ['whole tiles', [[64, 48], [48, 32]], matmul],
    ['odd extents', [[65, 33], [33, 31]], matmul],
    ['few columns past a tile', [[40, 64], [64, 30]], matmul],
    ['a vector by a matrix', [[1, 256], [256, 128]], matmul],
    ['a matrix by a vector', [[128, 256], [256, 1]], matmul],
    ['a vector of odd length', [[1, 255], [255, 33]], matmul],
    ['tiny ones', [[3, 4], [4, 5]], matmul],
    ['batches', [[2, 33, 40], [2, 40, 36]], matmul],
    ['a split sum', [[8, 4096], [4096, 8]], matmul],
    ['transposed operands', [[256, 64], [128, 256]], (x, y) => [np.matmul(x.T, y.T)]],
    ['an epilogue and two dtypes of results', [[64, 64], [64, 64], [64]], epilogue],
    ['float32 beside them', [[64, 64]], (x) => [np.matmul(np.astype(x, 'float32'), np.ones([64, 32]))]],
  ]
  for (const [i, [what, shapes, f]] of contractions.entries())
    test(`contractions: ${what}`, async () => {
      for (const half of HALVES) await (inTurn(HALVES, i).includes(half) ? alike(half, shapes, f) : traced(half, shapes, f))
    })

  test.each(HALVES)('rows and chains of %s: even and odd lengths, results of rows, several results', async (half) => {
    const layerNorm = (x: NdArray): readonly NdArray[] => [np.div(x.sub(np.mean(x, { axis: -1, keepdims: true })), 4)]
    for (const shape of [[8, 6], [8, 7], [1, 1], [5, 130], [3, 1001]]) {
      await alike(half, [shape], (x) => [nn.softmax(x)], 2 ** -7)
      await alike(half, [shape], layerNorm, 2 ** -7)
      await alike(half, [shape], (x) => [np.sum(x, { axis: -1 }), np.max(x, { axis: 0 }), np.sum(x)])
      await alike(half, [shape], (x) => [x.add(1), np.astype(x, 'float32').mul(2), np.greater(x, 0), np.flip(x)])
    } // prettier-ignore
    await alike(half, [[40_000]], (x) => [np.sum(x.mul(0.5))])
    await alike(half, [[7], [7], [7]], (x, y, z) => [x.add(1), y.add(1), z.add(1)])
  })

  test('what is as long as a row of pairs stays one kernel', async () => {
    expect(await alike('bfloat16', [[16, 64]], (x) => [nn.softmax(x)], 2 ** -7)).toBe(1)
    expect(await alike('float16', [[64, 64], [64, 64]], matmul)).toBe(1) // prettier-ignore
    expect(await alike('float16', [[33]], (x) => [np.tanh(x)], 2 ** -9)).toBe(1)
  })
})
