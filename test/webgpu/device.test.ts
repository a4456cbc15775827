/** The devices that tests run on are what they are taken for. */
import { expect, test } from 'vitest'
import { describeOnDevice, nodeGpu, validate } from './gpu.ts'
import { doubled } from './doubled.ts'

describeOnDevice('a device in Node', () => {
  const opened = async (): Promise<GPUAdapter> => (await (await nodeGpu()).requestAdapter())!

  test('is SwiftShader, unless the system has its say', async () => {
    const { info } = await opened()
    if (process.env['COTANGENT_TEST_ADAPTER'] !== 'system') expect(info).toMatchObject({ vendor: 'google', architecture: 'swiftshader' })
  })
  test('doubles four numbers', async () => {
    const device = await (await opened()).requestDevice()
    expect(await doubled(device, [1, -2, 0.5, 3e38])).toEqual([2, -4, 1, Infinity])
    device.destroy()
  })
  test('one object a process', async () => {
    expect(await nodeGpu()).toBe(await nodeGpu())
  })
})

describeOnDevice('WGSL on the null backend', () => {
  const main = (body: string, before = '', lanes = 64): string => `${before}
    @group(0) @binding(0) var<storage, read_write> x: array<f32>;
    @compute @workgroup_size(${lanes}) fn main(@builtin(local_invocation_index) i: u32) { ${body} }`

  test('what is right is accepted, with every feature', async () => {
    expect(await validate(main('x[i] *= 2.0;'))).toBeNull()
    expect(await validate(main('x[i] = f32(f16(x[i]));', 'enable f16;'))).toBeNull()
    expect(await validate(main('x[i] = subgroupAdd(x[i]);', 'enable subgroups;'))).toBeNull()
    const matrix = `let a = subgroupMatrixLoad<subgroup_matrix_left<f32, 8, 8>, row_major>(&x, 0u, 8u);
      subgroupMatrixStore<row_major>(&x, 64u, a, 8u);`
    // 128: the null backend's largest subgroup, of which a workgroup with matrices is a multiple.
    expect(await validate(main(matrix, 'enable chromium_experimental_subgroup_matrix;', 128))).toBeNull()
  })
  test('the first error is told with its place', async () => {
    expect(await validate(main('x[i] = 1u;'))).toMatch(/:3:\d+ error: cannot assign 'u32' to 'f32'/)
    expect(await validate(main('x[i] = f32(f16(x[i]));'))).toContain('f16')
    expect(await validate(main('if (x[i] > 0.0) { workgroupBarrier(); }'))).toContain('uniform control flow')
    expect(await validate(main('let big = 1e38 * 10.0f; x[i] = big;'))).toContain('f32')
  })
  test('so are entries and limits, which are the pipeline’s', async () => {
    expect(await validate('@compute @workgroup_size(1) fn other() {}')).toContain('main')
    expect(await validate('@compute @workgroup_size(512) fn main() {}')).toContain('512')
    expect(await validate(main('w[i] = x[i]; workgroupBarrier(); x[i] = w[63 - i];', 'var<workgroup> w: array<f32, 5000>;'))).toContain(
      '20000',
    )
  })
  test('checks at the same time keep apart', async () => {
    const codes = [main('x[i] = 1u;'), main('x[i] = 1.0;'), 'fn', main('x[i] += 1.0;')]
    const errors = await Promise.all(codes.map(validate))
    expect(errors.map((error) => error === null)).toEqual([false, true, false, true])
  })
})
