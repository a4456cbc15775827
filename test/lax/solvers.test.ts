/** Solutions with the derivatives of what they solve. */
import { describe, expect, test } from 'vitest'
import { grad, hessian, jit, jvp, lax, type NdArray, np, vmap } from '../../src/index.ts'
import { checkGrads } from '../../src/testing/index.ts'

const near = (got: NdArray, expected: readonly number[], digits = 4): void =>
  got.toTyped().forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, digits))

/** x - x f(x)/f'(x), until it stays. */
const newton = (f: (x: NdArray) => NdArray, start: NdArray): NdArray =>
  lax.whileLoop(
    ([x, last]) => np.logicalAnd(np.abs(np.sub(x, last)).greater(1e-7), np.isfinite(x)),
    ([x]) => [np.sub(x, np.div(f(x), jvp(f, [x], [np.ones([])])[1])), x] as const,
    [start, np.add(start, 1)] as const,
  )[0]
const scalarSolve = (g: (v: NdArray) => NdArray, y: NdArray): NdArray => np.div(y, g(np.ones([])))

describe('customRoot', () => {
  // x³ + x = a
  const root = (a: NdArray): NdArray =>
    lax.customRoot((x: NdArray) => np.sub(np.add(np.power(x, 3), x), a), np.array(1), newton, scalarSolve)
  const slope = (x: number): number => 1 / (3 * x * x + 1)
  test('the derivative is that of the equation, in every mode', () => {
    near(root(np.array(10)), [2], 5)
    near(grad(root)(np.array(10)), [slope(2)])
    near(jvp(root, [np.array(10)], [np.array(1)])[1], [slope(2)])
    near(jit(grad(root))(np.array(2)), [slope(1)])
    near(vmap(grad(root))(np.array([2, 10])), [slope(1), slope(2)])
    near(grad((a: NdArray) => np.sum(vmap(root)(a)))(np.array([2, 10])), [slope(1), slope(2)])
    near(hessian(root)(np.array(10)), [-12 / 13 ** 3])
  })
  test('of trees, with an iterative solve of the tangents: the fixed point of a contraction', () => {
    // {u, v} = {cos(w v) / 2, sin(u) / 2 + w / 4}
    interface Pair {
      readonly u: NdArray
      readonly v: NdArray
    }
    const map = (w: NdArray, { u, v }: Pair): Pair => ({
      u: np.mul(np.cos(np.mul(w, v)), 0.5),
      v: np.add(np.mul(np.sin(u), 0.5), w.mul(0.25)),
    })
    const iterate = (f: (p: Pair) => Pair, from: Pair): Pair => lax.foriLoop(0, 60, (_i, p) => f(p), from)
    const sub = (p: Pair, q: Pair): Pair => ({ u: np.sub(p.u, q.u), v: np.sub(p.v, q.v) })
    const solve = (w: NdArray): NdArray => {
      const start = { u: np.zerosLike(w), v: np.zerosLike(w) }
      // g(d) = y with g = J - 1, so that d = J d - y.
      const p = lax.customRoot((q: Pair) => sub(map(w, q), q), start, (f, from) => iterate((q) => ({ u: q.u.add(f(q).u), v: q.v.add(f(q).v) }), from), (g, y) => lax.customLinearSolve(g, y, (h, b) => iterate((d) => ({ u: d.u.add(h(d).u).sub(b.u), v: d.v.add(h(d).v).sub(b.v) }), start), { transposeSolve: (h, b) => iterate((d) => ({ u: d.u.add(h(d).u).sub(b.u), v: d.v.add(h(d).v).sub(b.v) }), start) })) // prettier-ignore
      return np.add(p.u, np.mul(p.v, w))
    }
    checkGrads((w) => solve(w!), [np.array(0.7)])
    checkGrads((w) => vmap(grad(solve))(w!), [np.array([0.7, -0.2])])
  })
  test('refusals', () => {
    expect(() => lax.customRoot((x: NdArray) => [x] as never, np.array(1), newton, scalarSolve)).toThrow(
      /customRoot\(.*\): a tree like the one/,
    )
    expect(() => lax.customRoot((x: NdArray) => x, np.array(1), () => np.ones([2]), scalarSolve)).toThrow(/solve of customRoot.*\(f32\[2\]\) came back and \(f32\[\]\) went in/) // prettier-ignore
    expect(() => lax.customRoot((x: NdArray) => x, np.array(1, { dtype: 'int32' }), newton, scalarSolve)).toThrow(/unknowns must be floats/)
    expect(() => lax.customRoot((x: NdArray) => x, np.array(1), null as never, scalarSolve)).toThrow(/solve of .* needs a function/)
  })
})

describe('customLinearSolve', () => {
  const A = np.array([
    [4, 1, 0],
    [0.5, 3, -1],
    [1, 0, 5],
  ])
  const b = np.array([1, -2, 3])
  /** Jacobi's iteration, for matrices with a heavy diagonal. */
  const jacobi = (f: (x: NdArray) => NdArray, y: NdArray): NdArray => lax.foriLoop(0, 80, (_i, x) => np.sub(x, np.div(np.sub(f(x), y), 4)), np.zerosLike(y)) // prettier-ignore
  const solve = (m: NdArray, y: NdArray): NdArray => lax.customLinearSolve((x) => np.matmul(m, x), y, jacobi, { transposeSolve: jacobi })
  test('it solves, and its derivatives in both the matrix and the right-hand side are right, and theirs', () => {
    near(np.matmul(A, solve(A, b)), [1, -2, 3], 5)
    checkGrads((m, y) => solve(m!, y!), [A, b], { tolerance: 1e-6 })
    checkGrads((m, y) => grad((n: NdArray) => np.sum(np.sin(solve(n, y!))))(m!), [A, b], { tolerance: 1e-5 })
    near(np.matmul(A, jit(solve)(A, b)), [1, -2, 3], 5)
  })
  test('batches of either or both are solved together', () => {
    const As = np.stack([A, np.add(A, np.eye(3))])
    const bs = np.stack([b, b.mul(2)])
    const loop = [0, 1].map((k) => solve(As.slice(k), bs.slice(k)).toArray())
    near(vmap(solve)(As, bs), loop.flat() as number[])
    near(
      vmap(solve, { inAxes: [null, 0] })(A, bs),
      [solve(A, b), solve(A, bs.slice(1))].flatMap((x) => x.toArray() as number[]),
    )
    checkGrads((m, y) => vmap(solve, { inAxes: [0, null] })(m!, y!), [As, b])
  })
  test('symmetric needs no other solver, and without one there is no reverse mode', () => {
    const S = np.add(A, A.transpose())
    const solved = (m: NdArray): NdArray => lax.customLinearSolve((x: NdArray) => np.matmul(np.add(m, m.transpose()), x), b.astype(m.dtype), (f, y) => lax.foriLoop(0, 80, (_i, x) => np.sub(x, np.div(np.sub(f(x), y), 8)), np.zerosLike(y)), { symmetric: true }) // prettier-ignore
    near(np.matmul(S, solved(A)), [1, -2, 3], 4)
    checkGrads((m) => solved(m!), [A])
    const alone = (y: NdArray): NdArray => lax.customLinearSolve((x) => np.matmul(A, x), y, jacobi)
    near(jvp(alone, [b], [b])[1], alone(b).toArray() as number[])
    expect(() => grad((y: NdArray) => np.sum(alone(y)))(b)).toThrow(/no reverse-mode derivative without a solver of the transposed system/)
  })
})
