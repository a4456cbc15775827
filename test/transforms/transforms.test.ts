import { describe, expect, test } from 'vitest'
import {
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  lax,
  linearize,
  linearTranspose,
  makeJaxpr,
  type NdArray,
  np,
  valueAndGrad,
  vjp,
  vmap,
  checkpoint,
  pureCallback,
} from '../../src/index.ts'
import { ProgramEngine } from '../../transforms/engine.ts'
import { makeTransforms } from '../../transforms/transforms.ts'
import { rules } from '../../primitives/index.ts'
import { reference } from '../../backends/reference/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import type { Jaxpr } from '../../src/core/jaxpr.ts'
import { runtime } from '../../src/core/runtime.ts'

const { counters } = runtime.engine

const transforms = makeTransforms(rules)
const engine = new ProgramEngine({ rules, transforms, backend: reference as () => Backend })
/** The kinds of the kernels that a jaxpr lowers to. */
const kernels = (jaxpr: Jaxpr): string[] => engine.lower(jaxpr).program.steps.map((s) => (s.kind === 'launch' ? s.kernel.kind : s.kind))

const f = (x: NdArray): NdArray => np.sum(np.mul(x, np.sin(x)))
const x = np.array([0.5, -1.25, 3])
const softmax = (y: NdArray): NdArray => {
  const e = np.exp(np.sub(y, np.max(y, { axis: -1, keepdims: true })))
  return np.div(e, np.sum(e, { axis: -1, keepdims: true }))
}
const layerNorm = (y: NdArray): NdArray => {
  const centred = np.sub(y, np.mean(y, { axis: -1, keepdims: true }))
  return np.div(centred, np.sqrt(np.add(np.mean(np.square(centred), { axis: -1, keepdims: true }), 1e-5)))
}

describe('transforms compose', () => {
  test('a jaxpr prints as in JAX', () => {
    expect(String(makeJaxpr((y: NdArray) => np.sin(y))(x))).toBe('{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }')
  })
  test('jit, grad and vmap in any order agree', () => {
    const xs = np.stack([x, np.mul(x, 2)])
    const each = xs.toArray() as number[][]
    const loop = each.map((row) => grad(f)(np.array(row)).toArray())
    expect(vmap(grad(f))(xs).toArray()).toEqual(loop)
    expect(jit(vmap(grad(f)))(xs).toArray()).toEqual(loop)
    expect(vmap(jit(grad(jit(f))))(xs).toArray()).toEqual(loop)
  })
  test('forward and reverse agree, first and second order', () => {
    const [a, b] = [jacfwd(softmax)(x).toTyped(), jacrev(softmax)(x).toTyped()]
    a.forEach((v, i) => expect(v).toBeCloseTo(b[i]!, 6))
    const h = hessian(f)(x).toArray() as number[][]
    ;[0.5, -1.25, 3].forEach((v, i) => expect(h[i]![i]).toBeCloseTo(2 * Math.cos(v) - v * Math.sin(v), 4))
  })
  test('Jacobians of trees by trees, and of constants', () => {
    const g = (p: { readonly a: NdArray; readonly b: NdArray }, s: NdArray) => ({
      y: np.mul(np.sum(np.square(p.a)), s),
      z: [p.b, np.ones([2])] as const,
    })
    const p = { a: np.array([1, 2]), b: np.array(3) }
    const s = np.array([1, 10])
    for (const jac of [jacfwd, jacrev]) {
      const j = jac(g)(p, s)
      expect(j.y.a.toArray()).toEqual([[2, 4], [20, 40]]) // prettier-ignore
      expect(j.y.b.toArray()).toEqual([0, 0])
      expect(j.z[0].b.toArray()).toBe(1)
      expect(j.z[1].a.toArray()).toEqual([[0, 0], [0, 0]]) // prettier-ignore
      const both = jac(g, { argnums: [1, 0] })(p, s)
      expect(both.y[0].toArray()).toEqual([[5, 0], [0, 5]]) // prettier-ignore
      expect(both.y[1].a.toArray()).toEqual(j.y.a.toArray())
    }
    const h = hessian((q: typeof p) => np.mul(np.sum(np.power(q.a, 3)), q.b))(p)
    expect(h.a.a.toArray()).toEqual([[18, 0], [0, 36]]) // prettier-ignore
    expect(h.a.b.toArray()).toEqual([3, 12])
    expect(h.b.b.toArray()).toBe(0)
    expect(() => jacrev((y: NdArray) => np.astype(y, 'int32'))(x)).toThrow(/returns floats/)
  })
  test('linearize is jvp, vjp is its transpose', () => {
    const t = np.array([1, 2, 3])
    const [y, push] = linearize(softmax, x)
    const [y2, dy] = jvp(softmax, [x], [t])
    expect(push(t).toArray()).toEqual(dy.toArray())
    expect(y.toArray()).toEqual(y2.toArray())
    const ct = np.array([-1, 0.5, 2])
    const pulled = vjp(softmax, x)[1](ct)[0]
    expect(np.sum(np.mul(dy, ct)).item()).toBeCloseTo(np.sum(np.mul(pulled, t)).item(), 6)
    expect(linearTranspose((y3: NdArray) => np.mul(y3, 3), x)(ct).toArray()).toEqual([-3, 1.5, 6])
  })
  test('control flow on values works under grad, and is refused under jit', () => {
    const g = (y: NdArray): NdArray => (y.item() > 0 ? np.square(y) : np.neg(y))
    expect(grad(g)(np.array(3)).item()).toBe(6)
    expect(grad(g)(np.array(-3)).item()).toBe(-1)
    expect(() => jit(g)(np.array(3))).toThrow(/np\.where/)
  })
  test('a function that captures an outer tracer differentiates through it', () => {
    const outer = (a: NdArray): NdArray => grad((b: NdArray) => np.mul(np.mul(a, a), b))(np.array(5))
    expect(grad(outer)(np.array(3)).item()).toBe(6)
  })
})

describe('named axes', () => {
  const centred = (y: NdArray): NdArray => np.sub(y, lax.pmean(y, 'i'))
  const rows = np.array([[1, 2], [3, 5], [5, 11]]) // prettier-ignore
  test('a mean over the batch, under jit, grad and a vmap around', () => {
    const want = [[-2, -4], [0, -1], [2, 5]] // prettier-ignore
    expect(vmap(centred, { axisName: 'i' })(rows).toArray()).toEqual(want)
    const inner = jit(centred)
    expect(jit(vmap(inner, { axisName: 'i' }))(rows).toArray()).toEqual(want)
    expect(vmap(inner, { axisName: 'i', inAxes: 1, outAxes: 1 })(rows).toArray()).toEqual([[-0.5, 0.5], [-1, 1], [-3, 3]]) // prettier-ignore
    const twice = vmap(vmap(centred, { axisName: 'i' }), { axisName: 'j' })(np.stack([rows, rows]))
    expect(twice.toArray()).toEqual([want, want])
    const loss = (y: NdArray): NdArray => np.sum(np.square(vmap(centred, { axisName: 'i' })(y)))
    expect(grad(loss)(rows).toArray()).toEqual(want.map((row) => row.map((v) => 2 * v)))
  })
  test('places, and sums of what is not batched', () => {
    const f = (y: NdArray): NdArray => np.add(np.mul(y, lax.axisIndex('i')), lax.psum(np.ones([]), 'i'))
    expect(vmap(f, { axisName: 'i' })(np.array([1, 1, 2])).toArray()).toEqual([3, 4, 7])
  })
  test('an axis that nobody named is refused, and so is a name twice', () => {
    expect(() => lax.psum(x, 'i')).toThrow(/psum: no axis is named "i" here/)
    expect(() => vmap(vmap(centred, { axisName: 'i' }), { axisName: 'i' })(np.ones([2, 3, 2]))).toThrow(/is taken/)
  })
})

describe('compiled once', () => {
  test('a second call traces and compiles nothing, and neither do new learning rates', () => {
    const step = jit((y: NdArray, rate: number | NdArray) => np.sub(y, np.mul(y, rate)))
    step(x, 0.1)
    const before = { ...counters }
    for (let i = 0; i < 100; i++) step(x, i / 1000)
    grad((y: NdArray) => np.sum(np.mul(y, 0.5)))(x)
    const compiled = counters.compiled
    for (let i = 0; i < 100; i++) grad((y: NdArray) => np.sum(np.mul(y, i / 7)))(x)
    expect(counters.traced).toBe(before.traced)
    expect(counters.compiled).toBe(compiled)
  })
})

describe('fusion', () => {
  const rows = np.ones([8, 16])
  test('softmax, layerNorm and logsumexp are one kernel', () => {
    expect(kernels(makeJaxpr(softmax)(rows))).toEqual(['nest'])
    expect(kernels(makeJaxpr(layerNorm)(rows))).toEqual(['nest'])
    expect(kernels(makeJaxpr((y: NdArray) => np.logsumexp(y, { axis: -1 }))(rows))).toEqual(['nest'])
  })
  test('bias, activation and residual go into the matmul', () => {
    const layer = (y: NdArray, w: NdArray, b: NdArray): NdArray => np.add(y, np.tanh(np.add(np.matmul(y, w), b)))
    expect(kernels(makeJaxpr(layer)(rows, np.ones([16, 16]), np.ones([16])))).toEqual(['dot'])
  })
  test('the gradient of a matmul is matmuls', () => {
    const g = valueAndGrad((w: NdArray, y: NdArray) => np.sum(np.square(np.matmul(y, w))))
    const kinds = kernels(makeJaxpr((w: NdArray, y: NdArray) => g(w, y)[1])(np.ones([16, 4]), rows))
    expect(kinds.filter((k) => k === 'dot')).toHaveLength(2)
    expect(kinds.filter((k) => k !== 'dot').length).toBeLessThanOrEqual(1)
  })
  test('fused and unfused programs give the same', () => {
    const g = (y: NdArray): NdArray => grad((z: NdArray) => np.sum(np.square(softmax(layerNorm(z)))))(y)
    const data = np.reshape(np.sin(np.arange(128)), [8, 16])
    const a = jit(g)(data).toTyped()
    const jaxpr = makeJaxpr(g)(data)
    const { program } = engine.lower(jaxpr, new Set(), false)
    const backend = reference() as Backend
    const out = backend.compile(program).run([backend.upload('float32', data.toTyped())])[0]!
    backend.readSync(out, 'float32', 128).forEach((v, i) => expect(a[i]).toBeCloseTo(v, 6))
  })
})

test('options without names, as Python has them, are refused instead of ignored', () => {
  const f = (x: NdArray): NdArray => np.sum(x)
  const positional = [1, [0, null]] as unknown as readonly [object, object]
  for (const options of positional) {
    expect(() => grad(f, options)).toThrow(/grad: options go by name, in an object: { argnums, hasAux }, and got (1|\[0,null\])/)
    expect(() => vmap(f, options)).toThrow(/vmap: options go by name/)
    expect(() => jit(f, options)).toThrow(/jit: options go by name/)
  }
})

describe('values on demand', () => {
  const cube = (x: NdArray): NdArray => (x.item() > 0 ? x.pow(3) : x.mul(2))
  test('branches of JavaScript differentiate, nested in every mode', () => {
    expect(grad(grad(cube))(np.array(2)).item()).toBe(12)
    expect(grad(grad(grad(cube)))(np.array(2)).item()).toBe(6)
    expect(jvp(cube, [np.array(2)], [np.array(1)])[1].item()).toBe(12)
    expect(jvp(grad(cube), [np.array(2)], [np.array(1)])[1].item()).toBe(12)
    expect(vjp(cube, np.array(-2))[1](np.array(1))[0].item()).toBe(2)
    expect(linearize(cube, np.array(2))[1](np.array(1)).item()).toBe(12)
    expect(linearize(grad(cube), np.array(2))[1](np.array(1)).item()).toBe(12)
    expect(grad((x: NdArray) => jvp(cube, [x], [np.array(1)])[1])(np.array(2)).item()).toBe(12)
    expect(grad((x: NdArray) => vjp(cube, x)[1](x)[0])(np.array(2)).item()).toBe(9 * 4)
    expect(grad((x: NdArray) => linearize(cube, x)[1](x))(np.array(2)).item()).toBe(36)
    expect(
      grad((x: NdArray) => {
        const y = np.sin(x)
        return grad((z: NdArray) => (y.item() > 0 && z.item() > y.item() ? z.mul(z).mul(y) : z))(x)
      })(np.array(2)).item(),
    ).toBeCloseTo(2 * Math.sin(2) + 4 * Math.cos(2), 5)
    expect(grad((x: NdArray) => (checkpoint((z: NdArray) => z.pow(2))(x).item() > 1 ? x.mul(3) : x))(np.array(2)).item()).toBe(3)
    expect(grad((x: NdArray) => (jit((z: NdArray) => z.pow(2))(x).item() > 1 ? x.mul(3) : x))(np.array(2)).item()).toBe(3)
    expect(
      grad((x: NdArray) =>
        vmap((z: NdArray) => z.pow(2))(x)
          .sum()
          .item() > 1
          ? x.sum()
          : x.sum().mul(2),
      )(np.array([2, 1])).toArray(),
    ).toEqual([1, 1])
  })
  test('a read evaluates what is new since the last', () => {
    let calls = 0
    const counted = (x: NdArray): NdArray =>
      pureCallback((y) => (calls++, y.item()), { shape: [], dtype: 'float32' }, [lax.stopGradient(x)])
    const reads: number[] = []
    grad((x: NdArray) => {
      const y = counted(x)
      reads.push(y.item(), calls)
      const z = np.add(y, 1)
      reads.push(z.item(), calls)
      return np.mul(x, 2)
    })(np.array(3))
    expect(reads).toEqual([3, 1, 4, 1])
  })
  test('where values are not known, the error says so', () => {
    for (const [what, f] of [
      ['jit', () => jit(cube)(np.array(1))],
      ['vmap', () => vmap(cube)(np.array([1]))],
      ['vmap', () => grad((x: NdArray) => vmap(cube)(x).sum())(np.ones([2]))],
      ['checkpoint', () => grad(checkpoint(cube))(np.array(2))],
      ['scan', () => lax.scan((c: NdArray, x: NdArray) => [cube(c), x], np.array(1), np.ones([2]))],
    ] as const)
      expect(f).toThrow(new RegExp(`item needs the value of f32\\[\\], which isn't known while ${what}\\(.*\\) is traced`))
  })
})
