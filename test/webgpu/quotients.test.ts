import { expect, test } from 'vitest'
import { makeJaxpr, type NdArray, np } from '../../src/index.ts'
import { difference, variants } from '../backends/noise.ts'
import { run } from '../laws/harness.ts'
import { noisy } from './quotients.ts'

test('noise of quotients allows what WGSL allows, also behind limits, and no more', () => {
  const program = (x: NdArray): readonly NdArray[] => [
    np.div(x, 3),
    np.floor(np.div(x, 3)),
    np.astype(np.greater(np.div(x, 3), 2), 'int32'),
  ]
  const x = np.array([6, 7])
  const jaxpr = makeJaxpr(program)(x)
  const inputs = [{ aval: x.aval, data: [6, 7] }]
  const right = run('reference', jaxpr, inputs)
  const others = Array.from({ length: variants }, (_, v) => run('reference', noisy(jaxpr, v), inputs))
  const problem = (k: number, got: readonly number[]): string | null =>
    difference(got, right[k]!.data, others.map((other) => other[k]!.data), right[k]!.aval.dtype) // prettier-ignore
  const scaled = (by: number): number[] => right[0]!.data.map((q) => Math.fround(q * by))
  expect(problem(0, scaled(1 + 2.5 * 2 ** -23))).toBeNull()
  expect(problem(0, scaled(1 + 2 ** -18))).toMatch(/element 0/)
  expect(problem(1, [1, 2])).toBeNull()
  expect(problem(1, [2, 1])).toMatch(/element 1 is 1, expected 2/)
  expect(problem(2, [1, 1])).toBeNull()
  expect(problem(2, [0, 0])).toMatch(/element 1 is 0, expected 1/)
  expect(noisy(makeJaxpr((y: NdArray) => np.add(y, 1))(x), 0).eqns.length).toBe(1)
})
