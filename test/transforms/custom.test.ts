import { describe, expect, test } from 'vitest'
import { checkGrads } from '../../src/testing/index.ts'
import {
  closureConvert,
  customJvp,
  customVjp,
  customVmap,
  grad,
  hessian,
  jit,
  jvp,
  linearTranspose,
  makeJaxpr,
  type NdArray,
  np,
  valueAndGrad,
  vjp,
  vmap,
  checkpoint,
  lax,
} from '../../src/index.ts'

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

describe('arguments that are no arrays', () => {
  const scaled = customJvp(
    (f: (y: NdArray) => NdArray, y: NdArray, by: number) => np.mul(f(y), by),
    (f, by, [y], [dy]) => [np.mul(f(y), by), np.mul(dy, by * 10)],
    { nondiffArgnums: [0, 2] },
  )
  const power = customVjp(
    (y: NdArray, n: 2 | 3) => np.power(y, n),
    (y, n) => [np.power(y, n), y] as const,
    (n, y, ct) => [np.mul(ct, np.mul(n * 100, y))],
    { nondiffArgnums: [1] },
  )
  test('rules get their values, each value its own', () => {
    const slope = (by: number): number => grad((y: NdArray) => scaled(np.sin, y, by))(np.array(1)).item()
    expect([slope(2), slope(3), slope(2)]).toEqual([20, 30, 20])
    expect(scaled(np.exp, np.array(0), 3).item()).toBe(3)
    expect(grad((y: NdArray) => np.sum(power(y, 2)))(np.array([1, 2])).toArray()).toEqual([200, 400])
    expect(vmap(grad((y: NdArray) => power(y, 3)))(np.array([1, 2])).toArray()).toEqual([300, 600])
  })
  test('arrays and positions that are not there are refused', () => {
    const wrong = customJvp((y: NdArray, z: NdArray) => np.mul(y, z), (z, [y], [dy]) => [np.mul(y, z), dy], { nondiffArgnums: [1] }) // prettier-ignore
    expect(() => wrong(x, x)).toThrow(/argument 1 is in nondiffArgnums, and is an array/)
    const far = customJvp((y: NdArray) => y, (([y]: [NdArray], [dy]: [NdArray]) => [y, dy]) as never, { nondiffArgnums: [3] }) // prettier-ignore
    expect(() => far(x)).toThrow(/nondiffArgnums has 3, but the call has 1 arguments/)
  })
})

describe('symbolic zeros', () => {
  const seen: unknown[] = []
  const product = customJvp(
    (y: NdArray, z: NdArray) => [np.mul(y, z), np.add(y, 1)] as const,
    ([y, z], [dy, dz]) => {
      seen.push([dy !== null, dz !== null])
      const terms = [dy && np.mul(dy, z), dz && np.mul(dz, y)].filter((t) => t !== null)
      return [
        [np.mul(y, z), np.add(y, 1)],
        [terms.reduce((a, b) => np.add(a, b)), dy],
      ] as const
    },
    { symbolicZeros: true },
  )
  test('a rule for tangents is told which are there, and may answer so', () => {
    seen.length = 0
    expect(grad((y: NdArray) => product(y, x)[0].sum())(x).toArray()).toEqual(x.toArray())
    expect(grad((z: NdArray) => np.sum(vmap((a: NdArray, b: NdArray) => product(a, b)[0])(x, z)))(x).toArray()).toEqual(x.toArray())
    expect(grad((z: NdArray) => product(x, z)[1].sum())(x).toArray()).toEqual([0, 0, 0])
    expect(seen).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ])
  })
  test('a rule for reverse mode is told what is differentiated, and which cotangents are zero', () => {
    const told: unknown[] = []
    const both = customVjp(
      (p: { readonly a: NdArray; readonly b: NdArray }) => [np.mul(p.a, p.b), np.sin(p.a)] as const,
      (p) => {
        told.push([p.a.perturbed, p.b.perturbed])
        return [[np.mul(p.a.value, p.b.value), np.sin(p.a.value)], { a: p.a.value, b: p.b.value }] as const
      },
      ({ a, b }, [first, second]) => {
        told.push([first !== null, second !== null])
        return [{ a: first && np.mul(first, b), b: first && np.mul(first, a) }]
      },
      { symbolicZeros: true },
    )
    expect(grad((a: NdArray) => both({ a, b: x })[0].sum())(x).toArray()).toEqual(x.toArray())
    expect(told).toEqual([
      [true, false],
      [true, false],
    ])
  })
})

describe('customVmap', () => {
  const calls: unknown[] = []
  const f = customVmap(
    (p: { readonly w: NdArray }, y: NdArray) => np.sum(np.mul(p.w, y)),
    (size, [{ w }, y], p, z) => {
      calls.push([size, w, y, p.w.shape, z.shape])
      return [np.full([size], 7), true]
    },
  )
  const w = np.array([1, 2])
  const ys = np.array([
    [1, 0],
    [0, 1],
    [1, 1],
  ])
  test('a batch is what its rule says, jitted too, and one example what the function says', () => {
    calls.length = 0
    expect(f({ w }, w).item()).toBe(5)
    expect(vmap(f, { inAxes: [null, 0] })({ w }, ys).toArray()).toEqual([7, 7, 7])
    expect(jit(vmap(f, { inAxes: [null, 1] }))({ w }, ys.transpose()).toArray()).toEqual([7, 7, 7])
    expect(calls).toEqual([
      [3, false, true, [2], [3, 2]],
      [3, false, true, [2], [3, 2]],
    ])
  })
  test('it is differentiated: the function in a batch as its equations, the batch as the rule', () => {
    const each = vmap((y: NdArray) => grad((z: NdArray) => f({ w }, z))(y))(ys)
    expect(each.toArray()).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    expect(grad((zs: NdArray) => np.sum(vmap(f, { inAxes: [null, 0] })({ w }, zs)))(ys).toArray()).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ])
    const twice = customVmap((y: NdArray) => np.sin(y), (_n, _b, y) => [np.mul(y, 2), true]) // prettier-ignore
    expect(vmap(vmap(twice))(ys).toArray()).toEqual(ys.mul(2).toArray())
  })
  test('wrong rules and values closed over are refused', () => {
    const shape = customVmap((y: NdArray) => y, (_n, _b, y) => [y, false]) // prettier-ignore
    expect(() => vmap(shape)(ys)).toThrow(/the rule of customVmap\(.*\) gave \(f32\[3,2\]\), and \(f32\[2\]\) was expected/)
    const flags = customVmap((y: NdArray) => [y, y] as const, (_n, _b, y) => [[y, y] as const, [true]]) // prettier-ignore
    expect(() => vmap(flags)(ys)).toThrow(/outBatched: 1 are given for 2 values/)
    const closing = (z: NdArray): NdArray => customVmap((y: NdArray) => np.mul(y, z), (_n, _b, y) => [y, true])(x) // prettier-ignore
    expect(() => vmap(closing)(x)).toThrow(/closes over a value that is being mapped/)
  })
})

test('functions with rules that stand in linear code are transposed as their equations, but one whose backward rule is its own', () => {
  const [at, doubled3] = [np.array([2, 0, 7], { dtype: 'int32' }), (y: NdArray) => np.mul(y, 3)]
  const linear: Readonly<Record<string, (y: NdArray) => NdArray>> = {
    customJvp: customJvp(doubled3, ([y], [dy]) => [doubled3(y), doubled3(dy)]),
    customVmap: customVmap(doubled3, (_n, _b, y) => [doubled3(y), true]),
    'indexing, which stops gradients of what lies outside': (y) => y.slice(at),
    'branches in a batch': (y) => vmap((k: NdArray, z: NdArray) => lax.cond(k.less(2), doubled3, (w) => w, z))(at, y),
  }
  for (const f of Object.values(linear)) {
    const [ct, want] = [np.array([1, 2, 4]), vjp(f, x)[1](np.array([1, 2, 4]))[0].toArray()]
    expect(linearTranspose(f, x)(ct).toArray()).toEqual(want)
    const ruled = customJvp((y: NdArray) => f(y), ([y], [dy]) => [f(y), f(dy)]) // prettier-ignore
    expect(vjp(ruled, x)[1](ct)[0].toArray()).toEqual(want)
    expect(vjp(vmap(jit(ruled)), np.stack([x]))[1](np.stack([ct]))[0].toArray()).toEqual([want])
  }
  expect(() => linearTranspose((y: NdArray) => clipped(y, x), x)(x)).toThrow(/customVjp isn't linear/)
})

test('closureConvert gives what a function closes over as arguments', () => {
  const rooted = customVjp(
    (f: (y: NdArray, ...consts: NdArray[]) => NdArray, y: NdArray, ...consts: NdArray[]) => f(y, ...consts),
    (f, y, ...consts) => [f(y, ...consts), { y, consts }] as const,
    (_f, { consts }, ct) => [ct, ...consts.map((k) => np.mul(k, 100))] as never,
    { nondiffArgnums: [0] },
  )
  const total_ = (k: NdArray): NdArray => {
    const [g, consts] = closureConvert((y: NdArray) => np.mul(y, k), np.array(1))
    expect(consts.length).toBe(1)
    return rooted(g, np.array(2), ...consts)
  }
  expect(total_(np.array(3)).item()).toBe(6)
  expect(grad(total_)(np.array(3)).item()).toBe(300)
  expect(() => closureConvert((y: NdArray) => y, x)[0](x, x)).toThrow(/the trees differ/)
})

test('a rule for tangents may call what is jitted, in reverse mode and in loops', () => {
  const f = jit((x: NdArray): NdArray => np.sin(x))
  const ruled = customJvp((x: NdArray) => f(x), ([x], [dx]) => jvp(f, [x], [dx])) // prettier-ignore
  expect(grad((x: NdArray) => ruled(x).mul(ruled(x)))(np.array(0.5)).item()).toBeCloseTo(Math.sin(1), 6)
  const loop = (x: NdArray): NdArray => lax.foriLoop(0, 2, (_i, y) => ruled(y).mul(y), x)
  checkGrads(loop, [np.array(0.7)])
  checkGrads(checkpoint(loop), [np.array(0.7)])
})
