/** hasAux: beside what is differentiated a tree is handed through, of which derivatives know nothing. */
import { describe, expect, test } from 'vitest'
import { linearizeJaxpr } from '../../transforms/linearize.ts'
import { runtime } from '../../src/core/runtime.ts'
import {
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  makeJaxpr,
  np,
  type NdArray,
  tree,
  TreeError,
  vjp,
  vmap,
} from '../../src/index.ts'

const p = { w: np.array([1, 2, 3]), b: np.array(0.5) }
const x = np.array([4, 5, 6])
type P = typeof p
const alone = (q: P, y: NdArray): NdArray => np.sin(q.w.mul(y).add(q.b))
/** The aux depends on the arguments, and has an integer, a number and nothing in it. */
const f = (q: P, y: NdArray) => [alone(q, y), { doubled: y.mul(2), count: np.array(3, { dtype: 'int32' }), n: 7, none: null }] as const
const plain = (t: unknown): unknown => tree.map((a) => (a as NdArray).toArray() as never, t as never)
const handed = { doubled: [8, 10, 12], count: 3, n: 7, none: null }
const ct = np.array([1, -2, 0.5])

describe('what comes with aux is what comes without it, and the aux', () => {
  test('vjp', () => {
    const [y, pull, aux] = vjp(f, p, x, { hasAux: true })
    const [y2, pull2] = vjp(alone, p, x)
    expect([plain(y), plain(pull(ct)), plain(aux)]).toEqual([plain(y2), plain(pull2(ct)), handed])
  })
  test('linearize and jvp', () => {
    const [y, push, aux] = linearize(f, p, x, { hasAux: true })
    const [y2, push2] = linearize(alone, p, x)
    expect([plain(y), plain(push(p, x)), plain(aux)]).toEqual([plain(y2), plain(push2(p, x)), handed])
    expect(plain(jvp(f, [p, x], [p, x], { hasAux: true }))).toEqual([...(plain(jvp(alone, [p, x], [p, x])) as unknown[]), handed])
  })
  test('jacrev, jacfwd and hessian, with several arguments too', () => {
    for (const jac of [jacrev, jacfwd]) {
      const [j, aux] = jac(f, { hasAux: true })(p, x)
      expect([plain(j), plain(aux)]).toEqual([plain(jac(alone)(p, x)), handed])
      expect(plain(jac(f, { argnums: [1, 0], hasAux: true })(p, x))).toEqual([plain(jac(alone, { argnums: [1, 0] })(p, x)), handed])
    }
    const scalar = (q: P, y: NdArray) => [np.sum(alone(q, y)), f(q, y)[1]] as const
    const [h, aux] = hessian(scalar, { hasAux: true })(p, x)
    expect([plain(h), plain(aux)]).toEqual([plain(hessian((q: P, y: NdArray) => np.sum(alone(q, y)))(p, x)), handed])
  })
  test('under jit, vmap and grad', () => {
    const pulled = (y: NdArray) => {
      const [z, pull, { seen }] = vjp((v: NdArray) => [v.mul(v), { seen: v.mul(3) }] as const, y, { hasAux: true })
      return { z, grad: pull(np.ones([]))[0], seen }
    }
    const want = { z: [1, 4], grad: [2, 4], seen: [3, 6] }
    expect(plain(vmap(pulled)(np.array([1, 2])))).toEqual(want)
    expect(plain(jit(vmap(pulled))(np.array([1, 2])))).toEqual(want)
    // aux is a constant to the transform that hands it through, and to no other
    expect(grad((y: NdArray) => pulled(y).seen)(np.array(2)).item()).toBe(3)
  })
})

test('what only the aux needs is not kept for the derivative', () => {
  const linear = linearizeJaxpr(runtime.transforms, makeJaxpr((y: NdArray) => [y.mul(2), np.sin(y)])(x), [true], false, 1)
  expect(linear.linear.eqns.map(({ op }) => op.name)).toEqual(['mul'])
  expect(linear.forward.outs.length).toBe(2)
})

test('without a pair, and options that are no options', () => {
  const why = /has hasAux, so it needs a function that returns \[result, aux\], and it returned \*/
  expect(() => vjp(alone as never, p, x, { hasAux: true })).toThrow(why)
  expect(() => linearize(alone as never, p, x, { hasAux: true })).toThrow(TreeError)
  expect(() => jvp(alone as never, [p, x] as never, [p, x] as never, { hasAux: true })).toThrow(/^jvp\(alone\) has hasAux/)
  expect(() => jacrev(alone as never, { hasAux: true })(p, x)).toThrow(why)
})
