/** Sorts, prefixes and scatters inside loops, branches and donating calls: their scratch and operands share the program's memory. */
import { expect, test } from 'vitest'
import { jit, lax, np, type NdArray } from '../../src/index.ts'
import { random } from './random.ts'

const noise = (n: number): Float32Array => {
  const draw = random(n)
  return Float32Array.from({ length: n }, draw)
}
const list = (x: NdArray): number[] => [...x.toTyped()]

test.each([7, 128, 129, 3000])('a scan that sorts, adds up and scatters, of length %d', (n) => {
  const [x, shifts] = [noise(n), [1, 2, 3, 4]]
  const step = (carry: NdArray, by: NdArray): [NdArray, NdArray] => {
    const order = np.argsort(carry)
    const next = np
      .sort(carry)
      .at(order)
      .add(np.cumsum(np.mul(carry, 0.5)))
    return [np.add(next, by), np.max(next)]
  }
  const all = jit((x: NdArray, by: NdArray) => lax.scan(step, x, by))
  const [last, maxima] = all(np.array(x), np.array(shifts))
  let carry = np.array(x)
  const seen: number[] = []
  for (const by of shifts) {
    const [next, max] = jit(step)(carry, np.array(by))
    seen.push(max.item())
    carry = next
  }
  expect(list(last)).toEqual(list(carry))
  expect(list(maxima)).toEqual(seen)
})

test('a branch sorts and another adds up', () => {
  const f = jit((p: NdArray, x: NdArray) =>
    lax.cond(
      p,
      (y: NdArray) => np.sort(y),
      (y: NdArray) => np.cumsum(y),
      x,
    ),
  )
  const x = np.array(noise(500))
  expect(list(f(np.array(true), x))).toEqual(list(np.sort(x)))
  expect(list(f(np.array(false), x))).toEqual(list(np.cumsum(x)))
})

test('a while loop sorts its carry in steps', () => {
  const x = noise(300)
  const sorted = jit((x: NdArray) =>
    lax.whileLoop(
      ({ i }: { i: NdArray; y: NdArray }) => np.less(i, 3),
      ({ i, y }) => ({ i: np.add(i, 1), y: np.neg(np.sort(y)) }),
      { i: np.astype(0, 'int32'), y: x },
    ),
  )(np.array(x))
  expect(list(sorted.y)).toEqual(Array.from(x.toSorted(), (v) => -v))
})

test('a donated operand gives its memory', () => {
  const x = noise(1000)
  const at = np.array(Int32Array.from({ length: 50 }, (_, i) => (i * 37) % 40))
  for (const f of [np.sort, np.cumsum, (y: NdArray) => y.at(at).add(1), (y: NdArray) => lax.sort([y, np.neg(y)])[1]!]) {
    const kept = jit((y: NdArray) => f(np.mul(y, 1)))(np.array(x))
    expect(list(jit((y: NdArray) => f(y), { donateArgnums: 0 })(np.array(x)))).toEqual(list(kept))
  }
})

test('an operand twice, an axis that is not last, and nothing at all', () => {
  const x = np.reshape(np.array(noise(600)), [2, 150, 2])
  const [a, b] = lax.sort([x, x], { dimension: 1 })
  expect(list(a!)).toEqual(list(b!))
  expect(list(a!)).toEqual(list(np.sort(x, { axis: 1 })))
  for (const empty of [[0], [0, 3], [3, 0]]) {
    expect(np.sort(np.zeros(empty)).shape).toEqual(empty)
    expect(np.cumsum(np.zeros(empty), { axis: 0 }).shape).toEqual(empty)
  }
  expect(
    list(
      np
        .zeros([3])
        .at(np.zeros([0], 'int32'))
        .add(np.zeros([0])),
    ),
  ).toEqual([0, 0, 0])
})
