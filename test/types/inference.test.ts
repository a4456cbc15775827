/** What the compiler infers for a user: no casts, no `any`, and mistakes that don't compile. `npm run typecheck` is what runs most of it. */
import { expect, expectTypeOf, test } from 'vitest'
import {
  evalShape,
  grad,
  jacrev,
  jit,
  jvp,
  linearize,
  type Jitted,
  type NdArray,
  np,
  optim,
  scope,
  type ShapeDType,
  tree,
  valueAndGrad,
  vjp,
  vmap,
} from '../../src/index.ts'

interface Params {
  readonly layers: readonly { readonly w: NdArray; readonly b: NdArray }[]
  readonly scale: NdArray
}
interface Batch {
  readonly x: NdArray
  readonly y: NdArray
}
const params: Params = { layers: [{ w: np.eye(2), b: np.ones([2]) }], scale: np.array(2) }
const batch: Batch = { x: np.ones([3, 2]), y: np.zeros([3, 2]) }
const predict = (p: Params, x: NdArray): NdArray => p.layers.reduce((h, { w, b }) => h.matmul(w).add(b), x).mul(p.scale)
const loss = (p: Params, { x, y }: Batch): NdArray => predict(p, x).sub(y).pow(2).mean()
const withAux = (p: Params, b: Batch) => [loss(p, b), { rows: b.x }] as const

test('gradients have the types of what they are taken with respect to', () => {
  expectTypeOf(grad(loss)(params, batch)).toEqualTypeOf<Params>()
  expectTypeOf(grad(loss, { argnums: 1 })(params, batch)).toEqualTypeOf<Batch>()
  const [p, b] = grad(loss, { argnums: [0, 1] })(params, batch)
  expectTypeOf(p).toEqualTypeOf<Params>()
  expectTypeOf(b).toEqualTypeOf<Batch>()
  expectTypeOf(valueAndGrad(loss)(params, batch)).toEqualTypeOf<readonly [NdArray, Params]>()
  expectTypeOf(grad(withAux, { hasAux: true })(params, batch)).toEqualTypeOf<readonly [Params, { readonly rows: NdArray }]>()
  const [[value, aux]] = valueAndGrad(withAux, { hasAux: true })(params, batch)
  expectTypeOf(value).toEqualTypeOf<NdArray>()
  expectTypeOf(aux).toEqualTypeOf<{ readonly rows: NdArray }>()
  expect(tree.structure(grad(loss)(params, batch))).toEqual(tree.structure(params))
})

test('transforms keep the signature of what they transform', () => {
  expectTypeOf(jit(loss)).toEqualTypeOf<Jitted<[p: Params, b: Batch], NdArray>>()
  expectTypeOf(jit(loss)).toExtend<(p: Params, b: Batch) => NdArray>()
  expectTypeOf(vmap(loss, { inAxes: [null, 0] })).toEqualTypeOf<(p: Params, b: Batch) => NdArray>()
  expectTypeOf(jit(grad(jit(loss)))(params, batch)).toEqualTypeOf<Params>()
  expectTypeOf(jvp(predict, [params, batch.x], [params, batch.x])).toEqualTypeOf<readonly [NdArray, NdArray]>()
  const [y, pull] = vjp(predict, params, batch.x)
  expectTypeOf(pull(y)).toEqualTypeOf<[p: Params, x: NdArray]>()
  expectTypeOf(linearize(loss, params, batch)[1]).toEqualTypeOf<(p: Params, b: Batch) => NdArray>()
  expectTypeOf(jacrev((p: Params) => p.scale)(params)).toEqualTypeOf<Params>()
  expectTypeOf(scope(() => params)).toEqualTypeOf<Params>()
  const shapes = evalShape((p: Params) => ({ first: p.layers[0]!.w, n: p.scale }))(params)
  expectTypeOf(shapes).toEqualTypeOf<{ readonly first: ShapeDType; readonly n: ShapeDType }>()
  expect(shapes).toEqual({ first: { shape: [2, 2], dtype: 'float32' }, n: { shape: [], dtype: 'float32' } })
})

test('trees keep their types', () => {
  const gradients = grad(loss)(params, batch)
  expectTypeOf(tree.map((p, g) => p.sub(g.mul(0.1)), params, gradients)).toEqualTypeOf<Params>()
  const ranks = tree.map((p) => p.ndim, { a: np.ones([2]), b: [np.eye(2)] })
  expectTypeOf(ranks).toEqualTypeOf<{ readonly a: number; readonly b: readonly number[] }>()
  expect(ranks).toEqual({ a: 1, b: [2] })
  const optimizer = optim.adamw({ lr: 1e-3, mask: (p: Params) => tree.map((x) => x.ndim > 1, p) })
  const [updates] = optimizer.update(gradients, optimizer.init(params), params)
  expectTypeOf(updates).toEqualTypeOf<Params>()
  expectTypeOf(optim.applyUpdates(params, updates)).toEqualTypeOf<Params>()
})

test('arrays can be given back by using', () => {
  let kept: NdArray
  {
    using x = np.ones([2])
    kept = x
  }
  expect(() => kept.sum()).toThrow('disposed of')
})

/** Never called: each line is a mistake that must not compile. */
export const mistakes = (): void => {
  // @ts-expect-error a function of vectors has no gradient
  grad((x: Params) => x)
  // @ts-expect-error misspelt
  grad(loss, { argNums: 1 })
  // @ts-expect-error the second argument is a batch
  jit(loss)(params, params)
  // @ts-expect-error misspelt
  batch.x.sum({ axes: 0 })
  // @ts-expect-error no such dtype
  batch.x.astype('float31')
  // @ts-expect-error arithmetic is by methods
  Number(batch.x + 1)
}
