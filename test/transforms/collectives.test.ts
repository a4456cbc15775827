/** Named axes: each collective on examples that differ, its derivative against difference quotients, nested maps, and meshes. */
import { describe, expect, test } from 'vitest'
import { grad, jit, lax, makeJaxpr, type NdArray, np, P, shardMap, vmap } from '../../src/index.ts'
import { checkGrads } from '../../src/testing/index.ts'

const x = np.array([
  [1, 2, 4],
  [-3, 5, 0.5],
  [7, -1, 3],
])
const over = (f: (y: NdArray) => NdArray, axisName = 'i') => vmap(f, { axisName })
const collectives: Readonly<Record<string, (y: NdArray) => NdArray>> = {
  psum: (y) => lax.psum(y, 'i'),
  pmean: (y) => lax.pmean(y, 'i'),
  pmax: (y) => lax.pmax(y, 'i'),
  pmin: (y) => lax.pmin(y, 'i'),
  allGather: (y) => lax.allGather(y, 'i', { axis: 1 }),
  'allGather, tiled': (y) => lax.allGather(y, 'i', { tiled: true }),
  psumScatter: (y) => lax.psumScatter(y, 'i'),
  'psumScatter, tiled': (y) => lax.psumScatter(np.concatenate([y, y.mul(2)]), 'i', { tiled: true }),
  allToAll: (y) => lax.allToAll(np.outer(y, np.add(y, 1)), 'i', 0, 1),
  'allToAll, tiled': (y) => lax.allToAll(np.outer(np.concatenate([y, np.sin(y)]), y), 'i', 0, 1, { tiled: true }),
  ppermute: (y) =>
    lax.ppermute(y, 'i', [
      [0, 2],
      [1, 0],
    ]),
}

describe('collectives', () => {
  const values = (f: (y: NdArray) => NdArray): unknown => over(f)(x).toArray()
  test('reductions are the same for each example, and take trees and several axes', () => {
    expect(values(collectives['psum']!)).toEqual([0, 1, 2].map(() => [5, 6, 7.5]))
    expect(values(collectives['pmax']!)).toEqual([0, 1, 2].map(() => [7, 5, 4]))
    expect(values(collectives['pmin']!)).toEqual([0, 1, 2].map(() => [-3, -1, 0.5]))
    const tree = vmap((y: NdArray) => lax.pmean({ a: y, b: [y.mul(2)] }, 'i'), { axisName: 'i' })(np.array([1, 3]))
    expect([tree.a.toArray(), tree.b[0]!.toArray()]).toEqual([
      [2, 2],
      [4, 4],
    ])
    expect(
      over((y) => lax.pmean(y.greater(0), 'i'))(x)
        .slice(0)
        .toArray(),
    ).toEqual([2 / 3, 2 / 3, 1].map(Math.fround))
    expect(
      vmap((y: NdArray) => lax.pmean(y, 'i'), { axisName: 'i' })(np.array([1, 2, 4], { dtype: 'int32' }))
        .slice(0)
        .item(),
    ).toBeCloseTo(7 / 3, 6)
    const both = vmap(
      vmap((y: NdArray) => lax.psum(y, ['i', 'j']), { axisName: 'j' }),
      { axisName: 'i' },
    )
    expect(both(x).toArray()).toEqual([0, 1, 2].map(() => [18.5, 18.5, 18.5]))
    expect(over(() => np.mul(lax.axisSize('i'), lax.psum(1, 'i')))(x).toArray()).toEqual([9, 9, 9])
  })
  test('exchange', () => {
    expect(values((y) => lax.allGather(y, 'i').sum({ axis: 1 }))).toEqual([0, 1, 2].map(() => [7, 2.5, 9]))
    expect(over(collectives['allGather']!)(x).slice(1).toArray()).toEqual(np.transpose(x).toArray())
    expect(over(collectives['allGather, tiled']!)(x).slice(2).toArray()).toEqual([1, 2, 4, -3, 5, 0.5, 7, -1, 3])
    expect(values(collectives['psumScatter']!)).toEqual([5, 6, 7.5])
    expect(values(collectives['psumScatter, tiled']!)).toEqual([
      [5, 6],
      [7.5, 10],
      [12, 15],
    ])
    // Example e of all gets row e of each, as columns.
    const outer = [0, 1, 2].map((e) => np.outer(x.slice(e), np.add(x.slice(e), 1)))
    expect(values(collectives['allToAll']!)).toEqual([0, 1, 2].map((e) => [0, 1, 2].map((k) => outer.map((m) => m.slice(e, k).item()))))
    expect(values(collectives['ppermute']!)).toEqual([
      [-3, 5, 0.5],
      [0, 0, 0],
      [1, 2, 4],
    ])
  })
  test.each(Object.entries(collectives))('%s has its derivatives, jitted too, and passes an unnamed vmap by', (_name, f) => {
    checkGrads(
      over((y) => np.cos(f(np.sin(y)))),
      [x],
      { tolerance: 1e-5 },
    )
    checkGrads(
      vmap(
        over((y) => np.cos(f(np.sin(y)))),
        { inAxes: 1 },
      ),
      [np.stack([x, x.mul(0.5)], 1)],
      { tolerance: 1e-5 },
    )
    const inner = vmap(
      vmap((y: NdArray) => f(y.mul(2))),
      { axisName: 'i' },
    ) // the unnamed one inside
    const pair = np.stack([x, np.add(x, 1)], 1)
    const each = [0, 1].map((k) => over((y) => f(y.mul(2)))(np.take(pair, k, { axis: 1 })))
    expect(inner(pair).toArray()).toEqual(np.stack(each, 1).toArray())
    expect(jit(over(f))(x).toArray()).toEqual(over(f)(x).toArray())
  })
  test('what every example shares is dealt with as what each has', () => {
    const shared = np.array([1, 2, 3])
    const alike = np.stack([shared, shared, shared])
    for (const f of Object.values(collectives))
      expect(vmap(() => f(shared), { axisName: 'i', axisSize: 3, inAxes: null })().toArray()).toEqual(over(f)(alike).toArray())
  })
  test('a jaxpr under trace names them as JAX does', () =>
    expect(String(makeJaxpr(over((y) => lax.psumScatter(y, 'i')))(x))).toBe(
      '{ lambda ; a:f32[3,3]. let b:f32[3] = reduce_sum[axes=(0,)] a in (b,) }',
    ))
  test('refusals', () => {
    expect(() => lax.pmax(x, 'i')).toThrow(/pmax: no axis is named "i" here: call it inside vmap/)
    expect(() => over((y) => lax.psum(y, 'j'))(x)).toThrow(/psum: no axis is named "j"/)
    expect(() => over((y) => lax.psumScatter(y.slice(0).reshape(1), 'i'))(x)).toThrow(/axis 0 can't be dealt out to 3 examples one by one/)
    expect(() => over((y) => lax.allToAll(y, 'i', 0, 1))(x)).toThrow(/allToAll\(f32\[3\]\): axis 1 is out of range for rank 1/)
    expect(() => over((y) => lax.allGather(y, 'i', { axis: 3 }))(x)).toThrow(/axis 3 is out of range/)
    expect(() => over((y) => lax.ppermute(y, 'i', [[0, 3]]))(x)).toThrow(/pairs \[from, to\] is needed, of places below 3/)
    expect(() => over((y) => lax.ppermute(y, 'i', [[0, 1], [2, 1]]))(x)).toThrow(/each of which may give once and take once/) // prettier-ignore
    expect(() => vmap((y: NdArray) => y, { axisSize: 4 })(x)).toThrow(/mapped axes differ: 4 at axisSize, 3 at/)
    expect(() => vmap((y: NdArray) => y, { inAxes: null })(x)).toThrow(/no argument is mapped: give inAxes at least one axis, or axisSize/)
    expect(() => vmap((y: NdArray) => y, { axisSize: -1 })(x)).toThrow(/axisSize is a whole number/)
    expect(() => vmap((y: NdArray) => y, { inAxes: [0, 0] })(x)).toThrow(/inAxes: 2 are given for 1 values/)
  })
})

describe('shardMap', () => {
  const a = np.reshape(np.arange(24), [4, 6]).astype('float32')
  const b = np.reshape(np.arange(18), [6, 3]).astype('float32')
  const mesh = { data: 2, model: 3 }
  test('a product of matrices divided over a mesh', () => {
    const product = shardMap((u: NdArray, v: NdArray) => lax.psum(np.matmul(u, v), 'model'), {
      mesh,
      inSpecs: [P('data', 'model'), P('model', null)],
      outSpecs: P('data'),
    })
    expect(product(a, b).toArray()).toEqual(np.matmul(a, b).toArray())
    expect(jit(product)(a, b).toArray()).toEqual(np.matmul(a, b).toArray())
    const loss = (f: typeof product) => (u: NdArray, v: NdArray) => np.sin(f(u, v)).sum()
    checkGrads((u, v) => loss(product)(u!, v!), [a.mul(0.1), b.mul(0.1)], { tolerance: 1e-4 })
  })
  test('each device sees its part, and knows where it is', () => {
    const seen = shardMap((u: NdArray) => np.full(u.shape, np.add(np.mul(lax.axisIndex('data'), 10), lax.axisIndex('model'))), {
      mesh,
      inSpecs: P('data', 'model'),
      outSpecs: P('data', 'model'),
    })(a)
    expect(seen.toArray()).toEqual([0, 0, 10, 10].map((row) => [0, 0, 1, 1, 2, 2].map((column) => row + column)))
    const first = shardMap((u: NdArray) => u.slice(0), { mesh, inSpecs: P(null, ['model', 'data']), outSpecs: P(['model', 'data']) })
    expect(first(a).toArray()).toEqual([0, 1, 2, 3, 4, 5])
    const moved = shardMap((u: NdArray) => u, { mesh, inSpecs: P(['data', 'model']), outSpecs: P(['model', 'data']) })
    expect(moved(np.arange(6)).toArray()).toEqual([0, 3, 1, 4, 2, 5])
  })
  test('a data-parallel train step is the step on one device', () => {
    const w = np.array([0.5, -1, 2, 0, 1, 1])
    const loss = (p: NdArray, u: NdArray) => np.sin(np.matmul(u, p)).mean()
    const step = shardMap(
      (state: { readonly w: NdArray }, u: NdArray) => ({ w: np.sub(state.w, lax.pmean(grad(loss)(state.w, u), 'data')) }),
      { mesh: { data: 4 }, inSpecs: [{ w: P() }, P('data')], outSpecs: P() },
    )
    const whole = np.sub(w, grad(loss)(w, a))
    expect(
      np
        .abs(np.sub(step({ w }, a).w, whole))
        .max()
        .item(),
    ).toBeLessThan(1e-6)
  })
  test('refusals', () => {
    const id = (u: NdArray): NdArray => u
    const run =
      (inSpecs: ReturnType<typeof P>, outSpecs: ReturnType<typeof P>, f = id) =>
      () =>
        shardMap(f, { mesh, inSpecs, outSpecs })(a)
    expect(run(P(null, 'data'), P())).toThrow(/result 0 changes along the mesh axis "data", which its spec P\(\) doesn't name/)
    expect(run(P('model'), P('model'))).toThrow(/argument \[0\] is f32\[4,6\], and its spec P\("model"\) divides axis 0 into 3 equal parts/)
    expect(run(P('x'), P())).toThrow(/names "x": the mesh has data, model/)
    expect(run(P('data', 'data'), P())).toThrow(/names a mesh axis twice/)
    expect(run(P(null, null, 'data'), P())).toThrow(/has more axes/)
    expect(() => shardMap(id, { mesh: {}, inSpecs: P(), outSpecs: P() })).toThrow(/the mesh needs a name/)
    expect(run(P('data'), P('data'), (u) => lax.psum(u, 'rows'))).toThrow(/no axis is named "rows"/)
  })
})
