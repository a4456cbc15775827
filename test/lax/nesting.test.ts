/** Derivatives of loops and branches in one another: a level more costs what is in it, not twice all. */
import { expect, test } from 'vitest'
import { runtime } from '../../src/core/runtime.ts'
import { checkpoint, grad, lax, linearize, makeJaxpr, np, type NdArray } from '../../src/index.ts'

const { counters } = runtime.engine

type Fn = (x: NdArray) => NdArray
const carriers: Readonly<Record<string, (f: Fn) => Fn>> = {
  scan: (f) => (x) => lax.scan((c: NdArray, _: null) => [np.sin(f(c)).mul(x), null] as const, x, null, { length: 2 })[0],
  'a counted loop': (f) => (x) => lax.foriLoop(0, 2, (_i, c) => np.sin(f(c)), x),
  while: (f) => (x) => lax.whileLoop((c) => c.greater(0), (c) => np.sin(f(c)), x),
  cond: (f) => (x) => lax.cond(x.greater(0), (y) => np.sin(f(y)), (y) => y.mul(2), x),
  checkpoint: (f) => checkpoint((x: NdArray) => np.sin(f(x))),
  'all in turn': (f) => (x) => lax.scan((c: NdArray, _: null) => [lax.cond(c.greater(0), checkpoint((y: NdArray) => np.sin(f(y))), np.cos, c), null] as const, x, null, { length: 2 })[0],
} // prettier-ignore
const nested = (how: (f: Fn) => Fn, n: number): Fn => (n === 0 ? (x) => x.mul(x) : how(nested(how, n - 1)))

test.each(Object.entries(carriers))('%s', (name, how) => {
  const derivative = name === 'while' ? (f: Fn) => (x: NdArray) => linearize(f, x)[1](x) : (f: Fn) => grad(f)
  const divided = [2, 3, 4, 5, 6, 7, 8].map((n) => {
    const before = counters.divided
    makeJaxpr(derivative(nested(how, n)))(np.array(0.5))
    return counters.divided - before
  })
  const steps = divided.slice(1).map((count, i) => count - divided[i]!)
  // A scan's transpose divides once more what is in it: steps that grow by so many, each level's own.
  const growth = steps.slice(1).map((step, i) => step - steps[i]!)
  expect(Math.max(...growth), divided.join()).toBeLessThanOrEqual(name === 'all in turn' ? 9 : 1)
  expect(new Set(growth).size, divided.join()).toBe(1)
})
