/** A branch that an example doesn't take adds nothing to its derivatives, though it is singular there: vmap and grad commute over branches. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkpoint, customJvp, grad, hessian, jacfwd, jacrev, jit, jvp, lax, np, type NdArray, vmap } from '../../src/index.ts'

type Fn = (x: NdArray) => NdArray
/** Singular, or not a number, at or beyond 0: each is taken above it only. */
const singular: Readonly<Record<string, Fn>> = {
  sqrt: (x) => np.sqrt(x),
  log: (x) => np.log(x),
  division: (x) => np.div(1, x),
  pow: (x) => np.power(x, 0.5),
  'pow by itself': (x) => np.power(x, x),
  rsqrt: (x) => lax.rsqrt(x),
  acosh: (x) => np.acosh(x.add(1)),
  norm: (x) => np.sqrt(np.sum(np.square(np.stack([x, x.mul(0.5)])))),
  'a loop': (x) => lax.foriLoop(0, 2, (_i, y) => np.sqrt(y), x),
  'a branch in it': (x) => lax.cond(x.greater(1), (y) => np.log(y), (y) => np.sqrt(y), x),
  checkpointed: checkpoint((x: NdArray) => np.log(np.sqrt(x))),
} // prettier-ignore
const at = np.array([-2, -0.5, 0, 0.25, 1, 3])
const points = at.toArray() as number[]

/** Ways to choose between f, where x is above 0, and what is defined everywhere. */
const choices: Readonly<Record<string, (f: Fn) => Fn>> = {
  cond: (f) => (x) => lax.cond(x.greater(0), f, (y) => y.mul(y), x),
  'a closure': (f) => (x) => lax.cond(x.greater(0), () => f(x), () => x.mul(x)),
  switch: (f) => (x) => lax.switch(np.astype(np.sign(x), 'int32').add(1), [(y) => y.mul(3), (y) => y.mul(y), f], x),
  'a scan': (f) => (x) => lax.scan((c: NdArray, _: null) => [lax.cond(x.greater(0), (y) => f(y), (y) => y.mul(0.5), c), null] as const, x, null, { length: 2 })[0],
  'a bounded loop': (f) => (x) => lax.whileLoop(([i, y]) => np.logicalAnd(i.less(1), y.greater(0)), ([i, y]) => [i.add(1), f(y)] as const, [np.array(0), x] as const, { maxSteps: 3 })[1],
} // prettier-ignore
const numbers = (x: NdArray): number[] => [...x.toTyped()]
const sameAs = (given: NdArray | readonly number[], want: readonly number[]): void => {
  const got = given instanceof Array ? given : numbers(given as NdArray)
  expect(got.length).toBe(want.length)
  got.forEach((v, i) => expect(Math.abs(v - want[i]!)).toBeLessThanOrEqual(1e-4 * (1 + Math.abs(want[i]!))))
}
/** Its tangents come of a rule, which a batch batches by itself: branches in linear code. */
const ruled = (f: Fn): Fn => customJvp(f, ([x], [dx]) => jvp(f, [x], [dx]))
const diagonal = (x: NdArray): number[] => (x.toArray() as number[][]).map((row, i) => row[i]!)
const total =
  (f: Fn): Fn =>
  (x) =>
    np.sum(vmap(f)(x))
const finite = (xs: readonly number[]): void => expect(xs.every(Number.isFinite)).toBe(true)

describe('vmap and derivatives commute', () => {
  for (const [choice, choose] of Object.entries(choices))
    for (const [name, f] of Object.entries(singular))
      // twice isn't defined, or is beyond float32
      if (!(choice === 'a scan' && ['log', 'acosh', 'checkpointed', 'a branch in it', 'pow by itself'].includes(name)))
        test(`${choice} of ${name}`, () => {
          const own = choose(f)
          const first = points.map((x) => grad(own)(np.array(x)).item())
          finite(first)
          sameAs(vmap(grad(own))(at), first)
          sameAs(grad(total(own))(at), first)
          sameAs(jit(grad(total(own)))(at), first)
          sameAs(grad(total(ruled(own)))(at), first)
          sameAs(diagonal(jacrev(vmap(own))(at)), first)
          sameAs(diagonal(jacfwd(vmap(own))(at)), first)
          sameAs(jvp(vmap(own), [at], [np.onesLike(at)])[1], first)
          const second = points.map((x) => grad(grad(own))(np.array(x)).item())
          finite(second)
          sameAs(diagonal(hessian(total(own))(at)), second)
          sameAs(diagonal(jacrev(grad(total(own)))(at)), second)
          sameAs(vmap(grad(grad(own)))(at), second)
        })
})

describe('operands that are the same for all examples', () => {
  const picked = np.array([true, false, true])
  test('get nothing from the branches that nobody takes', () => {
    const f = (w: NdArray): NdArray => np.sum(vmap((p: NdArray) => lax.cond(p, (v) => v.mul(2), (v) => np.log(v), w))(np.array([true, true]))) // prettier-ignore
    expect(grad(f)(np.array(0)).item()).toBe(4)
    expect(jacfwd(f)(np.array(0)).item()).toBe(4)
  })
  test('get from each example what it takes, beside operands that are singular for the others', () => {
    const one = (w: NdArray, x: NdArray, p: NdArray): NdArray => lax.cond(p, (v, y) => np.log(v.sub(y)), (v, y) => v.mul(y), w, x) // prettier-ignore
    const all = (w: NdArray, x: NdArray): NdArray => np.sum(vmap(one, { inAxes: [null, 0, 0] })(w, x, picked))
    const x = np.array([1, 2, 0])
    const [dw, dx] = grad(all, { argnums: [0, 1] })(np.array(2), x)
    expect(dw.item()).toBeCloseTo(1 + 2 + 0.5, 6)
    sameAs(dx, [-1, 2, -0.5])
    const row = vmap(vmap(one, { inAxes: [null, 0, 0] }), { inAxes: [0, null, null] })
    const twice = grad((w: NdArray) => np.sum(row(w, x, picked)))(np.array([2, 3]))
    sameAs(twice, [3.5, 0.5 + 2 + 1 / 3])
  })
  test('of matrices', () => {
    const w = np.array([[1, 0], [0, 2]]) // prettier-ignore
    const f = (w: NdArray): NdArray => np.sum(vmap((p: NdArray, y: NdArray) => lax.cond(p, (y) => w.matmul(y), (y) => np.sqrt(w).matmul(y), y))(np.array([true, true]), np.array([[1, 2], [3, 4]]))) // prettier-ignore
    expect(grad(f)(w).toArray()).toEqual([[4, 6], [4, 6]]) // prettier-ignore
  })
})

test('random choices of random branches', () => {
  const names = Object.keys(singular).filter((name) => name !== 'norm')
  const branch = fc.constantFrom(...names).map((name): readonly [string, Fn] => [name, singular[name]!])
  fc.assert(
    fc.property(fc.array(branch, { minLength: 1, maxLength: 3 }), fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 4 }), (branches, xs) => {
      // the singular ones are for what is above 0, by the place of its first decimal
      const one = (x: NdArray): NdArray => {
        const k = np.mod(np.floor(x.mul(10)), branches.length).add(1)
        return lax.switch(np.astype(np.where(x.greater(1e-3), k, 0), 'int32'), [(y) => y.mul(y), ...branches.map(([, f]) => f)], x)
      }
      const values = np.array(xs)
      sameAs(grad(total(one))(values), xs.map((x) => grad(one)(np.array(x)).item()))
      sameAs(grad(total(one))(values), numbers(vmap(grad(one))(values)))
    }),
    { numRuns: 10 },
  )
}) // prettier-ignore
