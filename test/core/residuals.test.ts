/** What a custom forward rule saves is its own call's, whatever other calls of the same function save. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkpoint, customVjp, grad, jit, lax, np, type NdArray, vjp, vmap } from '../../src/index.ts'

type Saved = { readonly many: readonly NdArray[]; readonly few: NdArray | null; readonly none?: undefined } | readonly NdArray[]
/** x² whose residuals are a tree of another form for each length, and whose backward rule tells which by a factor: 10 to the length. */
const square = customVjp(
  (x: NdArray) => np.sum(np.square(x)),
  (x: NdArray): readonly [NdArray, Saved] => {
    const out = np.sum(np.square(x))
    if (x.size === 1) return [out, [x]]
    return [out, x.size % 2 === 0 ? { many: Array.from({ length: x.size }, () => x), few: null } : { many: [], few: x }]
  },
  (saved, ct) => {
    if (!('many' in saved)) return [saved[0]!.mul(20).mul(ct)]
    const x = saved.few ?? saved.many[0]!
    if (saved.few === null) expect(saved.many.length).toBe(x.size)
    return [x.mul(2 * 10 ** x.size).mul(ct)]
  },
)
const ofSize = (n: number): NdArray => np.arange(1, n + 1, 1, { dtype: 'float32' })
const right = (n: number): number[] => Array.from({ length: n }, (_, i) => 2 * (i + 1) * 10 ** n)
const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 })
const runs = { numRuns: 10 }

describe('residuals of one customVjp called with several lengths', () => {
  const total = (xs: readonly NdArray[]): NdArray => xs.reduce((sum, x) => sum.add(square(x)), np.array(0))
  const gives = (gradient: (xs: readonly NdArray[]) => readonly NdArray[]): void =>
    fc.assert(
      fc.property(sizes, (ns) => {
        const given = gradient(ns.map(ofSize))
        given.forEach((g, i) => expect(g.toArray()).toEqual(right(ns[i]!)))
      }),
      runs,
    )
  test('in one trace', () => gives(grad(total)))
  test('jitted, inside and outside', () => gives(jit(grad((xs) => total(xs.map((x) => jit((y: NdArray) => y)(x)))))))
  test('checkpointed', () => gives(grad(checkpoint(total))))
  test('in branches', () => gives(grad((xs) => lax.cond(np.array(true), total, (ys) => total(ys).mul(3), xs))))
  test('in a scan', () =>
    gives(grad((xs) => lax.scan((c: NdArray, _: null) => [c.add(total(xs)), null] as const, np.array(0), null, { length: 1 })[0])))
  test('over batches', () => {
    const wide = grad((xs: readonly NdArray[]) => np.sum(vmap(total)(xs)))
    gives((xs) => wide(xs.map((x) => np.stack([x, x]))).map((g) => g.at(1).get()))
    gives((xs) => vmap(grad(total))(xs.map((x) => np.stack([x, x]))).map((g) => g.at(1).get()))
  })
  test('pulled in any order', () =>
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.integer({ min: 0, max: 4 })), (ns, order) => {
        const pulls = ns.map((n) => vjp(square, ofSize(n))[1])
        for (const k of Array.from({ length: 6 }, () => order.next().value % ns.length))
          expect(pulls[k]!(np.array(1))[0].toArray()).toEqual(right(ns[k]!))
      }),
      runs,
    ))
})

test('residuals that differ by what is perturbed', () => {
  const product = customVjp(
    (x: NdArray, y: NdArray) => x.mul(y),
    (x, y): readonly [NdArray, readonly NdArray[]] => [x.value.mul(y.value), y.perturbed ? [x.value, y.value] : [y.value]],
    (saved, ct) => (saved.length === 2 ? [ct!.mul(saved[1]!), ct!.mul(saved[0]!)] : [ct!.mul(saved[0]!), null]),
    { symbolicZeros: true },
  )
  expect(grad((x: NdArray) => product(x, np.array(3)).add(product(x, x)))(np.array(2)).item()).toBe(7)
  expect(grad((x: NdArray) => product(x, x).add(product(x, np.array(3))))(np.array(2)).item()).toBe(7)
})

test('null and undefined among residuals come back as they were', () => {
  const seen: unknown[] = []
  const f = customVjp(
    (x: NdArray, tag: null | undefined) => x.mul(tag === null ? 1 : 2),
    (x, tag) => [x.mul(tag === null ? 1 : 2), { tag }] as const,
    ({ tag }, ct) => (seen.push(tag), [ct, null]),
  )
  grad((x: NdArray) => f(x, null).add(f(x, undefined)))(np.array(1))
  expect(seen).toEqual([undefined, null])
})

test('residuals that differ by the value of what is not differentiated', () => {
  const powers = customVjp(
    (x: NdArray, n: number) => np.power(x, n),
    (x, n) => [np.power(x, n), Array.from({ length: n }, () => x)] as const,
    (n, saved, ct) => (expect(saved.length).toBe(n), [saved[0]!.mul(ct).mul(n)]),
    { nondiffArgnums: [1] },
  )
  expect(grad((x: NdArray) => powers(x, 3).add(powers(x, 1)).add(powers(x, 2)))(np.array(5)).item()).toBe(30)
  const [, pull] = vjp((x: NdArray) => powers(x, 3), np.array(5))
  vjp((x: NdArray) => powers(x, 2), np.array(5))
  expect(pull(np.array(1))[0].item()).toBe(15)
})

test('a backward rule that differentiates the same function itself', () => {
  const inner = (x: NdArray): NdArray => grad(square)(x)
  const outer = (x: NdArray): NdArray => square(x).add(np.sum(inner(np.stack([x.at(0).get(), x.at(0).get()]))))
  // the second derivative is the backward rule's: 2 · 10²
  expect(grad(outer)(ofSize(3)).toArray()).toEqual([2000 + 400, 4000, 6000])
})
