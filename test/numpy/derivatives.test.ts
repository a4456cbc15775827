/** Derivatives at the points where formulas divide by 0, branches meet or several elements tie: JAX's, or the right ones where JAX's aren't. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type NdArray, grad, hessian, init, jacfwd, jit, np, vjp, vmap } from '../../src/index.ts'
import { HALVES } from '../laws/halves.ts'

await init({ device: 'wasm' })
const i32 = (x: readonly number[]): NdArray => np.array(x, { dtype: 'int32' })
const list = (x: NdArray): number[] => Array.from(x.toTyped())
const cotangents = (f: (x: NdArray, y: NdArray) => NdArray, x: number, y: number): number[] =>
  vjp(f, np.array([x]), np.array([y]))[1](np.ones([1])).map((g) => g.slice(0).item())

describe('powers with integer arrays as exponents', () => {
  const power = (n: number): readonly number[] => [0, 1, 2, 3].map((k) => (k > n ? 0 : [1, n, n * (n - 1), n * (n - 1) * (n - 2)][k]!))
  for (const dtype of ['int32', 'uint32'] as const)
    test(`${dtype}: d^k x^n is n (n-1) … x^(n-k), at 0 too`, () => {
      for (let n = 0; n <= 4; n++)
        for (const x of [0, 2, -1.5]) {
          let f = (y: NdArray): NdArray => np.pow(y, np.array(n, { dtype }))
          for (let k = 0; k < 4; k++) {
            const want = k > n ? 0 : power(n)[k]! * x ** (n - k)
            expect(f(np.array(x)).item(), `n ${n}, k ${k}, x ${x}`).toBeCloseTo(want, 4)
            f = grad(f)
          }
        }
    })
  test('a polynomial, forward and backward, jitted and mapped', () => {
    const poly = (x: NdArray): NdArray => np.sum(np.pow(x, np.arange(3)))
    expect([grad(poly), jacfwd(poly), jit(grad(poly))].map((f) => f(np.array(0)).item())).toEqual([1, 1, 1])
    expect(vmap(grad(poly))(np.array([0, 1])).toArray()).toEqual([1, 3])
    expect(grad((x: NdArray) => np.pow(x, i32([0, 1, 2, -1])).sum())(np.zeros([4])).toArray()).toEqual([0, 1, 0, -Infinity])
    expect(cotangents(np.pow, 0, 2)).toEqual([0, 0])
    expect(np.pow(np.full([4], -2), i32([0, 1, 2, -1])).toArray()).toEqual([1, -2, 4, -0.5])
  })
})

describe('equal updates of one place', () => {
  const at0 = (n: number): NdArray => np.zeros([n], 'int32')
  const of = (how: 'max' | 'min', n: number, x0: number, dtype: 'float32' | 'float16' | 'bfloat16' = 'float32'): number[][] =>
    grad((x: NdArray, u: NdArray) => np.at(x, at0(n))[how](u).sum(), { argnums: [0, 1] })(
      np.array([x0, 2], { dtype }),
      np.full([n], 5, dtype),
    ).map(list)
  test.each(['max', 'min'] as const)('%s: they and the element share the gradient evenly', (how) => {
    const less = how === 'max' ? 1 : 7
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (n) => {
        const [dx, du] = of(how, n, less) as [number[], number[]]
        expect(dx).toEqual([0, 1])
        for (const d of du) expect(d).toBeCloseTo(1 / n, 6)
        const [ex, eu] = of(how, n, 5) as [number[], number[]]
        for (const d of [ex[0]!, ...eu]) expect(d).toBeCloseTo(1 / (n + 1), 6)
      }),
      { numRuns: 9 },
    )
    for (const half of HALVES) expect(of(how, 3, less, half)[1]![0]!).toBeCloseTo(1 / 3, 2)
  })
  test('in any order, in several places, rows and repeated derivatives', () => {
    const x = np.array([1, 9, 3])
    const u = np.array([5, 9, 5, 2, 5, 9, 3])
    const f = (x: NdArray, u: NdArray): NdArray => np.at(x, i32([0, 1, 0, 0, 0, 1, 2])).max(u)
    expect(f(x, u).toArray()).toEqual([5, 9, 3])
    const [dx, du] = grad(
      (x: NdArray, u: NdArray) =>
        f(x, u)
          .mul(np.array([3, 3, 2]))
          .sum(),
      { argnums: [0, 1] },
    )(x, u)
    const third = (ys: NdArray): number[] => list(ys).map((y) => Math.round(y * 1e5) / 1e5)
    expect([third(dx), third(du)]).toEqual([[0, 1, 1], [1, 1, 1, 0, 1, 1, 1]]) // prettier-ignore
    expect(
      hessian((u: NdArray) => f(x, u).sum())(np.full([7], 9))
        .ravel()
        .toArray(),
    ).toEqual(Array(49).fill(0))
    expect(
      np
        .at(np.array([-Infinity, 1]), i32([0, 0]))
        .max(np.array([-Infinity, -Infinity]))
        .toArray(),
    ).toEqual([-Infinity, 1])
    expect(
      np
        .at(np.array([NaN, 1]), i32([0, 1, 1]))
        .max(np.array([2, NaN, 3]))
        .toArray(),
    ).toEqual([NaN, NaN])
    expect(
      np
        .at(i32([4, 1]), i32([0, 0]))
        .max(i32([7, 7]))
        .toArray(),
    ).toEqual([7, 1])
  })
})

describe('hypot', () => {
  const f = (v: NdArray): NdArray => np.hypot(v.slice(0), v.slice(1))
  test('second derivatives everywhere, also where |x| = |y|', () => {
    const number = fc.oneof(fc.constantFrom(1, -1, 0.5, 3), fc.double({ min: 0.1, max: 10, noNaN: true }))
    fc.assert(
      fc.property(number, number, fc.boolean(), (x, other, tie) => {
        const y = tie ? -x : other
        const r = Math.hypot(x, y)
        const want = [y * y, -x * y, -x * y, x * x].map((v) => v / r ** 3)
        list(hessian(f)(np.array([x, y]))).forEach((h, i) => {
          expect(Math.abs(h - want[i]!)).toBeLessThan(1e-5 / Math.min(1, r))
        })
      }),
      { numRuns: 20 },
    )
  })
  test('first ones as before: JAX’s at 0 and along the axes, and no overflow', () => {
    expect([[0, 0], [0, 3], [-3, 0], [3, 4]].map((v) => grad(f)(np.array(v)).toArray())).toEqual([[0.5, 0.5], [0, 1], [-1, 0], [np.array(0.6).item(), np.array(0.8).item()]]) // prettier-ignore
    expect(f(np.array([3e30, 4e30])).item()).toBeCloseTo(np.array(5e30).item(), -25)
    expect([f(np.array([3e-30, 4e-30])).item() > 0, f(np.array([Infinity, NaN])).item(), f(np.array([1, NaN])).item()]).toEqual([
      true,
      Infinity,
      NaN,
    ])
  })
})

test('floorDivide is flat; of equals fmin and fmax give the gradient to the right one', () => {
  expect([cotangents(np.floorDivide, 1, 0), cotangents(np.floorDivide, 7, 2), cotangents(np.floorDivide, -7, 2)]).toEqual([[0, 0], [0, 0], [0, 0]]) // prettier-ignore
  expect(np.floorDivide(np.array([1, -1, 0, 7, -7]), np.array([0, 0, 0, 2, 2])).toArray()).toEqual([Infinity, -Infinity, NaN, 3, -4])
  expect([cotangents(np.fmin, 1, 1), cotangents(np.fmax, 1, 1)]).toEqual([[0, 1], [0, 1]]) // prettier-ignore
  expect([cotangents(np.fmax, 1, NaN), cotangents(np.fmax, NaN, 1), cotangents(np.fmin, 2, 1)]).toEqual([[1, 0], [0, 1], [0, 1]]) // prettier-ignore
  expect([np.fmax(np.array([1, NaN, NaN]), np.array([NaN, 2, NaN])).toArray(), np.fmin(np.array([1, NaN, 3]), np.array([NaN, 2, 2])).toArray()]).toEqual([[1, 2, NaN], [1, 2, 2]]) // prettier-ignore
})
