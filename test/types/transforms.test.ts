/** What is inferred of every transform, with no cast; the compiler runs this file, and vitest says that it did. */
import { pipe } from '#fp-ts/function.js'
import { expectTypeOf, test } from 'vitest'
import {
  type Checked,
  checkify,
  closureConvert,
  customJvp,
  customVjp,
  customVmap,
  evalShape,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  lax,
  linearize,
  linearTranspose,
  type NdArray,
  np,
  P,
  pureCallback,
  shardMap,
  tree,
  valueAndGrad,
  vjp,
  vmap,
} from '../../src/index.ts'

interface Params {
  readonly w: NdArray
  readonly layers: readonly { readonly b: NdArray }[]
}
const x = np.ones([3])
const p: Params = { w: x, layers: [{ b: x }] }
const loss = (q: Params, y: NdArray): NdArray => np.sum(q.w.mul(y)).add(q.layers[0]!.b.sum())
const withAux = (q: Params, y: NdArray) => [loss(q, y), { y, n: 3 }] as const

test('derivatives', () => {
  expectTypeOf(grad(loss)(p, x)).toEqualTypeOf<Params>()
  expectTypeOf(grad(loss, { argnums: 1 })(p, x)).toEqualTypeOf<NdArray>()
  expectTypeOf(grad(loss, { argnums: [0, 1] })(p, x)).toEqualTypeOf<readonly [Params, NdArray]>()
  expectTypeOf(grad(loss, { argnums: -2 })(p, x)).toEqualTypeOf<Params>()
  expectTypeOf(grad(loss, { argnums: [-1, 0] })(p, x)).toEqualTypeOf<readonly [NdArray, Params]>()
  expectTypeOf(grad((q: Params, y: NdArray = x) => loss(q, y), { argnums: -1 })(p)).toEqualTypeOf<NdArray>()
  expectTypeOf(valueAndGrad(loss)(p, x)).toEqualTypeOf<readonly [NdArray, Params]>()
  expectTypeOf(grad(withAux, { hasAux: true })(p, x)).toEqualTypeOf<readonly [Params, { readonly y: NdArray; readonly n: 3 }]>()
  expectTypeOf(valueAndGrad(withAux, { argnums: 1, hasAux: true })(p, x)[1]).toEqualTypeOf<NdArray>()
  expectTypeOf(grad((y: NdArray) => grad((z: NdArray) => z)(y))(np.array(1))).toEqualTypeOf<NdArray>()
  expectTypeOf(jvp(loss, [p, x], [p, x])).toEqualTypeOf<readonly [NdArray, NdArray]>()
  const [y, pull] = vjp((q: Params) => ({ z: q.w }), p)
  expectTypeOf(y).toEqualTypeOf<{ z: NdArray }>()
  expectTypeOf(pull).parameter(0).toEqualTypeOf<{ z: NdArray }>()
  expectTypeOf(pull({ z: x })[0]).toEqualTypeOf<Params>()
  const [value, push] = linearize((a: NdArray, b: NdArray) => [a, b] as const, x, x)
  expectTypeOf(value).toEqualTypeOf<readonly [NdArray, NdArray]>()
  expectTypeOf(push(x, x)).toEqualTypeOf<readonly [NdArray, NdArray]>()
  const pair = (q: Params, y: NdArray) => [{ z: q.w.mul(y) }, { seen: y, n: 3 }] as const
  const [z, back, handed] = vjp(pair, p, x, { hasAux: true })
  expectTypeOf(z).toEqualTypeOf<{ readonly z: NdArray }>()
  expectTypeOf(back(z)).toEqualTypeOf<[q: Params, y: NdArray]>()
  expectTypeOf(handed.seen).toEqualTypeOf<NdArray>()
  expectTypeOf(linearize(pair, p, x, { hasAux: true })[1](p, x).z).toEqualTypeOf<NdArray>()
  expectTypeOf(jvp(pair, [p, x], [p, x], { hasAux: true })[2].seen).toEqualTypeOf<NdArray>()
  expectTypeOf(jacrev(pair, { hasAux: true })(p, x)[0].z).toEqualTypeOf<Params>()
  expectTypeOf(jacfwd(pair, { hasAux: true, argnums: 1 })(p, x)[1].seen).toEqualTypeOf<NdArray>()
  expectTypeOf(hessian(withAux, { hasAux: true })(p, x)[0].w).toEqualTypeOf<Params>()
  expectTypeOf(linearTranspose((q: { a: NdArray }) => q.a, { a: x })(x)).toEqualTypeOf<{ a: NdArray }>()
  expectTypeOf(jacfwd((z: NdArray) => z)(x)).toEqualTypeOf<NdArray>()
  expectTypeOf(hessian((z: NdArray) => z.sum())(x)).toEqualTypeOf<NdArray>()
})

test('jit, vmap, shardMap and what stands around functions keep their types', () => {
  const f = jit(loss)
  expectTypeOf(f(p, x)).toEqualTypeOf<NdArray>()
  expectTypeOf(f).parameters.toEqualTypeOf<[q: Params, y: NdArray]>()
  const powered = jit((y: NdArray, n: 2 | 3, mode: { readonly fast: boolean }) => (mode.fast ? y.pow(n) : y), { staticArgnums: [1, 2] })
  expectTypeOf(powered(x, 2, { fast: true })).toEqualTypeOf<NdArray>()
  expectTypeOf(vmap(withAux, { inAxes: [null, 0] })(p, x)[1].y).toEqualTypeOf<NdArray>()
  expectTypeOf(shardMap(loss, { mesh: { data: 1 }, inSpecs: P(), outSpecs: P() })(p, x)).toEqualTypeOf<NdArray>()
  expectTypeOf(checkify(loss)(p, x)).toEqualTypeOf<readonly [Checked, NdArray]>()
  expectTypeOf(evalShape((q: Params) => ({ a: q.w }))(p).a.shape).toEqualTypeOf<readonly number[]>()
  expectTypeOf(closureConvert((y: NdArray) => ({ y: y.mul(x) }), x)[0](x, x)).toEqualTypeOf<{ y: NdArray }>()
  expectTypeOf(pureCallback((y) => ({ a: y.toTyped() }), { a: { shape: [3], dtype: 'float32' } }, [x])).toEqualTypeOf<{
    readonly a: NdArray
  }>()
})

test('a pipe infers', () => {
  const square = (y: NdArray): NdArray => np.sum(np.square(y))
  const each = pipe(square, grad, vmap, jit)
  expectTypeOf(each(np.ones([2, 3]))).toEqualTypeOf<NdArray>()
  const params = pipe(loss, grad, jit)
  expectTypeOf(params(p, x)).toEqualTypeOf<Params>()
})

test('custom rules are typed by the function', () => {
  expectTypeOf(customJvp((q: Params) => q.w, ([q], [dq]) => [q.w, dq.w])(p)).toEqualTypeOf<NdArray>() // prettier-ignore
  customJvp((y: NdArray, n: number, name: string) => y.mul(n + name.length), (n, name, [y], [dy]) => {
    expectTypeOf(n).toEqualTypeOf<number>()
    expectTypeOf(name).toEqualTypeOf<string>()
    return [y.mul(n), dy]
  }, { nondiffArgnums: [1, 2] }) // prettier-ignore
  customJvp((n: number, y: NdArray, name: string) => y.mul(n + name.length), (n, name, [y], [dy]) => {
    expectTypeOf(n).toEqualTypeOf<number>()
    expectTypeOf(name).toEqualTypeOf<string>()
    return [y.mul(n), dy]
  }, { nondiffArgnums: [-1, 0] }) // prettier-ignore
  customJvp((a: NdArray, b: NdArray) => a.mul(b), ([a, b], [da]) => {
    expectTypeOf(da).toEqualTypeOf<NdArray | null>()
    return [a.mul(b), da]
  }, { symbolicZeros: true }) // prettier-ignore
  customVjp((q: Params, n: number) => q.w.mul(n), (q, n) => [q.w.mul(n), { saved: q.w }] as const, (n, { saved }, ct) => {
    expectTypeOf(n).toEqualTypeOf<number>()
    expectTypeOf(saved).toEqualTypeOf<NdArray>()
    return [{ w: ct, layers: [{ b: null }] }]
  }, { nondiffArgnums: [1] }) // prettier-ignore
  customVmap((q: Params, y: NdArray) => q.w.mul(y), (size, [q, y], ...args) => {
    expectTypeOf(size).toEqualTypeOf<number>()
    expectTypeOf(q.layers).toEqualTypeOf<readonly { readonly b: boolean }[]>()
    expectTypeOf(y).toEqualTypeOf<boolean>()
    return [args[0].w, true]
  }) // prettier-ignore
})

test('trees', () => {
  expectTypeOf(tree.map((a, b) => a.add(b), p, p)).toEqualTypeOf<Params>()
  expectTypeOf(tree.map((a) => a.shape, { a: x }).a).toEqualTypeOf<readonly number[]>()
  expectTypeOf(vmap(() => lax.psum({ a: x, n: 1 }, 'i'), { axisName: 'i', axisSize: 2, inAxes: null })()).toEqualTypeOf<{
    a: NdArray
    n: NdArray
  }>()
})

test('wrong uses are no programs', () => {
  const wrong = (): unknown[] => [
    // @ts-expect-error a scalar array is needed
    grad((y: NdArray) => [y]),
    // @ts-expect-error the result isn't [scalar, aux]
    grad(loss, { hasAux: true }),
    // @ts-expect-error there is no argument 2
    grad(loss, { argnums: 2 })(p, x).mul(1),
    // @ts-expect-error the parameters are a tree
    jit(loss)(x, x),
    // @ts-expect-error an option without its name
    vmap(loss, 0),
    // @ts-expect-error tangents are trees like the primals
    jvp(loss, [p, x], [x, x]),
    // @ts-expect-error a cotangent is a tree like the result
    vjp((q: Params) => q.w, p)[1]({ w: x }),
    // @ts-expect-error the result isn't [result, aux]
    vjp((q: Params) => q.w, p, { hasAux: true }),
    // @ts-expect-error the result isn't [result, aux]
    jacrev((y: NdArray) => y, { hasAux: true })(x).mul(1),
    // @ts-expect-error a spec says how results lie
    shardMap(loss, { mesh: { i: 1 }, inSpecs: P() }),
    // @ts-expect-error rules give [value, tangent]
    customJvp((y: NdArray) => y, ([y]) => y), // prettier-ignore
    // @ts-expect-error a cotangent for each argument
    customVjp((a: NdArray, b: NdArray) => a.mul(b), (a, b) => [a.mul(b), null] as const, (_r, ct) => [ct]), // prettier-ignore
    // @ts-expect-error there is no such check
    checkify(loss, { errors: ['oob'] }),
    // @ts-expect-error trees of other forms
    tree.map((a, b) => a.add(b), p, x),
  ]
  expectTypeOf(wrong).toBeFunction()
})
