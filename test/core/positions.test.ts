/** Arguments named by position, in every transform that does so: in any order, and from the end. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  customJvp,
  customVjp,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  np,
  type NdArray,
  ShapeError,
  tree,
  valueAndGrad,
} from '../../src/index.ts'

/** Three arguments whose trees have different sizes, one of them with nothing in it. */
const p = { w: np.array([1, 2, 3]), layers: [{ b: np.array(0.5) }, { b: np.array([[1], [-1]]) }] }
const x = np.array([4, 5, 6])
const args = [p, x, [np.array(2), null, np.array([1, -2])], {}] as const
type Four = typeof args
const loss = (q: Four[0], y: Four[1], [s, , r]: Four[2], _none: object): NdArray =>
  np.sum(q.w.mul(y).mul(s)).add(np.sin(q.layers[0]!.b).mul(np.sum(q.layers[1]!.b.mul(r))))
const plain = (t: unknown): unknown => tree.map((a) => (a as NdArray).toArray() as never, t as never)

/** Positions without repetition, each counted from the start or from the end. */
const named = fc
  .shuffledSubarray([0, 1, 2, 3], { minLength: 1 })
  .chain((places) => fc.tuple(...places.map((n) => fc.boolean().map((fromEnd) => (fromEnd ? n - 4 : n)))))
type Derivative = (f: typeof loss, o: { readonly argnums: number | readonly number[] }) => (...xs: Four) => unknown
const derivatives: Readonly<Record<string, Derivative>> = {
  grad,
  jacfwd,
  jacrev,
  'the gradient of valueAndGrad': (f, o) => (...xs) => valueAndGrad(f, o)(...xs)[1],
  'grad with hasAux': (f, o) => (...xs) => grad((...ys: Four) => [f(...ys), ys[1]] as const, { ...o, hasAux: true })(...xs)[0],
  'grad under jit': (f, o) => jit(grad(f, o) as (...xs: Four) => object),
} // prettier-ignore

describe('argnums', () => {
  for (const [name, derivative] of Object.entries(derivatives))
    test(`${name}: a list gives the derivative of each by itself, in its order`, () => {
      const each = args.map((_, n) => plain(derivative(loss, { argnums: n })(...args)))
      expect(each.slice(-4)).toEqual(args.map((_, n) => plain(derivative(loss, { argnums: n - 4 })(...args))))
      fc.assert(
        fc.property(named, (argnums) => {
          expect(plain(derivative(loss, { argnums })(...args))).toEqual(argnums.map((n) => each.at(n)))
        }),
        { numRuns: 12 },
      )
    })
  test('blocks of a Hessian in any order', () => {
    const f = (a: NdArray, b: NdArray): NdArray => np.sum(np.power(a, 2)).mul(np.power(b, 3))
    const blocks = (argnums: readonly number[]) => plain(hessian(f, { argnums })(np.array([1, 2]), np.array(3))) as unknown[][]
    const [[aa, ab], [ba, bb]] = blocks([0, 1]) as [[unknown, unknown], [unknown, unknown]]
    expect(blocks([-1, 0])).toEqual([[bb, ba], [ab, aa]]) // prettier-ignore
  })
  test('twice, by either name, and outside, are refused', () => {
    for (const derivative of [grad, jacfwd, jacrev, hessian, valueAndGrad] as unknown as Derivative[]) {
      const refused = (argnums: number | readonly number[]): Error => {
        try {
          return derivative(loss, { argnums })(...args) as never
        } catch (e) {
          return e as Error
        }
      }
      for (const [argnums, why] of [
        [[0, 0], /\(loss\): argnums has 0 twice/],
        [[0, -4], /\(loss\): argnums has 0 twice/],
        [4, /\(loss\): argnums has 4, but the call has 4 arguments/],
        [-5, /\(loss\): argnums has -5, but the call has 4 arguments/],
        [[0, 1.5], /argnums is a whole number or a list, each a whole number, and got \[0,1.5\]/],
        [[], /\(loss\): argnums is empty/],
      ] as const) {
        expect(refused(argnums)).toBeInstanceOf(ShapeError)
        expect(refused(argnums).message).toMatch(why)
      }
    }
  })
})

describe('nondiffArgnums', () => {
  const f = (a: number, x: NdArray, b: number): NdArray => x.mul(a + b)
  const forward = (nondiffArgnums: readonly number[]) =>
    customJvp(f, ((a: number, b: number, [y]: [NdArray], [dy]: [NdArray]) => [f(a, y, b), dy.mul(10 * a + b)]) as never, { nondiffArgnums })
  const reverse = (nondiffArgnums: readonly number[]) =>
    customVjp(f, (a, y, b) => [f(a, y, b), null] as const, ((a: number, b: number, _r: null, ct: NdArray) => [ct.mul(10 * a + b)]) as never, { nondiffArgnums }) // prettier-ignore
  test('rules get them in the order of the call, however they are named', () => {
    for (const named of [
      [0, 2],
      [2, 0],
      [-1, 0],
      [0, -1],
      [-3, -1],
    ])
      // prettier-ignore
      for (const ruled of [forward(named), reverse(named)]) expect(grad((y: NdArray) => ruled(3, y, 5))(np.array(1)).item()).toBe(35)
  })
  test('twice, by either name, and outside, are refused', () => {
    for (const ruled of [forward, reverse]) {
      expect(() => ruled([0, -3])(1, np.array(1), 1)).toThrow(/nondiffArgnums has 0 twice/)
      expect(() => ruled([0, -4])(1, np.array(1), 1)).toThrow(/nondiffArgnums has -4, but the call has 3 arguments/)
    }
  })
})

describe('staticArgnums and donateArgnums', () => {
  const power = (x: NdArray, n = 2, { times }: { readonly times: number } = { times: 1 }): NdArray => np.power(x, n).mul(times)
  test('a call may leave static arguments out, and defaults hold', () => {
    const f = jit(power, { staticArgnums: [1, 2] })
    const three = np.array(3)
    expect([f(three), f(three, 3), f(three, 3, { times: 2 }), f(three, undefined, { times: 10 }), f(three)].map((y) => y.item())).toEqual([9, 27, 54, 90, 9]) // prettier-ignore
    expect(f.lower({ shape: [], dtype: 'float32' }).jaxpr.toString()).toContain('integer_pow')
    expect(grad(f)(three).item()).toBe(6)
    expect(jit(power, { staticArgnums: 1 })(three).item()).toBe(9)
  })
  test('negative ones count from the end of the call', () => {
    const f = jit((n: number, x: NdArray, k: number) => np.power(x, n).mul(k), { staticArgnums: [-1, -3] })
    expect(f(2, np.array(3), 5).item()).toBe(45)
    const add = jit((x: NdArray, y: NdArray) => x.add(y), { donateArgnums: -1 })
    const [a, b] = [np.ones([2]), np.ones([2])]
    expect(add(a, b).toArray()).toEqual([2, 2])
    expect([a.deleted, b.deleted]).toEqual([false, true])
  })
  test('wrong ones are refused', () => {
    const one = np.array(1)
    const f = (x: NdArray, n: number): NdArray => x.mul(n)
    expect(() => jit(f, { staticArgnums: -3 })(one, 1)).toThrow('jit(f): staticArgnums has -3, but the call has 2 arguments')
    expect(() => jit(f, { staticArgnums: 0.5 })(one, 1)).toThrow(
      'jit: staticArgnums is a whole number or a list, each a whole number, and got 0.5',
    )
    expect(() => jit(f, { donateArgnums: [0, -2] })(one, 1)).toThrow('jit(f): donateArgnums has 0 twice')
    expect(() => jit(f, { staticArgnums: 1, donateArgnums: -1 })(one, 1)).toThrow('jit(f): argument 1 is static and donated')
    expect(() => jit(f, { staticArgnums: 0 })(one, 1)).toThrow('jit(f): argument 0 is static and f32[]: only what')
  })
  test('static values are told apart by identity: equal objects trace again, the same one does not', () => {
    let traced = 0
    const f = jit((x: NdArray, o: { readonly k: number }) => (traced++, x.mul(o.k)), { staticArgnums: 1 })
    const own = { k: 2 }
    expect([own, own, { k: 2 }, own].map((o) => f(np.array(1), o).item())).toEqual([2, 2, 2, 2])
    expect(traced).toBe(2)
  })
})
