/** Examples of derivatives, and experiments: they find what they look for, and nothing else. */
import { expect, test } from 'vitest'
import { fixedPoint, hessianVectorProduct, perExampleGradients } from '../../examples/derivatives.ts'
import { models, search } from '../../examples/experiments/equivariance.ts'
import { hunt, rules } from '../../examples/experiments/planted.ts'
import { grad, hessian, jit, type NdArray, np, vmap } from '../../src/index.ts'
import { checkGrads } from '../../src/testing/index.ts'

const near = (got: NdArray, want: NdArray, digits = 5): void =>
  got.toTyped().forEach((v, i) => expect(v).toBeCloseTo(want.toTyped()[i]!, digits))

test('per-example gradients are the gradients of each example', () => {
  const loss = (p: { readonly w: NdArray; readonly b: NdArray }, x: NdArray, y: NdArray): NdArray => np.square(p.w.dot(x).add(p.b).sub(y))
  const p = { w: np.array([0.5, -1]), b: np.array(0.25) }
  const xs = np.array([[1, 2], [3, -1], [0, 4]]) // prettier-ignore
  const ys = np.array([1, 0, -1])
  const all = jit(perExampleGradients(loss))(p, xs, ys)
  expect([all.w.shape, all.b.shape]).toEqual([[3, 2], [3]])
  for (const i of [0, 1, 2]) {
    const own = grad(loss)(p, xs.slice(i), ys.slice(i))
    near(all.w.slice(i), own.w)
    near(all.b.slice(i), own.b)
  }
})
test('a Hessian-vector product is the Hessian times the vector', () => {
  const f = (x: NdArray): NdArray => np.sum(np.sin(x).mul(np.cumsum(x))).add(np.prod(x))
  const [x, v] = [np.array([0.3, -1, 2]), np.array([1, 0.5, -2])]
  near(jit(hessianVectorProduct as never as (...args: unknown[]) => NdArray, { staticArgnums: 0 })(f, x, v), hessian(f)(x).matmul(v), 4)
})
test('a fixed point has the derivative of its equation, in reverse and in batches', () => {
  // x = cos(a x): the Dottie number for a = 1.
  const solve = (a: NdArray): NdArray => fixedPoint((x) => np.cos(a.mul(x)), np.zerosLike(a), { tolerance: 1e-11 })
  expect(fixedPoint(np.cos, np.array(0)).item()).toBeCloseTo(0.739085, 5)
  const slope = (a: number): number => {
    let x = 0
    for (let i = 0; i < 500; i++) x = Math.cos(a * x)
    return (-Math.sin(a * x) * x) / (1 + a * Math.sin(a * x))
  }
  expect(grad((a: NdArray) => fixedPoint((x) => np.cos(a.mul(x)), np.zerosLike(a)))(np.array(1)).item()).toBeCloseTo(slope(1), 4)
  checkGrads((a: NdArray) => solve(a), [np.array(0.5)])
  near(
    vmap(grad((a: NdArray) => fixedPoint((x) => np.cos(a.mul(x)), np.zerosLike(a))))(np.array([0.5, 1])),
    np.array([slope(0.5), slope(1)]),
    4,
  )
})

test('attention is equivariant without positions or a mask, and the smallest case against the others is found', () => {
  expect(search(models['plain']!, 100).order).toBe(null)
  for (const name of ['causal', 'with positions']) {
    const { order, tokens } = search(models[name]!)
    expect(order).toEqual([1, 0]) // two tokens change places
    expect(tokens!.length).toBe(2)
  }
})
test('the planted fault is caught, where it shows, and the right rule is let be', () => {
  expect(hunt(rules['right']!, 100)).toBe(null)
  const { x, message } = hunt(rules['planted']!)!
  expect(x.some((v) => v < -1)).toBe(true)
  expect(message).toMatch(/⟨t, vjp\(ct\)⟩ is .*, and the difference quotient/)
})
