/** Loops and branches as a user writes them, beside the same written out. */
import { describe, expect, test } from 'vitest'
import { linearizeJaxpr } from '../../transforms/linearize.ts'
import { runtime } from '../../src/core/runtime.ts'
import {
  checkJaxpr,
  checkpoint,
  customVjp,
  explain,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  lax,
  linearize,
  makeJaxpr,
  nn,
  np,
  parseJaxpr,
  random,
  vmap,
  type NdArray,
  debug,
} from '../../src/index.ts'

const close = (x: NdArray, y: NdArray): void => {
  expect(x.shape).toEqual(y.shape)
  expect(np.max(np.abs(x.sub(y))).item()).toBeLessThan(2e-6)
}
const int = (x: number): NdArray => np.array(x, { dtype: 'int32' })

/** A recurrent network, as a scan and as a JavaScript loop. */
const w = np.array([[0.5, -0.2, 0.1], [0.3, 0.8, -0.5], [0.1, 0.1, 0.4]]) // prettier-ignore
const xs = np.array([[1, 2, 3], [-1, 0.5, 0.2], [0.3, 0.3, 0.1], [2, -1, 0.5]]) // prettier-ignore
const scanned = (w: NdArray, xs: NdArray): NdArray => {
  const [h, ys] = lax.scan(
    (h: NdArray, x: NdArray) => {
      const next = np.tanh(w.matmul(h).add(x))
      return [next, np.sum(next.mul(x))]
    },
    np.zeros([3]),
    xs,
  )
  return np.sum(h).add(np.sum(ys))
}
const unrolled = (w: NdArray, xs: NdArray): NdArray => {
  let h: NdArray = np.zeros([3])
  let sum: NdArray = np.array(0)
  for (const x of xs) {
    h = np.tanh(w.matmul(h).add(x))
    sum = sum.add(np.sum(h.mul(x)))
  }
  return np.sum(h).add(sum)
}

describe('scan', () => {
  test('is the loop, with all its derivatives, eager and jitted', () => {
    close(scanned(w, xs), unrolled(w, xs))
    close(jit(scanned)(w, xs), unrolled(w, xs))
    for (const argnums of [0, 1] as const) {
      close(grad(scanned, { argnums })(w, xs), grad(unrolled, { argnums })(w, xs))
      close(jit(grad(scanned, { argnums }))(w, xs), grad(unrolled, { argnums })(w, xs))
    }
    const tangents = [np.ones([3, 3]), np.ones([4, 3])] as const
    close(jvp(scanned, [w, xs], [...tangents])[1], jvp(unrolled, [w, xs], [...tangents])[1])
    close(linearize(scanned, w, xs)[1](...tangents), jvp(unrolled, [w, xs], [...tangents])[1])
    close(hessian(scanned)(w, xs), hessian(unrolled)(w, xs))
    close(jacrev(jacfwd(scanned))(w, xs), hessian(unrolled)(w, xs))
    const ws = np.stack([w, w.mul(0.5)])
    const each = vmap(grad(unrolled), { inAxes: [0, null] })(ws, xs)
    close(vmap(grad(scanned), { inAxes: [0, null] })(ws, xs), each)
    close(grad((ws: NdArray) => np.sum(vmap(scanned, { inAxes: [0, null] })(ws, xs)))(ws), each)
  })
  test('carries and stacks trees; goes backwards; counts turns without arrays', () => {
    const [carry, stack] = lax.scan(
      ({ sum, n }: { sum: NdArray; n: NdArray }, { a }: { a: NdArray }) => [
        { sum: sum.add(a), n: n.add(1) },
        { before: sum, a },
      ],
      { sum: np.zeros([]), n: int(0) },
      { a: np.array([1, 2, 3]) },
      { reverse: true },
    )
    expect([carry.sum.item(), carry.n.item(), stack.before.toArray(), stack.a.toArray()]).toEqual([6, 3, [5, 3, 0], [1, 2, 3]])
    const [last, doubled] = lax.scan((x: NdArray, _: null) => [x.mul(2), x], np.array(1), null, { length: 4 })
    expect([last.item(), doubled.toArray()]).toEqual([16, [1, 2, 4, 8]])
    const none = lax.scan((x: NdArray, y: NdArray) => [x.add(y), y], np.array(1), np.zeros([0]))
    expect([none[0].item(), none[1].shape]).toEqual([1, [0]])
  })
  test('unrolled by any number it is the same', () => {
    for (const reverse of [false, true])
      for (const unroll of [2, 3, 7, 9]) {
        const f = (s: NdArray, x: NdArray) => [s.mul(0.5).add(x), s] as const
        const [last, stack] = lax.scan(f, np.array(1), np.arange(7), { reverse })
        const [otherLast, otherStack] = lax.scan(f, np.array(1), np.arange(7), { reverse, unroll })
        expect([otherLast.item(), otherStack.toArray()]).toEqual([last.item(), stack.toArray()])
      }
  })
  test('jitted functions and rules of the user’s inside a body have their derivatives', () => {
    const cube = jit((x: NdArray) => x.mul(x).mul(x))
    const twice = customVjp(
      (x: NdArray) => x.mul(2),
      (x) => [x.mul(2), x] as const,
      (_, ct) => [ct.mul(100)], // not its derivative, so that it shows
    )
    const f = (x: NdArray): NdArray => np.sum(lax.scan((s: NdArray, y: NdArray) => [s.add(twice(cube(y))), s], np.zeros([]), x)[0])
    expect(grad(f)(np.array([1, 2])).toArray()).toEqual([300, 1200])
  })
  test('a number as the carry takes the dtype that the body gives it', () => {
    const [sum] = lax.scan((sum, x) => [sum.add(x), null], 0, np.array([1, 2], { dtype: 'float64' }))
    expect(sum.dtype).toBe('float64')
  })
  test('what is the same at every turn is computed once, before, and not stacked for reverse mode', () => {
    const f = (w: NdArray, xs: NdArray): NdArray =>
      np.sum(lax.scan((h: NdArray, x: NdArray) => [np.tanh(h.mul(np.sum(np.cos(w)))).add(x), null], np.zeros([5]), xs)[0])
    const { eqns } = makeJaxpr(grad(f))(np.ones([100]), np.ones([8, 5]))
    const scans = eqns.filter((eqn) => eqn.op.name === 'scan')
    expect(scans.length).toBe(2)
    const inner = scans.flatMap(({ op }) => (op.name === 'scan' ? op.params.jaxpr.eqns.map((eqn) => eqn.op.name) : []))
    expect(inner).not.toContain('cos')
    const stacked = scans[0]!.outs.map((v) => v.aval.shape)
    expect(stacked.every((shape) => shape.join() === '5' || shape.join() === '8,5')).toBe(true)
  })
  test('what is computed before a loop keeps the types that it has in the loop', () => {
    // A strong operand where the body takes a weak one.
    const text = `{ lambda ; a:f32[]. let
      b:f32[2]* = scan[jaxpr={ lambda ; a:f32[]*. let b:f32[]* = neg a in (b,) } length=2 reverse=False num_consts=1 num_carry=0] a
    in (b,) }`
    const { forward, linear } = linearizeJaxpr(runtime.transforms, parseJaxpr(text), [true])
    expect(checkJaxpr(forward).eqns.map(({ op }) => op.name)).toEqual(['convertElementType', 'neg', 'scan'])
    checkJaxpr(linear)
  })
  test('a model of 48 blocks is a jaxpr as long as one of 2, and as many kernels', async () => {
    const blocks = (n: number) => ({ up: np.ones([n, 8, 16]).mul(0.1), down: np.ones([n, 16, 8]).mul(0.1) })
    const loss = (p: ReturnType<typeof blocks>, x: NdArray): NdArray =>
      np.sum(lax.scan((h: NdArray, b: typeof p) => [h.add(nn.gelu(h.matmul(b.up)).matmul(b.down)), null], x, p)[0])
    const x = np.ones([4, 8])
    const [few, many] = [2, 48].map((n) => String(makeJaxpr(grad(loss))(blocks(n), x)).split('\n').length)
    expect(many).toBe(few)
    const names = async (n: number) => (await explain(grad(loss))(blocks(n), x)).kernels.length
    expect(await names(48)).toBe(await names(2))
  })
  test('randomness is a key carried on', () => {
    const walk = (key: ReturnType<typeof random.key>): NdArray =>
      lax.scan(
        (k: typeof key, _: null) => {
          const [next, now] = random.split(k)
          return [next!, random.uniform(now!)]
        },
        key,
        null,
        { length: 3 },
      )[1]
    let key = random.key(7)
    const expected: number[] = []
    for (let i = 0; i < 3; i++) {
      const [next, now] = random.split(key)
      expected.push(random.uniform(now!).item())
      key = next!
    }
    expect(walk(random.key(7)).toArray()).toEqual(expected)
  })
})

describe('whileLoop and foriLoop', () => {
  const power = (x: NdArray): NdArray =>
    lax.whileLoop(
      ([i]: readonly [NdArray, NdArray]) => i.less(3),
      ([i, y]) => [i.add(1), y.mul(x)] as const,
      [np.array(0), np.array(1)] as const,
    )[1]
  test('forward mode goes through; reverse mode says what to do', () => {
    expect(power(np.array(3)).item()).toBe(27)
    expect(jvp(power, [np.array(3)], [np.array(1)])[1].item()).toBe(27)
    expect(linearize(power, np.array(3))[1](np.array(1)).item()).toBe(27)
    expect(() => grad(power)(np.array(3))).toThrow(/give whileLoop maxSteps/)
  })
  describe('where nobody needs its derivative it is no reason to refuse reverse mode', () => {
    const doubled = (x: NdArray): NdArray => lax.whileLoop((y: NdArray) => y.sum().less(10), (y) => y.mul(2), x) // prettier-ignore
    const square = (x: NdArray): NdArray => x.mul(x).sum()
    const step = (y: NdArray): NdArray => np.where(y.sum().greater(3), 1, 0)
    const inBranch = (x: NdArray, y: NdArray): NdArray => lax.cond(x.sum().greater(0), (a, b) => square(a).add(step(b)), (a, _b) => a.sum(), x, y) // prettier-ignore
    const ways: Readonly<Record<string, (x: NdArray, y: NdArray) => NdArray>> = {
      'a branch that compares it': inBranch,
      'a branch of a branch': (x, y) => lax.cond(x.sum().greater(0), inBranch, (a, _b) => a.sum(), x, y),
      'a switch that ignores it': (x, y) => lax.switch(1, [(a, _b) => a.sum(), (a, _b) => square(a), (a, b) => square(a).add(step(b))], x, y), // prettier-ignore
      'a branch in a scan': (x, y) =>
        lax.scan((c: NdArray, row: NdArray) => [c.add(inBranch(x, row)), null], np.array(0), y.reshape(1, 2))[0],
      'rows of a scan': (x, y) => square(x).add(lax.scan((c: NdArray, row: NdArray) => [c.add(np.floor(row)), null], np.array(0), y)[0]),
      'a jitted function': (x, y) => jit(inBranch)(x, y),
      checkpoint: (x, y) => checkpoint(inBranch)(x, y),
      vmap: (x, y) => vmap((b: NdArray) => inBranch(x, b))(np.stack([y])).sum(),
    }
    test.each(Object.keys(ways))('%s', (name) => {
      const f = (x: NdArray): NdArray => ways[name]!(x, doubled(x))
      for (const d of [grad(f), jit(grad(f))]) expect(d(np.array([1, 2])).toArray()).toEqual([2, 4])
    })
    test('and where one branch needs it, it is', () => {
      const f = (x: NdArray): NdArray => lax.cond(x.sum().greater(0), (a, b) => square(a).add(step(b)), (_a, b) => b.sum(), x, doubled(x)) // prettier-ignore
      expect(() => grad(f)(np.array([1, 2]))).toThrow(/give whileLoop maxSteps/)
    })
  })
  test('with maxSteps it has a gradient, and stops in any case', () => {
    const grow = (x: NdArray): NdArray =>
      lax.whileLoop(
        (y: NdArray) => y.less(100),
        (y) => y.mul(x),
        np.array(1),
        { maxSteps: 10 },
      )
    expect(grow(np.array(3)).item()).toBe(243)
    expect(grad(grow)(np.array(3)).item()).toBeCloseTo(5 * 81, 3)
    expect(grow(np.array(1.1)).item()).toBeCloseTo(1.1 ** 10, 5)
  })
  test('under vmap every example stops by itself', () => {
    const doubled = (n: NdArray): NdArray =>
      lax.whileLoop(
        (x: NdArray) => x.less(n),
        (x) => x.mul(2),
        np.array(3),
      )
    expect(vmap(doubled)(np.array([1, 10, 100])).toArray()).toEqual([3, 12, 192])
  })
  test('foriLoop between numbers, and between arrays', () => {
    const sum = (from: number | NdArray, to: number | NdArray) => lax.foriLoop(from, to, (i, s: NdArray) => s.add(i), int(0)).item()
    expect([sum(0, 5), sum(2, 5), sum(5, 2), sum(int(2), int(5)), sum(1, int(4))]).toEqual([10, 9, 0, 9, 6])
    expect(grad((x: NdArray) => lax.foriLoop(0, 3, (_, y: NdArray) => y.mul(x), np.array(1)))(np.array(2)).item()).toBe(12)
  })
})

describe('cond and switch', () => {
  const either = (p: NdArray | boolean, x: NdArray): NdArray =>
    lax.cond(
      p,
      (x: NdArray) => np.sin(x).mul(x),
      (x: NdArray) => x.mul(10),
      x,
    )
  test('one branch is chosen, and differentiated', () => {
    expect(either(np.array(false), np.array(1)).item()).toBe(10)
    expect(either(true, np.array(1)).item()).toBeCloseTo(Math.sin(1), 6)
    const f = (x: NdArray): NdArray => either(x.greater(0), x)
    expect(grad(f)(np.array(1)).item()).toBeCloseTo(Math.sin(1) + Math.cos(1), 6)
    expect(jit(grad(f))(np.array(-1)).item()).toBe(10)
    expect(grad(grad(f))(np.array(1)).item()).toBeCloseTo(2 * Math.cos(1) - Math.sin(1), 5)
  })
  test('only the branch that is chosen runs: the other may be endless', () => {
    const endless = (x: NdArray): NdArray =>
      lax.whileLoop(
        (y: NdArray) => y.equal(y),
        (y) => y,
        x,
      )
    expect(jit((p: NdArray, x: NdArray) => lax.cond(p, endless, (x: NdArray) => x, x))(np.array(false), np.array(2)).item()).toBe(2)
  })
  test('vmap over the choice computes all, over the operands one', () => {
    close(vmap(either)(np.array([true, false]), np.array([1, 2])), np.array([Math.sin(1), 20]))
    close(vmap(either, { inAxes: [null, 0] })(np.array(true), np.array([1, 2])), np.array([Math.sin(1), 2 * Math.sin(2)]))
  })
  test('switch takes the nearest of its branches', () => {
    const branches = [(x: NdArray) => x, (x: NdArray) => x.mul(10), (x: NdArray) => x.mul(100)]
    expect([-3, 0, 1, 2, 9].map((i) => lax.switch(i, branches, np.array(5)).item())).toEqual([5, 5, 50, 500, 500])
  })
})

test('map, at once or in batches; associativeScan, either way', () => {
  const square = (x: NdArray): NdArray => x.mul(x)
  for (const batchSize of [1, 2, 3, 7, 9]) expect(lax.map(square, np.arange(7), { batchSize }).toArray()).toEqual([0, 1, 4, 9, 16, 25, 36])
  for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 13]) {
    const x = np.arange(n).add(1)
    const add = (x: NdArray, y: NdArray): NdArray => x.add(y)
    expect(lax.associativeScan(add, x).toArray()).toEqual(np.cumsum(x).toArray())
    expect(lax.associativeScan(add, x, { reverse: true }).toArray()).toEqual(np.flip(np.cumsum(np.flip(x))).toArray())
  }
  // Linear recurrences h ← a h + b are associative in pairs.
  const [a, b] = [np.array([0.5, 2, -1, 3]), np.array([1, 2, 3, 4])]
  const [, h] = lax.associativeScan(([a, b]: NdArray[], [c, d]: NdArray[]) => [a!.mul(c!), b!.mul(c!).add(d!)], [a, b])
  expect(h!.toArray()).toEqual([1, 4, -1, 1])
})

describe('what is refused says what to do', () => {
  const one = np.array(1)
  test.each<[string, RegExp, () => unknown]>([
    [
      'a carry whose type changes',
      /the carry at \[0\] comes in as f32\[\] and goes out as f32\[2\]: keep its shape/,
      () => lax.scan(([x]: NdArray[], _: null) => [[np.stack([x!, x!])], null], [np.ones([])], null, { length: 2 }),
    ],
    [
      'a carry whose dtype changes',
      /comes in as i32\[\] and goes out as f32\[\]: begin with float32, or convert/,
      () =>
        lax.whileLoop(
          (x: NdArray) => x.less(3),
          (x) => x.mul(np.array(0.5, { dtype: 'float32' })),
          int(1),
        ),
    ],
    [
      'a carry whose structure changes',
      /structure changes/,
      () => lax.scan((x: NdArray, _: null) => [[x] as never, null], one, null, { length: 2 }),
    ],
    ['a body without a pair', /must return a pair/, () => lax.scan((x: NdArray, _: null) => x as never, one, null, { length: 2 })],
    ['no length', /how many turns\?/, () => lax.scan((x: NdArray, _: null) => [x, null], one, null)],
    ['axes that differ', /isn't 2 long/, () => lax.scan((x: NdArray, _: NdArray[]) => [x, null], one, [np.ones([2]), np.ones([3])])],
    ['a scalar to scan over', /no leading axis/, () => lax.scan((x: NdArray, _: NdArray) => [x, null], one, one)],
    [
      'a condition that is no bool',
      /must give one bool/,
      () =>
        lax.whileLoop(
          (x: NdArray) => x,
          (x) => x,
          one,
        ),
    ],
    [
      'branches that disagree',
      /the branches disagree: f32\[2\], f32\[\]/,
      () =>
        lax.cond(
          true,
          (x: NdArray) => x,
          (x: NdArray) => np.stack([x, x]),
          one,
        ),
    ],
    ['branches of other structure', /give trees that differ/, () => lax.switch(0, [(x: NdArray) => [x], (x: NdArray) => [x, x]], one)],
    [
      'a predicate that is no bool',
      /must be one bool/,
      () =>
        lax.cond(
          one,
          (x: NdArray) => x,
          (x: NdArray) => x,
          one,
        ),
    ],
    ['no branches', /at least one branch/, () => lax.switch(0, [], one)],
    ['bounds that are no integers', /whole numbers, or int32 scalars/, () => lax.foriLoop(0, 2.5, (_, x: NdArray) => x, one)],
    [
      'unroll 0',
      /unroll is a whole number of at least 1, and got 0/,
      () => lax.scan((x: NdArray, _: null) => [x, null], one, null, { length: 2, unroll: 0 }),
    ],
  ])('%s', (_, message, f) => {
    expect(f).toThrow(message)
    expect(f).toThrow(expect.objectContaining({ name: expect.stringMatching(/^(Shape|Tree|DType)Error$/) }))
  })
})

describe('what nobody reads', () => {
  /** How many operands, results and equations the loop of a program has. */
  const sizes = (f: (x: NdArray) => unknown): readonly number[] => {
    const { jaxpr } = runtime.engine.lower(makeJaxpr(f)(np.ones([3])))
    const { op, inputs, outs } = jaxpr.eqns.find((eqn) => ['scan', 'while', 'cond'].includes(eqn.op.name))!
    const bodies = 'jaxpr' in op.params ? [op.params.jaxpr] : 'jaxprs' in op.params ? op.params.jaxprs : []
    return [inputs.length, outs.length, bodies.at(-1)!.eqns.length]
  }
  const w = (x: NdArray): NdArray => x.mul(2)
  test('a scan loses unread stacks, carries, and what only they need', () => {
    const both = (x: NdArray) =>
      lax.scan(
        ([a, b]: readonly [NdArray, NdArray], y: NdArray) => [[a.add(y), b.mul(np.sin(y))] as const, np.exp(b)],
        [x.sum(), x.sum()] as const,
        x,
      )
    expect(sizes((x) => both(x))).toEqual([3, 3, 4])
    expect(sizes((x) => both(x)[0][0])).toEqual([2, 1, 1])
    expect(sizes((x) => both(x)[1])).toEqual([2, 2, 3]) // its carry with it
    expect(jit((x: NdArray) => both(x)[1])(np.array([0, 1, 2])).toArray()).toEqual(both(np.array([0, 1, 2]))[1].toArray())
  })
  test('a while loop keeps what its condition reads', () => {
    const f = (x: NdArray) => lax.whileLoop(([i]) => i.less(4), ([i, a, b]) => [i.add(1), w(a), b.add(a)] as const, [np.array(0), x, x] as const) // prettier-ignore
    expect(sizes((x) => f(x)[0])).toEqual([1, 1, 1])
    expect(sizes((x) => f(x)[1])).toEqual([2, 2, 2])
    expect(jit((x: NdArray) => f(x)[1])(np.ones([2])).toArray()).toEqual([16, 16])
  })
  test('branches lose results and operands, and effects stay', () => {
    const f = (x: NdArray) => lax.cond(x.sum().less(0), (a: NdArray, b: NdArray) => [w(a), b] as const, (a, b) => [a, w(b)] as const, x, np.sin(x)) // prettier-ignore
    expect(sizes((x) => f(x)[0]).slice(0, 2)).toEqual([2, 1])
    const seen: number[] = []
    jit((x: NdArray) => {
      lax.scan((c: NdArray, y: NdArray) => (debug.callback((z: NdArray) => seen.push(z.item()), c), [c.add(y), c]), np.array(0), x)
      return x
    })(np.ones([3]))
    expect(seen).toEqual([0, 1, 2])
  })
})
