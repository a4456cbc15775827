/** Functions of JavaScript in the middle of programs: looking, printing, computing. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { checkpoint, customJvp, debug, grad, jit, lax, type NdArray, np, pureCallback, valueAndGrad, vmap } from '../../src/index.ts'

const seen: unknown[] = []
const see = (x: NdArray, label = 'x'): void => debug.callback((y: NdArray) => seen.push([label, y.toArray()]), x)
afterEach(() => void (seen.length = 0))

describe('debug.callback', () => {
  test('it is called in the order of the program, eager and jitted, though nobody reads its result', () => {
    const f = (x: NdArray): NdArray => {
      see(x, 'in')
      const y = np.mul(x, 2)
      see(y, 'out')
      return np.add(x, 1)
    }
    f(np.array([1, 2]))
    expect(seen).toEqual([['in', [1, 2]], ['out', [2, 4]]]) // prettier-ignore
    seen.length = 0
    const g = jit(f)
    for (const v of [1, 5]) g(np.array([v]))
    expect(seen).toEqual([['in', [1]], ['out', [2]], ['in', [5]], ['out', [10]]]) // prettier-ignore
  })
  test('in gradients once, in batches for each example, in loops each turn, in the branch that is taken', () => {
    const f = (x: NdArray): NdArray => {
      see(x)
      return np.sin(x)
    }
    expect(valueAndGrad(f)(np.array(0))[1].item()).toBe(1)
    expect(seen).toEqual([['x', 0]])
    seen.length = 0
    expect(jit(vmap(f, { inAxes: 0 }))(np.zeros([3])).toArray()).toEqual([0, 0, 0])
    vmap(vmap(f))(np.array([[1, 2], [3, 4]])) // prettier-ignore
    expect(seen.map((x) => (x as unknown[])[1])).toEqual([0, 0, 0, 1, 2, 3, 4])
    seen.length = 0
    const loop = jit((x: NdArray) => {
      lax.foriLoop(0, 3, (i, y) => (see(i), np.add(y, 1)), x)
      lax.cond(x.less(0), (y: NdArray) => (see(y, 'negative'), []), () => [], x) // prettier-ignore
      return lax.whileLoop((y) => y.less(2), (y) => (see(y, 'while'), np.add(y, 1)), x) // prettier-ignore
    })
    expect(loop(np.array(-0.5)).item()).toBe(2.5)
    expect(seen).toEqual([['x', 0], ['x', 1], ['x', 2], ['negative', -0.5], ['while', -0.5], ['while', 0.5], ['while', 1.5]]) // prettier-ignore
    seen.length = 0
    expect(loop(np.array(3)).item()).toBe(3)
    expect(seen).toEqual([['x', 0], ['x', 1], ['x', 2]]) // prettier-ignore
  })
  test('trees, numbers, and every dtype', () => {
    const got: unknown[] = []
    jit((p: { a: NdArray; b: readonly NdArray[] }) => {
      debug.callback((q: typeof p, n: NdArray) => got.push(q.a.toArray(), q.b.map((y) => [y.dtype, y.toArray()]), n.item()), p, 7 as never)
      return p.a
    })({ a: np.array([[1, 2]]), b: [np.array([true, false]), np.array(3, { dtype: 'uint32' }), np.array(0.5, { dtype: 'float16' }), np.array(2, { dtype: 'float64' })] }) // prettier-ignore
    expect(got).toEqual([[[1, 2]], [['bool', [true, false]], ['uint32', 3], ['float16', 0.5], ['float64', 2]], 7]) // prettier-ignore
  })
  test('values on demand do not call it twice', () => {
    grad((x: NdArray) => {
      see(x)
      return np.mul(x, x).item() > 1 ? np.sin(x) : x
    })(np.array(2))
    expect(seen).toEqual([['x', 2]])
  })
  test('what throws is told, the device is refused meanwhile, and nothing is lost', () => {
    const bad = jit((x: NdArray) => {
      debug.callback(() => {
        throw new RangeError('too far')
      }, x)
      return np.add(x, 1)
    })
    expect(() => bad(np.array(1))).toThrow(/^debug\.callback\(the function\) threw: too far$/)
    const inner = jit((x: NdArray) => {
      debug.callback((y: NdArray) => np.add(np.array(1), y), x)
      return x
    })
    expect(() => inner(np.array(1))).toThrow(/the wasm device waits for this callback, and can run nothing meanwhile/)
    const on = jit((x: NdArray) => {
      debug.callback((y: NdArray) => np.add(y, y), x)
      return x
    })
    expect(() => on(np.array(1))).toThrow(/is on the host, given to a callback, and wasm runs this/)
    expect(jit((x: NdArray) => np.add(x, 1))(np.array(1)).item()).toBe(2)
  })
})

test('debug.print fills its text', () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  jit((x: NdArray) => {
    debug.print('loss {}, with {}', x.sum(), { x })
    return x
  })(np.array([1, NaN]))
  expect(log.mock.calls).toEqual([['loss "NaN", with {"x":[1,"NaN"]}']])
  log.mockRestore()
  expect(() => debug.print('{} {}', np.array(1))).toThrow(/2 \{\} for 1 arguments/)
})

describe('pureCallback', () => {
  const hypot = (x: NdArray, y: NdArray): NdArray =>
    pureCallback(
      (a: NdArray, b: NdArray) => a.toTyped().map((v, i) => Math.hypot(v, b.toTyped()[i]!)),
      { shape: x.shape, dtype: x.dtype },
      [x, y],
    )
  const x = np.array([3, 5])
  const y = np.array([4, 12])
  test('it computes, eager and jitted, in loops and batches', () => {
    expect(hypot(x, y).toArray()).toEqual([5, 13])
    expect(jit((a: NdArray) => np.mul(hypot(a, y), 2))(x).toArray()).toEqual([10, 26])
    const calls: unknown[] = []
    const each = (vmapMethod: 'sequential' | 'broadcastAll' | 'expandDims') =>
      vmap(
        (a: NdArray) =>
          pureCallback(
            (b: NdArray, c: NdArray) => {
              calls.push([b.shape, c.shape])
              return np_add(b, c)
            },
            { shape: [2], dtype: 'float32' },
            [a, y],
            { vmapMethod },
          ),
      )(np.array([[1, 2], [3, 4], [5, 6]])).toArray() // prettier-ignore
    /** Of vectors, or of batches of them of which one may have only one row. */
    const np_add = (b: NdArray, c: NdArray): number[] => Array.from(b.toTyped(), (v, i) => v + c.toTyped()[i % c.size]!)
    const sums = [[5, 14], [7, 16], [9, 18]] // prettier-ignore
    expect([each('sequential'), each('broadcastAll'), each('expandDims')]).toEqual([sums, sums, sums])
    expect(calls).toEqual([...[0, 1, 2].map(() => [[2], [2]]), [[3, 2], [3, 2]], [[3, 2], [1, 2]]]) // prettier-ignore
    expect(lax.scan((c: NdArray, v: NdArray) => [hypot(c, v), c], np.array(0), np.array([3, 4, 12]))[0].item()).toBe(13)
  })
  test('trees of results, and a derivative given by customJvp, recomputed or not', () => {
    const both = pureCallback((a: NdArray) => ({ n: a.size, list: [a.toArray(), 1.5] }), { n: { shape: [], dtype: 'int32' }, list: [{ shape: [2], dtype: 'float64' }, { shape: [3], dtype: 'float16' }] }, [x]) // prettier-ignore
    expect([both.n.item(), both.list.map((z) => [z.dtype, z.toArray()])]).toEqual([2, [['float64', [3, 5]], ['float16', [1.5, 1.5, 1.5]]]]) // prettier-ignore
    let calls = 0
    const host = (f: (v: number) => number) => (z: NdArray) =>
      pureCallback((w: NdArray) => (calls++, w.toTyped().map(f)), { shape: z.shape, dtype: z.dtype }, [z])
    const cube = customJvp(host((v) => v ** 3), ([z], [dz]) => [host((v) => v ** 3)(z), np.mul(dz, host((v) => 3 * v * v)(z))]) // prettier-ignore
    expect(grad((z: NdArray) => np.sum(cube(z)))(np.array([1, 2])).toArray()).toEqual([3, 12])
    calls = 0
    expect(jit(grad(checkpoint((z: NdArray) => np.sum(np.sin(cube(z))))))(np.array([0, 0])).toArray()).toEqual([0, 0])
    expect(calls).toBeGreaterThan(0)
  })
  test('refusals', () => {
    const declared = { shape: [2], dtype: 'float32' } as const
    expect(() => pureCallback(() => [1, 2, 3], declared, [x])).toThrow(
      /pureCallback\(the function\) gave 3 numbers, and f32\[2\] was declared/,
    )
    expect(() => pureCallback(() => 1, 'float32' as never, [x])).toThrow(
      /the declared result of pureCallback\(the function\) got the string "float32"/,
    )
    expect(() => pureCallback(() => 1, { shape: [-1], dtype: 'float32' }, [x])).toThrow(/stands for no array/)
    expect(() => pureCallback(() => 'two', declared, [x])).toThrow(/gave string, and f32\[2\] was declared/)
    expect(() => pureCallback(() => ({ a: 1 }), { b: declared }, [x])).toThrow(/gave object, and \{"b": \*\} was declared/)
    expect(() => grad((z: NdArray) => hypot(z, y).sum())(x)).toThrow(
      /pureCallback has no derivative of its own: give it one with customJvp/,
    )
    expect(() => pureCallback(() => 1, declared, [x], { vmapMethod: 'fast' as never })).toThrow(/vmapMethod is one of .*, and got "fast"/)
  })
})
