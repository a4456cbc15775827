/**
 * Contractions on WebGPU: every tile and split, over layouts, edges, batches and epilogues, exactly as the reference has them. What isn't run each
 * time, since the software adapter compiles a tile for seconds, is validated each time.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { toBits } from '../../src/core/half.ts'
import { MATRICES, openDevice } from '../../backends/webgpu/device.ts'
import { createWebgpu } from '../../backends/webgpu/index.ts'
import { emitDot } from '../../backends/webgpu/wgsl/dot.ts'
import { type DotPlan, plansOf, tileColumns, tileName, tileRows, tiles, halfTiles } from '../../backends/webgpu/wgsl/dotPlan.ts'
import { memory } from '../../backends/webgpu/wgsl/module.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { TypedArray } from '../../src/core/dtype.ts'
import type { Dot, Expr } from '../../src/core/kernel.ts'
import type { Program } from '../../src/core/program.ts'
import { access, apply, constant, launch, load, readProgram, rowMajor, runProgram } from '../backends/harness.ts'
import { inTurn, nightly } from '../effort.ts'
import { describeOnDevice, nullDevices, validate } from './gpu.ts'
import { wrapped } from './instrument.ts'

/** Sums of small integers, so that every order of them gives the same. */
const numbers = (n: number, seed: number): Float32Array => Float32Array.from({ length: n }, (_, i) => ((i * 7919 + seed) % 15) - 7)

interface Layout {
  readonly lhs: 'mk' | 'km'
  readonly rhs: 'kn' | 'nk'
  readonly out: 'mn' | 'nm'
}
const layouts: readonly Layout[] = [
  { lhs: 'mk', rhs: 'kn', out: 'mn' },
  { lhs: 'km', rhs: 'nk', out: 'mn' },
  { lhs: 'mk', rhs: 'nk', out: 'nm' },
]
interface Shape {
  readonly batch: readonly number[]
  readonly m: number
  readonly n: number
  readonly k: number
}

/** out = max(acc + bias[n], 0) and acc; the left operand is doubled on its way where `computed`. */
const contraction = (
  { batch, m, n, k }: Shape,
  layout: Layout,
  computed: boolean,
  half = false,
): { kernel: Dot; sizes: readonly number[] } => {
  const strided = (rows: number, columns: number, transposed: boolean): number[] =>
    transposed ? [...rowMajor([...batch, columns, rows]).slice(0, -2), 1, rows] : rowMajor([...batch, rows, columns])
  const read = (arg: number, strides: number[]): Expr =>
    half ? apply('cast', 'float32', load('float16', arg, strides)) : load('float32', arg, strides)
  const x = read(0, strided(m, k, layout.lhs === 'km'))
  const y = read(1, strided(k, n, layout.rhs === 'nk'))
  const acc: Expr = { kind: 'acc', dtype: 'float32' }
  const bias = load('float32', 2, [...batch.map(() => 0), 0, 1])
  const relu = apply('max', 'float32', apply('add', 'float32', acc, bias), constant('float32', 0))
  const output = { access: access(strided(m, n, layout.out === 'nm')), rowwise: false }
  const kernel: Dot = {
    kind: 'dot',
    dtype: 'float32',
    ...{ batch, m, n, k, digits: [] },
    lhs: computed ? apply('add', 'float32', x, x) : x,
    rhs: y,
    args: [half ? 'float16' : 'float32', half ? 'float16' : 'float32', 'float32', 'float32', 'float32'],
    outputs: [
      { ...output, arg: 3, expr: relu },
      { ...output, arg: 4, expr: acc },
    ],
  }
  const batches = batch.reduce((a, b) => a * b, 1)
  return { kernel, sizes: [batches * m * k, batches * k * n, n, batches * m * n, batches * m * n] }
}

describeOnDevice('contractions on WebGPU', async () => {
  let plan: DotPlan | null = null
  const device = createWebgpu(await openDevice(), {}, (_, plans) => plan ?? plans[0]!) as Backend
  const plain = createWebgpu(wrapped(await openDevice(), { features: new Set() })) as Backend
  const unable = (await nullDevices()).map((on) => createWebgpu(on, {}, (_, plans) => plan ?? plans[0]!) as Backend)
  const oracle = reference()
  const made = (shape: Shape, layout: Layout, computed: boolean, half: boolean): { program: Program; inputs: TypedArray[] } => {
    const { kernel, sizes } = contraction(shape, layout, computed, half)
    const inputs = sizes.slice(0, 3).map((n, i) => (half && i < 2 ? toBits(numbers(n, i), 'float16') : numbers(n, i)))
    return { program: launch(kernel, [...inputs, ...sizes.slice(3)]), inputs }
  }
  /** Its text, which is sound. */
  const sound = async (shape: Shape, layout: Layout, computed: boolean, on: Backend, half = false): Promise<string> => {
    const texts = on.compile(made(shape, layout, computed, half).program).source()
    for (const text of texts) expect(await validate(text)).toBeNull()
    return texts.join()
  }
  const check = async (shape: Shape, layout: Layout, computed: boolean, on = device, half = false): Promise<string> => {
    const { program, inputs } = made(shape, layout, computed, half)
    expect(await readProgram(on, program, inputs)).toEqual(runProgram(oracle, program, inputs))
    return sound(shape, layout, computed, on, half)
  }
  test('a matrix by a vector: along the results and along the sum, of one or many, with subgroups and without', async () => {
    const both = { lhs: 'mk', rhs: 'kn', out: 'mn' } as const
    for (const [i, shape] of [
      { batch: [], m: 1, n: 136, k: 203 },
      { batch: [3], m: 1, n: 64, k: 36 },
      { batch: [], m: 1, n: 2052, k: 1000 },
      { batch: [2], m: 132, n: 1, k: 128 },
    ].entries())
      for (const [j, layout] of [both, layouts[1]!, layouts[2]!].entries())
        for (const on of inTurn([device, plain], i + j)) {
          const text = await check(shape, layout, shape.n === 64, on)
          const alongSum = shape.k % 4 === 0 && (shape.m === 1 ? layout.rhs === 'nk' : layout.lhs === 'mk')
          const alongRows = shape.m === 1 ? layout.rhs === 'kn' : layout.lhs === 'km'
          expect(text.includes('let unit =')).toBe(alongSum || alongRows)
        }
    for (const on of [device, plain]) await check({ batch: [], m: 1, n: 67, k: 200 }, both, false, on) // not in fours: rows
  })
  for (const [i, tile] of tiles.entries())
    for (const [j, parts] of [1, 4].entries())
      test(`${tileName(tile)}, ${parts} of the sum`, async () => {
        // A shape of its own for each plan, since equal kernels are emitted once.
        plan = { tile, parts }
        const own = i + 8 * parts
        const shapes = [
          [{ batch: [], m: 132, n: 136, k: 128 + 4 * own }, layouts[own % 3]!, false],
          [{ batch: [2, 3], m: 67, n: 18, k: 33 + 5 * own }, layouts[(own + 1) % 3]!, false],
          [{ batch: [2], m: 36, n: 140, k: 40 + own }, layouts[(own + 2) % 3]!, true],
        ] as const
        for (const [shape, layout, computed] of inTurn(shapes, i + j)) await check(shape, layout, computed)
        for (const on of unable) for (const [shape, layout, computed] of shapes) await sound(shape, layout, computed, on)
        plan = null
      })

  test('tiles whose lanes share rows by subgroups', async () => {
    const found: DotPlan[] = []
    let at = 0
    const on = createWebgpu(await openDevice(), {}, (_, plans) => {
      if (found.length === 0) found.push(...plans.filter(({ tile, parts }) => tile.shared > 1 && parts === 1))
      return found[at] ?? plans[0]!
    }) as Backend
    for (; at === 0 || at < found.length; at++)
      expect(await check({ batch: [], m: 67 + at, n: 72, k: 100 }, layouts[at % 3]!, at % 2 === 1, on)).toContain('shared by subgroups')
    expect(found.length).toBeGreaterThanOrEqual(6)
  })

  // This adapter has no float16: its code runs with float32 in its place, which holds the same numbers, and is validated as it is.
  const real = await openDevice()
  const createShaderModule = (descriptor: GPUShaderModuleDescriptor): GPUShaderModule =>
    real.createShaderModule({ ...descriptor, code: descriptor.code.replace('enable f16;', '').replace(/\bf16\b/g, 'f32') })
  const other = wrapped(real, { features: new Set(['shader-f16']), createShaderModule })
  const halves = createWebgpu(other, {}, (_, plans) => plan ?? plans[0]!) as Backend
  for (const [i, tile] of halfTiles.entries())
    test(tileName(tile), async () => {
      plan = { tile, parts: i === 4 ? 4 : 1 }
      const [shape, layout] = [{ batch: [], m: 67, n: 72, k: 140 + 4 * i }, layouts[i % 3]!] as const
      // Teams and sides of a tile differ among the smaller ones; the larger are compiled for longest.
      const text = await (nightly || i > 3 ? check(shape, layout, false, halves, true) : sound(shape, layout, false, unable[0]!, true))
      expect(text).toContain('array<vec4<f16>')
      plan = null
    })
  test('float16 in workgroup memory where both operands are float16, and the adapter has it', () => {
    const textOn = (on: Backend, half: boolean): string => {
      const { kernel, sizes } = contraction({ batch: [], m: 256, n: 256, k: 512 }, layouts[0]!, false, half)
      const inputs = sizes.slice(0, 3).map(numbers)
      return on
        .compile(launch(kernel, [...inputs, ...sizes.slice(3)]))
        .source()
        .join()
    }
    expect(textOn(halves, true)).toContain('enable f16;')
    expect(textOn(halves, false)).not.toContain('f16')
    expect(textOn(plain, true)).not.toContain('f16;')
  })
})

/** Matrix units as plain code, a subgroup an invocation: what the text means, for adapters that have none. */
const emulated = (code: string, { m, n, k }: { readonly m: number; readonly n: number; readonly k: number }): string =>
  `struct Left { v: array<f32, ${m * k}> }
struct Right { v: array<f32, ${k * n}> }
struct Result { v: array<f32, ${m * n}> }
fn left(at: u32, stride: u32) -> Left { var x: Left; for (var i = 0u; i < ${m * k}u; i++) { x.v[i] = a[at + i / ${k}u * stride + i % ${k}u]; } return x; }
fn right(at: u32, stride: u32) -> Right { var x: Right; for (var i = 0u; i < ${k * n}u; i++) { x.v[i] = b[at + i / ${n}u * stride + i % ${n}u]; } return x; }
fn multiplied(x: Left, y: Right, sum: Result) -> Result {
  var out = sum;
  for (var i = 0u; i < ${m * n}u; i++) { for (var j = 0u; j < ${k}u; j++) { out.v[i] += x.v[i / ${n}u * ${k}u + j] * y.v[j * ${n}u + i % ${n}u]; } }
  return out;
}
fn stored(at: u32, x: Result, stride: u32) { for (var i = 0u; i < ${m * n}u; i++) { c[at + i / ${n}u * stride + i % ${n}u] = x.v[i]; } }
${code
  .replace(/enable \w+;/g, '')
  .replace(', @builtin(subgroup_id) subgroupId: u32', '')
  .replaceAll('subgroupId', 'lane')
  .replace(/\bf16\b/g, 'f32')
  .replace(/subgroupMatrixLoad<subgroup_matrix_(left|right)<f32, \d+, \d+>>\(&[ab], ([^;]*), false, (\d+u)\);/g, '$1($2, $3);')
  .replaceAll('subgroupMatrixMultiplyAccumulate', 'multiplied')
  .replace(/subgroup_matrix_result<f32, \d+, \d+>/g, 'Result')
  .replace(/subgroupMatrixStore\(&c, ([^;]*), (sum\d_\d), false, (\d+u)\);/g, 'stored($1, $2, $3);')}`

describeOnDevice('contractions on matrix units', async () => {
  const unit = { m: 8, n: 4, k: 16 }
  const real = await openDevice()
  const createShaderModule = (descriptor: GPUShaderModuleDescriptor): GPUShaderModule =>
    real.createShaderModule({
      ...descriptor,
      code: descriptor.code.includes('subgroup_matrix')
        ? emulated(descriptor.code, unit)
        : descriptor.code.replace('enable f16;', '').replace(/\bf16\b/g, 'f32'),
    })
  const config = { componentType: 'f16', resultComponentType: 'f32', M: unit.m, N: unit.n, K: unit.k }
  const withSubgroups = (size: number): GPUDevice => {
    const adapterInfo = { subgroupMinSize: size, subgroupMaxSize: size, subgroupMatrixConfigs: [config] }
    return wrapped(real, { features: new Set(['subgroups', 'shader-f16', MATRICES]), createShaderModule, adapterInfo })
  }
  for (const parts of [1, 4])
    test(`edges, batches, layouts and epilogues, ${parts} of the sum`, async () => {
      const byMatrices = (size: number): Backend =>
        createWebgpu(withSubgroups(size), {}, (_, plans) =>
          plans.find(({ tile, parts: p }) => tile.matrix !== null && p === parts)!,
        ) as Backend
      // Run with subgroups of one; validated as it is for those of 32.
      const [on, real32] = [byMatrices(1), byMatrices(32)]
      for (const [i, layout] of layouts.entries())
        for (const shape of inTurn(
          [
            { batch: [], m: 64, n: 32, k: 512 },
            { batch: [2], m: 37, n: 21, k: 515 },
          ],
          i + parts,
        )) {
          const { kernel, sizes } = contraction(shape, layout, false, true)
          const inputs = sizes.slice(0, 3).map((size, a) => (a < 2 ? toBits(numbers(size, a + i), 'float16') : numbers(size, a)))
          const program = launch(kernel, [...inputs, ...sizes.slice(3)])
          expect(await readProgram(on, program, inputs)).toEqual(runProgram(reference(), program, inputs))
          const texts = real32.compile(program).source()
          expect(texts.join()).toContain('on matrix units')
          for (const text of texts) expect(await validate(text)).toBeNull()
        }
    })
})

describeOnDevice('contractions by measurement on WebGPU', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })
  test('the fastest way is taken, measured once; what is called meanwhile waits; the source says what was chosen', async () => {
    const real = await openDevice()
    const { kernel, sizes } = contraction({ batch: [], m: 72, n: 68, k: 120 }, layouts[0]!, false)
    const inputs = sizes.slice(0, 3).map(numbers)
    const program = launch(kernel, [...inputs, ...sizes.slice(3)])
    const expected = runProgram(reference(), program, inputs)
    const room = { maxWorkgroupSize: 256, maxWorkgroupBytes: 32_768, atOnce: 2 ** 8, subgroupSize: 0, f16: false, matrix: null }
    const quick = [...new Set(plansOf(kernel, room).map(({ tile }) => tile))][3]! // not the cost model's first
    expect(createWebgpu(real).compile(program).source().join()).not.toContain(tileName(quick))
    // A clock by which every kernel takes 10 ms, but those of that tile, which take one.
    let now = 0
    const costs = new Map<unknown, number>()
    const device = wrapped(real, {
      createShaderModule: (descriptor: GPUShaderModuleDescriptor) => {
        const isQuick = descriptor.code.includes(tileName(quick))
        // The others' numbers are nobody's, and their code takes the software adapter seconds each.
        const idle = !nightly && !isQuick && descriptor.code.includes('a tile of')
        const made = real.createShaderModule(idle ? { code: '@compute @workgroup_size(1) fn main() {}' } : descriptor)
        costs.set(made, isQuick ? 1 : 10)
        return made
      },
      createComputePipelineAsync: async (descriptor: GPUComputePipelineDescriptor) => {
        const made = await real.createComputePipelineAsync(descriptor)
        costs.set(made, costs.get(descriptor.compute.module)!)
        return made
      },
    })
    const { setPipeline } = GPUComputePassEncoder.prototype
    vi.spyOn(GPUComputePassEncoder.prototype, 'setPipeline').mockImplementation(function (this: GPUComputePassEncoder, pipeline) {
      now += costs.get(pipeline) ?? 0
      setPipeline.call(this, pipeline)
    })
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    const tuned = createWebgpu(device, { tune: true }) as Backend
    const [one, two] = await Promise.all([readProgram(tuned, program, inputs), readProgram(tuned, program, inputs)])
    expect([one, two]).toEqual([expected, expected])
    expect(tuned.compile(program).source().join()).toContain(tileName(quick))
    const measured = now
    expect(await readProgram(tuned, program, inputs)).toEqual(expected)
    expect(now).toBeLessThanOrEqual(measured + 2) // one call, a pass or two
  })
})

test('the plan follows the shape, on a GPU: big tiles for big products, split sums for few results, rows for vectors and tiny ones', () => {
  const chosen = (m: number, n: number, k: number): string => {
    let how = 'rows'
    const choose = (_: Dot, [first]: readonly DotPlan[]): DotPlan => {
      how = `${tileRows(first!.tile)} x ${tileColumns(first!.tile)}, ${first!.parts} of the sum`
      return first!
    }
    const { kernel } = contraction({ batch: [], m, n, k }, layouts[0]!, false)
    emitDot(kernel, memory, {
      maxWorkgroupSize: 256,
      maxWorkgroupBytes: 16_384,
      atOnce: 2 ** 15,
      subgroup: 1,
      subgroupSize: 0,
      f16: false,
      matrix: null,
      choose,
    })
    return how
  }
  expect(chosen(4096, 4096, 4096)).toBe('128 x 128, 1 of the sum')
  expect(chosen(128, 128, 65536)).toMatch(/, (32|64) of the sum/)
  expect(chosen(8, 50_304, 768)).toMatch(/^8 x 128/) // a head over a vocabulary
  expect(chosen(1, 4096, 1024)).toBe('rows')
  expect(chosen(8, 8, 8)).toBe('rows')
})
