/** Masks of weight decay. */
import { expect, test } from 'vitest'
import { CotangentError, jit, type NdArray, np, tree } from '../../src/index.ts'
import * as optim from '../../src/optim/index.ts'

const ones = { a: np.array([1]), b: [np.array([1]), np.array([1])], c: null }
type Params = typeof ones
/** Which leaves decayed, in order. */
const decayed = (mask: unknown, update = (o: optim.Optimizer, p: Params) => o.update(p, o.init(p), p)[0]): boolean[] => {
  const updates = update(optim.adamw({ lr: 0.5, weightDecay: 1, mask }), ones)
  return (tree.leaves(updates) as NdArray[]).map((u) => Math.abs(u.item() + 1) < 1e-6)
}
const [yes, no] = [np.array(true), np.array(false)]

test('booleans, bool arrays, trees of either, one for a branch, or a function that gives them', () => {
  const jitted = (o: optim.Optimizer, p: Params): Params => jit((q: Params) => o.update(q, o.init(q), q)[0])(p)
  for (const update of [undefined, jitted]) {
    for (const [t, f] of [[true, false], [yes, no], [true, no]]) {
      expect(decayed({ a: t, b: [f, t], c: null }, update)).toEqual([true, false, true])
      expect(decayed({ a: f, b: t, c: undefined }, update)).toEqual([false, true, true])
      expect(decayed({ a: t, b: f, c: t }, update)).toEqual([true, false, false])
      expect(decayed(f, update)).toEqual([false, false, false])
      expect(decayed(() => ({ a: t, b: f, c: null }), update)).toEqual([true, false, false])
    } // prettier-ignore
    expect(decayed((p: Params) => tree.map((x) => np.greater(np.sum(x), 2), p), update)).toEqual([false, false, false])
    for (const all of [undefined, null, true, yes]) expect(decayed(all, update)).toEqual([true, true, true])
  }
})

test('registered nodes are masked as other trees are', () => {
  class Pair {
    readonly a: unknown
    readonly b: unknown
    constructor(a: unknown, b: unknown) {
      ;[this.a, this.b] = [a, b]
    }
  }
  tree.registerNode(
    Pair,
    (p) => [[p.a, p.b], null],
    (_, [a, b]) => new Pair(a, b),
  )
  const params = [new Pair(np.array([1]), np.array([1]))]
  const sizes = (mask: unknown): string => {
    const o = optim.adamw({ lr: 0.5, weightDecay: 1, mask })
    return String((tree.leaves(o.update(params, o.init(params), params)[0]) as NdArray[]).map((u) => Math.round(u.item() * -10)))
  }
  expect(sizes([new Pair(true, np.array(false))])).toBe('10,5')
  expect(sizes((p: typeof params) => tree.map((x) => x.ndim > 1, p))).toBe('5,5')
  expect(sizes([true])).toBe('10,10')
  expect(() => sizes([new Pair(true, 1)])).toThrow(/mask\[0\]\[1\] is true, false/)
  expect(() => sizes([[true, true]])).toThrow(/mask\[0\]: not a prefix/)
})

test('anything else is refused by its path', () => {
  const all = { a: true, b: [true, true], c: null }
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ ...all, a: 1 }, /mask\.a is true, false or a bool array/],
    [{ ...all, a: 'yes' }, /mask\.a is/],
    [{ ...all, a: () => true }, /mask\.a is/],
    [{ ...all, b: [true, np.array(1)] }, /mask\.b\[1\] is/],
    [{ ...all, a: np.array([true]) }, /mask\.a is/],
    [{ ...all, a: null }, /mask\.a/],
    [{ ...all, a: [true] }, /mask\.a/],
    [{ ...all, b: [true] }, /mask\.b: 1 are given for 2/],
    [{ ...all, d: true }, /mask\.d: no such value/],
    [{ a: true, c: null }, /mask\.b: missing/],
    [[true], /mask/],
    [0, /mask is/],
    [() => 1, /mask is/],
  ]
  for (const [mask, message] of wrong) {
    expect(() => decayed(mask)).toThrow(CotangentError)
    expect(() => decayed(mask)).toThrow(message)
    expect(() => decayed(mask)).toThrow(/optim\.adamw\.update/)
  }
})

test('no decay leaves updates alone, infinite parameters too', () => {
  const [params, grads] = [[np.array([Infinity])], [np.array([1])]]
  const o = optim.adamw({ lr: 1, weightDecay: 0 })
  expect(o.update(grads, o.init(params), params)[0][0]!.item()).toBeCloseTo(-1, 6)
})
