/** What is joined where launches are dear, beside WebAssembly: rows that a product computes itself, and launches that go together. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openDevice } from '../../backends/webgpu/device.ts'
import { createWebgpu, openWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { jit, makeJaxpr, type NdArray, np, random } from '../../src/index.ts'
import * as nn from '../../src/nn/index.ts'
import * as tree from '../../src/tree.ts'
import type { ProgramEngine } from '../../transforms/engine.ts'
import { nightly, tries } from '../effort.ts'
import { describeOnDevice } from './gpu.ts'
import { instrument, wrapped } from './instrument.ts'

type F = (...xs: readonly NdArray[]) => unknown
const wasm = runtime.device.current()

describeOnDevice('where launches are dear', async () => {
  const plain = createWebgpu(wrapped(await openDevice(), { features: new Set() })) as Backend
  const devices = [(await openWebgpu()) as Backend, plain]
  const results = async (f: F, shapes: readonly (readonly number[])[], device: Backend): Promise<readonly (readonly number[])[]> => {
    runtime.device.choose(wasm)
    const drawn = shapes.map((shape, i) => random.normal(random.key(i), shape).toTyped() as Float32Array)
    runtime.device.choose(device)
    const args = drawn.map((data, i) => np.array(data, { shape: shapes[i]! }))
    const outs = tree.leaves(jit(f)(...args)) as NdArray[]
    const read = await Promise.all(outs.map(async (x) => [...((await x.data()) as unknown as Iterable<number>)]))
    runtime.device.choose(wasm)
    return read
  }
  const within = (tolerance: number, name: string, f: F, ...shapes: readonly (readonly number[])[]): void =>
    test(name, async () => {
      const want = await results(f, shapes, wasm)
      for (const device of devices) {
        const got = await results(f, shapes, device)
        want.forEach((w, i) => got[i]!.forEach((x, j) => expect(Math.abs(x - w[j]!)).toBeLessThan(tolerance * (1 + Math.abs(w[j]!)))))
      }
    })
  const same = (name: string, f: F, ...shapes: readonly (readonly number[])[]): void => within(2e-4, name, f, ...shapes)
  const normed = (x: NdArray): NdArray => nn.layerNorm({}, x)
  for (const [k, n] of [
    [64, 128],
    [30, 7], // nothing is read as vectors
    [5000, 16], // more than workgroup memory holds
  ] as const) {
    same(`a layer norm before a product of ${k} by ${n}`, (x, w) => np.matmul(normed(x!), w!), [1, 1, k], [k, n])
    same(`the same of a transposed matrix`, (x, w) => nn.linear({ weight: w! }, normed(x!)), [1, 1, k], [n, k])
    same(`softmax and two products of one row, whose sum is wanted too`, (x, w, v) => [nn.softmax(x!).matmul(w!), nn.softmax(x!).matmul(v!), nn.softmax(x!).sum()], [1, k], [k, n], [k, n + 4]) // prettier-ignore
    same(
      'an activation between',
      (x, w, v) => np.matmul(np.mul(nn.silu(x!.matmul(w!)), np.tanh(x!.matmul(w!))), v!),
      [1, k],
      [k, n],
      [n, 12],
    )
  }
  same('residuals over four layers', (x, w) => {
    let h = x!
    for (let i = 0; i < 4; i++) h = np.add(h, np.matmul(nn.gelu(np.matmul(normed(h), w!)), w!.T))
    return h
  }, [1, 1, 32], [32, 48]) // prettier-ignore
  const rope = () => nn.rotary(np.array([[5]], { dtype: 'int32' }), { dims: 8, base: 10_000 })
  const heads = (x: NdArray): NdArray => x.reshape(1, 1, 2, 8)
  const at = () => np.array([3, 1], { dtype: 'int32' })
  same(
    'updates computed where they are written, beside others, and of the array itself',
    (x, w, v, cache, other) => {
      const [k, q] = [nn.rotate(heads(x!.matmul(w!)), rope()), nn.rotate(heads(x!.matmul(v!)), rope())]
      const rows = k.reshape(2, 8)
      const next = cache!.at(at()).set(rows)
      return [
        next,
        other!.at(at()).set(heads(x!.matmul(v!)).reshape(2, 8)),
        q,
        cache!.at(at()).set(
          cache!
            .at(np.array([0, 2], { dtype: 'int32' }))
            .get()
            .mul(2),
        ),
        cache!.at(np.array([9, 1], { dtype: 'int32' })).set(rows),
      ]
    },
    [1, 1, 32],
    [32, 16],
    [32, 16],
    [6, 8],
    [6, 8],
  )
  same(
    'two updates of one row: the last stays',
    (x, cache) => cache!.at(np.array([1, 1, 4], { dtype: 'int32' })).set(np.tanh(x!)),
    [3, 5],
    [6, 5],
  )
  for (const [heads, width] of [[2, 8], [3, 20], [1, 300], [5, 1]] as const)
    for (const dtype of ['float32', 'bfloat16', 'float16'] as const)
      // Roundings to 16 bits may fall on either side.
      within(dtype === 'float32' ? 2e-4 : 1e-2, `${heads} normed and turned updates of ${width} ${dtype}s, two of one row, one of none`, (x, w, cache) => {
        const k = nn.rmsNorm({}, x!.matmul(w!).reshape(1, 1, heads, width))
        const turned = width % 2 === 0 ? nn.rotate(k, nn.rotary(np.array([[5]], { dtype: 'int32' }), { dims: width, base: 100 })) : nn.softmax(k) // prettier-ignore
        const places = np.array([4, 1, 4, 9, -1].slice(0, heads), { dtype: 'int32' })
        const held = cache!.astype(dtype)
        const written = [turned, x!.matmul(w!).mul(2)].map((y) => held.at(places).set(y.reshape(heads, width).astype(dtype)))
        const seen = nn.dotProductAttention(turned, ...(written.map((y) => y.astype('float32').reshape(1, 6, 1, width)) as [NdArray, NdArray]))
        return [...written.map((y) => y.astype('float32')), ...(dtype === 'float32' ? [seen] : [])]
      }, [1, 16], [16, heads * width], [6, width]) // prettier-ignore
  same('updates of a batch, normed in another order of axes', (x, cache) => {
    const k = nn.layerNorm({}, x!).transpose([0, 2, 1, 3]) // [B,K,T,D]
    const at = [[0, 0, 1, 1, 0, 0, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1], [2, 2, 3, 3, 3, 3, 0, 0]].map((i) => np.array(i, { dtype: 'int32' })) // prettier-ignore
    return cache!.at(...(at as [NdArray, NdArray, NdArray])).set(k.reshape(8, 4))
  }, [2, 2, 2, 4], [2, 2, 4, 4]) // prettier-ignore
  for (const width of [32, 30])
    same(`norms behind branches too, over three layers of ${width}`, (x, w) => {
      let h = x!
      for (let i = 0; i < 3; i++) {
        const own = np.add(h, normed(np.matmul(normed(h), w!)))
        h = np.add(own, normed(np.matmul(nn.gelu(np.matmul(normed(own), w!)), w!.T)))
      }
      return [h, np.matmul(nn.softmax(h), w!)]
    }, [1, 1, width], [width, width]) // prettier-ignore
  same('small launches side by side, of several sizes and dtypes', (x, y, z) => [np.tanh(x!), np.sort(y!), y!.sum({ axis: 0 }), np.exp(z!).add(1), z!.max({ axis: 1 }), x!.astype('bool')], [3, 5], [6, 5], [40, 30]) // prettier-ignore
  same('what needs what the same code has made comes after it', (x, w, v) => {
    const h = x!.matmul(w!)
    return [h.matmul(w!), nn.softmax(nn.softmax(x!).mul(3)), v!.matmul(h.matmul(w!).T), x!.mul(2), h]
  }, [1, 16], [16, 16], [3, 16]) // prettier-ignore
  // One row on its way through products, norms, rotations, sums with what was before, and writes to a cache.
  const wide = (x: NdArray): number => x.shape[2]!
  const steps: readonly ((x: NdArray, n: number, kept: readonly NdArray[], w: NdArray) => NdArray)[] = [
    (x, n, _, w) => np.matmul(x, w.slice([0, wide(x)], [0, n])),
    (x, n, _, w) => nn.linear({ weight: w.slice([0, n], [0, wide(x)]) }, x),
    (x, n, kept) => np.add(x, kept.findLast((y) => wide(y) === wide(x)) ?? n),
    (x, n, kept) => np.mul(x, kept.find((y) => wide(y) === wide(x)) ?? n),
    (x) => normed(x),
    (x) => nn.softmax(x),
    (x, _, kept) => np.add(kept.findLast((y) => y !== x && wide(y) === wide(x)) ?? 1, normed(x)),
    (x) => nn.gelu(x),
    (x, n) => np.roll(x, n, { axis: 2 }),
    (x) => np.sub(x, np.max(x, { axis: 2, keepdims: true })),
    (x) => normed(x.reshape(1, 2, wide(x) / 2)).reshape(1, 1, wide(x)),
    (x) => {
      const [a, b] = np.split(x, 2, 2) as [NdArray, NdArray]
      return np.concatenate([np.sub(a, np.mul(b, 0.7)), np.add(np.mul(b, 0.2), a)], 2)
    },
  ]
  // Rotations of rolls, and norms of those, are shaders that the software adapter compiles for minutes: one of them a plan.
  const turns = [8, 11]
  const drawn = fc
    .array(fc.tuple(fc.oneof(fc.constantFrom(0, 1), fc.nat(steps.length - 1)), fc.constantFrom(8, 8, 8, 4, 6, 16)), {
      minLength: 2,
      maxLength: 10,
    })
    .filter((plan) => plan.filter(([i]) => turns.includes(i)).length < 2)
  test(
    'rows are what WebAssembly says, whatever is done to them',
    () =>
      fc.assert(
        fc.asyncProperty(drawn, async (plan) => {
          const shapes = [[1, 1, 8], [5, 2], [16, 16], [5, 4]] // prettier-ignore
          const f: F = (x, cache, w, other) => {
            const kept = [x!]
            for (const [i, n] of plan) kept.push(steps[i]!(kept.at(-1)!, n, kept, w!))
            const written = kept.map((y) => cache!.at(np.array([3, 1], { dtype: 'int32' })).set(y.slice([], [], [0, 4]).reshape(2, 2)))
            const levels = kept.filter((y) => wide(y) >= 8).map((y) => other!.at(np.array([3, 1], { dtype: 'int32' })).set(normed(y.slice([], [], [0, 8]).reshape(2, 4)))) // prettier-ignore
            return [kept.at(-1), np.sum(kept.at(-2)!), ...written.slice(-2), ...levels.slice(-1)]
          }
          const want = await results(f, shapes, wasm)
          const got = await results(f, shapes, devices[0]!)
          want.forEach((w, i) => got[i]!.forEach((x, j) => expect(Math.abs(x - w[j]!)).toBeLessThan(1e-3 * (1 + Math.abs(w[j]!)))))
        }),
        { seed: nightly ? Date.now() : 7, numRuns: tries(150), endOnFailure: true },
      ),
    600_000,
  )
  test('of launches of one code none goes with what it needs', () => {
    const engine = runtime.engine as ProgramEngine
    runtime.device.choose(devices[0]!)
    const [f, x, w] = [(x: NdArray, w: NdArray) => x.matmul(w).matmul(w), np.ones([1, 16]), np.ones([16, 16])]
    const jaxpr = makeJaxpr(f)(x, w)
    const steps = engine.lower(jaxpr).program.steps
    runtime.device.choose(wasm)
    expect(steps.map((step) => (step.kind === 'launch' ? [step.segments.length, step.beside === true] : []))).toEqual([
      [1, false],
      [1, false],
    ])
  })
  test('a norm and two products of it are one dispatch', async () => {
    const { device, counts } = instrument(await openDevice())
    runtime.device.choose(createWebgpu(device) as Backend)
    const f = jit((x: NdArray, w: NdArray, v: NdArray) => [np.matmul(normed(x), w), np.matmul(normed(x), v)])
    const args = [np.ones([1, 64]), np.ones([64, 32]), np.ones([64, 64])] as const
    const outs = f(...args)
    await outs[0]!.data()
    counts()
    const again = f(...args)
    await again[1]!.data()
    expect(counts().dispatches).toBe(1)
    runtime.device.choose(wasm)
  })
})
