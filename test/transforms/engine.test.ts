/** Arrays of two devices don't meet. */
import { expect, test } from 'vitest'
import { aval } from '../../src/core/aval.ts'
import { variable } from '../../src/core/jaxpr.ts'
import { DeviceError } from '../../src/index.ts'
import { devices, engines, upload } from '../laws/harness.ts'

test('a program refuses an array that is on another device, and says where it is', () => {
  const [v, out] = [variable(aval([2], 'float32')), variable(aval([2], 'float32'))]
  const eqn = { op: { name: 'neg', params: {} }, inputs: [v], outs: [out], effects: [], source: null } as const
  const x = upload(devices.wasm(), { aval: v.aval, data: [1, 2] })
  const run = (): unknown => engines.reference.execute({ inputs: [v], eqns: [eqn], outs: [out] }, [x])
  expect(run).toThrow(DeviceError)
  expect(run).toThrow('f32[2] is on wasm, and reference runs this')
})
