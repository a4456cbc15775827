/** Counts beyond 32 bits: right, or refused with the numbers before anything runs. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import type { Program } from '../../src/core/program.ts'
import { access, constant, launch, reduce } from '../backends/harness.ts'
import { CotangentError, DeviceError, jit, lax, makeJaxpr, np, ShapeError } from '../../src/index.ts'

const zero = (): ReturnType<typeof np.array> => np.array(0, { dtype: 'int32' })

describe('on wasm', () => {
  test('dims that would merge beyond int32 stay apart', { timeout: 60_000 }, () => {
    expect(jit(() => np.ones([2 ** 16, 2 ** 16]).sum())().item()).toBe(2 ** 32)
  })
  test.each([2 ** 31 - 8, 2 ** 31, 2 ** 32, 2 ** 40])('a sum over %d elements of one axis is refused', (n) => {
    expect(() => jit((x: ReturnType<typeof np.array>) => np.broadcastTo(x, [n]).sum())(np.ones([1]))).toThrow(DeviceError)
    expect(() => jit(() => np.ones([n]).sum())()).toThrow(new RegExp(`${n}`))
  })
  test.each([2 ** 31, 2 ** 32 + 1])('a loop of %d turns is refused', (n) => {
    expect(() => lax.scan((c) => [c.add(1), null], zero(), null, { length: n })).toThrow(new RegExp(`${n}`))
    expect(() => lax.foriLoop(0, n, (_, c) => c.add(1), zero())).toThrow(CotangentError)
  })
})

test('places beyond int32 and shapes beyond 2^53 are refused on every device', () => {
  for (const f of [() => np.arange(2 ** 31 + 1), () => lax.iota('float32', 2 ** 32), () => lax.broadcastedIota('int32', [2, 2 ** 33], 1)])
    expect(() => makeJaxpr(f)()).toThrow(CotangentError)
  for (const shape of [
    [2 ** 27, 2 ** 27],
    [2 ** 53, 2],
    [2 ** 20, 2 ** 20, 2 ** 20],
  ])
    // prettier-ignore
    expect(() => makeJaxpr(() => np.ones(shape).sum())()).toThrow(ShapeError)
})

test.each([
  ['reference', reference()],
  ['wasm', wasm()],
] as const)('%s counts no further than it can', (name, device) => {
  const over = (dims: readonly number[], inner: number): Program =>
    launch(
      {
        kind: 'nest',
        dims,
        inner,
        args: ['float32'],
        outputs: [{ arg: 0, expr: reduce('sum', constant('float32', 1)), access: access(dims.map(() => 0)), rowwise: true }],
      },
      [1],
    )
  for (const n of [2 ** 31 - 8, 2 ** 31, 2 ** 33])
    expect(() => device.compile(over([1, n], 1))).toThrow(new RegExp(`${name}: .* of ${n} is longer`))
  const turns: Program = { ...over([1, 1], 1), steps: [{ kind: 'repeat', trips: 2 ** 31, counter: 0, body: [] }] }
  expect(() => device.compile(turns)).toThrow(/a loop of 2147483648/)
})
