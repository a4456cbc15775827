/** Kernels on WebGPU, those that are there, beside the reference; and what the run time asks of a device. */
import { expect, test } from 'vitest'
import { openDevice } from '../../backends/webgpu/device.ts'
import { createWebgpu, openWebgpu } from '../../backends/webgpu/index.ts'
import { reference } from '../../backends/reference/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { DType } from '../../src/core/dtype.ts'
import type { Expr, Nest, ReduceOp, ScalarOp } from '../../src/core/kernel.ts'
import type { Program, Step } from '../../src/core/program.ts'
import { access, apply, constant, launch, load, readProgram, reduce, rowMajor, runProgram } from '../backends/harness.ts'
import { pairs } from '../backends/functions.ts'
import { parity, programParity } from '../backends/parity.ts'
import { map } from '../backends/programs.ts'
import { describeOnDevice, validate } from './gpu.ts'
import { instrument, wrapped } from './instrument.ts'

describeOnDevice('WebGPU equals reference', async () => {
  parity((await openWebgpu()) as Backend, 0.05, { long: 0.02, shading: true })
})
describeOnDevice('with buffers of half a kilobyte, arenas of many pages, WebGPU equals reference', async () => {
  const device = await openDevice()
  const limits = wrapped(device.limits, { maxBufferSize: 512 })
  programParity(createWebgpu(wrapped(device, { limits })) as Backend, 0.05)
})

const INTS = [0, 1, -1, 2, -7, 31, 32, 33, 2 ** 24 + 1, -(2 ** 30) - 33, 2 ** 31 - 1, -(2 ** 31), -853162322] // the last as uint32 rounds up
const FLOATS = [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 3e9, -3e9, 5e9, 3e38, Infinity, -Infinity, NaN]
const elements: Readonly<Partial<Record<DType, readonly number[]>>> = {
  float32: FLOATS,
  int32: INTS,
  uint32: INTS.map((n) => n >>> 0),
  bool: [0, 1],
}

/** A device without optional features, whose workgroups have nothing but memory in common. */
const plain = async (): Promise<Backend> => createWebgpu(wrapped(await openDevice(), { features: new Set() })) as Backend

describeOnDevice('element operations on WebGPU', async () => {
  const [devices, oracle] = [[(await openWebgpu()) as Backend, await plain()], reference()]
  const same = async (kernel: Nest, inputs: Parameters<typeof readProgram>[2], sizes: readonly number[]): Promise<void> => {
    const program = launch(kernel, [...inputs, ...sizes])
    const want = runProgram(oracle, program, inputs)
    for (const device of kernel.inner > 0 ? devices : devices.slice(0, 1)) {
      const got = await readProgram(device, program, inputs)
      want.forEach((w, i) => expect([...got[i]!].map((x) => x + 0)).toEqual([...w].map((x) => x + 0))) // -0 is 0
      for (const text of device.compile(program).source()) expect(await validate(text)).toBeNull()
    }
  }
  const array = (dtype: DType, xs: readonly number[]) =>
    dtype === 'float32' ? Float32Array.from(xs) : dtype === 'int32' ? Int32Array.from(xs) : Uint32Array.from(xs)
  const nest = (dims: readonly number[], inner: number, from: readonly DType[], outs: readonly (readonly [Expr, boolean])[]): Nest => ({
    kind: 'nest',
    dims,
    inner,
    args: [...from, ...outs.map(([expr]) => expr.dtype)],
    outputs: outs.map(([expr, rowwise], i) => {
      const outer = dims.length - inner
      const strides = rowwise ? [...rowMajor(dims.slice(0, outer)), ...dims.slice(outer).map(() => 0)] : rowMajor(dims)
      return { arg: from.length + i, expr, access: access(strides), rowwise }
    }),
  })

  const arithmetic: readonly ScalarOp[] = ['add', 'sub', 'mul', 'max', 'min']
  const order: readonly ScalarOp[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge']
  const bitwise: readonly ScalarOp[] = ['and', 'or', 'xor']
  const binary: readonly (readonly [DType, readonly ScalarOp[]])[] = [
    ['float32', arithmetic],
    ['int32', [...arithmetic, ...bitwise, 'div', 'rem', 'shl', 'shrLogical', 'shrArithmetic']],
    ['uint32', [...arithmetic, ...bitwise, 'div', 'rem', 'shl', 'shrLogical', 'shrArithmetic']],
    ['bool', [...bitwise, 'max', 'min']],
  ]
  const unary: readonly (readonly [DType, readonly ScalarOp[]])[] = [
    ['float32', ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'sqrt']],
    ['int32', ['neg', 'abs', 'sign', 'not', 'floor']],
    ['uint32', ['neg', 'abs', 'sign', 'not', 'round']],
    ['bool', ['not']],
  ]
  for (const [dtype, ops] of binary)
    test(`of two ${dtype}s: ${[...ops, ...order].join(' ')}`, async () => {
      const [xs, ys] = pairs(elements[dtype]!).map((values) => array(dtype, values)) as [Float32Array, Float32Array]
      const two = [load(dtype, 0, [1]), load(dtype, 1, [1])] as const
      for (const op of [...ops, ...order])
        await same(nest([xs.length], 0, [dtype, dtype], [[apply(op, order.includes(op) ? 'bool' : dtype, ...two), false]]), [xs, ys], [xs.length]) // prettier-ignore
    })
  for (const [dtype, ops] of unary)
    test(`of one ${dtype}: ${ops.join(' ')}, isFinite, casts, constants`, async () => {
      const xs = array(dtype, elements[dtype]!)
      const x = load(dtype, 0, [1])
      const n = xs.length
      for (const op of ops) await same(nest([n], 0, [dtype], [[apply(op, dtype, x), false]]), [xs], [n])
      if (dtype !== 'bool') await same(nest([n], 0, [dtype], [[apply('isFinite', 'bool', x), false]]), [xs], [n])
      for (const to of ['float32', 'int32', 'uint32', 'bool'] as const)
        if (to !== dtype) await same(nest([n], 0, [dtype], [[apply('cast', to, x), false]]), [xs], [n])
      for (const value of elements[dtype]!) await same(nest([2], 0, [], [[constant(dtype, value), false]]), [], [2])
    })

  const ops: readonly ReduceOp[] = ['sum', 'prod', 'max', 'min']
  for (const [what, dims, strides] of [
    ['short rows', [70, 3], [3, 1]],
    ['rows', [9, 130], [130, 1]],
    ['columns', [130, 9], [1, 130]],
    ['a long row', [2, 9_999], [9_999, 1]],
    ['a longer row, cut into chunks', [2, 99_999], [99_999, 1]],
  ] as const)
    test(`${what}: reductions, and what is computed from them`, async () => {
      const [rows, n] = dims
      const ints = Int32Array.from({ length: rows * n }, (_, i) => (i * 7919) % 23)
      const x = load('int32', 0, strides)
      const outs = ops.map((op) => [reduce(op, x), true] as const)
      await same(nest(dims, 1, ['int32'], outs), [ints], [rows, rows, rows, rows])
      const below = apply('sub', 'int32', x, reduce('max', x))
      const both = [[below, false], [reduce('sum', apply('mul', 'int32', below, below)), true]] as const // prettier-ignore
      await same(nest(dims, 1, ['int32'], both), [ints], [rows * n, rows])
    })
})

describeOnDevice('kernels of one code on WebGPU', () => {
  test('few long rows, then more of them, then both at once: each has room for its partial results', async () => {
    const [backend, oracle, n] = [(await openWebgpu()) as Backend, reference(), 20_000]
    const kernel = (rows: number): Nest => ({
      kind: 'nest',
      dims: [rows, n],
      inner: 1,
      args: ['int32', 'int32'],
      outputs: [{ arg: 1, expr: reduce('sum', load('int32', 0, [n, 1])), access: access([1, 0]), rowwise: true }],
    })
    const data = (rows: number): Int32Array => Int32Array.from({ length: rows * n }, (_, i) => (i * 7919) % 23)
    const both: Program = {
      buffers: [2, 50].flatMap((rows, index): Program['buffers'][number][] => [
        { dtype: 'int32', size: rows * n, place: { kind: 'input', index } },
        { dtype: 'int32', size: rows, place: { kind: 'output', index } },
      ]),
      inputs: [0, 2],
      outputs: [1, 3],
      steps: [{ kind: 'launch', kernel: kernel(2), segments: [2, 50].map((extent, i) => ({ buffers: [2 * i, 2 * i + 1], extent })) }],
      arenaBytes: 0,
      effects: false,
    }
    const check = async (program: Program, inputs: readonly Int32Array[]): Promise<void> =>
      expect(await readProgram(backend, program, inputs)).toEqual(runProgram(oracle, program, inputs))
    await check(launch(kernel(2), [data(2), 2]), [data(2)])
    const behind = Array.from({ length: 8 }, () => backend.upload('int32', new Int32Array(4096))) // the memory behind those partial results
    await check(launch(kernel(50), [data(50), 50]), [data(50)])
    await check(both, [data(2), data(50)])
    for (const array of behind) {
      expect((await backend.read(array, 'int32', 4096)).every((x) => x === 0)).toBe(true)
      array.free()
    }
  })
})

describeOnDevice('what was compiled before, on WebGPU', () => {
  test('changes no bit of a sum', async () => {
    const n = 512
    const sums = (rows: number): Nest => ({
      kind: 'nest',
      dims: [rows, n],
      inner: 1,
      args: ['float32', 'float32'],
      outputs: [{ arg: 1, expr: reduce('sum', load('float32', 0, [n, 1])), access: access([1, 0]), rowwise: true }],
    })
    const data = (rows: number): Float32Array => Float32Array.from({ length: rows * n }, (_, i) => Math.sin(i * i))
    const few = async (backend: Backend) => readProgram(backend, launch(sums(4), [data(4), 4]), [data(4)])
    const [fresh, used] = [(await openWebgpu()) as Backend, (await openWebgpu()) as Backend]
    await readProgram(used, launch(sums(4096), [data(4096), 4096]), [data(4096)])
    expect(await few(used)).toEqual(await few(fresh))
  })
})

describeOnDevice('the run time on WebGPU', () => {
  const n = 300
  const doubled: Nest = {
    kind: 'nest',
    dims: [n],
    inner: 0,
    args: ['float32', 'float32'],
    outputs: [
      { arg: 1, expr: apply('add', 'float32', load('float32', 0, [1]), load('float32', 0, [1])), access: access([1]), rowwise: false },
    ],
  }
  const input = Float32Array.from({ length: n }, (_, i) => i)

  test('a second call creates nothing but its encoder; calls of one task are one pass and one submit; reading is asynchronous', async () => {
    const { device, counts } = instrument(await openDevice())
    const backend = createWebgpu(device)
    const program = backend.compile(launch(doubled, [input, n]))
    await program.ready!()
    const x = backend.upload('float32', input)
    const call = async (): Promise<void> => {
      const [y] = program.run([x])
      const [z] = program.run([y!])
      const data = await backend.read(z!, 'float32', n)
      expect(data).toEqual(input.map((v) => 4 * v))
      for (const storage of [y!, z!]) storage.free()
    }
    await call()
    counts()
    await call()
    const { pipelines, ...rest } = counts()
    expect(rest).toEqual({
      created: { createCommandEncoder: 1 },
      submits: 1,
      passes: 1,
      dispatches: 2,
      calls: 8, // twice a pipeline, its arrays, a place in the table and a dispatch
      writes: 1,
      reads: 1,
      storageBuffers: 1,
    })
    expect(pipelines.size).toBe(1)
    x.free()
    expect(backend.bytesInUse()).toBe(0)
    expect(() => backend.readSync(x, 'float32', n)).toThrow('await x.data()')
  })
  test('a profile has every run of a kernel, and there is one at a time', async () => {
    const backend = (await openWebgpu()) as Backend
    const program = backend.compile(launch(doubled, [input, n]))
    const x = backend.upload('float32', input)
    const running = backend.profile!()
    expect(() => backend.profile!()).toThrow('another profile is running')
    const [y] = program.run([x])
    const [z] = program.run([y!])
    const runs = await running.stop()
    expect(runs.map(({ name, ms }) => [name, ms >= 0])).toEqual([
      ['nest 300', true],
      ['nest 300', true],
    ])
    expect(runs[1]!.start).toBeGreaterThanOrEqual(runs[0]!.start)
    expect(await backend.read(z!, 'float32', n)).toEqual(input.map((v) => 4 * v))
    await backend.profile!().stop()
    for (const storage of [x, y!, z!]) storage.free()
  })
  test('a lost device rejects what reads it and refuses what runs on it', async () => {
    const device = await openDevice()
    const backend = createWebgpu(device)
    const program = backend.compile(launch(doubled, [input, n]))
    const x = backend.upload('float32', input)
    device.destroy()
    await device.lost
    expect(backend.lost!()).toBe(true)
    await expect(backend.read(x, 'float32', n)).rejects.toThrow('was lost')
    expect(() => program.run([x])).toThrow('was lost')
  })
  test('memory past the limit, and an array past a buffer, are refused with the numbers', async () => {
    const backend = createWebgpu(await openDevice(), { memoryLimit: 2 ** 24 })
    const x = backend.upload('float32', new Float32Array(2 ** 21))
    expect(() => backend.upload('float32', new Float32Array(2 ** 22))).toThrow(
      /hold 16777216 bytes .* 16777216 more pass the limit of 16777216/,
    )
    x.free()
    expect(backend.bytesInUse()).toBe(0)
    const device = await openDevice()
    const limits = wrapped(device.limits, { maxBufferSize: 512 })
    const small = createWebgpu(wrapped(device, { limits }))
    expect(() => small.upload('float32', new Float32Array(129))).toThrow(/array of 576 bytes .* which is 512 bytes: split it/)
  })
  test('a buffer that the system refuses is told of with the numbers, and what fits goes on', async () => {
    const device = await openDevice()
    let refuse = true
    const popErrorScope = async (): Promise<unknown> => ((await device.popErrorScope(), refuse) ? { message: 'out of memory' } : null)
    const backend = createWebgpu(wrapped(device, { popErrorScope }), { memoryLimit: 2 ** 24 })
    const x = backend.upload('float32', input)
    await expect(backend.read(x, 'float32', n)).rejects.toThrow(/no 16777216 bytes more .* hold 0: dispose/)
    refuse = false
    const y = backend.upload('float32', input)
    expect(await backend.read(y, 'float32', n)).toEqual(input)
    for (const storage of [x, y]) storage.free()
  })
  test('what is called behind a loop waits for it, and sees its arguments as they were', async () => {
    const backend = (await openWebgpu()) as Backend
    const trips = 40
    const made = doubling(trips)
    const x = backend.upload('float32', input)
    const [y] = backend.compile(made).run([x])
    x.free() // read later
    const [z] = backend.compile(launch(doubled, [input, n])).run([y!])
    let going = true
    const reading = Promise.all([backend.read(z!, 'float32', n), backend.read(y!, 'float32', n)]).finally(() => (going = false))
    for (const storage of [y!, z!]) storage.free()
    const others = []
    for (; going; await new Promise((tick) => setTimeout(tick))) others.push(backend.upload('float32', new Float32Array(n))) // in memory that nobody waits for
    expect(await reading).toEqual([input.map((v) => 2 ** (trips + 1) * v), input.map((v) => 2 ** trips * v)])
    for (const storage of others) storage.free()
    expect(backend.bytesInUse()).toBe(0)
  })
})

/** out = x; for (i = 0; i < trips; i++) out = out + out, of a vector of 300. */
const doubling = (trips: number): Program => {
  const n = 300
  const step = (kernel: Nest, ...buffers: readonly number[]): Step => ({
    kind: 'launch',
    kernel,
    segments: [{ buffers, extent: kernel.dims[0]! }],
  })
  const [x, out, count, test] = [0, 1, 2, 3]
  const [v, i] = [load('float32', 0, [1]), load('int32', 0, [1])]
  return {
    buffers: [
      { dtype: 'float32', size: n, place: { kind: 'input', index: 0 } },
      { dtype: 'float32', size: n, place: { kind: 'output', index: 0 } },
      { dtype: 'int32', size: 1, place: { kind: 'arena', offset: 0 } },
      { dtype: 'bool', size: 1, place: { kind: 'arena', offset: 32 } },
    ],
    inputs: [x],
    outputs: [out],
    steps: [
      step(map(v, ['float32'], n), x, out),
      step(map(constant('int32', 0), [], 1), count),
      {
        kind: 'loop',
        cond: [step(map(apply('lt', 'bool', i, constant('int32', trips)), ['int32'], 1), count, test)],
        test,
        body: [
          step(map(apply('add', 'float32', v, v), ['float32'], n), out, out),
          step(map(apply('add', 'int32', i, constant('int32', 1)), ['int32'], 1), count, count),
        ],
      },
    ],
    arenaBytes: 64,
    effects: false,
  }
}
