/** The library in Deno: what it computes there is what it computes elsewhere. */
import { expect, test } from 'vitest'
import { describeInDeno, inDeno } from './deno.ts'
import { expectedLosses, follow, STEPS } from './expected.ts'

const imports = `import { init, devices, grad, jit, lax, np } from '../../src/index.ts'
import { losses } from './losses.ts'`

await describeInDeno('WebGPU in Deno', () => {
  test('is listed and chosen; a result is read', async () => {
    const code = `const chosen = await init({ device: 'webgpu' })
      const adapter = (await devices()).find(({ device }) => device === 'webgpu').adapter
      const f = jit((x) => np.sum(np.sin(x).mul(x)))
      const x = np.linspace(-1, 1, 5)
      return [chosen, adapter !== undefined, [...await grad(f)(x).data()]]`
    const slopes = [-1, -0.5, 0, 0.5, 1].map((x) => expect.closeTo(Math.sin(x) + x * Math.cos(x), 6))
    expect(await inDeno(imports, code)).toEqual(['webgpu', true, slopes])
  })
  test('remainders keep the sign of the dividend, and an unsigned number is its own absolute value', async () => {
    const code = `await init({ device: 'webgpu' })
      const ints = (...xs) => np.array(Int32Array.from(xs))
      const rem = await lax.rem(ints(7, -7, 7, -7, -8, -2147483648), ints(-7, 7, 3, -3, 9, 3)).data()
      return [[...rem], [...await np.abs(np.array(Uint32Array.from([4294967287, 3]))).data()]]`
    expect(await inDeno(imports, code)).toEqual([[0, 0, 1, -1, -8, -2], [4294967287, 3]]) // prettier-ignore
  })
  test('losses follow those on wasm in Node within 1e-3', async () => {
    follow(await inDeno(imports, `await init({ device: 'webgpu' }); return losses(${STEPS})`), await expectedLosses())
  })
})
