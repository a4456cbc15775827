/** Arrays of two devices don't meet. */
import { expect, test } from 'vitest'
import { wasm } from '../../backends/wasm/index.ts'
import { ConcreteArray } from '../../src/core/array.ts'
import { aval } from '../../src/core/aval.ts'
import type { Backend } from '../../src/core/backend.ts'
import { variable } from '../../src/core/jaxpr.ts'
import { runtime } from '../../src/core/runtime.ts'
import { DeviceError, makeJaxpr, type NdArray, np } from '../../src/index.ts'
import { ProgramEngine } from '../../transforms/engine.ts'
import { devices, engines, upload } from '../laws/harness.ts'

test('a program refuses an array that is on another device, and says where it is', () => {
  const [v, out] = [variable(aval([2], 'float32')), variable(aval([2], 'float32'))]
  const eqn = { op: { name: 'neg', params: {} }, inputs: [v], outs: [out], effects: [], source: null } as const
  const x = upload(devices.wasm(), { aval: v.aval, data: [1, 2] })
  const run = (): unknown => engines.reference.execute({ inputs: [v], eqns: [eqn], outs: [out] }, [x])
  expect(run).toThrow(DeviceError)
  expect(run).toThrow('f32[2] is on wasm, and reference runs this')
})

test('two wasm devices in one process have memories of their own', () => {
  const [a, b] = [wasm() as Backend, wasm() as Backend]
  const jaxpr = makeJaxpr((x: NdArray) => np.cumsum(np.exp(x)))(np.ones([2]))
  const outs = [a, b, a].map((backend, i) => {
    const engine = new ProgramEngine({ ...runtime, backend: () => backend })
    const x = new ConcreteArray(aval([2], 'float32'), backend.upload('float32', Float32Array.of(i, 0)), backend)
    return engine.execute(jaxpr, [x])[0]!
  })
  outs.forEach((y, i) => expect(y.toArray()).toEqual([Math.exp(i), Math.exp(i) + 1].map(Math.fround)))
  expect([a.bytesInUse(), b.bytesInUse()]).toEqual([32, 16])
  const other = new ProgramEngine({ ...runtime, backend: () => b })
  expect(() => other.execute(jaxpr, [outs[0]!])).toThrow(/is on another wasm device/)
})
