import { describe, expect, test } from 'vitest'
import { customJvp, customVjp, grad, hessian, jit, jvp, makeJaxpr, type NdArray, np, valueAndGrad, vjp, vmap } from '../../src/index.ts'

const x = np.array([0.5, -2, 3])
const doubled = np.array([2, 2, 2]) // closed over by the rule
const sine = customJvp(
  (y: NdArray) => np.sin(y),
  ([y], [dy]) => [np.sin(y), np.mul(np.mul(dy, np.cos(y)), doubled)], // twice the derivative, so that it shows
)
const clipped = customVjp(
  (y: NdArray, bound: NdArray) => np.mul(y, bound),
  (y: NdArray, bound: NdArray) => [np.mul(y, bound), { bound }] as const,
  ({ bound }, ct) => [np.clip(np.mul(ct, bound), -1, 1), null],
)
const total = (f: (y: NdArray) => NdArray) => (y: NdArray) => np.sum(f(y))
const near = (a: NdArray, b: readonly number[]): void => a.toTyped().forEach((v, i) => expect(v).toBeCloseTo(b[i]!, 5))
const cosines = [0.5, -2, 3].map((v) => 2 * Math.cos(v))

describe('customJvp', () => {
  test('its rule is the derivative, forward, reverse, jitted, and batched in either order', () => {
    near(sine(x), [0.5, -2, 3].map(Math.sin))
    near(jvp(sine, [x], [np.ones([3])])[1], cosines)
    near(grad(total(sine))(x), cosines)
    near(jit(grad(total(jit(sine))))(x), cosines)
    const each = customJvp(
      (y: NdArray) => np.sin(y),
      ([y], [dy]) => [np.sin(y), np.mul(np.mul(dy, np.cos(y)), 2)],
    )
    near(vmap(grad(each))(x), cosines)
    near(grad(total(vmap(each)))(x), cosines)
    near(grad(total(vmap(vmap(each))))(np.reshape(x, [3, 1])), cosines)
  })
  test('its rule is differentiated in turn', () =>
    near(
      np.sum(hessian(total(sine))(x), { axis: 0 }),
      [0.5, -2, 3].map((v) => -2 * Math.sin(v)),
    ))
  test('a jaxpr shows the function, and the rule by number', () =>
    expect(String(makeJaxpr(sine)(x))).toMatch(/custom_jvp\[jaxpr=\{ lambda/))
  test('wrong rules and values closed over are refused', () => {
    const wrong = customJvp(
      (y: NdArray) => np.sin(y),
      ([y]) => [np.sin(y), np.ones([2])],
    )
    expect(() => grad(total(wrong))(x)).toThrow(/rule of customJvp\(.*\), for tangents, gave \(f32\[2\]\), and \(f32\[3\]\) was expected/)
    const tree = customJvp(
      (y: NdArray) => np.sin(y),
      ([y], [dy]) => [[np.sin(y)], dy] as never,
    )
    expect(() => grad(total(tree))(x)).toThrow(/the trees differ at the root/)
    const closing = (y: NdArray): NdArray =>
      customJvp(
        (z: NdArray) => np.mul(z, y),
        ([z], [dz]) => [np.mul(z, y), dz],
      )(np.ones([3]))
    expect(() => grad(total(closing))(x)).toThrow(/closes over a value that is being differentiated/)
  })
})

describe('customVjp', () => {
  const f = (y: NdArray): NdArray => clipped(y, np.array([0.5, 5, -7]))
  test('its rule is the transpose, jitted and batched in either order', () => {
    near(f(x), [0.25, -10, -21])
    near(grad(total(f))(x), [0.5, 1, -1])
    near(jit(grad(total(f)))(x), [0.5, 1, -1])
    near(vjp(f, x)[1](np.array([1, 0.1, 0]))[0], [0.5, 0.5, 0])
    const rows = np.stack([x, x])
    near(vmap(grad(total(f)))(rows), [0.5, 1, -1, 0.5, 1, -1])
    near(grad(total(vmap(f)))(rows), [0.5, 1, -1, 0.5, 1, -1])
    const [value, g] = jit(valueAndGrad(total(vmap(f))))(rows)
    expect(value.item()).toBeCloseTo(-61.5, 4)
    near(g, [0.5, 1, -1, 0.5, 1, -1])
  })
  test('forward mode is refused', () => expect(() => jvp(f, [x], [x])).toThrow(/reverse mode only/))
  test('a rule that misses an argument is refused', () => {
    const wrong = customVjp(
      (y: NdArray, z: NdArray) => np.mul(y, z),
      (y: NdArray, z: NdArray) => [np.mul(y, z), [y, z]] as const,
      ((_r: unknown, ct: NdArray) => [ct]) as never,
    )
    expect(() => grad((y: NdArray) => np.sum(wrong(y, y)))(x)).toThrow(/a list with a cotangent, or null, for each of the 2 arguments/)
  })
})
