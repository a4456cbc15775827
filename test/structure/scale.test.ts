/** Long programs: nothing recurses over their equations, and what they take grows in proportion to them. */
import { expect, test } from 'vitest'
import { grad, jit, type NdArray, np } from '../../src/index.ts'

const chain =
  (n: number) =>
  (x: NdArray): NdArray => {
    for (let i = 0; i < n; i++) x = np.sin(np.add(x, i))
    return x
  }
const value = (n: number, x: number): number => {
  for (let i = 0; i < n; i++) x = Math.sin(x + i)
  return x
}

test('20,000 element-wise equations in a row compile and run', () => {
  const y = jit(chain(10_000))(np.array([0.5, 1, 2], { dtype: 'float64' })).toTyped()
  ;[0.5, 1, 2].forEach((x, i) => expect(y[i]).toBeCloseTo(value(10_000, x), 6)) // errors of 1 ulp don't grow: |sin'| <= 1
})

test('the gradient of 4,000 equations in a row compiles and runs', () => {
  const gentle = (x: NdArray): NdArray => {
    for (let i = 0; i < 2000; i++) x = np.add(np.mul(x, 1 + 1e-4), np.mul(np.square(x), 1e-9))
    return np.sum(x)
  }
  let [x, slope] = [1, 1]
  for (let i = 0; i < 2000; i++) {
    slope *= 1 + 1e-4 + 2e-9 * x
    x = x * (1 + 1e-4) + x * x * 1e-9
  }
  const g = jit(grad(gentle))(np.array([1], { dtype: 'float64' })).toTyped()
  expect(g[0]).toBeCloseTo(slope, 9)
})

test('1,000 views in a row, and 300 contractions, compile and run', () => {
  const views = jit((x: NdArray) => {
    for (let i = 0; i < 500; i++) x = np.transpose(np.reshape(x, [i % 2 === 0 ? 3 : 2, i % 2 === 0 ? 2 : 3]))
    return x
  })
  const x = np.array([1, 2, 3, 4, 5, 6])
  let flat = [1, 2, 3, 4, 5, 6]
  for (let i = 0; i < 500; i++) {
    const [m, n] = i % 2 === 0 ? [3, 2] : [2, 3]
    flat = Array.from({ length: 6 }, (_, at) => flat[(at % m) * n + Math.floor(at / m)]!)
  }
  expect(Array.from(views(x).toTyped())).toEqual(flat)
  const products = jit((a: NdArray) => {
    let y = a
    for (let i = 0; i < 300; i++) y = np.matmul(y, a)
    return y
  })
  const turn = np.array([0, 1, -1, 0]).reshape(2, 2) // a quarter
  expect(products(turn).toArray()).toEqual([
    [0, 1],
    [-1, 0],
  ])
})
